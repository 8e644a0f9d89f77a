"""Looks up 64 bytes in tables at once, as processors with AVX-512 do: for codes of four bits.

A block of codes holds ROWS rows. Of each number of a code it has 16 bytes: the lower half of a byte
is of one of the first 16 rows, the upper half of one of the others, and rows 0, 8, 1, 9 and so on
to 7, 15 take turns. FAISS's fast scan lays codes out like that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types as untyped_types
from numba.extending import intrinsic
from numpy.typing import NDArray

from vecsearch.kernels.memory import prefetch
from vecsearch.kernels.processor import knows

_Untyped: TypeAlias = Any  # of numba and llvmlite
Numbers: TypeAlias = NDArray[Any]
cgutils: Final[_Untyped] = untyped_cgutils
types: Final[_Untyped] = untyped_types

ROWS: Final = 32
"""Rows of a block."""

ENTRIES: Final = 16
"""Of a table, for each number of a code."""

_BYTE: Final = ir.IntType(8)
_INT32: Final = ir.IntType(32)
_INT64: Final = ir.IntType(64)
_PLACE: Final = _BYTE.as_pointer()
_BYTES: Final = ir.VectorType(_BYTE, 64)
_HALF: Final = ir.VectorType(_BYTE, 32)
_SUMS: Final = ir.VectorType(ir.IntType(16), ROWS)


def work() -> bool:
    """Whether the processor looks up 64 bytes at once."""
    return knows("avx512f", "avx512bw")


def _every(kind: _Untyped, value: int) -> _Untyped:
    return ir.Constant(kind, [value] * kind.count)


def _indices(values: list[int]) -> _Untyped:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(values)), values)


def _folded(builder: _Untyped, pair: list[_Untyped], *lanes: tuple[int, int]) -> _Untyped:
    """Add some lanes, of eight sums each, of two registers to others of the same registers."""
    parts = []
    for few in lanes:
        eights = (*few, *(4 + lane for lane in few))
        taken = _indices([8 * lane + i for lane in eights for i in range(8)])
        parts.append(builder.shuffle_vector(*pair, taken))
    return builder.add(*parts)


def _looked_up(
    typing: _Untyped,
    codes: _Untyped,
    soon: _Untyped,
    table: _Untyped,
    numbers: _Untyped,
    least: _Untyped,
    sums: _Untyped,
) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        def start(kind: _Untyped, array: _Untyped) -> _Untyped:
            return builder.bitcast(context.make_array(kind)(context, builder, array).data, _PLACE)

        def loaded(place: _Untyped, kind: _Untyped) -> _Untyped:
            return builder.load(builder.bitcast(place, kind.as_pointer()), align=1)

        def added(total: _Untyped, more: _Untyped) -> None:
            builder.store(builder.add(builder.load(total), more), total)

        source, fetched = (builder.inttoptr(each, _PLACE) for each in given[:2])
        entries = start(table, given[2])
        kind = ir.FunctionType(_BYTES, [_BYTES, _BYTES])
        shuffle = cgutils.get_or_insert_function(
            builder.module, kind, "llvm.x86.avx512.pshuf.b.512"
        )
        zeros = _every(_SUMS, 0)
        totals = [cgutils.alloca_once_value(builder, zeros) for _ in range(4)]

        def step(bytes_: _Untyped, place: _Untyped) -> None:
            """Add what four numbers of a code stand for: even bytes' sums, and odd ones', apart."""
            entry = loaded(place, _BYTES)
            upper = builder.lshr(builder.bitcast(bytes_, _SUMS), _every(_SUMS, 4))
            for half, which in enumerate((bytes_, builder.bitcast(upper, _BYTES))):
                index = builder.and_(which, _every(_BYTES, 15))
                values = builder.bitcast(builder.call(shuffle, [entry, index]), _SUMS)
                added(totals[2 * half], values)
                added(totals[2 * half + 1], builder.lshr(values, _every(_SUMS, 8)))

        steps = builder.lshr(given[3], ir.Constant(_INT64, 2))
        with cgutils.for_range(builder, steps) as loop:
            there = builder.shl(loop.index, ir.Constant(_INT64, 6))
            prefetch(builder, builder.gep(fetched, [there]), level=1)
            step(loaded(builder.gep(source, [there]), _BYTES), builder.gep(entries, [there]))
        rest = builder.trunc(builder.lshr(given[3], ir.Constant(_INT64, 1)), ir.IntType(1))
        with builder.if_then(rest):
            there = builder.shl(steps, ir.Constant(_INT64, 6))
            half = loaded(builder.gep(source, [there]), _HALF)
            wide = builder.shuffle_vector(half, _every(_HALF, 0), _indices(list(range(64))))
            step(wide, builder.gep(entries, [there]))
        sums_of = []  # of each half: those of even bytes, and those of odd ones
        for half in range(2):
            odd = builder.load(totals[2 * half + 1])
            sums_of.append(
                builder.sub(builder.load(totals[2 * half]), builder.shl(odd, _every(_SUMS, 8)))
            )
            sums_of.append(odd)
        # Four lanes of four sums are added up to one of each.
        folded = [_folded(builder, sums_of[i : i + 2], (0, 1), (2, 3)) for i in (0, 2)]
        all_ = _folded(builder, folded, (0, 2), (1, 3))
        builder.store(all_, builder.bitcast(start(sums, given[5]), _SUMS.as_pointer()), align=2)
        one = builder.insert_element(
            ir.Constant(_SUMS, ir.Undefined),
            builder.trunc(given[4], ir.IntType(16)),
            ir.Constant(ir.IntType(32), 0),
        )
        floor = builder.shuffle_vector(one, one, _indices([0] * 32))
        over = builder.icmp_unsigned(">=", all_, floor)
        return builder.zext(builder.bitcast(over, ir.IntType(32)), _INT64)

    return types.uint64(types.int64, types.int64, table, types.int64, types.int64, sums), code


look_up: Final[Callable[[int, int, Numbers, int, int, Numbers], Any]] = cast(_Untyped, intrinsic)(
    _looked_up
)
"""Sum up what the codes of a block stand for; return a bit for each row: whether its sum isn't less
than the least.

codes: the address of a block. soon: that of one that is fetched meanwhile. table: (numbers,
ENTRIES) uint8, zeros up to a multiple of four numbers. numbers: of a code; even. least: from 0 to
65,535. sums: (ROWS,) uint16, gets the sums.
"""
