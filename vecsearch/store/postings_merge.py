"""Several segments' postings become one: nothing is analysed anew, and little is held at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.store.arrays import Array, Stream
from vecsearch.store.blobs import Blobs, stream_offsets
from vecsearch.store.cells import Cells
from vecsearch.store.interleaving import stretches_of
from vecsearch.store.postings import (
    BLOCK_BITS,
    Entries,
    Postings,
    narrow_type,
    stretches,
)

BLOCK_ENTRIES: Final = 1 << 20
"""Entries merged at a time, of one term at least."""

BLOCK_TERMS: Final = 1 << 15
"""Terms whose names are laid out at a time."""


def merge_postings(
    parts: Sequence[tuple[Postings, NDArray[np.bool_]]],
) -> dict[str, Array | Stream]:
    """Lay out the postings of several segments where each mask (rows,) is true.

    The rows that stay are numbered on through the segments; terms without a row are dropped.
    Beside a block of entries or of terms, these are in memory: 4 bytes a row and 4 a chunk; 6 bytes
    a term, and 4 for every segment that has it.
    """
    count, numbers = _numbered_terms([postings.terms for postings, _ in parts])
    sources, rows = [], 0
    for (postings, kept), terms in zip(parts, numbers, strict=True):
        sources.append(_Source.of(postings, kept, terms, rows))
        rows += int(np.count_nonzero(kept))
    # Terms that only rows that go have held go too.
    living, chunks = _counted(sources, count, rows)
    cells = Cells.of(
        np.concatenate([each.postings.cell_counts[each.used] for each in sources]),
        np.concatenate([each.postings.cell_lengths[each.used] for each in sources]),
    )
    staying, size = int(np.count_nonzero(living)), int(living.sum(dtype=np.int64))
    bytes_ = sum(int(some.sum()) for some in _name_lengths(sources, living))
    return {
        "terms": Stream(np.dtype(np.uint8), (bytes_,), _names(sources, living)),
        "term_offsets": stream_offsets(
            _name_lengths(sources, living), staying, narrow_type(bytes_)
        ),
        "term_chunks": stream_offsets(chunks.of_terms(), staying, narrow_type(chunks.count)),
        "chunk_blocks": Stream(np.dtype(np.uint16), (chunks.count,), chunks.blocks),
        "chunk_starts": stream_offsets(chunks.sizes(), chunks.count, narrow_type(size)),
        # Each stream merges anew: twice the work, but never more than a block of either in memory.
        "rows": Stream(np.dtype(np.uint16), (size,), _merged_rows(sources, living)),
        "cells": Stream(cells.dtype, (size,), _merged_cells(sources, living, cells)),
        "cell_counts": cells.counts,
        "cell_lengths": cells.lengths,
        "lengths": Stream(np.dtype(np.int32), (rows,), _kept_lengths(parts)),
    }


class _Source(NamedTuple):
    """Postings that go into a merge, and what stays of them.

    rows: (rows,) int32, the new number of each row, -1 for one that goes.
    terms: (terms,) int32, the new number of each term, rising.
    used: (cells,) bool, the cells of entries that stay; counted as they are gone through.
    """

    postings: Postings
    rows: NDArray[np.int32]
    terms: NDArray[np.int32]
    used: NDArray[np.bool_]

    @classmethod
    def of(
        cls, postings: Postings, kept: NDArray[np.bool_], terms: NDArray[np.int32], first: int
    ) -> _Source:
        """Number the rows that stay from `first` on."""
        rows = np.cumsum(kept, dtype=np.int32)
        rows += first - 1
        rows[~kept] = -1
        return cls(postings, rows, terms, np.zeros(len(postings.cell_counts), np.bool_))

    def between(self, first: int, last: int) -> tuple[int, int]:
        """Return the terms here that are among the merged ones from `first` up to `last`."""
        low, high = np.searchsorted(self.terms, [first, last]).tolist()
        return low, high

    def staying(self, low: int, high: int) -> tuple[Entries, NDArray[np.int64]]:
        """Return the entries that stay of the terms here from `low` up to `high`, renumbered.

        And how many each term has of them.
        """
        rows, cells = self.postings.entries_between(low, high)
        rows = self.rows[rows].astype(np.int64)
        starts = self.postings.starts_between(low, high)
        stays = rows >= 0
        if stays.all():
            return Entries(rows, cells), np.diff(starts)
        sums = np.concatenate([[0], np.cumsum(stays)])
        return Entries(rows[stays], cells[stays]), np.diff(sums[starts - starts[0]])


class _Chunks:
    """The merged chunks, in order, in 4 bytes each, and 2 a term.

    blocks: uint16 one after another, the block of rows that each is of.
    """

    def __init__(self) -> None:
        self.blocks: list[NDArray[np.uint16]] = []
        self.count = 0
        self._sizes: list[NDArray[np.uint16]] = []  # less 1: a block has 65,536 rows at most
        self._of_terms: list[NDArray[np.uint16]] = []

    def add(
        self, of_terms: NDArray[np.int64], blocks: NDArray[np.int64], sizes: NDArray[np.int64]
    ) -> None:
        """Take the chunks of the next terms, (terms,), and of these chunks (n,) each."""
        self._of_terms.append(of_terms.astype(np.uint16))
        self.blocks.append(blocks.astype(np.uint16))
        self._sizes.append((sizes - 1).astype(np.uint16))
        self.count += len(blocks)

    def sizes(self) -> Iterator[NDArray[np.int64]]:
        """Yield how many entries each has, (n,) at a time."""
        for some in self._sizes:
            yield some.astype(np.int64) + 1

    def of_terms(self) -> Iterator[NDArray[np.uint16]]:
        """Yield how many each term has that has any, (n,) at a time."""
        for some in self._of_terms:
            yield some[some > 0]


def _numbered_terms(parts: Sequence[Blobs]) -> tuple[int, list[NDArray[np.int32]]]:
    """Number the terms of all as they rise; return how many, and the numbers of each part's."""
    count = 0
    numbers = [np.empty(len(terms), np.int32) for terms in parts]
    for stretch in stretches_of(parts):
        found = [
            terms.between(each.start, each.stop) for terms, each in zip(parts, stretch, strict=True)
        ]
        number = {name: i for i, name in enumerate(sorted(set().union(*found)), count)}
        for those, each, some in zip(numbers, stretch, found, strict=True):
            those[each] = np.fromiter(map(number.__getitem__, some), np.int32, len(some))
        count += len(number)
    return count, numbers


def _blocks_of(
    sources: Sequence[_Source], living: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.bool_], list[tuple[Blobs, slice, NDArray[np.int32]]]]]:
    """Go through the merged terms, some at a time.

    Yield which of these stay, (some,), and which of each source's terms they are, at what places.
    """
    for first in range(0, len(living), BLOCK_TERMS):
        stay = living[first : first + BLOCK_TERMS] > 0
        here = [slice(*source.between(first, first + len(stay))) for source in sources]
        yield (
            stay,
            [
                (source.postings.terms, each, source.terms[each] - first)
                for source, each in zip(sources, here, strict=True)
            ],
        )


def _names(sources: Sequence[_Source], living: NDArray[np.int32]) -> Iterator[NDArray[np.uint8]]:
    """Yield the bytes of the terms that stay, end to end."""
    for stay, found in _blocks_of(sources, living):
        names = np.zeros(len(stay), np.object_)
        for terms, each, places in found:
            names[places] = terms.between(each.start, each.stop)
        yield np.frombuffer(b"".join(names[stay].tolist()), np.uint8)


def _name_lengths(
    sources: Sequence[_Source], living: NDArray[np.int32]
) -> Iterator[NDArray[np.int64]]:
    """Yield how many bytes each term that stays has."""
    for stay, found in _blocks_of(sources, living):
        lengths = np.zeros(len(stay), np.int64)
        for terms, each, places in found:
            lengths[places] = np.diff(terms.offsets[each.start : each.stop + 1].astype(np.int64))
        yield lengths[stay]


def _sizes(sources: Sequence[_Source], terms: int) -> NDArray[np.int32]:
    """Return how many entries each merged term has, those that go as well."""
    sizes = np.zeros(terms, np.int32)
    for source in sources:
        for low in range(0, len(source.terms), BLOCK_TERMS):
            some = source.terms[low : low + BLOCK_TERMS]
            starts = source.postings.starts_between(low, low + len(some))
            sizes[some] += np.diff(starts).astype(np.int32)
    return sizes


def _counted(
    sources: Sequence[_Source], terms: int, rows: int
) -> tuple[NDArray[np.int32], _Chunks]:
    """Count what stays, holding few of the entries at a time.

    Return how many entries of each merged term stay, (terms,), and their chunks.
    """
    chunks = _Chunks()
    living = _sizes(sources, terms)
    bits = max(rows.bit_length() - BLOCK_BITS, 0)  # of a block's number
    for first, last in stretches(living, BLOCK_ENTRIES):
        living[first:last] = 0  # what they were until they are counted
        # A part's entries are in order, so those of a chunk are neighbours.
        keys, counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for source in sources:
            low, high = source.between(first, last)
            entries, sizes = source.staying(low, high)
            source.used[entries.cells] = True
            places = source.terms[low:high] - first
            living[first:last][places] += sizes.astype(np.int32)
            of_entries = np.repeat(places.astype(np.int64), sizes) << bits
            of_entries |= entries.rows >> BLOCK_BITS
            edges = np.flatnonzero(np.diff(of_entries, prepend=-1))
            keys.append(of_entries[edges])
            counts.append(np.diff(edges, append=len(of_entries)))
        distinct, which = np.unique(np.concatenate(keys), return_inverse=True)
        merged = np.zeros(len(distinct), np.int64)
        np.add.at(merged, which, np.concatenate(counts))
        of_terms = np.bincount(distinct >> bits, minlength=last - first)
        chunks.add(of_terms, distinct & ((1 << bits) - 1), merged)
    return living, chunks


def _kept_lengths(
    parts: Sequence[tuple[Postings, NDArray[np.bool_]]],
) -> Iterator[NDArray[np.int32]]:
    step = 1 << 16
    for postings, kept in parts:
        for start in range(0, len(kept), step):
            yield postings.lengths[start : start + step][kept[start : start + step]]


def _merged_rows(
    sources: Sequence[_Source], living: NDArray[np.int32]
) -> Iterator[NDArray[np.uint16]]:
    for size, placed in _placed(sources, living):
        rows = np.empty(size, np.uint16)
        for places, _, entries in placed:
            rows[places] = entries.rows & ((1 << BLOCK_BITS) - 1)
        yield rows


def _merged_cells(
    sources: Sequence[_Source], living: NDArray[np.int32], numbers: Cells
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
    sources: Sequence[_Source], living: NDArray[np.int32]
) -> Iterator[tuple[int, Iterator[tuple[NDArray[np.int64], int, Entries]]]]:
    """Yield for stretches of terms how many entries they have, and where those of each source go.

    Within a term the rows of the sources follow each other, so they keep rising.
    """
    for first, last in stretches(living, BLOCK_ENTRIES):
        ends = np.cumsum(living[first:last], dtype=np.int64)
        yield int(ends[-1]), _places(sources, first, last, ends - living[first:last])


def _places(
    sources: Sequence[_Source], first: int, last: int, starts: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], int, Entries]]:
    free = starts.copy()  # the next free place of each term
    for which, source in enumerate(sources):
        low, high = source.between(first, last)
        if low == high:
            continue
        terms = source.terms[low:high] - first
        entries, sizes = source.staying(low, high)
        places = np.repeat(free[terms] - (np.cumsum(sizes) - sizes), sizes)
        places += np.arange(len(places))
        free[terms] += sizes
        yield places, which, entries
