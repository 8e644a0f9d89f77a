"""Inner products to the last bit as FAISS gives them on processors with AVX-512.

Sixteen sums each get the product of every sixteenth number, rounded once. Halves of the sums are
added to each other; the eight that are then left get what remains of the numbers, if that is as
many, and their sum gets the last ones one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from vecsearch.kernels import compiled

_Untyped: TypeAlias = Any  # of numba and llvmlite
Numbers: TypeAlias = NDArray[Any]
cgutils: Final[_Untyped] = untyped_cgutils

_FLOAT: Final = ir.FloatType()
_INT32: Final = ir.IntType(32)
_INT64: Final = ir.IntType(64)


def _wide(lanes: int) -> _Untyped:
    return ir.VectorType(_FLOAT, lanes)


def _halved(builder: _Untyped, sums: _Untyped, lanes: int) -> _Untyped:
    """Add one half of some sums to the other."""
    halves = (
        builder.shuffle_vector(
            sums, sums, ir.Constant(ir.VectorType(_INT32, lanes // 2), list(range(first, last)))
        )
        for first, last in ((0, lanes // 2), (lanes // 2, lanes))
    )
    return builder.fadd(*halves)


def _multiplied(typing: _Untyped, query: _Untyped, address: _Untyped) -> _Untyped:
    def code(
        context: _Untyped, builder: _Untyped, signature: _Untyped, given: _Untyped
    ) -> _Untyped:
        array = context.make_array(query)(context, builder, given[0])
        floats = _FLOAT.as_pointer()
        places = builder.bitcast(array.data, floats), builder.inttoptr(given[1], floats)
        dim = builder.extract_value(array.shape, 0)

        def number(value: int) -> _Untyped:
            return ir.Constant(_INT64, value)

        def added(total: _Untyped, at: _Untyped, kind: _Untyped, name: str) -> None:
            """Add to a sum, or to several, the products of the numbers from a place on."""
            numbers = (
                builder.load(builder.bitcast(builder.gep(place, [at]), kind.as_pointer()), align=4)
                for place in places
            )
            add = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.{name}"
            )
            builder.store(builder.call(add, [*numbers, builder.load(total)]), total)

        sixteen, eight = _wide(16), _wide(8)
        total = cgutils.alloca_once_value(builder, ir.Constant(sixteen, [0.0] * 16))
        with cgutils.for_range(builder, builder.lshr(dim, number(4))) as loop:
            added(total, builder.shl(loop.index, number(4)), sixteen, "v16f32")
        total = cgutils.alloca_once_value(builder, _halved(builder, builder.load(total), 16))
        done = builder.and_(dim, number(~15))
        with builder.if_then(builder.trunc(builder.lshr(dim, number(3)), ir.IntType(1))):
            added(total, done, eight, "v8f32")
        sums = builder.load(total)
        for lanes in (8, 4, 2):
            sums = _halved(builder, sums, lanes)
        first = builder.extract_element(sums, ir.Constant(_INT32, 0))
        total = cgutils.alloca_once_value(builder, first)
        done = builder.and_(dim, number(~7))
        with cgutils.for_range(builder, builder.and_(dim, number(7))) as loop:
            added(total, builder.add(done, loop.index), _FLOAT, "f32")
        return builder.load(total)

    return types.float32(query, types.int64), code


product: Final[Callable[[Numbers, int], Any]] = cast(_Untyped, intrinsic)(_multiplied)
"""Return the product of a query, (dim,) float32, with the vector at an address."""


@compiled
def products(query: Numbers, vectors: Numbers) -> Numbers:
    """Return the products of a query, (dim,), with vectors, (rows, dim), all float32."""
    found = np.empty(len(vectors), np.float32)
    for row in range(len(vectors)):
        found[row] = product(query, vectors[row].ctypes.data)
    return found
