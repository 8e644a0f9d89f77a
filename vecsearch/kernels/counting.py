"""Counts the terms of rows and lays their entries out by term, without sorting any.

Three passes over the rows: how often each holds each of its terms; how many entries and chunks each
term has; and, once it is known where those of each begin, every entry to its place.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled

Numbers: TypeAlias = NDArray[Any]


@compiled
def count(
    tokens: Numbers, lengths: Numbers, numbers: Numbers, terms: int
) -> tuple[Numbers, Numbers, Numbers]:
    """Count row by row; return the term and the count of each entry, and where each row's begin.

    tokens: (tokens,) int32, row after row; lengths: (rows,) int32, how many each row has.
    numbers: (vocabulary,) int32, the term that a token is, of so many `terms`.
    """
    entry_terms = np.empty(len(tokens), np.int32)
    counts = np.empty(len(tokens), np.int32)
    bounds = np.zeros(len(lengths) + 1, np.int64)
    entry_of = np.full(terms, -1, np.int64)  # the latest entry of each term
    entries = 0
    at = 0
    for row in range(len(lengths)):
        first = entries
        for token in tokens[at : at + lengths[row]]:
            term = numbers[token]
            entry = entry_of[term]
            if entry >= first:
                counts[entry] += 1
            else:
                entry_of[term] = entries
                entry_terms[entries] = term
                counts[entries] = 1
                entries += 1
        at += lengths[row]
        bounds[row + 1] = entries
    return entry_terms[:entries], counts[:entries], bounds


@compiled
def mark_cells(counts: Numbers, bounds: Numbers, lengths: Numbers, there: Numbers) -> None:
    """Mark the cells that there are: `there` (counts, lengths) bool."""
    for row in range(len(lengths)):
        for entry in range(bounds[row], bounds[row + 1]):
            there[counts[entry], lengths[row]] = True


@compiled
def place(
    entry_terms: Numbers,
    counts: Numbers,
    bounds: Numbers,
    lengths: Numbers,
    terms: int,
    block: int,
    cell_numbers: Numbers,
    both: Numbers,
) -> tuple[Numbers, Numbers, Numbers, Numbers, Numbers]:
    """Put the entries in the order of their terms.

    block: rows of a block. cell_numbers: (counts, lengths), the number of each cell.
    both: (entries,) room for a cell above 16 bits: so an entry takes one write to a place that is
        in no cache, not two.

    Return each entry's row in its block, uint16, and cell; each chunk's block, uint16, and start,
    with their end; and the first chunk of each term, with their number.
    """
    starts = np.zeros(terms + 1, np.int64)
    term_chunks = np.zeros(terms + 1, np.int64)
    latest = np.full(terms, -1, np.int64)  # block of each term
    for row in range(len(lengths)):
        here = row // block
        for entry in range(bounds[row], bounds[row + 1]):
            term = entry_terms[entry]
            starts[term + 1] += 1
            if latest[term] != here:
                latest[term] = here
                term_chunks[term + 1] += 1
    for term in range(terms):
        starts[term + 1] += starts[term]
        term_chunks[term + 1] += term_chunks[term]
    chunk_blocks = np.empty(term_chunks[-1], np.uint16)
    chunk_starts = np.empty(term_chunks[-1] + 1, np.int64)
    chunk_starts[-1] = starts[-1]
    next_chunk = term_chunks.copy()
    latest[:] = -1
    for row in range(len(lengths)):
        here = row // block
        for entry in range(bounds[row], bounds[row + 1]):
            term = entry_terms[entry]
            to = starts[term]
            starts[term] += 1
            if latest[term] != here:
                latest[term] = here
                chunk_blocks[next_chunk[term]] = here
                chunk_starts[next_chunk[term]] = to
                next_chunk[term] += 1
            cell = np.uint64(cell_numbers[counts[entry], lengths[row]])
            both[to] = (cell << np.uint64(16)) | np.uint64(row - here * block)
    rows = np.empty(len(both), np.uint16)
    cells = np.empty(len(both), cell_numbers.dtype)
    for entry in range(len(both)):
        rows[entry] = both[entry] & np.uint64(0xFFFF)
        cells[entry] = both[entry] >> np.uint64(16)
    return rows, cells, chunk_blocks, chunk_starts, term_chunks
