"""The terms of new rows become postings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.store.arrays import Array, Stream
from vecsearch.store.blobs import offsets_of, rising
from vecsearch.store.cells import MOST_IN_TABLE, Cells
from vecsearch.store.postings import BLOCK_BITS, narrow, term_arrays

if TYPE_CHECKING:
    from vecsearch.kernels.counting import Counted

MANY_TOKENS: Final = 1 << 21
"""Tokens from which on compiled loops lay them out; sorting takes longer than to load these."""

_BLOCK: Final = 1 << 20
"""Entries that are taken apart at a time."""

_Terms: TypeAlias = NDArray[np.int64]
"""(terms,): the numbers in the vocabulary of those that there are, as their bytes rise."""


class _Layout(NamedTuple):
    """Entries in the order of their terms, how many chunks each term has, and what these are."""

    rows: Array | Stream
    cells: Array | Stream
    of_cells: Cells
    term_chunks: NDArray[np.int64]
    chunk_blocks: NDArray[np.uint16]
    chunk_starts: NDArray[np.int64]


class PostingsBuilder:
    """Takes the terms of rows as they come, and lays them out as the arrays of `Postings`."""

    def __init__(self) -> None:
        self._entries: _Tokens | _Entries = _Tokens()
        self._lengths: list[NDArray[np.int32]] = []

    def add(self, tokens: NDArray[np.int32], lengths: NDArray[np.int32]) -> None:
        """Take more rows.

        tokens: (tokens,) int32, numbers of terms in a vocabulary, row after row.
        lengths: (rows,) int32, how many tokens each row has.
        """
        self._lengths.append(lengths)
        self._entries.add(tokens, lengths)
        if isinstance(self._entries, _Tokens) and self._entries.many:
            counted = _Entries()
            for these, those in zip(self._entries.tokens, self._lengths, strict=True):
                counted.add(these, those)
            self._entries = counted

    def arrays(self, vocabulary: Sequence[str]) -> dict[str, Array | Stream]:
        """Lay out the rows that were taken; there is one at least.

        vocabulary: distinct terms; those that are in no row aren't stored.
        """
        present = self._entries.terms()
        names = [vocabulary[i].encode() for i in present.tolist()]
        order = rising(names)
        made = self._entries.layout(present[order], self._lengths)
        return {
            **term_arrays([names[i] for i in order.tolist()], made.term_chunks),
            "chunk_blocks": made.chunk_blocks,
            "chunk_starts": narrow(made.chunk_starts),
            "rows": made.rows,
            "cells": made.cells,
            "cell_counts": made.of_cells.counts,
            "cell_lengths": made.of_cells.lengths,
            "lengths": np.concatenate(self._lengths),
        }


class _Tokens:
    """Tokens as they came; sorting makes entries of them."""

    def __init__(self) -> None:
        self.tokens: list[NDArray[np.int32]] = []

    @property
    def many(self) -> bool:
        """Whether compiled loops would be faster, and are at hand."""
        return sum(map(len, self.tokens)) >= MANY_TOKENS and find_spec("numba") is not None

    def add(self, tokens: NDArray[np.int32], lengths: NDArray[np.int32]) -> None:
        self.tokens.append(tokens)

    def terms(self) -> _Terms:
        """Return the numbers of the terms that there are, rising."""
        return np.flatnonzero(np.bincount(np.concatenate(self.tokens)))

    def layout(self, terms: _Terms, of_parts: Sequence[NDArray[np.int32]]) -> _Layout:
        tokens, lengths = np.concatenate(self.tokens), np.concatenate(of_parts)
        numbers = np.zeros(int(terms.max(initial=0)) + 1, np.int64)
        numbers[terms] = np.arange(len(terms))
        # One integer per token sorts by term, then row; equal neighbours are one entry.
        bits = len(lengths).bit_length()
        keys = numbers[tokens] << bits
        keys |= np.repeat(np.arange(len(lengths)), lengths)
        keys.sort()
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.diff(first, append=len(keys))
        keys = keys[first]
        in_order, rows = keys >> bits, keys & ((1 << bits) - 1)
        # A chunk begins where the term changes, or the block.
        starts = np.flatnonzero(np.diff(keys >> min(bits, BLOCK_BITS), prepend=-1))
        cells = Cells.of(counts, lengths[rows])
        return _Layout(
            (rows & ((1 << BLOCK_BITS) - 1)).astype(np.uint16),
            cells.numbered(counts, lengths[rows]),
            cells,
            np.bincount(in_order[starts], minlength=len(terms)),
            (rows[starts] >> BLOCK_BITS).astype(np.uint16),
            np.append(starts, len(rows)),
        )


class _Entries:
    """Tokens that compiled loops count as they come; nothing is sorted."""

    def __init__(self) -> None:
        self._parts: list[Counted] = []
        self._rows = 0
        self._known = np.empty((0, 4), np.int32)

    def add(self, tokens: NDArray[np.int32], lengths: NDArray[np.int32]) -> None:
        from vecsearch.kernels import counting

        terms, known = int(tokens.max(initial=-1)) + 1, len(self._known)
        if terms > known:
            more = np.zeros((max(terms, 2 * known) - known, 4), np.int32)
            more[:, counting.LATEST] = -1
            self._known = np.concatenate([self._known, more])
        self._parts.append(
            counting.count(tokens, lengths, self._rows, 1 << BLOCK_BITS, self._known)
        )
        self._rows += len(lengths)

    def terms(self) -> _Terms:
        """Return the numbers of the terms that there are, rising."""
        from vecsearch.kernels import counting

        return np.flatnonzero(self._known[:, counting.ENTRIES])

    def layout(self, terms: _Terms, of_parts: Sequence[NDArray[np.int32]]) -> _Layout:
        from vecsearch.kernels import counting

        starts = offsets_of(self._known[terms, counting.ENTRIES])
        firsts = offsets_of(self._known[terms, counting.CHUNKS])
        next_place, next_chunk = np.zeros((2, len(self._known)), np.int64)
        next_place[terms], next_chunk[terms] = starts[:-1], firsts[:-1]
        chunk_blocks = np.empty(firsts[-1], np.uint16)
        chunk_starts = np.append(np.empty(firsts[-1], np.int64), starts[-1])
        for part in self._parts:
            counting.place_chunks(part, next_place, next_chunk, chunk_blocks, chunk_starts)
        cells, of_entries = self._cells(of_parts)
        # A cell above the bits of a row: an entry takes one write to a place that is in no cache,
        # not two.
        wide = np.empty(0, np.uint32 if cells.dtype == np.uint16 else np.uint64)
        both = counting.room_for(starts[-1], wide)
        row = 0
        for part, of_part in zip(self._parts, of_entries, strict=True):
            counting.place(part, of_part, row, 1 << BLOCK_BITS, next_place, both)
            row += len(part.bounds) - 1
        return _Layout(
            _taken_apart(both, 0, np.dtype(np.uint16)),
            _taken_apart(both, _ROW_BITS, cells.dtype),
            cells,
            np.diff(firsts),
            chunk_blocks,
            chunk_starts,
        )

    def _cells(
        self, of_parts: Sequence[NDArray[np.int32]]
    ) -> tuple[Cells, Iterator[NDArray[np.unsignedinteger[Any]]]]:
        """Return the cells, and the number of that of each entry, part by part."""
        from vecsearch.kernels import counting

        parts = list(zip(self._parts, of_parts, strict=True))
        shape = (
            max(int(part.counts.max(initial=0)) for part, _ in parts) + 1,
            max(int(lengths.max(initial=0)) for _, lengths in parts) + 1,
        )
        if shape[0] * shape[1] > MOST_IN_TABLE:
            pairs = [
                (each.counts, np.repeat(lengths, np.diff(each.bounds))) for each, lengths in parts
            ]
            cells = Cells.of(*map(np.concatenate, zip(*pairs, strict=True)))
            return cells, (cells.numbered(*pair) for pair in pairs)
        there = np.zeros(shape, np.bool_)
        for part, lengths in parts:
            counting.mark_cells(part, lengths, there)
        cells = Cells(*np.nonzero(there))
        numbers = np.zeros(shape, cells.dtype)
        numbers[there] = np.arange(len(cells.counts))
        return cells, (counting.number_cells(part, lengths, numbers) for part, lengths in parts)


_ROW_BITS: Final = 16


def _taken_apart(
    both: NDArray[np.unsignedinteger[Any]], shift: int, dtype: np.dtype[np.unsignedinteger[Any]]
) -> Stream:
    """Return what stands from a bit on, in blocks: whole, it would be in memory a second time."""
    return Stream(
        dtype,
        both.shape,
        (
            (both[start : start + _BLOCK] >> shift).astype(dtype)
            for start in range(0, len(both), _BLOCK)
        ),
    )
