"""What processors do in one step and numba has no function for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def eight_at(typing: Any, data: Any, at: Any) -> Any:
    """Return the eight bytes from place `at` of (n,) uint8 on, wherever that is in memory."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(data)(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(data, at), code


@intrinsic
def trailing_zeros(typing: Any, number: Any) -> Any:
    """Return how many bits of a uint64 are 0 below the lowest that is 1; 64 for 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], cgutils.false_bit)

    return types.int64(number), code
