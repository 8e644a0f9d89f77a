"""Several segments' postings become one: nothing is analysed anew, and little is held at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.store.arrays import Array, Stream
from vecsearch.store.blobs import offsets_of
from vecsearch.store.cells import Cells
from vecsearch.store.postings import (
    BLOCK_BITS,
    BLOCK_ENTRIES,
    Entries,
    Postings,
    stretches,
    term_arrays,
)


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
    cells = Cells.of(
        np.concatenate([each.postings.cell_counts[each.used] for each in sources]),
        np.concatenate([each.postings.cell_lengths[each.used] for each in sources]),
    )
    size = int(living.sum())
    return {
        **term_arrays(
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
        low, high = np.searchsorted(source.terms, [first, last]).tolist()
        if low == high:
            continue
        terms, sizes = source.terms[low:high] - first, source.living[low:high]
        entries = source.staying(low, high)
        places = np.repeat(free[terms] - (np.cumsum(sizes) - sizes), sizes)
        places += np.arange(len(places))
        free[terms] += sizes
        yield places, which, entries
