"""A few rows times a large matrix, for which reading the matrix from memory is most of the work.

The matrix is laid out in panels of PANEL columns, each read once from its beginning to its end, for
up to ROWS rows at a time, whose sums stay in the processor's registers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias, cast

import numpy as np
from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types as untyped_types
from numba.extending import intrinsic
from numpy.typing import NDArray

from vecsearch.kernels.memory import LINE, prefetch
from vecsearch.kernels.processor import knows

_Untyped: TypeAlias = Any  # of numba and llvmlite
Numbers: TypeAlias = NDArray[np.float32]
cgutils: Final[_Untyped] = untyped_cgutils
types: Final[_Untyped] = untyped_types

_WIDE: Final = knows("avx512f")
_LANES: Final = 16 if _WIDE else 8 if knows("avx") else 4
"""Numbers of a register."""

PANEL: Final = 2 * _LANES
"""Columns of a panel."""

ROWS: Final = 14 if _WIDE else 6
"""Most rows at a time: two sums each, of 32 registers or of 16. Fewer are a multiple of STEP."""

STEP: Final = 2

_AHEAD: Final = 8192
"""How many bytes before it is needed a panel is asked for: processors alone ask too late."""

_BYTES: Final = 4  # of a number
_BYTE: Final = ir.IntType(8)
_INT32: Final = ir.IntType(32)
_INT64: Final = ir.IntType(64)
_PLACE: Final = _BYTE.as_pointer()
_NUMBER: Final = ir.FloatType()
_VECTOR: Final = ir.VectorType(_NUMBER, _LANES)


def laid_out(weight: Numbers) -> Numbers:
    """Lay out the columns of weight.T in panels, (panels, in, PANEL), the last filled with zeros.

    weight: (out, in).
    """
    out, depth = weight.shape
    count = -(-out // PANEL)
    panels = np.zeros((count * PANEL, depth), np.float32)
    panels[:out] = weight
    return np.ascontiguousarray(panels.reshape(count, PANEL, depth).transpose(0, 2, 1))


def rows_at_once(rows: int) -> int:
    """Return by how many rows at a time so many are best multiplied."""
    turns = -(-rows // ROWS)
    return -(-rows // (turns * STEP)) * STEP


def _start(context: _Untyped, builder: _Untyped, kind: _Untyped, array: _Untyped) -> _Untyped:
    """Return where an array's bytes begin."""
    return builder.bitcast(context.make_array(kind)(context, builder, array).data, _PLACE)


def _number(value: int) -> _Untyped:
    return ir.Constant(_INT64, value)


def _repeated(builder: _Untyped, number: _Untyped) -> _Untyped:
    """Return a vector of the same number."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(_INT32, 0))
    zeros = ir.Constant(ir.VectorType(_INT32, _LANES), [0] * _LANES)
    return builder.shuffle_vector(one, nothing, zeros)


def _after(builder: _Untyped, place: _Untyped, distance: _Untyped) -> _Untyped:
    return builder.gep(place, [distance])


def _halves(builder: _Untyped, place: _Untyped) -> list[_Untyped]:
    """Return the two places of a panel's row in a register each."""
    places = (_after(builder, place, _number(half * _LANES * _BYTES)) for half in range(2))
    return [builder.bitcast(each, _VECTOR.as_pointer()) for each in places]


class _Places(NamedTuple):
    """Where memory begins that a multiplication uses, and how many bytes its rows are apart."""

    rows: _Untyped
    stride: _Untyped
    weights: _Untyped
    bias: _Untyped
    sums: _Untyped
    apart: _Untyped


def _multiply_rows(builder: _Untyped, count: int, depth: _Untyped, places: _Places) -> None:
    """Multiply so many rows with a panel."""
    rows = [
        _after(builder, places.rows, builder.mul(places.stride, _number(row)))
        for row in range(count)
    ]
    start = [builder.load(each, align=_BYTES) for each in _halves(builder, places.bias)]
    sums = [[cgutils.alloca_once_value(builder, each) for each in start] for _ in rows]
    with cgutils.for_range(builder, depth) as loop:
        below = builder.mul(loop.index, _number(PANEL * _BYTES))
        here = _after(builder, places.weights, below)
        for line in range(0, PANEL * _BYTES, LINE):
            prefetch(builder, _after(builder, here, _number(_AHEAD + line)), level=2)
        columns = [builder.load(each, align=_BYTES) for each in _halves(builder, here)]
        far = builder.mul(loop.index, _number(_BYTES))
        for totals, row in zip(sums, rows, strict=True):
            place = builder.bitcast(_after(builder, row, far), _NUMBER.as_pointer())
            factor = _repeated(builder, builder.load(place))
            for total, column in zip(totals, columns, strict=True):
                product = builder.fmul(factor, column, flags=("contract",))
                more = builder.fadd(builder.load(total), product, flags=("contract",))
                builder.store(more, total)
    for row, totals in enumerate(sums):
        place = _after(builder, places.sums, builder.mul(places.apart, _number(row)))
        for total, half in zip(totals, _halves(builder, place), strict=True):
            builder.store(builder.load(total), half, align=_BYTES)


def _multiplied(
    typing: _Untyped,
    x: _Untyped,
    first: _Untyped,
    rows: _Untyped,
    panels: _Untyped,
    panel: _Untyped,
    bias: _Untyped,
    out: _Untyped,
) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        def place(kind: _Untyped, i: int, distance: _Untyped) -> _Untyped:
            return _after(builder, _start(context, builder, kind, given[i]), distance)

        arrays = [
            context.make_array(kind)(context, builder, given[i])
            for kind, i in ((x, 0), (panels, 3), (out, 6))
        ]
        stride, size, apart = (builder.extract_value(each.strides, 0) for each in arrays)
        beside = builder.mul(given[4], _number(PANEL * _BYTES))
        places = _Places(
            rows=place(x, 0, builder.mul(given[1], stride)),
            stride=stride,
            weights=place(panels, 3, builder.mul(given[4], size)),
            bias=place(bias, 5, beside),
            sums=place(out, 6, builder.add(builder.mul(given[1], apart), beside)),
            apart=apart,
        )
        end = builder.append_basic_block("multiplied")
        choice = builder.switch(given[2], end)
        for count in range(STEP, ROWS + 1, STEP):
            block = builder.append_basic_block(f"rows.{count}")
            choice.add_case(_number(count), block)
            builder.position_at_end(block)
            _multiply_rows(builder, count, builder.extract_value(arrays[1].shape, 1), places)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    index = types.int64
    return types.void(x, index, index, panels, index, bias, out), code


multiply: Final[Callable[[Numbers, int, int, Numbers, int, Numbers, Numbers], None]] = cast(
    _Untyped, intrinsic
)(_multiplied)
"""Multiply rows of x, from one on, with a panel of a matrix, and add the bias.

x: (rows, at least in). The number of rows is a multiple of STEP, up to ROWS. panels: (panels, in,
PANEL), see `laid_out`. bias: (panels * PANEL,). out: (rows, panels * PANEL), gets the sums.
"""
