"""Which rows hold a term, and how often: raw counts, from which every weighting is derived.

The counts never change, so a collection's living statistics can be taken from them in any state
of an index: nothing is frozen in that a later document would make wrong.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.store.arrays import Array, Stream
from vecsearch.store.blobs import Blobs, offsets_of, pack

_NOTHING = slice(0, 0)


class Entries(NamedTuple):
    """The rows that hold one term, rising, and how often each does: (n,) int32 both."""

    rows: NDArray[np.int32]
    counts: NDArray[np.int32]


class Postings:
    """The postings of one segment, opened over its arrays.

    Terms are sorted and searched where they lie in the mapped file: opening costs nothing.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.terms = Blobs(arrays["terms"], arrays["term_offsets"])
        self.starts: NDArray[np.int64] = arrays["starts"]
        """(terms + 1,) int64: where the entries of each term begin, and the end of the last."""
        self.rows: NDArray[np.int32] = arrays["rows"]
        self.counts: NDArray[np.int32] = arrays["counts"]
        self.lengths: NDArray[np.int32] = arrays["lengths"]
        """(rows,) int32: how many terms each row holds, repetitions included."""

    def entries(self, term: str) -> Entries:
        """Return the entries of a term; empty where no row holds it."""
        name = term.encode()
        at = bisect_left(self.terms, name)
        found = at < len(self.terms) and self.terms[at] == name
        where = slice(self.starts[at], self.starts[at + 1]) if found else _NOTHING
        return Entries(self.rows[where], self.counts[where])


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
        names = [term.encode() for term in self._vocabulary]
        order = sorted(range(len(names)), key=names.__getitem__)
        rank = np.empty(len(names), np.int64)
        rank[order] = np.arange(len(names))
        lengths = np.array(self._lengths, np.int32)
        rows = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
        # One integer per token sorts by term, then row; equal neighbours are one entry.
        keys = rank[np.array(self._tokens, np.int32)] * len(lengths) + rows
        keys.sort()
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.diff(first, append=len(keys)).astype(np.int32)
        terms, rows = np.divmod(keys[first], max(len(lengths), 1))
        data, offsets = pack([names[i] for i in order])
        return {
            "terms": data,
            "term_offsets": offsets,
            "starts": offsets_of(np.bincount(terms, minlength=len(names))),
            "rows": rows.astype(np.int32),
            "counts": counts,
            "lengths": lengths,
        }


BLOCK_ENTRIES = 1 << 22
"""Entries worked on at a time, so that memory doesn't grow with the postings."""


def merge_postings(
    parts: Sequence[tuple[Postings, NDArray[np.bool_]]],
) -> dict[str, Array | Stream]:
    """Lay out the postings of several segments where each mask (rows,) is true.

    The rows that stay are numbered on through the segments; terms without a row are dropped.
    """
    names = sorted(set().union(*(set(postings.terms) for postings, _ in parts)))
    number = {name: i for i, name in enumerate(names)}
    sources, base = [], 0
    for postings, kept in parts:
        rows = np.where(kept, base + np.cumsum(kept) - 1, -1).astype(np.int32)
        terms = np.fromiter(map(number.__getitem__, postings.terms), np.int64)
        sources.append(_Source(postings, rows, terms))
        base += int(kept.sum())
    living = np.zeros(len(names), np.int64)
    for source in sources:
        living[source.terms] += source.living()
    blocks = list(stretches(living, BLOCK_ENTRIES))
    size = int(living.sum())
    # Each stream merges anew: twice the work, but never more than a block of either in memory.
    data, offsets = pack([names[i] for i in np.flatnonzero(living).tolist()])
    return {
        "terms": data,
        "term_offsets": offsets,
        "starts": offsets_of(living[living > 0]),
        "rows": Stream(np.dtype(np.int32), (size,), (_merge(sources, *at)[0] for at in blocks)),
        "counts": Stream(np.dtype(np.int32), (size,), (_merge(sources, *at)[1] for at in blocks)),
        "lengths": np.concatenate([postings.lengths[kept] for postings, kept in parts]),
    }


class _Source(NamedTuple):
    """Postings that go into a merge, the new number of each row (-1: gone) and of each term."""

    postings: Postings
    rows: NDArray[np.int32]
    terms: NDArray[np.int64]

    def living(self) -> NDArray[np.int64]:
        """Count the entries that stay, per term, holding few of them at a time."""
        starts = self.postings.starts
        counted = np.zeros(len(self.terms), np.int64)
        for first, last in stretches(np.diff(starts), BLOCK_ENTRIES):
            stays = self.rows[self.postings.rows[starts[first] : starts[last]]] >= 0
            sums = np.concatenate([[0], np.cumsum(stays)])
            counted[first:last] = np.diff(sums[starts[first : last + 1] - starts[first]])
        return counted


def stretches(sizes: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Cut a range of items into stretches of about `most` in size each, one item at least."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        limit = (ends[first - 1] if first else 0) + most
        last = max(int(np.searchsorted(ends, limit, side="right")), first + 1)
        yield first, last
        first = last


def _merge(sources: Iterable[_Source], first: int, last: int) -> tuple[Array, Array]:
    """Merge the entries of the terms numbered `first` up to `last`: (n,) rows and counts."""
    terms, rows, counts = [], [], []
    for postings, new_rows, numbers in sources:
        low, high = np.searchsorted(numbers, [first, last])
        where = slice(postings.starts[low], postings.starts[high])
        renumbered = new_rows[postings.rows[where]]
        stays = renumbered >= 0
        sizes = np.diff(postings.starts[low : high + 1])
        terms.append(np.repeat(numbers[low:high], sizes)[stays])
        rows.append(renumbered[stays])
        counts.append(postings.counts[where][stays])
    # Stable: within a term the rows keep rising, since the segments come in order.
    order = np.argsort(np.concatenate(terms), kind="stable")
    return np.concatenate(rows)[order], np.concatenate(counts)[order]
