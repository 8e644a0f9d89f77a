"""What a cold search does instead of loading FAISS, whose import takes longer than a small scan.

Scores are the kernel's but for rounding in their last bits, since the two add up in other orders;
equal vectors have equal scores. So the first searches of a process, until FAISS is loaded, may give
a score that differs in its last bit from what later ones give, and so may the segments of the one
search in between: numpy has no sum in the kernel's order, which depends on the processor.
"""

from __future__ import annotations

import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.base import as_good_as
from vecsearch.retrieve.nearest.base import Found
from vecsearch.types import Vectors

_PATIENCE: Final = 1e9
"""Multiplications that take about as long as FAISS takes to load."""


class Scans:
    """Says whether loading FAISS is worth it: once about as much time was spent without it."""

    def __init__(self) -> None:
        self._spent = 0

    def suit(self, multiplications: int) -> bool:
        """Take down work to be done; say whether numpy shall do it."""
        self._spent += multiplications
        return self._spent < _PATIENCE and "faiss" not in sys.modules


SCANS: Final = Scans()
"""Those of this process."""


def scan(queries: Vectors, vectors: Vectors, k: int, allow: NDArray[np.bool_] | None) -> Found:
    """Score every row that passes, (rows,) bool; each sum alone, so that equal rows tie."""
    rows = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    passing = None if allow is None else np.flatnonzero(allow)
    for i, query in enumerate(queries):
        products = np.einsum("ij,j->i", vectors, query)
        if passing is not None:
            products = products[passing]
        best = _best(products, k)
        rows[i, : len(best)] = best if passing is None else passing[best]
        scores[i, : len(best)] = products[best]
    return rows, scores


def _best(products: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return where the k greatest are, the greatest first; of equal ones the first come first."""
    if k < len(products):
        some = as_good_as(products, k)
        return some[np.argsort(-products[some], kind="stable")][:k]
    return np.argsort(-products, kind="stable")
