"""Finds the rows of an index of codes, four bits to a number, that are nearest to a query.

The index is FAISS's (IVF, product quantization, fast scan), read where it lies. FAISS is made for
many queries at once: for one alone it takes longer than codes take to come from memory. Here a
floor keeps most rows from being looked at again: it is set beforehand, by a few of the blocks.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, compiled_quickly, part
from vecsearch.kernels.best import nth_greatest
from vecsearch.kernels.bits import trailing_zeros
from vecsearch.kernels.inverted import Codes, Wanted, multiply, visit
from vecsearch.kernels.memory import LINE, array_at, fetch
from vecsearch.kernels.products import product
from vecsearch.kernels.tables import ENTRIES, ROWS, look_up

Numbers: TypeAlias = NDArray[Any]

TOGETHER: Final = 16
"""Queries that are scanned for together, so that codes come from memory once for them."""

_TILE: Final = 32 * ROWS
"""Rows whose codes are scanned for one query after the other."""

_SAMPLED: Final = 64
"""Of so many blocks one is looked at beforehand."""

_SOON: Final = 2
"""So many blocks before it is looked at one of the few is fetched."""

_DEVIATIONS: Final = 4
"""Among the few, so many standard deviations more than are expected aren't below the floor."""

_CODES_AHEAD: Final = 2048
"""About so many bytes before they are looked up codes are fetched; less or more takes longer."""

_AHEAD: Final = 8
"""So many rows before it is scored a vector is fetched."""

_ONE: Final = np.uint64(1)
_MOST: Final = np.float32(1e30)
_NEVER: Final = 1 << 20
"""A floor that no sum reaches."""


class _Work(NamedTuple):
    """What is known of some queries at a time.

    tables: (queries, numbers, ENTRIES) uint8, zeros up to a multiple of four numbers.
    visited: (queries, lists) bool, whose codes are looked up.
    rows, sums: (queries, room) int64 and int32, of the best so far, the first `taken` of them; of
        a row the address of its number, until all are scanned.
    floors: (queries,) int64, the least sum that still counts.
    """

    tables: Numbers
    visited: Numbers
    rows: Numbers
    sums: Numbers
    taken: Numbers
    floors: Numbers


@compiled
def best_rows(queries: Numbers, index: Codes, wanted: Wanted, found: Numbers) -> None:
    """Find the rows with the best codes for each query, (n, dim) float32.

    found: (n, candidates) int64, gets the rows in any order; -1 pads.
    """
    found[:] = -1
    for first in range(0, len(queries), TOGETHER):
        some = queries[first : first + TOGETHER]
        work = _looked_up(some, index, wanted)
        for i in range(len(some)):
            taken = work.taken[i]
            found[first + i, :taken] = work.rows[i, :taken]


@compiled
def best_scored(
    queries: Numbers,
    index: Codes,
    wanted: Wanted,
    vectors: int,
    rows: Numbers,
    scores: Numbers,
) -> None:
    """Find what `best_rows` does, and of that the best by their products with the query.

    vectors: the address of the rows' vectors, (rows, dim) float32. rows, scores: (n, k) int64 and
    float32, get the k best, in falling order; -1 and -inf pad.
    """
    rows[:] = -1
    scores[:] = -np.inf
    for first in range(0, len(queries), TOGETHER):
        some = queries[first : first + TOGETHER]
        work = _looked_up(some, index, wanted)
        for i in range(len(some)):
            _score(
                some[i], vectors, work.rows[i], work.taken[i], rows[first + i], scores[first + i]
            )


@compiled
def _looked_up(queries: Numbers, index: Codes, wanted: Wanted) -> _Work:
    """Find so many rows with the best codes for some queries."""
    work = _prepared(queries, index, wanted)
    _sample(index, wanted, work)
    _scan(index, wanted, work)
    return work


@compiled
def _prepared(queries: Numbers, index: Codes, wanted: Wanted) -> _Work:
    count, lists, numbers = len(queries), len(index.sizes), index.words.shape[0]
    size = -(-numbers // 4) * 4 * ENTRIES
    memory = np.zeros(count * size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    room = 2 * wanted.candidates + ROWS
    work = _Work(
        memory[start : start + count * size].reshape((count, -1, ENTRIES)),
        np.ones((count, lists), np.bool_),
        np.empty((count, room), np.int64),
        np.empty((count, room), np.int32),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
    )
    turned = np.empty(index.rotation.shape[0], np.float32)
    values = np.empty((numbers, ENTRIES), np.float32)
    for i in range(count):
        multiply(index.rotation, queries[i], turned)
        _tabulate(index.words, turned, values, work.tables[i])
        if lists > 1:
            visit(index, turned, wanted, work.visited[i])
    return work


@compiled_quickly
def _tabulate(words: Numbers, query: Numbers, values: Numbers, table: Numbers) -> None:
    """Round what each entry is worth with a query to a byte, by one measure for all."""
    numbers, _, width = words.shape
    widest, all_ = np.float32(1e-30), np.float32(1e-30)
    for number in range(numbers):
        least, most = _MOST, -_MOST
        for entry in range(ENTRIES):
            total = np.float32(0)
            for i in range(width):
                total += words[number, entry, i] * query[number * width + i]
            values[number, entry] = total
            least, most = min(least, total), max(most, total)
        for entry in range(ENTRIES):
            values[number, entry] -= least
        widest = max(widest, most - least)
        all_ += most - least
    scale = min(np.float32(255) / widest, np.float32(65535 - numbers) / all_)
    for number in range(numbers):
        for entry in range(ENTRIES):
            table[number, entry] = np.uint8(values[number, entry] * scale + np.float32(0.5))


@compiled
def _sample(index: Codes, wanted: Wanted, work: _Work) -> None:
    """Set floors by some of the blocks, so that more rows than are wanted are hardly below them."""
    total = 0
    for each in range(len(index.sizes)):
        total += index.sizes[each] // ROWS
    lists, blocks = np.empty((2, total // _SAMPLED + 1), np.int64)
    seen = np.empty(len(lists) * ROWS, np.int32)
    for i in range(len(work.taken)):
        visited = sampled = 0
        for each in range(len(index.sizes)):
            if not work.visited[i, each]:
                continue
            whole = index.sizes[each] // ROWS
            for block in range(-visited % _SAMPLED, whole, _SAMPLED):
                lists[sampled], blocks[sampled] = each, block
                sampled += 1
            visited += whole
        if not sampled:
            continue
        count = _see(index, wanted.allow, work, i, lists[:sampled], blocks[:sampled], seen)
        expected = wanted.candidates * sampled / visited
        rank = int(expected + _DEVIATIONS * (np.sqrt(expected) + 1))
        if rank <= count:
            work.floors[i] = nth_greatest(seen[:count], rank)


@compiled
def _see(
    index: Codes,
    allow: Numbers,
    work: _Work,
    query: int,
    lists: Numbers,
    blocks: Numbers,
    seen: Numbers,
) -> int:
    """Write down the sums of all that may be found in some blocks, and return how many they are."""
    numbers = index.words.shape[0]
    apart = numbers * ENTRIES
    block_sums = np.empty(ROWS, np.uint16)
    count = 0
    for at in range(-_SOON, len(lists)):
        if at + _SOON < len(lists):
            soon = index.blocks[lists[at + _SOON]] + apart * blocks[at + _SOON]
            for line in range(0, apart, LINE):
                fetch(soon + line)
        if at < 0:
            continue
        each, block = lists[at], blocks[at]
        address = index.blocks[each] + apart * block
        look_up(address, address, work.tables[query], numbers, 0, block_sums)
        rows = array_at(index.rows[each], index.sizes[each], np.int64)
        for row in range(ROWS):
            if not len(allow) or allow[rows[ROWS * block + row]]:
                seen[count] = block_sums[row]
                count += 1
    return count


@compiled
def _scan(index: Codes, wanted: Wanted, work: _Work) -> None:
    """Collect the rows with the best codes, at most as many of each query as are wanted."""
    most = wanted.candidates
    hopeful = work.floors > 0
    _scan_once(index, wanted, work)
    again = False
    for i in range(len(hopeful)):
        if hopeful[i] and work.taken[i] < most:
            # Too much was expected: of this query all is scanned again.
            work.taken[i] = work.floors[i] = 0
            again = True
        else:
            work.floors[i] = _NEVER
    if again:
        _scan_once(index, wanted, work)
    for i in range(len(hopeful)):
        if work.taken[i] > most:
            work.taken[i], _ = _shrink(work.rows[i], work.sums[i], work.taken[i], most)
        for at in range(work.taken[i]):
            work.rows[i, at] = array_at(work.rows[i, at], 1, np.int64)[0]


@compiled
def _scan_once(index: Codes, wanted: Wanted, work: _Work) -> None:
    """Collect the rows whose codes aren't below the floors, each as the address of its number."""
    block_sums = np.empty(ROWS, np.uint16)
    lists = np.empty(len(index.sizes) + 1, np.int64)
    count = 0
    for each in range(len(index.sizes)):
        visited = False
        for i in range(len(work.taken)):
            visited |= work.visited[i, each]
        lists[count] = each
        count += visited and index.sizes[each] > 0
    lists[count] = lists[0]
    for at in range(count):
        each, following = lists[at], index.blocks[lists[at + 1]]
        size = index.sizes[each]
        rows = array_at(index.rows[each], size, np.int64)
        for first in range(0, size, _TILE):
            last = min(first + _TILE, size)
            for i in range(len(work.taken)):
                if work.visited[i, each] and work.floors[i] != _NEVER:
                    _scan_tile(
                        index, rows, wanted, work, i, each, first, last, following, block_sums
                    )


@part
def _scan_tile(
    index: Codes,
    rows: Numbers,
    wanted: Wanted,
    work: _Work,
    query: int,
    each: int,
    first: int,
    last: int,
    following: int,
    block_sums: Numbers,
) -> None:
    """Collect of a list's rows, (n,) int64, those from first, which begins a block, to last - 1.

    following: the address of the codes that are looked up after this list's.
    """
    numbers = index.words.shape[0]
    allow, most = wanted.allow, wanted.candidates
    apart = numbers * ENTRIES
    ahead = apart * max(1, _CODES_AHEAD // apart)
    end = index.blocks[each] + apart * -(-len(rows) // ROWS)
    table, kept, sums = work.tables[query], work.rows[query], work.sums[query]
    floor, taken = work.floors[query], work.taken[query]
    address = index.blocks[each] + apart * (first // ROWS)
    numbered = index.rows[each]
    for start in range(first, last, ROWS):
        soon = address + ahead
        if soon >= end:
            soon += following - end
        over = look_up(address, soon, table, numbers, floor, block_sums)
        address += apart
        if not over:
            continue
        if last - start < ROWS:
            over &= (_ONE << np.uint64(last - start)) - _ONE
        while over:
            at = trailing_zeros(over)
            over &= over - _ONE
            if not len(allow) or allow[rows[start + at]]:
                place = numbered + 8 * (start + at)
                kept[taken], sums[taken] = place, block_sums[at]
                fetch(place)
                taken += 1
        if taken >= 2 * most:
            taken, floor = _shrink(kept, sums, taken, most)
    work.taken[query], work.floors[query] = taken, floor


@part
def _score(
    query: Numbers, vectors: int, found: Numbers, taken: int, rows: Numbers, scores: Numbers
) -> None:
    """Put the best of the rows found in order, by the products of their vectors with a query."""
    apart = 4 * len(query)
    last = len(rows) - 1
    for i in range(taken):
        if i + _AHEAD < taken:
            address = vectors + apart * found[i + _AHEAD]
            for line in range(0, apart, LINE):
                fetch(address + line)
        score = product(query, vectors + apart * found[i])
        if not score > scores[last]:
            continue
        at = last
        while at > 0 and scores[at - 1] < score:
            rows[at], scores[at] = rows[at - 1], scores[at - 1]
            at -= 1
        rows[at], scores[at] = found[i], score


@part
def _shrink(rows: Numbers, worth: Numbers, taken: int, most: int) -> tuple[int, int]:
    """Keep the best; return how many there are, and what another must be worth."""
    floor = nth_greatest(worth[:taken], most)
    above = 0
    for i in range(taken):
        above += worth[i] > floor
    ties = most - above
    kept = 0
    for i in range(taken):
        if worth[i] > floor or (worth[i] == floor and ties > 0):
            ties -= worth[i] == floor
            rows[kept], worth[kept] = rows[i], worth[i]
            kept += 1
    return kept, floor + 1
