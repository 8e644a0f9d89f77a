"""Arithmetic on float32 and bfloat16, in forms that LLVM makes vector instructions of.

A bfloat16 is the upper half of a float32. numpy has no such type, so arrays of them are uint16
here; `widened` and `narrowed` leave a float32 as it is, so that one loop serves both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from vecsearch.kernels import compiled, inlined
from vecsearch.kernels.processor import knows

_Untyped: TypeAlias = Any  # of numba and llvmlite
Float: TypeAlias = Any
"""np.float32, or the np.uint16 that stands for a bfloat16."""

_INT16: Final = ir.IntType(16)
_INT32: Final = ir.IntType(32)
_FLOAT: Final = ir.FloatType()

KNOWS_BFLOAT: Final = binding.llvm_version_info >= (20, 0, 0)
"""Earlier versions of LLVM may end the process where a float32 becomes a bfloat."""


class BFloat(ir.Type):  # type: ignore[misc]  # llvmlite has no types
    """LLVM's bfloat, which llvmlite doesn't name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash(BFloat)


def _widened(typing: _Untyped, number: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        if number == types.float32:
            return given[0]
        word = builder.shl(builder.zext(given[0], _INT32), ir.Constant(_INT32, 16))
        return builder.bitcast(word, _FLOAT)

    return types.float32(number), code


def _narrowed(typing: _Untyped, number: _Untyped, like: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        if like == types.float32:
            return given[0]
        if KNOWS_BFLOAT and knows("avx512bf16"):
            return builder.bitcast(builder.fptrunc(given[0], BFloat()), _INT16)
        # No other processor does that, and LLVM would call a function that isn't there.
        word = builder.bitcast(given[0], _INT32)
        half = ir.Constant(_INT32, 16)
        odd = builder.and_(builder.lshr(word, half), ir.Constant(_INT32, 1))
        word = builder.add(word, builder.add(odd, ir.Constant(_INT32, 0x7FFF)))
        return builder.trunc(builder.lshr(word, half), _INT16)

    return like(types.float32, like), code


def _larger(typing: _Untyped, one: _Untyped, other: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _FLOAT])
        function = builder.module.declare_intrinsic("llvm.maxnum", [_FLOAT], kind)
        return builder.call(function, given, fastmath=("fast",))

    return types.float32(types.float32, types.float32), code


def _bits_of(typing: _Untyped, number: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        return builder.bitcast(given[0], _INT32)

    return types.int32(types.float32), code


def _scaled(typing: _Untyped, number: _Untyped, power: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        exponent = builder.shl(builder.fptosi(given[1], _INT32), ir.Constant(_INT32, 23))
        return builder.bitcast(builder.add(builder.bitcast(given[0], _INT32), exponent), _FLOAT)

    return types.float32(types.float32, types.float32), code


widened: Final[Callable[[Float], Any]] = cast(_Untyped, intrinsic)(_widened)
"""Return a number as float32."""

narrowed: Final[Callable[[Any, Float], Float]] = cast(_Untyped, intrinsic)(_narrowed)
"""Return a float32 as a number like the other, rounded to the nearest."""

larger: Final[Callable[[Any, Any], Any]] = cast(_Untyped, intrinsic)(_larger)
"""Return the larger of two float32, neither of which is NaN."""

_bits: Final[Callable[[Any], Any]] = cast(_Untyped, intrinsic)(_bits_of)
"""Return the bits of a float32 as an int32."""

_scaled_by: Final[Callable[[Any, Any], Any]] = cast(_Untyped, intrinsic)(_scaled)
"""Return a float32 times 2 to a whole power; both it and the result are normal numbers."""


@compiled
def exp2(x: Float) -> Float:
    """Return 2 to the power of a float32 that isn't above 0, to a relative 2e-7; 0 below -126.

    Of the whole part and a polynomial for the rest, fitted to the least largest error.
    """
    x = larger(x, np.float32(-126))
    whole = np.floor(x + np.float32(0.5))
    rest = x - whole
    power = np.float32(0.0013276476)
    power = power * rest + np.float32(0.009675541)
    power = power * rest + np.float32(0.05550713)
    power = power * rest + np.float32(0.2402212)
    power = power * rest + np.float32(0.69314694)
    power = power * rest + np.float32(1)
    return _scaled_by(power, whole)


@inlined
def ordered(number: Float) -> Any:  # noqa: ANN401
    """Return an int32, not below 0, that rises with a float32 but for its last bit."""
    bits = _bits(number)
    rising = bits if bits >= 0 else ~(bits & np.int32(0x7FFFFFFF))
    return (rising >> np.int32(1)) + np.int32(1 << 30)
