"""Arrays by their addresses: a kernel gets those of many segments in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from llvmlite import ir
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


def _ask(typing: _Untyped, array: _Untyped, at: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, arguments: _Untyped
    ) -> _Untyped:
        data = context.make_array(array)(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        read, keep, of_data = (ir.Constant(ir.IntType(32), number) for number in (0, 2, 1))
        kinds = [place.type, *(each.type for each in (read, keep, of_data))]
        kind = ir.FunctionType(ir.VoidType(), kinds)
        name = "llvm.prefetch.p0"
        function = cast(_Untyped, cgutils).get_or_insert_function(builder.module, kind, name)
        builder.call(function, [place, read, keep, of_data])
        return context.get_dummy_value()

    return types.void(array, types.int64), code


prefetch: Final[Callable[[NDArray[Any], int], None]] = cast(_Untyped, intrinsic)(_ask)
"""Ask the processor for the number at a place of an array, (n,), soon to be read.

The place may be beyond the array's end: nothing happens then.
"""

_pointer: Final[Callable[[int], _Untyped]] = cast(_Untyped, intrinsic)(_point)


@compiled
def array_at(address: int, size: int, dtype: _Untyped) -> NDArray[Any]:
    """Return the array of a size and a dtype that begins at an address.

    Whoever gives the address sees to it that the memory stays.
    """
    array: NDArray[Any] = carray(_pointer(address), (size,), dtype)
    return array
