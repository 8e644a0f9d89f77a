"""Arrays by their addresses: a kernel gets those of many segments in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic
from numba.np.numpy_support import carray
from numpy.typing import NDArray

from vecsearch.kernels import compiled

_Untyped: TypeAlias = Any  # of numba and llvmlite
cgutils: Final[_Untyped] = untyped_cgutils


def _point(typing: _Untyped, address: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, arguments: _Untyped
    ) -> _Untyped:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), code


def prefetch(builder: _Untyped, place: _Untyped, level: int) -> None:
    """Have the line of a place, a pointer to a byte, come into a level of the cache, 1 or 2."""
    int32 = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [place.type, int32, int32, int32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    how = (0, 4 - level, 1)  # to be read, how near, data
    builder.call(function, [place, *(ir.Constant(int32, each) for each in how)])


def _fetched(typing: _Untyped, address: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, arguments: _Untyped
    ) -> _Untyped:
        place = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        prefetch(builder, place, level=2)
        return context.get_dummy_value()

    return types.void(types.int64), code


def _fetched_of(typing: _Untyped, array: _Untyped, at: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, arguments: _Untyped
    ) -> _Untyped:
        place = builder.gep(
            context.make_array(array)(context, builder, arguments[0]).data, [arguments[1]]
        )
        prefetch(builder, builder.bitcast(place, ir.IntType(8).as_pointer()), level=1)
        return context.get_dummy_value()

    return types.void(array, at), code


LINE: Final = 64
"""Bytes that come into the cache together."""

fetch: Final[Callable[[int], None]] = cast(_Untyped, intrinsic)(_fetched)
"""Let the line of an address come into the cache, while other work is done."""

fetch_of: Final[Callable[[NDArray[Any], Any], None]] = cast(_Untyped, intrinsic)(_fetched_of)
"""Let the line of an array's element come into the cache, as `fetch`."""

_pointer: Final[Callable[[int], _Untyped]] = cast(_Untyped, intrinsic)(_point)


@compiled
def array_at(address: int, size: int, dtype: _Untyped) -> NDArray[Any]:
    """Return the array of a size and a dtype that begins at an address.

    Whoever gives the address sees to it that the memory stays.
    """
    array: NDArray[Any] = carray(_pointer(address), (size,), dtype)
    return array
