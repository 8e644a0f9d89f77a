"""Ranks the rows of a segment for many queries, exactly: a block of rows, a term at a time.

A block's sums stay in the cache. What an entry adds is looked up by its cell, and added in the
order of the query's terms: so every sum is that of the plain path in `vecsearch.retrieve.scoring`,
bit for bit. The best so far tell which rows needn't be looked at.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled

_TOGETHER = 64
"""Sums that are looked at together where a whole block is scanned for the few that may rank."""

_SOME = 1024
"""Rows more than enough that are taken before the worst of them are dropped."""

UNTOUCHED = -0.0
"""The sum of a row that holds no term. No sum of weights is ever it: none of them is below 0."""

_ROUNDING = 1e-6
"""More than what rounding to float32 can lift a score by."""

Numbers: TypeAlias = NDArray[Any]


class Entries(NamedTuple):
    """The entries of a segment, see `vecsearch.store.postings.Postings`, and each cell's tf."""

    rows: Numbers
    cells: Numbers
    chunk_blocks: Numbers
    chunk_starts: Numbers
    tf: Numbers


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


def new_sums(size: int) -> NDArray[np.float64]:
    """Return room for the sums of a block of so many rows, which `rank_rows` leaves as it was."""
    return np.full(size, UNTOUCHED)


@compiled
def rank_rows(
    entries: Entries, rows: Rows, queries: Queries, enough: int, sums: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
    """Return for each query the rows that may be among its best, their scores, and bounds.

    enough: every row comes back that is at least as good as the one of this rank, in any order.
    sums: (rows of a block,) float64, of `new_sums`, for one thread at a time.
    """
    count = len(queries.bounds) - 1
    bounds = np.zeros(count + 1, np.int64)
    all_rows = np.empty(len(sums), np.int32)
    all_scores = np.empty(len(sums), np.float32)
    next_chunks = queries.first_chunks.copy()
    for query in range(count):
        first = last = bounds[query]
        least = np.float32(-np.inf)
        while True:
            block = _next_block(entries, queries, query, next_chunks)
            if block < 0:
                break
            if last + len(sums) > len(all_rows):  # every row of a block might be taken
                all_rows = np.concatenate((all_rows, np.empty_like(all_rows)))
                all_scores = np.concatenate((all_scores, np.empty_like(all_scores)))
            best_rows, best_scores = all_rows[first:], all_scores[first:]
            first_row = block * len(sums)
            here = sums[: min(rows.total - first_row, len(sums))]
            added = _add(entries, queries, query, next_chunks, block, here)
            absent, norm = queries.absent[query], queries.norms[query]
            floor = np.float64(least) * (1 - _ROUNDING) * norm - absent
            if floor > 0 and 4 * added > len(here) and not len(rows.norms):
                taken = _scan(
                    rows,
                    first_row,
                    here,
                    floor,
                    absent,
                    norm,
                    least,
                    best_rows,
                    best_scores,
                    last - first,
                )
                _advance(entries, queries, query, next_chunks, block)
            else:
                taken, least = _collect(
                    entries, rows, queries, query, next_chunks, block, first_row, here,
                    best_rows, best_scores, last - first, least, enough,
                )  # fmt: skip
            taken, least = _cut(best_rows, best_scores, taken, least, enough)
            last = first + taken
        bounds[query + 1] = last
    return all_rows[: bounds[-1]].copy(), all_scores[: bounds[-1]].copy(), bounds


@compiled
def _next_block(entries: Entries, queries: Queries, query: int, next_chunks: Numbers) -> int:
    """Return the first block in which a term of the query has entries left; -1 for none."""
    found = -1
    for term in range(queries.bounds[query], queries.bounds[query + 1]):
        if next_chunks[term] < queries.last_chunks[term]:
            block = np.int64(entries.chunk_blocks[next_chunks[term]])
            if found < 0 or block < found:
                found = block
    return found


@compiled
def _chunk_in(
    entries: Entries, queries: Queries, term: int, next_chunks: Numbers, block: int
) -> tuple[int, int]:
    """Return the bounds of a term's entries in a block; empty where it has none."""
    chunk = next_chunks[term]
    if chunk < queries.last_chunks[term] and entries.chunk_blocks[chunk] == block:
        return np.int64(entries.chunk_starts[chunk]), np.int64(entries.chunk_starts[chunk + 1])
    return np.int64(0), np.int64(0)


@compiled
def _add(
    entries: Entries,
    queries: Queries,
    query: int,
    next_chunks: Numbers,
    block: int,
    sums: Numbers,
) -> int:
    """Add up what the terms weigh in the rows of a block; return how many entries that were."""
    added = 0
    tf = entries.tf
    for term in range(queries.bounds[query], queries.bounds[query + 1]):
        start, end = _chunk_in(entries, queries, term, next_chunks, block)
        idf, weight, lacking = queries.idfs[term], queries.weights[term], queries.lacking[term]
        rows, cells = entries.rows[start:end], entries.cells[start:end]
        for i in range(len(rows)):
            sums[rows[i]] += weight * (idf * tf[cells[i]] - lacking)
        added += end - start
    return added


@compiled
def _advance(
    entries: Entries, queries: Queries, query: int, next_chunks: Numbers, block: int
) -> None:
    for term in range(queries.bounds[query], queries.bounds[query + 1]):
        start, end = _chunk_in(entries, queries, term, next_chunks, block)
        next_chunks[term] += end > start


@compiled
def _scan(
    rows: Rows,
    first_row: int,
    sums: Numbers,
    floor: float,
    absent: float,
    norm: float,
    least: float,
    best_rows: Numbers,
    best_scores: Numbers,
    taken: int,
) -> int:
    """Take the rows of a block whose sum is at least `floor`, and clear all sums."""
    allowed = rows.allowed
    for start in range(0, len(sums), _TOGETHER):
        some = sums[start : start + _TOGETHER]
        high = 0
        for i in range(len(some)):  # without a branch, so that it is done many at a time
            high += some[i] >= floor
        if high:
            for i in range(len(some)):
                row = first_row + start + i
                if some[i] >= floor and (len(allowed) == 0 or allowed[row]):
                    score = np.float32((some[i] + absent) / norm)
                    if score >= least:
                        best_rows[taken] = row
                        best_scores[taken] = score
                        taken += 1
        for i in range(len(some)):
            some[i] = UNTOUCHED
    return taken


@compiled
def _collect(
    entries: Entries,
    rows: Rows,
    queries: Queries,
    query: int,
    next_chunks: Numbers,
    block: int,
    first_row: int,
    sums: Numbers,
    best_rows: Numbers,
    best_scores: Numbers,
    taken: int,
    least: float,
    enough: int,
) -> tuple[int, float]:
    """Take the rows of a block that hold a term, and clear their sums; go on to the next chunks."""
    absent, norm = queries.absent[query], queries.norms[query]
    allowed, norms = rows.allowed, rows.norms
    full = taken + _SOME + 4 * enough
    for term in range(queries.bounds[query], queries.bounds[query + 1]):
        start, end = _chunk_in(entries, queries, term, next_chunks, block)
        held = entries.rows[start:end]
        for i in range(len(held)):
            row = np.int64(held[i])
            total = sums[row]
            if total == 0 and np.signbit(total):  # another term's entry was here before
                continue
            sums[row] = UNTOUCHED
            total += absent
            if len(norms):
                total /= norms[first_row + row]
            score = np.float32(total / norm)
            if score >= least and (len(allowed) == 0 or allowed[first_row + row]):
                best_rows[taken] = first_row + row
                best_scores[taken] = score
                taken += 1
                if taken == full:
                    taken, least = _cut(best_rows, best_scores, taken, least, enough)
                    full = taken + _SOME + 4 * enough
        next_chunks[term] += end > start
    return taken, least


@compiled
def _cut(
    rows: Numbers, scores: Numbers, taken: int, least: float, enough: int
) -> tuple[int, float]:
    """Drop what is worse than the row of rank `enough`; return how many stay, and the least."""
    if taken <= enough:
        return taken, least
    worse = taken - enough
    least = np.partition(scores[:taken], worse)[worse]
    kept = 0
    for i in range(taken):
        if scores[i] >= least:
            rows[kept] = rows[i]
            scores[kept] = scores[i]
            kept += 1
    return kept, least
