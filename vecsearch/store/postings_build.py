"""The terms of new rows become postings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.store.arrays import Array, Stream
from vecsearch.store.cells import MOST_IN_TABLE, Cells
from vecsearch.store.postings import BLOCK_BITS, term_arrays

MANY_TOKENS: Final = 1 << 21
"""Tokens from which on compiled loops lay them out; sorting takes longer than to load these."""


class _Layout(NamedTuple):
    """Entries in the order of their terms, and the term, block and start of each chunk."""

    rows: NDArray[np.uint16]
    cells: NDArray[np.unsignedinteger[Any]]
    of_cells: Cells
    chunk_terms: NDArray[np.int64]
    chunk_blocks: NDArray[np.int64]
    chunk_starts: NDArray[np.int64]


def build_postings(
    vocabulary: Sequence[str], tokens: NDArray[np.int32], lengths: NDArray[np.int32]
) -> dict[str, Array | Stream]:
    """Lay out the arrays of `Postings`.

    vocabulary: distinct terms; those that are in no row aren't stored.
    tokens: (tokens,) int32, numbers of terms in it, row after row.
    lengths: (rows,) int32, how many tokens each row has.
    """
    present = np.flatnonzero(np.bincount(tokens, minlength=len(vocabulary)))
    names = [vocabulary[i].encode() for i in present.tolist()]
    order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
    numbers = np.zeros(len(vocabulary), np.int32)
    numbers[present[order]] = np.arange(len(names))
    made = None
    if len(tokens) >= MANY_TOKENS and find_spec("numba"):
        made = _placed(tokens, lengths, numbers, len(names))
    if made is None:
        made = _sorted(tokens, lengths, numbers)
    return {
        **term_arrays(
            [names[i] for i in order.tolist()],
            made.chunk_terms,
            made.chunk_blocks,
            made.chunk_starts,
        ),
        "rows": made.rows,
        "cells": made.cells,
        "cell_counts": made.of_cells.counts,
        "cell_lengths": made.of_cells.lengths,
        "lengths": lengths,
    }


def _sorted(
    tokens: NDArray[np.int32], lengths: NDArray[np.int32], numbers: NDArray[np.int32]
) -> _Layout:
    # One integer per token sorts by term, then row; equal neighbours are one entry.
    bits = len(lengths).bit_length()
    keys = numbers.astype(np.int64)[tokens] << bits
    keys |= np.repeat(np.arange(len(lengths)), lengths)
    keys.sort()
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    counts = np.diff(first, append=len(keys))
    keys = keys[first]
    terms, rows = keys >> bits, keys & ((1 << bits) - 1)
    # A chunk begins where the term changes, or the block.
    starts = np.flatnonzero(np.diff(keys >> min(bits, BLOCK_BITS), prepend=-1))
    cells = Cells.of(counts, lengths[rows])
    return _Layout(
        (rows & ((1 << BLOCK_BITS) - 1)).astype(np.uint16),
        cells.numbered(counts, lengths[rows]),
        cells,
        terms[starts],
        rows[starts] >> BLOCK_BITS,
        np.append(starts, len(rows)),
    )


def _placed(
    tokens: NDArray[np.int32],
    lengths: NDArray[np.int32],
    numbers: NDArray[np.int32],
    terms: int,
) -> _Layout | None:
    """Do the same without sorting; None where counts and lengths are too large for a table."""
    from vecsearch.kernels import counting

    entry_terms, counts, bounds = counting.count(tokens, lengths, numbers, terms)
    shape = int(counts.max()) + 1, int(lengths.max()) + 1
    if shape[0] * shape[1] > MOST_IN_TABLE:
        return None
    there = np.zeros(shape, np.bool_)
    counting.mark_cells(counts, bounds, lengths, there)
    cells = Cells(*np.nonzero(there))
    cell_numbers = np.zeros(shape, cells.dtype)
    cell_numbers[there] = np.arange(len(cells.counts))
    both = np.empty(len(counts), np.uint32 if cells.dtype == np.uint16 else np.uint64)
    rows, entry_cells, blocks, starts, term_chunks = counting.place(
        entry_terms, counts, bounds, lengths, terms, 1 << BLOCK_BITS, cell_numbers, both
    )
    chunk_terms = np.repeat(np.arange(terms), np.diff(term_chunks))
    return _Layout(rows, entry_cells, cells, chunk_terms, blocks, starts)
