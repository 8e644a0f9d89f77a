"""Finds, for many queries, the rows that can be among the nearest: by products of bfloat16.

A block of rows is narrowed to bfloat16 and multiplied with all queries while it is in the cache,
32 rows with 32 queries at a time. The products are never kept: each is compared with the floor of
its query, which is the k-th best so far less the room for rounding, and few pass.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, inlined, pairs, part, tiles
from vecsearch.kernels.bits import trailing_zeros
from vecsearch.kernels.floats import larger, narrowed, widened
from vecsearch.kernels.heaps import push
from vecsearch.kernels.memory import array_at
from vecsearch.kernels.tiles import (
    DEPTH,
    SIDE,
    configuration,
    configure,
    exceeding,
    narrow,
    release,
)

Numbers: TypeAlias = NDArray[Any]

BLOCK: Final = 256
"""Rows that are narrowed at once: with the queries they fit the cache of a core."""

_APART: Final = DEPTH
"""More numbers to a row than are used, so that rows don't lie in the same places of the cache."""

_ONE: Final = np.uint64(1)
_WHOLE: Final = configuration()

_TILES: Final = tiles.known()
"""What the compiler knows, not what Linux lets a process do: machine code is kept for others."""

_multiply: Final = tiles.multiply if _TILES else pairs.multiply


def work() -> bool:
    """Whether the processor multiplies bfloat16 at once."""
    return tiles.work() if _TILES else pairs.work()


class Queries(NamedTuple):
    """Queries, filled up to a multiple of SIDE.

    tiles: (queries / 16, steps, 16, 16, 2) uint16, two numbers in bfloat16 of each of 16 queries
        to a row of a tile. Of the last SIDE queries it may lack the second 16, if these are only
        there to fill up; in memory they follow.
    near, far: (queries,) float32, the room of each is near * (the length of the longest row) +
        far * (the greatest length of what a row loses in bfloat16).
    """

    tiles: Numbers
    near: Numbers
    far: Numbers


class Candidates(NamedTuple):
    """What may be among each query's k best.

    heap: (queries, k) float32, the best products so far. heaped: (queries,) how many there are.
    places, products: (queries, most) int32 and float32, of rows among those that pass.
    taken: (queries,) how many there are; -1 for a query that isn't searched for, or of which
        rounding leaves more than there is room for.
    lengths: (2,) float32, of the longest row, and the greatest of what a row loses.
    """

    heap: Numbers
    heaped: Numbers
    places: Numbers
    products: Numbers
    taken: Numbers
    lengths: Numbers


class Work(NamedTuple):
    """A thread's own memory, at multiples of 64 bytes: else loading tiles takes thrice as long.

    block: (BLOCK, `width(dim)`) uint16, zeros. sums: (2, 2, 16, 16) float32.
    """

    block: Numbers
    sums: Numbers


def width(dim: int) -> int:
    """Return how long the rows of a block are for vectors of so many numbers."""
    return -(-dim // DEPTH) * DEPTH + _APART


@compiled
def lay_out(vectors: Numbers, tiles: Numbers, lengths: Numbers) -> None:
    """Narrow queries, (n, dim) float32, into tiles of zeros, as `Queries` has them.

    lengths: (2, n) float32, gets the length of each, and that of what it loses.
    """
    words = np.zeros((1, tiles.shape[1] * DEPTH), np.uint16)
    pairs = words.view(np.uint32)[0]
    flat = vectors.reshape(-1)
    laid = tiles.view(np.uint32)
    for query in range(len(vectors)):
        length, loss = _narrow(flat, query * vectors.shape[1], vectors.shape[1], words, 0)
        lengths[0, query], lengths[1, query] = np.sqrt(length), np.sqrt(loss)
        for i in range(len(pairs)):
            laid[query // 16, i // 16, i % 16, query % 16, 0] = pairs[i]


@compiled
def collect(
    address: int,
    height: int,
    dim: int,
    rows: Numbers,
    first: int,
    last: int,
    queries: Queries,
    found: Candidates,
    work: Work,
) -> None:
    """Collect the candidates among the rows from first to last - 1, in this thread.

    address: of the vectors, (height, dim) float32. rows: (n,) int64, those that pass; empty for
    all.
    """
    vectors = array_at(address, height * dim, np.float32)
    floors = np.empty(len(queries.near), np.float32)
    columns, block, sums = queries.tiles, work.block, work.sums  # counted here, not in the loops
    if _TILES:
        configure(_WHOLE)
    for start in range(first, last, BLOCK):
        count = min(BLOCK, last - start)
        if _narrow_block(vectors, dim, rows, start, count, block, found) or start == first:
            for query in range(len(floors)):
                floors[query] = _floor(query, queries, found)
        for row in range(0, count, SIDE):
            rest = min(SIDE, count - row)
            for column in range(0, len(floors), SIDE):
                _multiply(block, row, columns, column, sums)
                over = exceeding(sums, floors, column)
                while over:
                    query = column + trailing_zeros(over)
                    over &= over - _ONE
                    _take(query, start + row, rest, sums, floors, queries, found)
    if _TILES:
        release()
    for query in range(len(floors)):
        _drop(query, _floor(query, queries, found), found)


@part
def _narrow_block(
    vectors: Numbers,
    dim: int,
    rows: Numbers,
    start: int,
    count: int,
    block: Numbers,
    found: Candidates,
) -> bool:
    """Narrow rows into a block; return whether one is longer, or loses more, than all before."""
    longest, worst = np.float32(0), np.float32(0)
    for i in range(start, start + count):
        at = dim * (rows[i] if len(rows) else i)
        length, loss = _narrow(vectors, at, dim, block, i - start)
        longest, worst = larger(longest, length), larger(worst, loss)
    longest, worst = np.sqrt(longest), np.sqrt(worst)
    more = longest > found.lengths[0] or worst > found.lengths[1]
    found.lengths[0] = larger(found.lengths[0], longest)
    found.lengths[1] = larger(found.lengths[1], worst)
    return bool(more)


@part
def _narrow(numbers: Numbers, at: int, dim: int, words: Numbers, row: int) -> tuple[Any, Any]:
    """Narrow dim numbers from a place on; return the squares of their length and of the loss's."""
    length, loss = narrow(numbers, at, words, row, dim // DEPTH)
    for i in range(dim // DEPTH * DEPTH, dim):
        number = numbers[at + i]
        word = narrowed(number, words[row, i])
        words[row, i] = word
        lost = number - widened(word)
        length += number * number
        loss += lost * lost
    return length, loss


@inlined
def _floor(query: int, queries: Queries, found: Candidates) -> Any:  # noqa: ANN401
    """Return what the product of a row that is among the best isn't below."""
    if found.taken[query] < 0:
        return np.float32(np.inf)
    if found.heaped[query] < found.heap.shape[1]:
        return np.float32(-np.inf)
    room = queries.near[query] * found.lengths[0] + queries.far[query] * found.lengths[1]
    return found.heap[query, 0] - room


@part
def _take(
    query: int,
    first: int,
    count: int,
    sums: Numbers,
    floors: Numbers,
    queries: Queries,
    found: Candidates,
) -> None:
    """Take those of some rows, from the first on, whose products aren't below the floor."""
    for i in range(count):
        product = sums[i // 16, query // 16 % 2, i % 16, query % 16]
        if product < floors[query]:
            continue
        most = found.places.shape[1]
        if found.taken[query] == most:
            _drop(query, floors[query], found)
            if 2 * found.taken[query] > most:
                found.taken[query] = -1
                floors[query] = np.inf
                return
        at = found.taken[query]
        found.places[query, at] = first + i
        found.products[query, at] = product
        found.taken[query] = at + 1
        heap = found.heap[query]
        if found.heaped[query] < len(heap) or product > heap[0]:
            found.heaped[query] = push(heap, found.heaped[query], product)
            floors[query] = _floor(query, queries, found)


@part
def _drop(query: int, floor: float, found: Candidates) -> None:
    """Drop the candidates of a query that are below the floor now."""
    kept = 0
    for i in range(found.taken[query]):
        if found.products[query, i] >= floor:
            found.places[query, kept] = found.places[query, i]
            found.products[query, kept] = found.products[query, i]
            kept += 1
    if found.taken[query] > 0:
        found.taken[query] = kept
