"""What an index of vectors is."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.types import Mask, Vectors

Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows and their inner products, both (queries, k), best first; -1 and -inf pad."""


class VectorIndex(Protocol):
    """Finds the rows of one segment with the greatest inner product."""

    def search(self, queries: Vectors, k: int, allow: Mask) -> Found:
        """Return k rows for each query; padded only where fewer pass.

        A score is the same number whatever finds it, and however many queries are asked at once.
        """
        ...

    def describe(self, k: int, allow: Mask) -> str:
        """Say in a sentence how one query would be answered, and by which estimate."""
        ...
