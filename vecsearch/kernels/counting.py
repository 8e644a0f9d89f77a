"""Counts the terms of rows and lays their entries out by term, without sorting any.

First how often each row holds each of its terms, a stretch of rows at a time; and, once it is known
how many entries each term has, every entry goes to its place.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled

Numbers: TypeAlias = NDArray[Any]

LATEST: Final = 0
"""Of what is known of a term: the latest row that holds it, -1 for none."""
ENTRY: Final = 1
"""The entry of that row, within its stretch."""
ENTRIES: Final = 2
"""How many entries it has."""
CHUNKS: Final = 3
"""How many chunks these make up."""


class Counted(NamedTuple):
    """The entries of a stretch of rows, row after row, and the chunks that begin with one."""

    terms: Numbers
    """(entries,) int32."""
    counts: Numbers
    """(entries,) int32: how often the row holds the term."""
    bounds: Numbers
    """(rows + 1,) int64: where each row's entries begin, and the end of the last."""
    chunk_terms: Numbers
    """(chunks,) int32: of each chunk, in the order in which they begin."""
    chunk_blocks: Numbers
    """(chunks,) uint16: the block of rows that it is of."""
    chunk_starts: Numbers
    """(chunks,) int64: how many entries its term had before."""


@compiled
def count(tokens: Numbers, lengths: Numbers, first: int, block: int, known: Numbers) -> Counted:
    """Count the terms of a stretch of rows, of which `first` is the first.

    tokens: (tokens,) int32, row after row; lengths: (rows,) int32, how many each row has.
    block: rows of a block.
    known: (terms, 4) int32, what is known of each term; it is brought up to date.
    """
    terms = np.empty(len(tokens), np.int32)
    counts = np.empty(len(tokens), np.int32)
    bounds = np.zeros(len(lengths) + 1, np.int64)
    most = min(len(tokens), len(known) * (len(lengths) // block + 2))
    chunk_terms = np.empty(most, np.int32)
    chunk_blocks = np.empty(most, np.uint16)
    chunk_starts = np.empty(most, np.int64)
    entries = chunks = at = 0
    for i in range(len(lengths)):
        row = first + i
        begun = row - row % block
        for token in tokens[at : at + lengths[i]]:
            latest = known[token, LATEST]
            if latest == row:
                counts[known[token, ENTRY]] += 1
                continue
            if latest < begun:
                chunk_terms[chunks] = token
                chunk_blocks[chunks] = row // block
                chunk_starts[chunks] = known[token, ENTRIES]
                known[token, CHUNKS] += 1
                chunks += 1
            known[token, LATEST] = row
            known[token, ENTRY] = entries
            known[token, ENTRIES] += 1
            terms[entries] = token
            counts[entries] = 1
            entries += 1
        at += lengths[i]
        bounds[i + 1] = entries
    return Counted(
        terms[:entries],
        counts[:entries],
        bounds,
        chunk_terms[:chunks].copy(),
        chunk_blocks[:chunks].copy(),
        chunk_starts[:chunks].copy(),
    )


@compiled
def place_chunks(
    part: Counted,
    first_place: Numbers,
    next_chunk: Numbers,
    chunk_blocks: Numbers,
    chunk_starts: Numbers,
) -> None:
    """Put the chunks of a stretch of rows in the order of their terms.

    first_place: (terms,) int64, where each term's entries begin; next_chunk: (terms,) int64, where
    its next chunk goes. chunk_blocks, chunk_starts: (all chunks,) get them.
    """
    for i in range(len(part.chunk_terms)):
        term = part.chunk_terms[i]
        to = next_chunk[term]
        next_chunk[term] += 1
        chunk_blocks[to] = part.chunk_blocks[i]
        chunk_starts[to] = first_place[term] + part.chunk_starts[i]


@compiled
def mark_cells(part: Counted, lengths: Numbers, there: Numbers) -> None:
    """Mark the cells that there are: `there` (counts, lengths) bool."""
    counts, bounds = part.counts, part.bounds
    for row in range(len(lengths)):
        for entry in range(bounds[row], bounds[row + 1]):
            there[counts[entry], lengths[row]] = True


@compiled
def number_cells(part: Counted, lengths: Numbers, numbers: Numbers) -> Numbers:
    """Return the cell of each entry; numbers: (counts, lengths), the number of each cell."""
    counts, bounds = part.counts, part.bounds
    cells = np.empty(len(counts), numbers.dtype)
    for row in range(len(lengths)):
        for entry in range(bounds[row], bounds[row + 1]):
            cells[entry] = numbers[counts[entry], lengths[row]]
    return cells


@compiled
def place(
    part: Counted, cells: Numbers, first: int, block: int, next_place: Numbers, both: Numbers
) -> None:
    """Put the entries of a stretch of rows, of which `first` is the first, in order of their terms.

    next_place: (terms,) int64, where the next entry of each goes.
    both: (all entries,) gets a cell above 16 bits of a row in its block.
    """
    terms, bounds = part.terms, part.bounds
    for i in range(len(bounds) - 1):
        row = np.uint64((first + i) % block)
        for entry in range(bounds[i], bounds[i + 1]):
            term = terms[entry]
            both[next_place[term]] = np.uint64(cells[entry]) << np.uint64(16) | row
            next_place[term] += 1


@compiled
def room_for(entries: int, like: Numbers) -> Numbers:
    """Return an array for so many entries, of the type of `like`.

    One of numpy's would be in huge pages, which take longer to get than they save.
    """
    return np.empty(entries, like.dtype)
