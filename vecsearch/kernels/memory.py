"""Arrays by their addresses: a kernel gets those of many segments in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from vecsearch.kernels import compiled

_Untyped: TypeAlias = Any  # of numba and llvmlite


def _point(typing: _Untyped, address: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, arguments: _Untyped
    ) -> _Untyped:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), code


_pointer: Final[Callable[[int], _Untyped]] = cast(_Untyped, intrinsic)(_point)


@compiled
def array_at(address: int, size: int, dtype: _Untyped) -> NDArray[Any]:
    """Return the array of a size and a dtype that begins at an address.

    Whoever gives the address sees to it that the memory stays.
    """
    array: NDArray[Any] = carray(_pointer(address), (size,), dtype)
    return array
