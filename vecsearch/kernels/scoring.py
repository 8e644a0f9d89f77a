"""Ranks the rows of a snapshot for many queries, exactly.

Few rows can be among the best, which `vecsearch.kernels.rough` finds. Each of these is looked for
among the entries of every term, and what these weigh is added by falling weight. So a score is
that of the plain path in `vecsearch.retrieve.scoring`, bit for bit.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, part
from vecsearch.kernels.best import room_best, settle
from vecsearch.kernels.postings import (
    FIRST_CHUNK,
    FIRST_ROW,
    NORMS,
    RANKS,
    Query,
    Segment,
    place_of,
    places_of,
    query_of,
    room_here,
    segment_of,
)
from vecsearch.kernels.rough import MOST_TERMS, find_best, units_of

__all__ = ["FIRST_CHUNK", "MOST_TERMS", "rank_rows"]

Numbers: TypeAlias = NDArray[Any]

_ROOM: Final = 1024


@compiled
def rank_rows(
    segments: Numbers,
    peak: float,
    like: Numbers,
    bounds: Numbers,
    terms: Numbers,
    allowed: Numbers,
    enough: int,
    sums: Numbers,
    tables: Numbers,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the rows that may be among each query's best, their scores, bounds, and what is open.

    segments: (segments, columns) int64, a table of segments, of which there is one at least.
    peak: the most that a cell weighs. like: has the dtype of the cells.
    bounds: (queries + 1,) int64, where the terms of each begin, which follow on one another.
    terms: (terms, columns) float64, a table of terms.
    allowed: (rows,) bool, the mask, or empty.
    enough: so many rows are returned of each query, best first, or all that there are.
    sums: (rows of a block,) uint16, all of them 0, as they are left behind.
    tables: (n,) uint16, to work in.

    A query is open, (queries,) bool, where rows of several segments score alike, or documents have
    several rows: then all come back that are as good as the last that is enough, and maybe more.
    """
    count = len(bounds) - 1
    found = np.zeros(count + 1, np.int64)
    opened = np.zeros(count, np.bool_)
    all_rows, all_scores = np.empty(_ROOM, np.int64), np.empty(_ROOM, np.float32)
    cosine = bool(np.any(segments[:, NORMS] != 0))
    most = 0
    for query in range(count):
        most = max(most, bounds[query + 1] - bounds[query])
    here, starts = room_here(most), np.empty(most, np.int64)
    best = room_best(_ROOM)
    for query in range(count):
        first, last = bounds[query], bounds[query + 1]
        asked = query_of(terms[first:last], cosine)
        units = units_of(asked, peak, tables, starts)
        best, taken = find_best(segments, like, asked, units, here, allowed, enough, sums, best)
        stop = found[query] + taken
        if stop > len(all_rows):
            all_rows, all_scores = _longer(all_rows, 2 * stop), _longer(all_scores, 2 * stop)
        rows, scores = all_rows[found[query] : stop], all_scores[found[query] : stop]
        for i in range(taken):
            rows[i] = best.rows[i]
        ranks = np.zeros(taken, np.int32)
        _score(segments, like, asked, len(sums), rows, scores, ranks)
        opened[query] = True
        if segments[0, RANKS]:
            taken, opened[query] = settle(rows, scores, ranks, segments[:, FIRST_ROW], enough)
        found[query + 1] = found[query] + taken
    return all_rows[: found[-1]], all_scores[: found[-1]], found, opened


@compiled
def _longer(array: Numbers, room: int) -> Numbers:
    """Return an array that begins with this one and has so much room."""
    longer = np.empty(room, array.dtype)
    for i in range(len(array)):
        longer[i] = array[i]
    return longer


@compiled
def _score(
    segments: Numbers,
    like: Numbers,
    asked: Query,
    block_rows: int,
    rows: Numbers,
    scores: Numbers,
    ranks: Numbers,
) -> None:
    """Work out the scores of rows, block by block, and look up their ranks."""
    totals, places = np.zeros(len(rows)), np.empty(len(rows), np.int32)
    first = 0
    for segment in range(len(segments)):
        its = segment_of(segments[segment], like)
        while first < len(rows) and rows[first] < its.first_row + its.length:
            block = (rows[first] - its.first_row) // block_rows
            start = its.first_row + block * block_rows
            end = min(start + block_rows, its.first_row + its.length)
            last = first
            while last < len(rows) and rows[last] < end:
                last += 1
            sought = (rows[first:last] - start).astype(np.uint16)
            _add_exactly(its, asked, segment, block, sought, places, totals[first:last])
            for i in range(first, last):
                row = rows[i] - its.first_row
                total = totals[i] + asked.absent
                if len(its.norms):
                    total /= its.norms[row]
                scores[i] = total / asked.norm
                if len(its.ranks):
                    ranks[i] = its.ranks[row]
            first = last


@part
def _add_exactly(
    its: Segment,
    asked: Query,
    segment: int,
    block: int,
    rows: Numbers,
    places: Numbers,
    totals: Numbers,
) -> None:
    """Add up what the terms weigh in some rows of a block, which are looked for; places: room."""
    for term in range(len(asked.idf)):
        first = asked.chunks[term, FIRST_CHUNK + 2 * segment]
        last = asked.chunks[term, FIRST_CHUNK + 2 * segment + 1]
        chunk = place_of(block, its.blocks, first, last)
        if chunk == last or its.blocks[chunk] != block:
            continue
        idf, weight, lacking = asked.idf[term], asked.weight[term], asked.lacking[term]
        start, end = its.starts[chunk], its.starts[chunk + 1]
        entries, cells = its.rows[start:end], its.cells[start:end]
        places_of(rows, entries, places)
        for i in range(len(rows)):
            at = places[i]
            added = weight * (idf * its.tf[cells[at]] - lacking)
            totals[i] += added if entries[at] == rows[i] else 0.0
