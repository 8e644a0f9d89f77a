"""Tiles of bfloat16 multiplied in vector registers, for processors that don't multiply whole tiles.

One instruction (AVX-512 BF16) adds the products of 16 pairs of numbers to 16 sums in float32.
"""

from __future__ import annotations

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
from vecsearch.kernels.tiles import SIDE

_Untyped: TypeAlias = Any  # of numba and llvmlite
cgutils: Final[_Untyped] = untyped_cgutils
types: Final[_Untyped] = untyped_types

_LANES: Final = 16
"""Columns of a register, each with a pair; rows of a tile of sums."""

_TOGETHER: Final = 8
"""Rows at a time: as many sums, or twice as many, stay in registers, and as many places, too."""

_PAIR: Final = 4  # bytes
_LINE: Final = _LANES * _PAIR
_TILE: Final = _LANES * _LINE

_INT32: Final = ir.IntType(32)
_INT64: Final = ir.IntType(64)
_PLACE: Final = ir.IntType(8).as_pointer()
_SUMS: Final = ir.VectorType(ir.FloatType(), _LANES)
_PAIRS: Final = ir.VectorType(BFloat(), 2 * _LANES)
_WORDS: Final = ir.VectorType(_INT32, _LANES)
_FIRST: Final = ir.Constant(_WORDS, [0] * _LANES)


def work() -> bool:
    """Whether the processor multiplies pairs, and the compiler knows bfloat16."""
    return KNOWS_BFLOAT and knows("avx512f", "avx512bf16")


def _number(value: int) -> _Untyped:
    return ir.Constant(_INT64, value)


def _at(builder: _Untyped, place: _Untyped, distance: _Untyped, kind: _Untyped) -> _Untyped:
    """Return the place of something of a kind, so many bytes further."""
    return builder.bitcast(builder.gep(place, [distance]), kind.as_pointer())


def _multiply_rows(
    builder: _Untyped,
    rows: list[_Untyped],
    columns: list[_Untyped],
    sums: list[_Untyped],
    steps: _Untyped,
) -> None:
    """Multiply rows, so many pairs each, with registers of columns; keep the sums, row by row.

    All are places in memory; sums: of each register's column in the first row.
    """
    add = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(_SUMS, [_SUMS, _PAIRS, _PAIRS]),
        "llvm.x86.avx512bf16.dpbf16ps.512",
    )
    totals = [[cgutils.alloca_once(builder, _SUMS) for _ in columns] for _ in rows]
    for row in totals:
        for total in row:
            builder.store(ir.Constant(_SUMS, [0.0] * _LANES), total)
    with cgutils.for_range(builder, steps) as loop:
        down, along = (builder.mul(loop.index, _number(each)) for each in (_LINE, _PAIR))
        pairs = [
            builder.load(_at(builder, column, down, _PAIRS), align=_PAIR) for column in columns
        ]
        for place, row in zip(rows, totals, strict=True):
            word = builder.load(_at(builder, place, along, _INT32), align=2)
            one = builder.insert_element(_FIRST, word, ir.Constant(_INT32, 0))
            pair = builder.bitcast(builder.shuffle_vector(one, one, _FIRST), _PAIRS)
            for total, others in zip(row, pairs, strict=True):
                builder.store(builder.call(add, [builder.load(total), pair, others]), total)
    for i, row in enumerate(totals):
        for total, place in zip(row, sums, strict=True):
            there = _at(builder, place, _number(i * _LINE), _SUMS)
            builder.store(builder.load(total), there, align=_PAIR)


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
        left, wide, out = (
            context.make_array(kind)(context, builder, given[i])
            for kind, i in ((rows, 0), (columns, 2), (sums, 4))
        )
        first, top, target = (builder.bitcast(each.data, _PLACE) for each in (left, wide, out))
        stride = builder.extract_value(left.strides, 0)
        height = builder.extract_value(wide.strides, 0)
        steps = builder.mul(builder.extract_value(wide.shape, 1), _number(_LANES))
        tile = builder.sdiv(given[3], _number(_LANES))

        def multiply(tiles: int) -> None:
            """Multiply SIDE rows with one tile of columns, or with two."""
            with cgutils.for_range(builder, _number(SIDE // _TOGETHER)) as loop:
                done = builder.mul(loop.index, _number(_TOGETHER))
                here = builder.add(given[1], done)
                beside = (builder.add(tile, _number(each)) for each in range(tiles))
                below = builder.add(
                    builder.mul(builder.sdiv(done, _number(_LANES)), _number(2 * _TILE)),
                    builder.mul(builder.srem(done, _number(_LANES)), _number(_LINE)),
                )
                _multiply_rows(
                    builder,
                    [
                        builder.gep(first, [builder.mul(builder.add(here, _number(i)), stride)])
                        for i in range(_TOGETHER)
                    ],
                    [builder.gep(top, [builder.mul(each, height)]) for each in beside],
                    [
                        builder.gep(target, [builder.add(below, _number(i * _TILE))])
                        for i in range(tiles)
                    ],
                    steps,
                )

        rest = builder.sub(builder.extract_value(wide.shape, 0), tile)
        with builder.if_else(builder.icmp_signed("==", rest, _number(1))) as (one, two):
            with one:
                multiply(1)
            with two:
                multiply(2)
        return context.get_dummy_value()

    return types.void(rows, types.int64, columns, types.int64, sums), code


multiply: Final[
    Callable[[NDArray[np.uint16], int, NDArray[np.uint16], int, NDArray[np.float32]], None]
] = cast(_Untyped, intrinsic)(_multiplied)
"""Multiply as `vecsearch.kernels.tiles.multiply` does.

Where there is only one more tile of columns, the second half of the sums stays as it was.
"""
