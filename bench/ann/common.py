"""What the measurements share: sizes, CPU time, recall by brute force."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from vecsearch.retrieve.nearest.exact import Flat
from vecsearch.types import ALL, Vectors

K: Final = 10
ASKED: Final = 1000
"""Queries that are measured with."""
ALONE: Final = 300
"""Queries that are asked one by one where that is measured."""
TARGETS: Final = (0.9, 0.95, 0.99)


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def exact_rows(vectors: Vectors, queries: Vectors) -> np.ndarray:
    """Return the K nearest rows of each query, by brute force."""
    return np.asarray(Flat(vectors).search(queries, K, ALL)[0])


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Return mean recall@K."""
    hits = [len(np.intersect1d(a, b)) for a, b in zip(found[:, :K], exact, strict=True)]
    return float(np.mean(hits)) / K


def say(what: str) -> None:
    """Show progress."""
    print(what, file=sys.stderr, flush=True)
