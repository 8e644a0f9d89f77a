"""Which rows hold a term, and how often: raw counts, from which every weighting is derived.

The counts never change, so a collection's living statistics can be taken from them in any state
of an index: nothing is frozen in that a later document would make wrong.

Four bytes an entry, as a rule. Rows are cut into blocks of 65,536, within which a row's number has
16 bits; the entries of a term in one block are a chunk. And an entry names its cell: one of the
distinct pairs of a count and a row's length, of which there are few, so that what a weighting makes
of them is worked out once for each pair instead of once for each entry.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.store.arrays import Array, Stream
from vecsearch.store.blobs import Blobs, offsets_of, pack

BLOCK_BITS: Final = 16
"""A block has 2 to the power of this many rows."""

_LOW: Final = (1 << BLOCK_BITS) - 1
_MOST_IN_TABLE: Final = 1 << 24
"""Pairs of a count and a length that a table, a byte each, may be made of to number them."""


class Entries(NamedTuple):
    """The rows that hold one term, rising, and the cell of each: (n,) int64, (n,) unsigned."""

    rows: NDArray[np.int64]
    cells: NDArray[np.unsignedinteger[Any]]


class Postings:
    """The postings of one segment, opened over its arrays.

    Terms are sorted and searched where they lie in the mapped file: opening costs nothing.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.terms = Blobs(arrays["terms"], arrays["term_offsets"])
        self.term_chunks: NDArray[np.integer[Any]] = arrays["term_chunks"]
        """(terms + 1,): the first chunk of each term, and the number of chunks."""
        self.chunk_blocks: NDArray[np.uint16] = arrays["chunk_blocks"]
        """(chunks,) uint16: the block that each chunk is of, rising within a term."""
        self.chunk_starts: NDArray[np.integer[Any]] = arrays["chunk_starts"]
        """(chunks + 1,): where the entries of each chunk begin, and the end of the last."""
        self.rows: NDArray[np.uint16] = arrays["rows"]
        """(entries,) uint16: the number of the row within its block, rising within a chunk."""
        self.cells: NDArray[np.unsignedinteger[Any]] = arrays["cells"]
        """(entries,) uint16, or uint32 where there are so many cells."""
        self.cell_counts: NDArray[np.int32] = arrays["cell_counts"]
        """(cells,) int32: how often the row holds the term."""
        self.cell_lengths: NDArray[np.int32] = arrays["cell_lengths"]
        """(cells,) int32: how many terms the row holds, repetitions included."""
        self.lengths: NDArray[np.int32] = arrays["lengths"]
        """(rows,) int32: how many terms each row holds, repetitions included."""

    def chunks(self, term: str) -> slice:
        """Return the stretch of the chunks that are a term's; empty where no row holds it."""
        name = term.encode()
        at = bisect_left(self.terms, name)
        if at == len(self.terms) or self.terms[at] != name:
            return slice(0, 0)
        return slice(*self.term_chunks[at : at + 2].tolist())

    def entries(self, term: str) -> Entries:
        """Return the entries of a term; empty where no row holds it."""
        return self.entries_in(self.chunks(term))

    def entries_between(self, first: int, last: int) -> Entries:
        """Return the entries of the terms numbered from `first` up to `last`, end to end."""
        return self.entries_in(slice(*self.term_chunks[[first, last]].tolist()))

    def entries_in(self, chunks: slice) -> Entries:
        """Return the entries of a stretch of chunks, end to end."""
        starts = self.chunk_starts[chunks.start : chunks.stop + 1].astype(np.int64)
        where = slice(starts[0], starts[-1])
        firsts = self.chunk_blocks[chunks].astype(np.int64) << BLOCK_BITS
        rows = np.repeat(firsts, np.diff(starts))
        rows += self.rows[where]
        return Entries(rows, self.cells[where])

    @property
    def term_starts(self) -> NDArray[np.int64]:
        """(terms + 1,) int64: where the entries of each term begin, and the end of the last."""
        starts: NDArray[np.int64] = self.chunk_starts[self.term_chunks].astype(np.int64)
        return starts


class PostingsBuilder:
    """Collects the terms of rows, four bytes a token, until they are laid out as postings."""

    def __init__(self) -> None:
        self._vocabulary: defaultdict[str, int] = defaultdict()
        self._vocabulary.default_factory = self._vocabulary.__len__
        self._tokens = array("i")
        self._lengths = array("i")

    def add(self, terms: Sequence[str]) -> None:
        """Take the terms of the next row."""
        self._tokens.extend(map(self._vocabulary.__getitem__, terms))
        self._lengths.append(len(terms))

    def build(self) -> dict[str, Array | Stream]:
        """Lay out the arrays of `Postings`."""
        return build_postings(
            list(self._vocabulary),
            np.array(self._tokens, np.int32),
            np.array(self._lengths, np.int32),
        )


def build_postings(
    vocabulary: Sequence[str], tokens: NDArray[np.int32], lengths: NDArray[np.int32]
) -> dict[str, Array | Stream]:
    """Lay out the arrays of `Postings`.

    vocabulary: distinct terms, each of which is in some row.
    tokens: (tokens,) int32, numbers of terms in it, row after row.
    lengths: (rows,) int32, how many tokens each row has.
    """
    names = [term.encode() for term in vocabulary]
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    # One integer per token sorts by term, then row; equal neighbours are one entry.
    bits = len(lengths).bit_length()
    keys = rank[tokens] << bits
    keys |= np.repeat(np.arange(len(lengths)), lengths)
    keys.sort()
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    counts = np.diff(first, append=len(keys))
    keys = keys[first]
    terms, rows = keys >> bits, keys & ((1 << bits) - 1)
    # A chunk begins where the term changes, or the block.
    starts = np.flatnonzero(np.diff(keys >> min(bits, BLOCK_BITS), prepend=-1))
    sizes = lengths[rows]
    cells = _Cells.of(counts, sizes)
    return {
        **_chunk_arrays(
            [names[i] for i in order],
            terms[starts],
            rows[starts] >> BLOCK_BITS,
            np.append(starts, len(rows)),
        ),
        "rows": (rows & _LOW).astype(np.uint16),
        "cells": cells.numbered(counts, sizes),
        "cell_counts": cells.counts,
        "cell_lengths": cells.lengths,
        "lengths": lengths,
    }


def _chunk_arrays(
    names: Sequence[bytes],
    terms: NDArray[np.int64],
    blocks: NDArray[np.int64],
    starts: NDArray[np.int64],
) -> dict[str, Array | Stream]:
    """Lay out terms and their chunks, whose terms, blocks and starts come in their order."""
    data, offsets = pack(names)
    return {
        "terms": data,
        "term_offsets": _narrow(offsets),
        "term_chunks": _narrow(offsets_of(np.bincount(terms, minlength=len(names)))),
        "chunk_blocks": blocks.astype(np.uint16),
        "chunk_starts": _narrow(starts),
    }


def _narrow(offsets: NDArray[np.int64]) -> NDArray[np.integer[Any]]:
    """Return rising offsets, of which there is one at least, in half the bytes where they fit."""
    return offsets.astype(np.uint32 if offsets[-1] < 1 << 32 else np.int64)


class _Cells:
    """Distinct pairs of a count and a length, rising, and the number of each.

    counts, lengths: (cells,) int32.
    """

    def __init__(self, counts: NDArray[np.integer[Any]], lengths: NDArray[np.integer[Any]]) -> None:
        self.counts = counts.astype(np.int32)
        self.lengths = lengths.astype(np.int32)
        self._width = int(lengths.max(initial=0)) + 1
        self._keys = counts.astype(np.int64) * self._width + lengths
        self.dtype: np.dtype[np.unsignedinteger[Any]] = np.dtype(
            np.uint16 if len(counts) <= 1 << 16 else np.uint32
        )
        self._table: NDArray[np.unsignedinteger[Any]] | None = None
        if len(counts) and self._keys[-1] < _MOST_IN_TABLE:
            self._table = np.zeros(self._keys[-1] + 1, self.dtype)
            self._table[self._keys] = np.arange(len(counts))

    @classmethod
    def of(cls, counts: NDArray[np.integer[Any]], lengths: NDArray[np.integer[Any]]) -> _Cells:
        """Number the distinct ones of pairs."""
        width = int(lengths.max(initial=0)) + 1
        keys = counts.astype(np.int64) * width + lengths
        largest = int(keys.max(initial=0))
        if largest < _MOST_IN_TABLE:  # much faster than to sort them
            there = np.zeros(largest + 1, np.bool_)
            there[keys] = True
            keys = np.flatnonzero(there)
        else:
            keys = np.unique(keys)
        return cls(keys // width, keys % width)

    def numbered(
        self, counts: NDArray[np.integer[Any]], lengths: NDArray[np.integer[Any]]
    ) -> NDArray[np.unsignedinteger[Any]]:
        """Return the number of each pair, all of which are among these."""
        keys = counts.astype(np.int64) * self._width + lengths
        if self._table is not None:
            return self._table[keys]
        return np.searchsorted(self._keys, keys).astype(self.dtype)


BLOCK_ENTRIES = 1 << 22
"""Entries worked on at a time, so that memory doesn't grow with the postings."""


def merge_postings(
    parts: Sequence[tuple[Postings, NDArray[np.bool_]]],
) -> dict[str, Array | Stream]:
    """Lay out the postings of several segments where each mask (rows,) is true.

    The rows that stay are numbered on through the segments; terms without a row are dropped.
    """
    names = sorted(set().union(*(postings.terms.all() for postings, _ in parts)))
    number = {name: i for i, name in enumerate(names)}
    lengths = np.concatenate([postings.lengths[kept] for postings, kept in parts])
    bits = len(lengths).bit_length()
    sources, base = [], 0
    for postings, kept in parts:
        rows = np.where(kept, base + np.cumsum(kept) - 1, -1)
        terms = np.fromiter(map(number.__getitem__, postings.terms.all()), np.int64)
        sources.append(_counted(postings, rows, terms, bits))
        base += int(kept.sum())
    living = np.zeros(len(names), np.int64)
    for source in sources:
        living[source.terms] += source.living
    chunks, which = np.unique(
        np.concatenate([source.chunks for source in sources]), return_inverse=True
    )
    sizes = np.zeros(len(chunks), np.int64)
    np.add.at(sizes, which, np.concatenate([source.sizes for source in sources]))
    blocks_bits = bits - min(bits, BLOCK_BITS)
    renumbered = np.cumsum(living > 0) - 1  # terms that only rows that go have held go too
    cells = _Cells.of(
        np.concatenate([each.postings.cell_counts[each.used] for each in sources]),
        np.concatenate([each.postings.cell_lengths[each.used] for each in sources]),
    )
    size = int(living.sum())
    return {
        **_chunk_arrays(
            [names[i] for i in np.flatnonzero(living).tolist()],
            renumbered[chunks >> blocks_bits],
            chunks & ((1 << blocks_bits) - 1),
            offsets_of(sizes),
        ),
        # Each stream merges anew: twice the work, but never more than a block of either in memory.
        "rows": Stream(np.dtype(np.uint16), (size,), _merged_rows(sources, living)),
        "cells": Stream(cells.dtype, (size,), _merged_cells(sources, living, cells)),
        "cell_counts": cells.counts,
        "cell_lengths": cells.lengths,
        "lengths": lengths,
    }


class _Source(NamedTuple):
    """Postings that go into a merge, and what stays of them.

    rows: (rows,) int64, the new number of each row, -1 for one that goes.
    terms: (terms,) int64, the new number of each term.
    living: (terms,) int64, how many entries of each term stay.
    chunks, sizes: (n,) int64, the new chunks that they become part of, as term and block in one
        number, and how many entries of each are from here.
    used: (cells,) bool, the cells of entries that stay.
    """

    postings: Postings
    rows: NDArray[np.int64]
    terms: NDArray[np.int64]
    living: NDArray[np.int64]
    chunks: NDArray[np.int64]
    sizes: NDArray[np.int64]
    used: NDArray[np.bool_]

    def staying(self, first: int, last: int) -> Entries:
        """Return the entries that stay of the terms here from `first` up to `last`, renumbered."""
        rows, cells = self.postings.entries_between(first, last)
        rows = self.rows[rows]
        if self.living[first:last].sum() == len(rows):
            return Entries(rows, cells)
        stays = rows >= 0
        return Entries(rows[stays], cells[stays])


def _counted(
    postings: Postings, rows: NDArray[np.int64], terms: NDArray[np.int64], bits: int
) -> _Source:
    """Count what stays, holding few of the entries at a time.

    bits: of the number of rows that stay in all.
    """
    starts = postings.term_starts
    living = np.zeros(len(terms), np.int64)
    used = np.zeros(len(postings.cell_counts), np.bool_)
    chunks, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for first, last in stretches(np.diff(starts), BLOCK_ENTRIES):
        found, cells = postings.entries_between(first, last)
        renumbered = rows[found]
        keys = np.repeat(terms[first:last] << bits, np.diff(starts[first : last + 1]))
        stays = renumbered >= 0
        if not stays.all():
            renumbered, keys, cells = renumbered[stays], keys[stays], cells[stays]
        used[cells] = True
        keys = (keys | renumbered) >> min(bits, BLOCK_BITS)
        edges = np.flatnonzero(np.diff(keys, prepend=-1))
        chunks.append(keys[edges])
        sizes.append(np.diff(edges, append=len(keys)))
        sums = np.concatenate([[0], np.cumsum(stays)])
        living[first:last] = np.diff(sums[starts[first : last + 1] - starts[first]])
    return _Source(
        postings, rows, terms, living, np.concatenate(chunks), np.concatenate(sizes), used
    )


def stretches(sizes: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Cut a range of items into stretches of about `most` in size each, one item at least."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        limit = (ends[first - 1] if first else 0) + most
        last = max(int(np.searchsorted(ends, limit, side="right")), first + 1)
        yield first, last
        first = last


def _merged_rows(
    sources: Sequence[_Source], living: NDArray[np.int64]
) -> Iterator[NDArray[np.uint16]]:
    for size, placed in _placed(sources, living):
        rows = np.empty(size, np.uint16)
        for places, _, entries in placed:
            rows[places] = entries.rows & _LOW
        yield rows


def _merged_cells(
    sources: Sequence[_Source], living: NDArray[np.int64], numbers: _Cells
) -> Iterator[NDArray[np.unsignedinteger[Any]]]:
    new = []
    for source in sources:
        known = np.zeros(len(source.used), numbers.dtype)
        postings, used = source.postings, source.used
        known[used] = numbers.numbered(postings.cell_counts[used], postings.cell_lengths[used])
        new.append(known)
    for size, placed in _placed(sources, living):
        cells = np.empty(size, numbers.dtype)
        for places, which, entries in placed:
            cells[places] = new[which][entries.cells]
        yield cells


def _placed(
    sources: Sequence[_Source], living: NDArray[np.int64]
) -> Iterator[tuple[int, Iterator[tuple[NDArray[np.int64], int, Entries]]]]:
    """Yield for stretches of terms how many entries they have, and where those of each source go.

    Within a term the rows of the sources follow each other, so they keep rising.
    """
    for first, last in stretches(living, BLOCK_ENTRIES):
        ends = np.cumsum(living[first:last])
        yield int(ends[-1]), _places(sources, first, last, ends - living[first:last])


def _places(
    sources: Sequence[_Source], first: int, last: int, starts: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], int, Entries]]:
    free = starts.copy()  # the next free place of each term
    for which, source in enumerate(sources):
        low, high = np.searchsorted(source.terms, [first, last]).tolist()
        if low == high:
            continue
        terms, sizes = source.terms[low:high] - first, source.living[low:high]
        entries = source.staying(low, high)
        places = np.repeat(free[terms] - (np.cumsum(sizes) - sizes), sizes)
        places += np.arange(len(places))
        free[terms] += sizes
        yield places, which, entries
