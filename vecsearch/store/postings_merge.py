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
    term_arrays,
)

BLOCK_ENTRIES: Final = 1 << 20
"""Entries merged at a time, of one term at least."""


def merge_postings(
    parts: Sequence[tuple[Postings, NDArray[np.bool_]]],
) -> dict[str, Array | Stream]:
    """Lay out the postings of several segments where each mask (rows,) is true.

    The rows that stay are numbered on through the segments; terms without a row are dropped.
    Beside a block of entries, 4 bytes a row and 4 a chunk are in memory, and the terms.
    """
    names, numbers = _merged_terms([postings.terms for postings, _ in parts])
    sources, rows = [], 0
    for (postings, kept), terms in zip(parts, numbers, strict=True):
        sources.append(_Source.of(postings, kept, terms, rows))
        rows += int(np.count_nonzero(kept))
    chunks = _counted(sources, len(names), rows)
    living = np.zeros(len(names), np.int64)
    for source in sources:
        living[source.terms] += source.living
    stay = living > 0  # terms that only rows that go have held go too
    cells = Cells.of(
        np.concatenate([each.postings.cell_counts[each.used] for each in sources]),
        np.concatenate([each.postings.cell_lengths[each.used] for each in sources]),
    )
    size = int(living.sum())
    return {
        **term_arrays([names[i] for i in np.flatnonzero(stay).tolist()], chunks.of_terms[stay]),
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
    living: (terms,) int32, how many entries of each term stay; counted as they are gone through.
    used: (cells,) bool, the cells of entries that stay; likewise.
    """

    postings: Postings
    rows: NDArray[np.int32]
    terms: NDArray[np.int32]
    living: NDArray[np.int32]
    used: NDArray[np.bool_]

    @classmethod
    def of(
        cls, postings: Postings, kept: NDArray[np.bool_], terms: NDArray[np.int32], first: int
    ) -> _Source:
        """Number the rows that stay from `first` on."""
        rows = np.cumsum(kept, dtype=np.int32)
        rows += first - 1
        rows[~kept] = -1
        living, used = np.zeros(len(terms), np.int32), np.zeros(len(postings.cell_counts), np.bool_)
        return cls(postings, rows, terms, living, used)

    def between(self, first: int, last: int) -> tuple[int, int]:
        """Return the terms here that are among the merged ones from `first` up to `last`."""
        low, high = np.searchsorted(self.terms, [first, last]).tolist()
        return low, high

    def staying(self, low: int, high: int) -> Entries:
        """Return the entries that stay of the terms here from `low` up to `high`, renumbered."""
        rows, cells = self.postings.entries_between(low, high)
        rows = self.rows[rows].astype(np.int64)
        stays = rows >= 0
        return Entries(rows, cells) if stays.all() else Entries(rows[stays], cells[stays])

    def counted(self, low: int, high: int) -> NDArray[np.int64]:
        """Count what stays of the terms here from `low` up to `high`.

        Return the merged term and the new row of each entry, (n, 2).
        """
        rows, cells = self.postings.entries_between(low, high)
        rows = self.rows[rows].astype(np.int64)
        stays = rows >= 0
        sums = np.concatenate([[0], np.cumsum(stays)])
        starts = self.postings.starts_between(low, high)
        self.living[low:high] = np.diff(sums[starts - starts[0]])
        self.used[cells[stays]] = True
        terms = np.repeat(self.terms[low:high], self.living[low:high])
        return np.stack([terms, rows[stays]], axis=1)


class _Chunks:
    """The merged chunks, in order, in 4 bytes each.

    of_terms: (terms,) int64, how many each term has.
    blocks: uint16 one after another, the block of rows that each is of.
    """

    def __init__(self, terms: int) -> None:
        self.of_terms = np.zeros(terms, np.int64)
        self.blocks: list[NDArray[np.uint16]] = []
        self.count = 0
        self._sizes: list[NDArray[np.uint16]] = []  # less 1: a block has 65,536 rows at most

    def add(self, terms: NDArray[np.int64], blocks: NDArray[np.int64], sizes: Array) -> None:
        """Take the next ones: (n,) each."""
        np.add.at(self.of_terms, terms, 1)
        self.blocks.append(blocks.astype(np.uint16))
        self._sizes.append((sizes - 1).astype(np.uint16))
        self.count += len(terms)

    def sizes(self) -> Iterator[NDArray[np.int64]]:
        """Yield how many entries each has, (n,) at a time."""
        for some in self._sizes:
            yield some.astype(np.int64) + 1


def _merged_terms(parts: Sequence[Blobs]) -> tuple[list[bytes], list[NDArray[np.int32]]]:
    """Return the terms of all, rising, and the number of each of each part's among them."""
    names: list[bytes] = []
    numbers = [np.empty(len(terms), np.int32) for terms in parts]
    for stretch in stretches_of(parts):
        found = [
            terms.between(each.start, each.stop) for terms, each in zip(parts, stretch, strict=True)
        ]
        union = sorted(set().union(*found))
        number = {name: i for i, name in enumerate(union, len(names))}
        for those, each, some in zip(numbers, stretch, found, strict=True):
            those[each] = np.fromiter(map(number.__getitem__, some), np.int32, len(some))
        names += union
    return names, numbers


def _counted(sources: Sequence[_Source], terms: int, rows: int) -> _Chunks:
    """Count what stays, holding few of the entries at a time."""
    chunks = _Chunks(terms)
    sizes = np.zeros(terms, np.int64)
    for source in sources:
        sizes[source.terms] += np.diff(source.postings.term_starts)
    bits = max(rows.bit_length() - BLOCK_BITS, 0)  # of a block's number
    for first, last in stretches(sizes, BLOCK_ENTRIES):
        found = [source.counted(*source.between(first, last)) for source in sources]
        # A part's entries are in order, so those of a chunk are neighbours.
        keys, counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for entries in found:
            of_entries = entries[:, 0] << bits | entries[:, 1] >> BLOCK_BITS
            edges = np.flatnonzero(np.diff(of_entries, prepend=-1))
            keys.append(of_entries[edges])
            counts.append(np.diff(edges, append=len(of_entries)))
        distinct, which = np.unique(np.concatenate(keys), return_inverse=True)
        merged = np.zeros(len(distinct), np.int64)
        np.add.at(merged, which, np.concatenate(counts))
        chunks.add(distinct >> bits, distinct & ((1 << bits) - 1), merged)
    return chunks


def _kept_lengths(
    parts: Sequence[tuple[Postings, NDArray[np.bool_]]],
) -> Iterator[NDArray[np.int32]]:
    step = 1 << 16
    for postings, kept in parts:
        for start in range(0, len(kept), step):
            yield postings.lengths[start : start + step][kept[start : start + step]]


def _merged_rows(
    sources: Sequence[_Source], living: NDArray[np.int64]
) -> Iterator[NDArray[np.uint16]]:
    for size, placed in _placed(sources, living):
        rows = np.empty(size, np.uint16)
        for places, _, entries in placed:
            rows[places] = entries.rows & ((1 << BLOCK_BITS) - 1)
        yield rows


def _merged_cells(
    sources: Sequence[_Source], living: NDArray[np.int64], numbers: Cells
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
        low, high = source.between(first, last)
        if low == high:
            continue
        terms, sizes = source.terms[low:high] - first, source.living[low:high]
        entries = source.staying(low, high)
        places = np.repeat(free[terms] - (np.cumsum(sizes) - sizes), sizes)
        places += np.arange(len(places))
        free[terms] += sizes
        yield places, which, entries
