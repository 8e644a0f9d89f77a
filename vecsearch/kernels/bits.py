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


def _repeated(builder: _Untyped, number: _Untyped, wide: _Untyped) -> _Untyped:
    """Return a vector of WIDE times the same number."""
    one = builder.insert_element(
        ir.Constant(wide, ir.Undefined), number, ir.Constant(ir.IntType(32), 0)
    )
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDE), [0] * WIDE)
    return builder.shuffle_vector(one, one, zeros)


def _classify(
    typing: _Untyped, data: _Untyped, at: _Untyped, small: _Untyped, text: _Untyped
) -> _Untyped:
    byte = ir.IntType(8)
    wide = ir.VectorType(byte, WIDE)

    def every(value: int) -> _Untyped:
        return ir.Constant(wide, [value] * WIDE)

    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, arguments: _Untyped
    ) -> _Untyped:
        source, to = (
            builder.bitcast(
                builder.gep(context.make_array(kind)(context, builder, array).data, [arguments[1]]),
                wide.as_pointer(),
            )
            for kind, array in ((data, arguments[0]), (text, arguments[3]))
        )
        bytes_ = builder.load(source, align=1)
        smalls = builder.or_(bytes_, _repeated(builder, arguments[2], wide))
        letter = builder.icmp_unsigned(
            "<", builder.sub(builder.or_(bytes_, every(0x20)), every(ord("a"))), every(26)
        )
        digit = builder.icmp_unsigned("<", builder.sub(bytes_, every(ord("0"))), every(10))
        beyond = builder.icmp_signed("<", bytes_, every(0))
        word = builder.or_(builder.or_(letter, digit), beyond)
        kept = builder.select(word, builder.select(letter, smalls, bytes_), every(0))
        builder.store(kept, to, align=1)
        return builder.bitcast(word, ir.IntType(WIDE))

    return types.uint64(data, at, small, text), code


def _compare(typing: _Untyped, numbers: _Untyped, at: _Untyped, least: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, arguments: _Untyped
    ) -> _Untyped:
        array = context.make_array(numbers)(context, builder, arguments[0])
        wide = ir.VectorType(ir.IntType(numbers.dtype.bitwidth), WIDE)
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), wide.as_pointer())
        leasts = _repeated(builder, arguments[2], wide)
        as_great = builder.icmp_unsigned(">=", builder.load(place, align=1), leasts)
        return builder.bitcast(as_great, ir.IntType(WIDE))

    return types.uint64(numbers, at, numbers.dtype), code


WIDE: Final = 64
"""Bytes, or other numbers, that are looked at together."""

eight_at: Final[Callable[[NDArray[np.uint8], int], Eight]] = cast(_Untyped, intrinsic)(_load)
"""Return the eight bytes of an array, (n,), from a place on, wherever that is in memory."""

trailing_zeros: Final[Callable[[Eight], int]] = cast(_Untyped, intrinsic)(_count)
"""Return how many bits are 0 below the lowest that is 1; 64 if none is."""

word_bytes: Final[Callable[[NDArray[np.uint8], int, np.uint8, NDArray[np.uint8]], Eight]] = cast(
    _Untyped, intrinsic
)(_classify)
"""Copy WIDE bytes to the same place of another array, 0 for what ends words in ASCII.

Letters in ASCII are copied with the bits of `small` set, which is 0x20 or 0. Return a bit for each
byte, the lowest for the first: whether it isn't 0 in the copy.
"""

as_great: Final[Callable[[NDArray[Any], int, Any], Eight]] = cast(_Untyped, intrinsic)(_compare)
"""Compare WIDE unsigned integers of an array, (n,), from a place on, with one of the same dtype.

Return a bit for each, the lowest for the first: whether it is as great.
"""
