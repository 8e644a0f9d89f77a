"""Ranks the rows of a segment for many queries, exactly: a block of rows, a term at a time.

A block's sums stay in the cache. What an entry adds is looked up by its cell, and added in the
order of the query's terms: so every sum is that of the plain path in `vecsearch.retrieve.scoring`,
bit for bit.

Few entries are looked at once some good rows are known (MaxScore: Turtle and Flood 1995, "Query
evaluation: strategies and optimizations"). A term adds at most its peak in the block. Terms whose
peaks together are below what ranks among the best so far can't bring a row there alone: only rows
that hold another term are summed up, and what those frequent terms add is looked up for the few
rows that they could still lift among the best. Such a row's sum is then made anew, in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled

_SEARCH = 32
"""Entries that are passed over in the time in which one is searched for."""

UNTOUCHED = -0.0
"""The sum of a row that holds no term. No sum of weights is ever it: none of them is below 0."""

_ROUNDING = 1e-6
"""More than what rounding to float32 can lift a score by."""

Numbers: TypeAlias = NDArray[Any]


class Entries(NamedTuple):
    """The entries of a segment, see `vecsearch.store.postings.Postings`, and what they weigh.

    tf: (cells,) float64, of each cell.
    peaks: (chunks,) float64, the greatest tf in each chunk; below 0 where nobody asked yet.
    """

    rows: Numbers
    cells: Numbers
    chunk_blocks: Numbers
    chunk_starts: Numbers
    tf: Numbers
    peaks: Numbers


class Rows(NamedTuple):
    """What is known of a segment's rows: how many there are in all, maybe l2 norms and a mask.

    norms: (rows,) float64, or empty; allowed: (rows,) bool, or empty.
    """

    total: int
    norms: Numbers
    allowed: Numbers


class Queries(NamedTuple):
    """Queries as terms end to end.

    bounds: (queries + 1,) int64, where the terms of each begin.
    first_chunks, last_chunks: (terms,) int64, the segment's chunks of each.
    idfs, weights, lacking: (terms,) float64, of each; what a row counts that lacks it.
    absent, norms: (queries,) float64, what a row without any term counts, and the l2 norm.
    """

    bounds: Numbers
    first_chunks: Numbers
    last_chunks: Numbers
    idfs: Numbers
    weights: Numbers
    lacking: Numbers
    absent: Numbers
    norms: Numbers


class Room(NamedTuple):
    """Memory to work in, for one thread at a time; of any content but the sums.

    sums: (rows of a block,) float64, all of them UNTOUCHED, as they are left behind.
    """

    sums: Numbers
    found_rows: Numbers
    found_sums: Numbers
    best_rows: Numbers
    best_scores: Numbers


def new_room(block: int) -> Room:
    """Return room for blocks of so many rows."""
    return Room(
        np.full(block, UNTOUCHED),
        np.empty(block, np.int64),
        np.empty(block),
        np.empty(2 * block, np.int32),
        np.empty(2 * block, np.float32),
    )


class _Here(NamedTuple):
    """The terms of a query that have entries in a block, in the query's order.

    starts, ends: of their entries. peaks: the most that each adds to a sum.
    order: by rising peaks. Each array has room for all terms of the query.
    """

    starts: Numbers
    ends: Numbers
    idfs: Numbers
    weights: Numbers
    lacking: Numbers
    peaks: Numbers
    order: Numbers


@compiled
def rank_rows(
    entries: Entries, rows: Rows, queries: Queries, enough: int, room: Room
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
    """Return for each query the rows that may be among its best, their scores, and bounds.

    enough: every row comes back that is at least as good as the one of this rank, in any order.
    """
    count = len(queries.bounds) - 1
    bounds = np.zeros(count + 1, np.int64)
    sums, found_rows, found_sums = room.sums, room.found_rows, room.found_sums
    all_rows, all_scores = room.best_rows, room.best_scores
    most = 0
    for query in range(count):
        most = max(most, queries.bounds[query + 1] - queries.bounds[query])
    here = _Here(
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty(most, np.int64),
    )
    heap = np.empty(enough, np.float32)  # the best scores, the least of them first
    next_chunks = queries.first_chunks.copy()
    for query in range(count):
        first = last = bounds[query]
        heaped, least = 0, np.float32(-np.inf)
        absent, norm = queries.absent[query], queries.norms[query]
        while True:
            block, terms = _next_block(entries, queries, query, next_chunks, here)
            if terms == 0:
                break
            if last + len(sums) > len(all_rows):  # every row of a block might be taken
                all_rows = np.concatenate((all_rows, np.empty_like(all_rows)))
                all_scores = np.concatenate((all_scores, np.empty_like(all_scores)))
            first_row = block * len(sums)
            floor = -np.inf
            if least > 0 and not len(rows.norms):
                floor = np.float64(least) * (1 - _ROUNDING) * norm - absent
            lesser, rest = _lesser(here, terms, floor)
            if lesser == terms:
                continue
            _add(entries, here, lesser, terms, sums)
            if lesser:
                found = _find_few(entries, here, lesser, terms, rest, floor, sums, found_rows)
                found = _lift(entries, here, lesser, rest, floor, sums, found_rows, found)
                _sum_anew(entries, here, terms, sums, found_rows, found_sums, found)
            else:
                found = _find_all(entries, here, terms, sums, found_rows, found_sums)
            taken, heaped = _take(
                rows, first_row, absent, norm, found_rows, found_sums, found,
                all_rows[first:], all_scores[first:], last - first, heap, heaped,
            )  # fmt: skip
            if heaped == enough:
                least = heap[0]
                taken = _cut(all_rows[first:], all_scores[first:], taken, least)
            last = first + taken
        bounds[query + 1] = last
    return all_rows[: bounds[-1]].copy(), all_scores[: bounds[-1]].copy(), bounds


@compiled
def _next_block(
    entries: Entries, queries: Queries, query: int, next_chunks: Numbers, here: _Here
) -> tuple[int, int]:
    """Gather the terms of the first block that is left; return it, and how many there are."""
    block = -1
    for term in range(queries.bounds[query], queries.bounds[query + 1]):
        if next_chunks[term] < queries.last_chunks[term]:
            its = np.int64(entries.chunk_blocks[next_chunks[term]])
            if block < 0 or its < block:
                block = its
    terms = 0
    for term in range(queries.bounds[query], queries.bounds[query + 1]):
        chunk = next_chunks[term]
        if chunk == queries.last_chunks[term] or entries.chunk_blocks[chunk] != block:
            continue
        next_chunks[term] += 1
        here.starts[terms] = entries.chunk_starts[chunk]
        here.ends[terms] = entries.chunk_starts[chunk + 1]
        here.idfs[terms] = queries.idfs[term]
        here.weights[terms] = queries.weights[term]
        here.lacking[terms] = queries.lacking[term]
        tf = _peak(entries, chunk)
        here.peaks[terms] = queries.weights[term] * (
            queries.idfs[term] * tf - queries.lacking[term]
        )
        terms += 1
    return block, terms


@compiled
def _peak(entries: Entries, chunk: int) -> float:
    """Return the greatest tf in a chunk, and remember it."""
    if entries.peaks[chunk] < 0:
        peak = 0.0
        for cell in entries.cells[entries.chunk_starts[chunk] : entries.chunk_starts[chunk + 1]]:
            peak = max(peak, entries.tf[cell])
        entries.peaks[chunk] = peak
    return float(entries.peaks[chunk])


@compiled
def _lesser(here: _Here, terms: int, floor: float) -> tuple[int, float]:
    """Return how many of the least terms together stay below the floor, and by what they add."""
    for i in range(terms):  # few: by insertion
        at = i
        while at > 0 and here.peaks[here.order[at - 1]] > here.peaks[i]:
            here.order[at] = here.order[at - 1]
            at -= 1
        here.order[at] = i
    rest = 0.0
    for lesser in range(terms):
        more = rest + here.peaks[here.order[lesser]]
        if more >= floor:
            return lesser, rest
        rest = more
    return terms, rest


@compiled
def _add(entries: Entries, here: _Here, lesser: int, terms: int, sums: Numbers) -> None:
    """Add what the terms but the `lesser` least weigh in rows, in the order of the query."""
    tf = entries.tf
    for term in np.sort(here.order[lesser:terms]):
        start, end = here.starts[term], here.ends[term]
        idf, weight, lacking = here.idfs[term], here.weights[term], here.lacking[term]
        rows, cells = entries.rows[start:end], entries.cells[start:end]
        for i in range(len(rows)):
            sums[rows[i]] += weight * (idf * tf[cells[i]] - lacking)


@compiled
def _find_all(
    entries: Entries,
    here: _Here,
    terms: int,
    sums: Numbers,
    found_rows: Numbers,
    found_sums: Numbers,
) -> int:
    """Find the rows that hold a term, and clear their sums; return how many."""
    found = 0
    for term in range(terms):
        for row in entries.rows[here.starts[term] : here.ends[term]]:
            total = sums[row]
            sums[row] = UNTOUCHED
            if total != 0 or not np.signbit(total):  # no other term's entry was here before
                found_rows[found] = row
                found_sums[found] = total
                found += 1
    return found


@compiled
def _find_few(
    entries: Entries,
    here: _Here,
    lesser: int,
    terms: int,
    rest: float,
    floor: float,
    sums: Numbers,
    found_rows: Numbers,
) -> int:
    """Find the rows that the lesser terms could lift to the floor, above which `rest` is.

    Their sums are negated, which no sum is by itself; the others are cleared.
    """
    found = 0
    for i in range(lesser, terms):
        term = here.order[i]
        for row in entries.rows[here.starts[term] : here.ends[term]]:
            total = sums[row]
            if total + rest >= floor:
                sums[row] = -total
                found_rows[found] = row
                found += 1
            elif total >= 0:
                sums[row] = UNTOUCHED
    return found


@compiled
def _lift(
    entries: Entries,
    here: _Here,
    lesser: int,
    rest: float,
    floor: float,
    sums: Numbers,
    found_rows: Numbers,
    found: int,
) -> int:
    """Add what the lesser terms weigh in the rows that were found, and drop what stays below."""
    tf = entries.tf
    for i in range(lesser - 1, -1, -1):
        term = here.order[i]
        rest = max(rest - here.peaks[term], 0.0)
        start, end = here.starts[term], here.ends[term]
        idf, weight, lacking = here.idfs[term], here.weights[term], here.lacking[term]
        rows, cells = entries.rows[start:end], entries.cells[start:end]
        if found * _SEARCH < len(rows):
            for j in range(found):
                at = _place(rows, found_rows[j])
                if at >= 0:
                    sums[found_rows[j]] -= weight * (idf * tf[cells[at]] - lacking)
        else:
            for at in range(len(rows)):
                if sums[rows[at]] < 0:
                    sums[rows[at]] -= weight * (idf * tf[cells[at]] - lacking)
        kept = 0
        for j in range(found):
            row = found_rows[j]
            if rest - sums[row] >= floor:
                found_rows[kept] = row
                kept += 1
            else:
                sums[row] = UNTOUCHED
        found = kept
    return found


@compiled
def _sum_anew(
    entries: Entries,
    here: _Here,
    terms: int,
    sums: Numbers,
    found_rows: Numbers,
    found_sums: Numbers,
    found: int,
) -> None:
    """Sum up all terms for the rows that were found, in the order of the query; clear `sums`."""
    tf = entries.tf
    for j in range(found):
        sums[found_rows[j]] = UNTOUCHED
        found_sums[j] = UNTOUCHED
    for term in range(terms):
        start, end = here.starts[term], here.ends[term]
        idf, weight, lacking = here.idfs[term], here.weights[term], here.lacking[term]
        rows, cells = entries.rows[start:end], entries.cells[start:end]
        for j in range(found):
            at = _place(rows, found_rows[j])
            if at >= 0:
                found_sums[j] += weight * (idf * tf[cells[at]] - lacking)


@compiled
def _place(rows: Numbers, row: int) -> int:
    """Return where a row is among rising ones; -1 where it isn't."""
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) >> 1
        if rows[middle] < row:
            low = middle + 1
        else:
            high = middle
    if low < len(rows) and rows[low] == row:
        return low
    return -1


@compiled
def _take(
    rows: Rows,
    first_row: int,
    absent: float,
    norm: float,
    found_rows: Numbers,
    found_sums: Numbers,
    found: int,
    best_rows: Numbers,
    best_scores: Numbers,
    taken: int,
    heap: Numbers,
    heaped: int,
) -> tuple[int, int]:
    """Take what was found in a block, and may be, as long as it is as good as the heap's least.

    There is room for all of it. Return how many are taken, and how many scores the heap holds.
    """
    allowed, norms = rows.allowed, rows.norms
    for i in range(found):
        row = first_row + found_rows[i]
        if len(allowed) and not allowed[row]:
            continue
        total = found_sums[i] + absent
        if len(norms):
            total /= norms[row]
        score = np.float32(total / norm)
        if heaped == len(heap) and score < heap[0]:
            continue
        best_rows[taken] = row
        best_scores[taken] = score
        taken += 1
        if heaped < len(heap):
            heaped += 1
            _rise(heap, heaped - 1, score)
        elif score > heap[0]:
            _sink(heap, score)
    return taken, heaped


@compiled
def _rise(heap: Numbers, at: int, score: float) -> None:
    """Put a score at the end of a heap, and right."""
    while at > 0 and heap[(at - 1) >> 1] > score:
        heap[at] = heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap[at] = score


@compiled
def _sink(heap: Numbers, score: float) -> None:
    """Put a score in the place of a full heap's least, and right."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= len(heap):
            break
        if child + 1 < len(heap) and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= score:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = score


@compiled
def _cut(rows: Numbers, scores: Numbers, taken: int, least: float) -> int:
    """Drop what is worse than the least; return how many stay."""
    kept = 0
    for i in range(taken):
        if scores[i] >= least:
            rows[kept] = rows[i]
            scores[kept] = scores[i]
            kept += 1
    return kept
