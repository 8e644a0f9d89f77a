"""The postings of a snapshot's segments and the terms of queries, as compiled loops see them.

Arrays of many segments come as one table of addresses, and terms as rows of another; so a call
takes the same few arguments, however many segments and queries there are.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, inlined, part
from vecsearch.kernels.memory import array_at

Numbers: TypeAlias = NDArray[Any]

ROWS, CELLS, ENTRIES, BLOCKS, STARTS, CHUNKS, TF, TFS, LENGTH, NORMS, RANKS, FIRST_ROW = range(12)
"""The columns of a table of segments, int64: addresses of arrays, and sizes.

ROWS, CELLS: (ENTRIES,) uint16 and of one dtype, see `vecsearch.store.postings.Postings`.
BLOCKS, STARTS: (CHUNKS,) uint16 and (CHUNKS + 1,) int64.
TF: (TFS,) float64, what each cell weighs.
NORMS: (LENGTH,) float64, l2 norms of the rows; 0 where the weighting has none.
RANKS: (LENGTH,) int32, of equal scores the greater is first; 0 where documents have several rows.
FIRST_ROW: the number of the segment's first row in the snapshot.
"""

IDF, WEIGHT, LACKING, FIRST_CHUNK = range(4)
"""The columns of a table of terms, of 8 bytes each: float64, but for the last.

WEIGHT: in the query. LACKING: what a row counts that lacks it.
FIRST_CHUNK: int64; this column and the next bound the chunks of the first segment; others follow.
"""

_NONE: Final = 1 << 31  # beyond all blocks


class Segment(NamedTuple):
    """The arrays of a segment; norms and ranks are empty where there are none."""

    rows: Numbers
    cells: Numbers
    blocks: Numbers
    starts: Numbers
    tf: Numbers
    norms: Numbers
    ranks: Numbers
    length: int
    first_row: int


class Query(NamedTuple):
    """The terms of a query, by falling weight: (terms,) float64 each, but for the last.

    chunks: (terms, columns) int64, as in a table of terms.
    absent: what a row without any of them counts. norm: the l2 norm of the weights, or 1.
    """

    idf: Numbers
    weight: Numbers
    lacking: Numbers
    chunks: Numbers
    absent: float
    norm: float


class Here(NamedTuple):
    """The terms of a query that have entries in a block, (terms,) int64 each.

    next_chunks, last_chunks: of all terms, where in the segment their next entries are.
    terms: which of them are in the block. chunks: where their entries are.
    """

    next_chunks: Numbers
    last_chunks: Numbers
    terms: Numbers
    chunks: Numbers


@inlined
def segment_of(row: Numbers, like: Numbers) -> Segment:
    """Return what a row of a table of segments says; `like` has the dtype of the cells."""
    length, chunks = row[LENGTH], row[CHUNKS]
    return Segment(
        array_at(row[ROWS], row[ENTRIES], np.uint16),
        array_at(row[CELLS], row[ENTRIES], like.dtype),
        array_at(row[BLOCKS], chunks, np.uint16),
        array_at(row[STARTS], chunks + 1, np.int64),
        array_at(row[TF], row[TFS], np.float64),
        array_at(row[NORMS], length if row[NORMS] else 0, np.float64),
        array_at(row[RANKS], length if row[RANKS] else 0, np.int32),
        length,
        row[FIRST_ROW],
    )


@compiled
def query_of(terms: Numbers, cosine: bool) -> Query:
    """Put terms in order: by falling weight, in the query's order where it is the same.

    terms: (terms, columns) float64, rows of a table of terms.
    """
    each = terms[:, IDF] * terms[:, WEIGHT]  # none is below 0, so that their bits rise with them
    order = np.argsort(-each.view(np.int64), kind="mergesort")
    taken = terms[order]
    absent = squares = 0.0
    for term in range(len(order)):
        weight = taken[term, WEIGHT]
        absent += weight * taken[term, LACKING]
        squares += weight * weight
    norm = np.sqrt(squares) if cosine else 1.0
    idf, weights = taken[:, IDF].copy(), taken[:, WEIGHT].copy()
    return Query(idf, weights, taken[:, LACKING].copy(), taken.view(np.int64), absent, norm)


@compiled
def room_here(terms: int) -> Here:
    """Return room for so many terms."""
    return Here(
        np.empty(terms, np.int64),
        np.empty(terms, np.int64),
        np.empty(terms, np.int64),
        np.empty(terms, np.int64),
    )


@part
def begin(asked: Query, segment: int, here: Here) -> None:
    """Stand before the first block of a segment, given by its number."""
    for term in range(len(asked.idf)):
        here.next_chunks[term] = asked.chunks[term, FIRST_CHUNK + 2 * segment]
        here.last_chunks[term] = asked.chunks[term, FIRST_CHUNK + 2 * segment + 1]


@part
def next_block(its: Segment, terms: int, here: Here) -> tuple[int, int]:
    """Gather the terms of the first block that is left; return it, and how many there are."""
    block = _NONE
    for term in range(terms):
        if here.next_chunks[term] < here.last_chunks[term]:
            block = min(block, np.int64(its.blocks[here.next_chunks[term]]))
    there = 0
    for term in range(terms):
        chunk = here.next_chunks[term]
        if chunk < here.last_chunks[term] and its.blocks[chunk] == block:
            here.next_chunks[term] += 1
            here.terms[there] = term
            here.chunks[there] = chunk
            there += 1
    return block, there


@part
def places_of(sought: Numbers, numbers: Numbers, places: Numbers) -> None:
    """Put down where in rising numbers each sought one is; if it isn't there, where another is.

    All are looked for side by side, each in as many steps: none waits for another's memory.
    """
    count = len(sought)
    for i in range(count):
        places[i] = 0
    left = len(numbers)
    while left > 1:
        half = left >> 1
        for i in range(count):
            places[i] += half if numbers[places[i] + half] <= sought[i] else 0
        left -= half


@part
def place_of(number: int, numbers: Numbers, start: int, end: int) -> int:
    """Return where in a stretch of rising numbers the first is that isn't less; else its end."""
    while start < end:
        middle = (start + end) >> 1
        less = numbers[middle] < number
        start = middle + 1 if less else start
        end = end if less else middle
    return start
