"""Which rows hold a term, and how often: raw counts, from which every weighting is derived.

The counts never change, so a collection's living statistics can be taken from them in any state
of an index: nothing is frozen in that a later document would make wrong.

Four bytes an entry, as a rule. Rows are cut into blocks of 65,536, within which a row's number has
16 bits; the entries of a term in one block are a chunk. And an entry names its cell: one of the
distinct pairs of a count and a row's length, of which there are few, so that what a weighting makes
of them is worked out once for each pair instead of once for each entry.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.store.arrays import Array, Stream
from vecsearch.store.blobs import Blobs, offsets_of, pack

BLOCK_BITS: Final = 16
"""A block has 2 to the power of this many rows."""

BLOCK_ENTRIES: Final = 1 << 22
"""Entries worked on at a time, so that memory doesn't grow with the postings."""

STRETCH_ITEMS: Final = 1 << 16
"""Items of a stretch, at most."""


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
        if len(firsts) == 1:  # as of most terms; what follows takes longer
            return Entries(self.rows[where] + firsts, self.cells[where])
        rows = np.repeat(firsts, starts[1:] - starts[:-1])
        rows += self.rows[where]
        return Entries(rows, self.cells[where])

    @property
    def term_starts(self) -> NDArray[np.int64]:
        """(terms + 1,) int64: where the entries of each term begin, and the end of the last."""
        return self.starts_between(0, len(self.terms))

    def starts_between(self, first: int, last: int) -> NDArray[np.int64]:
        """Return `term_starts` from `first` up to `last`, this one included: last - first + 1."""
        chunks = self.term_chunks[first : last + 1]
        starts: NDArray[np.int64] = self.chunk_starts[chunks].astype(np.int64)
        return starts


def stretches(sizes: NDArray[np.integer[Any]], most: int) -> Iterator[tuple[int, int]]:
    """Cut a range of items into stretches of about `most` in size each, one item at least.

    A stretch has few items, so that memory doesn't grow with theirs. Sizes in it may change.
    """
    first = 0
    while first < len(sizes):
        ends = np.cumsum(sizes[first : first + STRETCH_ITEMS], dtype=np.int64)
        last = first + max(int(np.searchsorted(ends, most, side="right")), 1)
        yield first, last
        first = last


def term_arrays(names: Sequence[bytes], chunks: NDArray[np.int64]) -> dict[str, Array | Stream]:
    """Lay out terms: their names, sorted, and how many chunks each has, (terms,)."""
    data, offsets = pack(names)
    return {
        "terms": data,
        "term_offsets": narrow(offsets),
        "term_chunks": narrow(offsets_of(chunks)),
    }


def narrow(offsets: NDArray[np.int64]) -> NDArray[np.integer[Any]]:
    """Return rising offsets, of which there is one at least, in half the bytes where they fit."""
    return offsets.astype(narrow_type(int(offsets[-1])))


def narrow_type(end: int) -> type[np.integer[Any]]:
    """Return the type of rising offsets of which the last is `end`."""
    return np.uint32 if end < 1 << 32 else np.int64
