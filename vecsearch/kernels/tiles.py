"""Small matrices of bfloat16, multiplied by the processor at once (Intel's AMX).

A tile is a register of 16 rows of 64 bytes. One instruction adds the product of two tiles of
bfloat16, 16 rows of 32 numbers and 16 columns of 32, to a tile of 16 times 16 float32.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

import numpy as np
from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types as untyped_types
from numba.extending import intrinsic
from numpy.typing import NDArray

from vecsearch.kernels.floats import KNOWS_BFLOAT, BFloat
from vecsearch.kernels.processor import knows

_Untyped: TypeAlias = Any  # of numba and llvmlite
cgutils: Final[_Untyped] = untyped_cgutils
types: Final[_Untyped] = untyped_types

DEPTH: Final = 32
"""Numbers of a tile's row in bfloat16."""

SIDE: Final = 32
"""Rows, and columns, that are multiplied at once: two tiles' each."""

_ROWS: Final = 16
_BYTES: Final = 64
_TILE: Final = _ROWS * _BYTES
_SUMS: Final = 4  # tiles; two more hold rows, and two columns

_NEEDED: Final = ("amx-tile", "amx-bf16", "avx512f", "avx512bf16")
_ARCH_PRCTL: Final = 158  # of Linux on x86-64
_ASK: Final = 0x1023  # ARCH_REQ_XCOMP_PERM
_TILES: Final = 18  # XFEATURE_XTILEDATA

_BYTE: Final = ir.IntType(8)
_INT32: Final = ir.IntType(32)
_INT64: Final = ir.IntType(64)
_PLACE: Final = _BYTE.as_pointer()
_WIDE: Final = ir.VectorType(ir.FloatType(), _ROWS)
_NARROW: Final = ir.VectorType(BFloat(), _ROWS)


def known() -> bool:
    """Whether the processor has tiles, and the compiler knows them."""
    return KNOWS_BFLOAT and knows(*_NEEDED)


def work() -> bool:
    """Whether they are known, and Linux lets this process use them."""
    if not known():
        return False
    try:
        return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ASK, _TILES) == 0)
    except (OSError, AttributeError, TypeError):
        return False


def configuration() -> NDArray[np.uint8]:
    """Return what the processor is told of its tiles, (64,): that all eight of them are whole."""
    told = np.zeros(_BYTES, np.uint8)
    told[0] = 1  # the palette
    told[16:32].view(np.uint16)[:] = _BYTES
    told[48:56] = _ROWS
    return told


def _call(builder: _Untyped, name: str, *given: _Untyped) -> None:
    kind = ir.FunctionType(ir.VoidType(), [each.type for each in given])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), given)


def _tile(number: int) -> _Untyped:
    return ir.Constant(_BYTE, number)


def _start(context: _Untyped, builder: _Untyped, kind: _Untyped, array: _Untyped) -> _Untyped:
    """Return where an array's bytes begin."""
    return builder.bitcast(context.make_array(kind)(context, builder, array).data, _PLACE)


def _configured(typing: _Untyped, told: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        _call(builder, "ldtilecfg", _start(context, builder, told, given[0]))
        return context.get_dummy_value()

    return types.void(told), code


def _released(typing: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        _call(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), code


def _narrowed(
    typing: _Untyped,
    numbers: _Untyped,
    at: _Untyped,
    words: _Untyped,
    row: _Untyped,
    steps: _Untyped,
) -> _Untyped:
    both = types.UniTuple(types.float32, 2)

    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        table = context.make_array(words)(context, builder, given[2])
        below = builder.mul(given[3], builder.extract_value(table.strides, 0))
        target = builder.gep(_start(context, builder, words, given[2]), [below])
        far = builder.mul(given[1], ir.Constant(_INT64, 4))
        source = builder.gep(_start(context, builder, numbers, given[0]), [far])
        zeros = ir.Constant(_WIDE, [0.0] * _ROWS)
        sums = [cgutils.alloca_once_value(builder, zeros) for _ in range(4)]
        with cgutils.for_range(builder, given[4]) as loop:
            for half in range(2):
                there = builder.add(
                    builder.mul(loop.index, ir.Constant(_INT64, 2)), ir.Constant(_INT64, half)
                )
                place = builder.gep(source, [builder.mul(there, ir.Constant(_INT64, _BYTES))])
                wide = builder.load(builder.bitcast(place, _WIDE.as_pointer()), align=4)
                narrow = builder.fptrunc(wide, _NARROW)
                place = builder.gep(target, [builder.mul(there, ir.Constant(_INT64, 32))])
                builder.store(narrow, builder.bitcast(place, _NARROW.as_pointer()), align=2)
                lost = builder.fsub(wide, builder.fpext(narrow, _WIDE))
                for total, each in ((sums[half], wide), (sums[2 + half], lost)):
                    square = builder.fmul(each, each, flags=("contract",))
                    builder.store(
                        builder.fadd(builder.load(total), square, flags=("contract",)), total
                    )
        totals = []
        for one, other in ((0, 1), (2, 3)):
            total = builder.fadd(builder.load(sums[one]), builder.load(sums[other]))
            kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), _WIDE])
            name = f"llvm.vector.reduce.fadd.v{_ROWS}f32"
            add = cgutils.get_or_insert_function(builder.module, kind, name)
            totals.append(
                builder.call(add, [ir.Constant(ir.FloatType(), 0.0), total], fastmath=("reassoc",))
            )
        return context.make_tuple(builder, both, totals)

    return both(numbers, types.int64, words, types.int64, types.int64), code


def _multiplied(
    typing: _Untyped,
    rows: _Untyped,
    row: _Untyped,
    columns: _Untyped,
    column: _Untyped,
    sums: _Untyped,
) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        def number(value: int) -> _Untyped:
            return ir.Constant(_INT64, value)

        def after(place: _Untyped, distance: _Untyped) -> _Untyped:
            return builder.gep(place, [distance])

        wide = context.make_array(columns)(context, builder, given[2])
        steps = builder.extract_value(wide.shape, 1)
        stride = builder.extract_value(
            context.make_array(rows)(context, builder, given[0]).strides, 0
        )
        left = after(_start(context, builder, rows, given[0]), builder.mul(given[1], stride))
        # A column of tiles is as many tiles as there are steps.
        height = builder.mul(steps, number(_TILE))
        top = after(
            _start(context, builder, columns, given[2]),
            builder.mul(builder.sdiv(given[3], number(_ROWS)), height),
        )
        for tile in range(_SUMS):
            _call(builder, "tilezero", _tile(tile))
        with cgutils.for_range(builder, steps) as loop:
            along = after(left, builder.mul(loop.index, number(_BYTES)))
            down = after(top, builder.mul(loop.index, number(_TILE)))
            below = after(along, builder.mul(stride, number(_ROWS)))
            for tile, place, apart in (
                (4, along, stride),
                (5, below, stride),
                (6, down, number(_BYTES)),
                (7, after(down, height), number(_BYTES)),
            ):
                _call(builder, "tileloadd64", _tile(tile), place, apart)
            for tile in range(_SUMS):
                one, other = divmod(tile, 2)
                _call(builder, "tdpbf16ps", _tile(tile), _tile(4 + one), _tile(6 + other))
        out = _start(context, builder, sums, given[4])
        for tile in range(_SUMS):
            place = after(out, number(tile * _TILE))
            _call(builder, "tilestored64", _tile(tile), place, number(_BYTES))
        return context.get_dummy_value()

    return types.void(rows, types.int64, columns, types.int64, sums), code


def _exceeded(typing: _Untyped, sums: _Untyped, floors: _Untyped, column: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        def wide(place: _Untyped, distance: _Untyped) -> _Untyped:
            there = builder.gep(place, [distance])
            return builder.load(builder.bitcast(there, _WIDE.as_pointer()), align=4)

        out = _start(context, builder, sums, given[0])
        first = builder.mul(given[2], ir.Constant(_INT64, 4))
        least = _start(context, builder, floors, given[1])
        masks = []
        for half in range(2):
            most = [
                wide(out, ir.Constant(_INT64, (2 * tile + half) * _TILE + row * _BYTES))
                for tile in range(2)
                for row in range(_ROWS)
            ]
            while len(most) > 1:
                most = [
                    builder.select(builder.fcmp_ordered(">", one, other), one, other)
                    for one, other in zip(most[::2], most[1::2], strict=True)
                ]
            there = builder.add(first, ir.Constant(_INT64, half * _BYTES))
            over = builder.fcmp_ordered(">=", most[0], wide(least, there))
            masks.append(builder.zext(builder.bitcast(over, ir.IntType(_ROWS)), _INT64))
        return builder.or_(masks[0], builder.shl(masks[1], ir.Constant(_INT64, _ROWS)))

    return types.uint64(sums, floors, types.int64), code


configure: Final[Callable[[NDArray[np.uint8]], None]] = cast(_Untyped, intrinsic)(_configured)
"""Tell the processor of its tiles, by `configuration`, before this thread uses them."""

release: Final[Callable[[], None]] = cast(_Untyped, intrinsic)(_released)
"""Empty the tiles, so that nothing keeps them when the thread is changed."""

narrow: Final[
    Callable[[NDArray[np.float32], int, NDArray[np.uint16], int, int], tuple[Any, Any]]
] = cast(_Untyped, intrinsic)(_narrowed)
"""Narrow steps * DEPTH numbers, from a place on, into a row of words, (rows, width), as bfloat16.

Return the sum of their squares, and that of the squares of what they lose.
"""

multiply: Final[
    Callable[
        [NDArray[np.uint16], int, NDArray[np.uint16], int, NDArray[np.float32]],
        None,
    ]
] = cast(_Untyped, intrinsic)(_multiplied)
"""Multiply SIDE rows from one on with SIDE columns from one on, both multiples of 16.

rows: (rows, at least steps * DEPTH) bfloat16. columns: (columns / 16, steps, 16, 16, 2) bfloat16,
number 32 s + 2 t + p of column 16 j + c at [j, s, t, c, p]. sums: (2, 2, 16, 16) float32, gets the
products of row 16 i + r and column 16 j + c at [i, j, r, c].
"""

exceeding: Final[Callable[[NDArray[np.float32], NDArray[np.float32], int], Any]] = cast(
    _Untyped, intrinsic
)(_exceeded)
"""Return a bit for each of SIDE columns from one on: whether any of its sums isn't below its floor.

sums: as `multiply` gives them. floors: (columns,) float32.
"""
