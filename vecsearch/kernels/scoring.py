"""Ranks the rows of a segment for many queries, exactly: a block of rows, a term at a time.

The loops over entries have no branches, which would go either way by chance: what is written at the
end of a list counts only if it may.

A block's sums stay in the cache. What an entry adds is looked up by its cell, and added in the
order of the query's terms: so every sum is that of the plain path in `vecsearch.retrieve.scoring`,
bit for bit.

Few entries are looked at once some good rows are known (MaxScore: Turtle and Flood 1995, "Query
evaluation: strategies and optimizations"). A term adds at most its peak in the block. Terms whose
peaks together are below what ranks among the best so far can't bring a row there alone: only rows
that hold another term are summed up, and what those frequent terms add is looked up for the few
rows that they could still lift among the best. At the end the sums of the best are made anew, in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled

_FIRST_WINDOW = 1 << 12
"""Rows that are looked at first; what they score tells which of the next needn't be."""

_SEARCH = 32
"""Entries that are passed over in the time in which one is searched for."""

UNTOUCHED = -0.0
"""The sum of a row that holds no term. No sum of weights is ever it: none of them is below 0."""

_ROUNDING = 1e-6
"""More than a score can change by rounding to float32, or by another order of a sum."""

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
    """What is known of a segment's rows.

    norms: (rows,) float64, l2 norms, or empty; allowed: (rows,) bool, the mask, or empty.
    ranks: (rows,) int32, among equal scores the greater is first; empty where a document has
        several rows.
    """

    norms: Numbers
    allowed: Numbers
    ranks: Numbers


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
        np.empty(block + 1, np.int64),
        np.empty(block + 1),
        np.empty(2 * block, np.int32),
        np.empty(2 * block, np.float32),
    )


class _Here(NamedTuple):
    """The terms of a query that have entries in a block, in the query's order.

    starts, ends: of their entries in a window, which is a stretch of the block's rows.
    stops: where those in the block end. peaks: the most that each adds to a sum.
    order: by rising peaks. Each array has room for all terms of the query.
    """

    starts: Numbers
    ends: Numbers
    stops: Numbers
    idfs: Numbers
    weights: Numbers
    lacking: Numbers
    peaks: Numbers
    order: Numbers


def rank_rows(
    entries: Entries, rows: Rows, queries: Queries, enough: int, room: Room
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
    """Return for each query the rows that may be among its best, their scores, and bounds.

    enough: so many rows come back for each query, best first, or all that there are. Where
        documents have several rows, so do all that are as good as the last of these, in any order.
    """
    return _rank_flat(*entries, *rows, *queries, enough, *room)


@compiled
def _rank_flat(
    rows: Numbers,
    cells: Numbers,
    chunk_blocks: Numbers,
    chunk_starts: Numbers,
    tf: Numbers,
    peaks: Numbers,
    norms: Numbers,
    allowed: Numbers,
    ranks: Numbers,
    bounds: Numbers,
    first_chunks: Numbers,
    last_chunks: Numbers,
    idfs: Numbers,
    weights: Numbers,
    lacking: Numbers,
    absent: Numbers,
    query_norms: Numbers,
    enough: int,
    sums: Numbers,
    found_rows: Numbers,
    found_sums: Numbers,
    best_rows: Numbers,
    best_scores: Numbers,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
    """Put the tuples together: on the way in from Python they take as long as a query."""
    return _rank(
        Entries(rows, cells, chunk_blocks, chunk_starts, tf, peaks),
        Rows(norms, allowed, ranks),
        Queries(bounds, first_chunks, last_chunks, idfs, weights, lacking, absent, query_norms),
        enough,
        Room(sums, found_rows, found_sums, best_rows, best_scores),
    )


@compiled
def _rank(
    entries: Entries, rows: Rows, queries: Queries, enough: int, room: Room
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
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
        heaped = 0
        absent, norm = queries.absent[query], queries.norms[query]
        while True:
            block, terms = _next_block(entries, queries, query, next_chunks, here)
            if terms == 0:
                break
            if last + len(sums) > len(all_rows):  # every row of a block might be taken
                all_rows = np.concatenate((all_rows, np.empty_like(all_rows)))
                all_scores = np.concatenate((all_scores, np.empty_like(all_scores)))
            first_row = block * len(sums)
            window = len(sums) if heaped == enough else _FIRST_WINDOW
            while True:
                _cut_at(entries, here, terms, window, len(sums))
                floor = -np.inf
                if heaped == enough and heap[0] > 0 and not len(rows.norms):
                    floor = np.float64(heap[0]) * (1 - _ROUNDING) * norm - absent
                found = _find(entries, here, terms, floor, sums, found_rows, found_sums)
                taken, heaped = _take(
                    rows, first_row, absent, norm, found_rows, found_sums, found,
                    all_rows[first:], all_scores[first:], last - first, heap, heaped,
                )  # fmt: skip
                last = first + taken
                if window >= len(sums):
                    break
                here.starts[:terms] = here.ends[:terms]
                window *= 4
            if heaped == enough:
                last = first + _drop(all_rows[first:], all_scores[first:], last - first, heap[0])
        if heaped == enough and not len(rows.norms):
            _sum_anew(
                entries, queries, query, len(sums), all_rows[first:last], all_scores[first:last]
            )
        if len(rows.ranks):
            last = first + _sort(rows.ranks, all_rows[first:last], all_scores[first:last], enough)
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
        here.stops[terms] = entries.chunk_starts[chunk + 1]
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
def _cut_at(entries: Entries, here: _Here, terms: int, window: int, block: int) -> None:
    """Let the window end before a row of the block."""
    for term in range(terms):
        here.ends[term] = here.stops[term]
        if window < block:
            left = entries.rows[here.starts[term] : here.stops[term]]
            here.ends[term] = here.starts[term] + _place(left, window)


@compiled
def _find(
    entries: Entries,
    here: _Here,
    terms: int,
    floor: float,
    sums: Numbers,
    found_rows: Numbers,
    found_sums: Numbers,
) -> int:
    """Find the rows of a window whose sum is at least `floor`; count them.

    Sums are of the terms in the order of the query where there is no floor, else in any.
    """
    lesser, rest = _lesser(here, terms, floor)
    if lesser == terms:
        return 0
    _add(entries, here, lesser, terms, sums)
    if lesser == 0:
        return _find_all(entries, here, terms, floor, sums, found_rows, found_sums)
    found = _find_few(entries, here, lesser, terms, rest, floor, sums, found_rows)
    return _lift(entries, here, lesser, rest, floor, sums, found_rows, found_sums, found)


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
    floor: float,
    sums: Numbers,
    found_rows: Numbers,
    found_sums: Numbers,
) -> int:
    """Find the rows that hold a term and reach the floor; clear the sums; return how many."""
    found = 0
    for term in range(terms):
        for row in entries.rows[here.starts[term] : here.ends[term]]:
            total = sums[row]
            sums[row] = UNTOUCHED
            found_rows[found] = row
            found_sums[found] = total
            # Where it is untouched another term's entry was here before.
            found += (total >= floor) & ((total != 0) | (not np.signbit(total)))
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
            may = total + rest >= floor
            sums[row] = -total if may else (total if total < 0 else UNTOUCHED)
            found_rows[found] = row
            found += may
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
    found_sums: Numbers,
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
                if at < len(rows) and rows[at] == found_rows[j]:
                    sums[found_rows[j]] -= weight * (idf * tf[cells[at]] - lacking)
        else:
            for at in range(len(rows)):
                value = weight * (idf * tf[cells[at]] - lacking)
                sums[rows[at]] -= value if sums[rows[at]] < 0 else 0.0
        kept = 0
        for j in range(found):
            row = found_rows[j]
            may = rest - sums[row] >= floor
            sums[row] = sums[row] if may else UNTOUCHED
            found_rows[kept] = row
            kept += may
        found = kept
    for j in range(found):
        found_sums[j] = -sums[found_rows[j]]
        sums[found_rows[j]] = UNTOUCHED
    return found


@compiled
def _sum_anew(
    entries: Entries, queries: Queries, query: int, block: int, rows: Numbers, scores: Numbers
) -> None:
    """Make the scores of rows anew, by sums in the order of the query's terms.

    block: rows of a block.
    """
    tf = entries.tf
    for i in range(len(rows)):
        its, row = rows[i] // block, rows[i] % block
        total = 0.0
        for term in range(queries.bounds[query], queries.bounds[query + 1]):
            first, last = queries.first_chunks[term], queries.last_chunks[term]
            chunk = first + _place(entries.chunk_blocks[first:last], its)
            if chunk == last or entries.chunk_blocks[chunk] != its:
                continue
            start, end = entries.chunk_starts[chunk], entries.chunk_starts[chunk + 1]
            at = start + _place(entries.rows[start:end], row)
            if at < end and entries.rows[at] == row:
                value = queries.idfs[term] * tf[entries.cells[at]] - queries.lacking[term]
                total += queries.weights[term] * value
        scores[i] = np.float32((total + queries.absent[query]) / queries.norms[query])


@compiled
def _place(rows: Numbers, row: int) -> int:
    """Return how many of rising rows are before one."""
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) >> 1
        if rows[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


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
        if heaped == len(heap) and score < heap[0] * (1 - _ROUNDING):
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
def _drop(rows: Numbers, scores: Numbers, taken: int, least: float) -> int:
    """Drop what is worse than the least, but for rounding; return how many stay."""
    kept = 0
    for i in range(taken):
        if scores[i] >= least * (1 - _ROUNDING):
            rows[kept] = rows[i]
            scores[kept] = scores[i]
            kept += 1
    return kept


@compiled
def _sort(ranks: Numbers, rows: Numbers, scores: Numbers, enough: int) -> int:
    """Put rows in order, the best of them first; return how many of them are enough."""
    keys = np.empty(len(rows), np.int64)
    bits = scores.view(np.int32)  # they rise with scores, of which none is below 0
    for i in range(len(rows)):
        keys[i] = -((np.int64(bits[i]) << 32) | np.int64(ranks[rows[i]]))
    order = np.argsort(keys)
    rows[:] = rows[order]
    scores[:] = scores[order]
    return min(len(rows), enough)
