"""What processors do in one step and numba has no function for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

Eight: TypeAlias = Any
"""np.uint64, eight bytes of a text; numpy's own types lose sight of it in arithmetic."""

_Untyped: TypeAlias = Any  # of numba and llvmlite


def _load(typing: _Untyped, data: _Untyped, at: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, arguments: _Untyped
    ) -> _Untyped:
        array = context.make_array(data)(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(data, at), code


def _count(typing: _Untyped, number: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, arguments: _Untyped
    ) -> _Untyped:
        return builder.cttz(arguments[0], cgutils.false_bit)

    return types.int64(number), code


eight_at: Final[Callable[[NDArray[np.uint8], int], Eight]] = cast(_Untyped, intrinsic)(_load)
"""Return the eight bytes of an array, (n,), from a place on, wherever that is in memory."""

trailing_zeros: Final[Callable[[Eight], int]] = cast(_Untyped, intrinsic)(_count)
"""Return how many bits are 0 below the lowest that is 1; 64 if none is."""
