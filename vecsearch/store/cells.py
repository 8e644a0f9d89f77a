"""The cells of a segment: distinct pairs of a count and a length, and the number of each."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_IN_TABLE: Final = 1 << 24
"""Pairs of a count and a length that a table may have, by which they are numbered."""


class Cells:
    """Pairs of a count and a length, distinct and rising, each of which has its place as number.

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
        if len(counts) and self._keys[-1] < MOST_IN_TABLE:
            self._table = np.zeros(self._keys[-1] + 1, self.dtype)
            self._table[self._keys] = np.arange(len(counts))

    @classmethod
    def of(cls, counts: NDArray[np.integer[Any]], lengths: NDArray[np.integer[Any]]) -> Cells:
        """Number the distinct ones of pairs.

        counts, lengths: of each pair, both (n,); not negative.
        """
        width = int(lengths.max(initial=0)) + 1
        keys = counts.astype(np.int64) * width + lengths
        largest = int(keys.max(initial=0))
        if largest < MOST_IN_TABLE:  # much faster than to sort them
            there = np.zeros(largest + 1, np.bool_)
            there[keys] = True
            keys = np.flatnonzero(there)
        else:
            keys = np.unique(keys)
        return cls(keys // width, keys % width)

    def numbered(
        self, counts: NDArray[np.integer[Any]], lengths: NDArray[np.integer[Any]]
    ) -> NDArray[np.unsignedinteger[Any]]:
        """Return the number of each pair, (n,), all of which are among these."""
        keys = counts.astype(np.int64) * self._width + lengths
        if self._table is not None:
            return self._table[keys]
        return np.searchsorted(self._keys, keys).astype(self.dtype)
