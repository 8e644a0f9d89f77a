"""Ranks the rows of a snapshot for many queries, exactly: a block of rows, a term at a time.

A block's sums stay in the cache. What an entry adds is looked up by its cell, and added in the
order of the query's terms: so every sum is that of the plain path in `vecsearch.retrieve.scoring`,
bit for bit.

Then the entries are gone over once more, for rows that rank among the best so far. A term adds at
most its peak. Terms whose peaks together are below the least of the best can't bring a row there
alone: their entries are passed over, and a block that has no others isn't summed up at all (after
MaxScore: Turtle and Flood 1995, "Query evaluation: strategies and optimizations").
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, inlined
from vecsearch.kernels.heaps import push
from vecsearch.kernels.memory import array_at

Numbers: TypeAlias = NDArray[Any]

UNTOUCHED: Final = -0.0
"""The sum of a row that holds no term. No sum of weights is ever it: none of them is below 0."""

ROWS, CELLS, ENTRIES, BLOCKS, STARTS, CHUNKS, TF, NORMS, RANKS, FIRST_ROW = range(10)
"""The columns of a table of segments: addresses of arrays, ENTRIES and CHUNKS sizes.

ROWS, CELLS: (entries,) uint16 and of one dtype, see `vecsearch.store.postings.Postings`.
BLOCKS, STARTS: (chunks,) uint16 and (chunks + 1,) int64.
TF: (cells,) float64, what each cell weighs.
NORMS: (rows,) float64, l2 norms; 0 where the weighting has none.
RANKS: (rows,) int32, of equal scores the greater is first; 0 where documents have several rows.
"""
COLUMNS: Final = 10

_FAR: Final = 1 << 31  # beyond all rows of a segment
_ROUNDING: Final = 1e-6
"""More than a score can change by rounding to float32."""


class _Segment(NamedTuple):
    rows: Numbers
    cells: Numbers
    blocks: Numbers
    starts: Numbers
    tf: Numbers
    norms: Numbers
    ranks: Numbers
    first_row: int


class _Here(NamedTuple):
    """The terms of a query that have entries in a block, in the query's order; (terms,) each.

    starts, ends: of their entries. terms: which of the query's they are.
    peaks: the most that each adds to a sum. order: by rising peaks.
    """

    starts: Numbers
    ends: Numbers
    terms: Numbers
    peaks: Numbers
    order: Numbers


class _Best(NamedTuple):
    """What may be among a query's best; it grows.

    heap: (enough,) float32, the best scores, the least of them first.
    """

    rows: Numbers
    scores: Numbers
    ranks: Numbers
    heap: Numbers


@compiled
def rank_rows(
    segments: Numbers,
    peaks: Numbers,
    like: Numbers,
    bounds: Numbers,
    chunks: Numbers,
    terms: Numbers,
    queries: Numbers,
    allowed: Numbers,
    enough: int,
    sums: Numbers,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the rows that may be among each query's best, their scores, bounds, and what is open.

    segments: (segments, COLUMNS) int64. peaks: (segments,) float64, the greatest tf of each.
    like: an array of the dtype of the cells.
    bounds: (queries + 1,) int64, where the terms of each begin, which follow on one another.
    chunks: (terms, segments, 2) int64, the chunks of each term.
    terms: (terms, 3) float64, idf, weight in the query, and what a row counts that lacks it.
    queries: (queries, 2) float64, what a row without any term counts, and the l2 norm.
    allowed: (rows,) bool, the mask, or empty.
    enough: so many rows are returned of each query, best first, or all that there are.
    sums: (rows of a block,) float64, all of them UNTOUCHED, as they are left behind.

    A query is open, (queries,) bool, where rows of several segments score alike, or documents have
    several rows: then all come back that are as good as the last that is enough.
    """
    count = len(bounds) - 1
    found = np.zeros(count + 1, np.int64)
    opened = np.zeros(count, np.bool_)
    all_rows, all_scores = np.empty(0, np.int64), np.empty(0, np.float32)
    most = 0
    for query in range(count):
        most = max(most, bounds[query + 1] - bounds[query])
    here = _Here(
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most),
        np.empty(most, np.int64),
    )
    heap = np.empty(enough, np.float32)
    best = _Best(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int32), heap)
    for query in range(count):
        first, last = bounds[query], bounds[query + 1]
        absent, norm = queries[query]
        taken = heaped = 0
        for segment in range(len(segments)):
            best, taken, heaped = _rank_segment(
                _segment(segments[segment], like), peaks[segment], chunks[first:last, segment],
                terms[first:last], absent, norm, allowed, sums, here, best, taken, heaped,
            )  # fmt: skip
        taken, opened[query] = _settle(best, taken, segments)
        found[query + 1] = found[query] + taken
        if found[query + 1] > len(all_rows):
            all_rows = _longer(all_rows, found[query + 1])
            all_scores = _longer(all_scores, found[query + 1])
        all_rows[found[query] : found[query + 1]] = best.rows[:taken]
        all_scores[found[query] : found[query + 1]] = best.scores[:taken]
    return all_rows[: found[-1]], all_scores[: found[-1]], found, opened


@compiled
def _longer(array: Numbers, least: int) -> Numbers:
    """Return an array that begins with this one and has room for twice as much as it must have."""
    longer = np.empty(2 * least, array.dtype)
    longer[: len(array)] = array
    return longer


@inlined
def _rank_segment(
    its: _Segment,
    peak: float,
    chunks: Numbers,
    terms: Numbers,
    absent: float,
    norm: float,
    allowed: Numbers,
    sums: Numbers,
    here: _Here,
    best: _Best,
    taken: int,
    heaped: int,
) -> tuple[_Best, int, int]:
    """Take what may be among the best, block by block; return it, and what `_take` does."""
    next_chunks = chunks[:, 0].copy()
    while True:
        block, there = _next_block(its, next_chunks, chunks[:, 1], here)
        if there == 0:
            return best, taken, heaped
        floor = _floor(its, best.heap, heaped, absent, norm)
        lesser = _lesser(here, there, terms, peak, floor)
        if lesser == there:
            continue
        # Before there are sums: were there no memory, none would stay behind.
        entries = np.sum(here.ends[:there] - here.starts[:there])
        best = _with_room(best, taken, taken + entries)
        _add(its, here, there, terms, sums)
        first_row = its.first_row + block * len(sums)
        taken, heaped = _take(
            its, here, there, lesser, first_row, absent, norm, allowed, sums, best, taken, heaped
        )
        if heaped == len(best.heap):
            taken = _drop(best, taken)


@inlined
def _floor(its: _Segment, heap: Numbers, heaped: int, absent: float, norm: float) -> float:
    """Return what a sum must at least be; unknown where each row has a norm of its own."""
    if heaped < len(heap) or len(its.norms):
        return -np.inf
    floor: float = np.float64(heap[0]) * (1 - _ROUNDING) * norm - absent
    return floor


@inlined
def _segment(row: Numbers, like: Numbers) -> _Segment:
    entries, chunks = row[ENTRIES], row[CHUNKS]
    return _Segment(
        array_at(row[ROWS], entries, np.uint16),
        array_at(row[CELLS], entries, like.dtype),
        array_at(row[BLOCKS], chunks, np.uint16),
        array_at(row[STARTS], chunks + 1, np.int64),
        array_at(row[TF], _FAR, np.float64),
        array_at(row[NORMS], _FAR if row[NORMS] else 0, np.float64),
        array_at(row[RANKS], _FAR if row[RANKS] else 0, np.int32),
        row[FIRST_ROW],
    )


@inlined
def _next_block(
    its: _Segment, next_chunks: Numbers, last_chunks: Numbers, here: _Here
) -> tuple[int, int]:
    """Gather the terms of the first block that is left; return it, and how many there are."""
    block = _FAR
    for term in range(len(next_chunks)):
        if next_chunks[term] < last_chunks[term]:
            block = min(block, np.int64(its.blocks[next_chunks[term]]))
    there = 0
    for term in range(len(next_chunks)):
        chunk = next_chunks[term]
        if chunk < last_chunks[term] and its.blocks[chunk] == block:
            next_chunks[term] += 1
            here.starts[there] = its.starts[chunk]
            here.ends[there] = its.starts[chunk + 1]
            here.terms[there] = term
            there += 1
    return block, there


@inlined
def _lesser(here: _Here, there: int, terms: Numbers, peak: float, floor: float) -> int:
    """Put the terms in order; return how many of the least together stay below the floor."""
    for i in range(there):
        idf, weight, lacking = terms[here.terms[i]]
        here.peaks[i] = weight * (idf * peak - lacking)
        at = i
        while at > 0 and here.peaks[here.order[at - 1]] > here.peaks[i]:
            here.order[at] = here.order[at - 1]
            at -= 1
        here.order[at] = i
    total = 0.0
    for lesser in range(there):
        total += here.peaks[here.order[lesser]]
        if total >= floor:
            return lesser
    return there


@inlined
def _add(its: _Segment, here: _Here, there: int, terms: Numbers, sums: Numbers) -> None:
    """Add up what the terms weigh in the rows of a block, in the order of the query."""
    for i in range(there):
        idf, weight, lacking = terms[here.terms[i]]
        start, end = here.starts[i], here.ends[i]
        rows, cells = its.rows[start:end], its.cells[start:end]
        for j in range(len(rows)):
            sums[rows[j]] += weight * (idf * its.tf[cells[j]] - lacking)


@inlined
def _take(
    its: _Segment,
    here: _Here,
    there: int,
    lesser: int,
    first_row: int,
    absent: float,
    norm: float,
    allowed: Numbers,
    sums: Numbers,
    best: _Best,
    taken: int,
    heaped: int,
) -> tuple[int, int]:
    """Take the rows of a block that are as good as the heap's least; clear the sums.

    Return how many are taken now, and how many scores the heap holds.
    """
    floor = _floor(its, best.heap, heaped, absent, norm)
    for i in range(there - 1, lesser - 1, -1):
        term = here.order[i]
        for row in its.rows[here.starts[term] : here.ends[term]]:
            total = sums[row]
            sums[row] = UNTOUCHED
            if total < floor or (total == 0 and np.signbit(total)):  # another term had it before
                continue
            if len(allowed) and not allowed[first_row + row]:
                continue
            total += absent
            if len(its.norms):
                total /= its.norms[first_row - its.first_row + row]
            score = np.float32(total / norm)
            if heaped == len(best.heap) and score < best.heap[0]:
                continue
            heaped = push(best.heap, heaped, score)
            floor = _floor(its, best.heap, heaped, absent, norm)
            best.rows[taken] = first_row + row
            best.scores[taken] = score
            if len(its.ranks):
                best.ranks[taken] = its.ranks[first_row - its.first_row + row]
            taken += 1
    for i in range(lesser):
        term = here.order[i]
        for row in its.rows[here.starts[term] : here.ends[term]]:
            sums[row] = UNTOUCHED
    return taken, heaped


@compiled
def _with_room(best: _Best, taken: int, room: int) -> _Best:
    """Return the same with so much room."""
    if room <= len(best.rows):
        return best
    rows = np.empty(2 * room, np.int64)
    scores = np.empty(2 * room, np.float32)
    ranks = np.empty(2 * room, np.int32)
    rows[:taken] = best.rows[:taken]
    scores[:taken] = best.scores[:taken]
    ranks[:taken] = best.ranks[:taken]
    return _Best(rows, scores, ranks, best.heap)


@inlined
def _drop(best: _Best, taken: int) -> int:
    """Drop what is worse than the heap's least; return how many stay."""
    kept = 0
    for i in range(taken):
        if best.scores[i] >= best.heap[0]:
            best.rows[kept] = best.rows[i]
            best.scores[kept] = best.scores[i]
            best.ranks[kept] = best.ranks[i]
            kept += 1
    return kept


@compiled
def _settle(best: _Best, taken: int, segments: Numbers) -> tuple[int, bool]:
    """Put what was taken in order; return how many are enough, and whether it is left open."""
    if segments[0, RANKS] == 0:
        return taken, True
    bits = best.scores[:taken].view(np.int32)  # they rise with scores, of which none is below 0
    order = np.argsort(-((bits.astype(np.int64) << 32) | best.ranks[:taken].astype(np.int64)))
    best.rows[:taken] = best.rows[:taken][order]
    best.scores[:taken] = best.scores[:taken][order]
    for first_row in segments[1:, FIRST_ROW]:
        for i in range(1, taken):
            apart = (best.rows[i] < first_row) != (best.rows[i - 1] < first_row)
            if apart and best.scores[i] == best.scores[i - 1]:
                return taken, True
    return min(taken, len(best.heap)), False
