"""The rows that can be among the nearest of many queries, by numpy's matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.types import Vectors

MANY: Final = 16
"""Nothing is gained where more than 1/16 of the rows can be."""

QUERIES: Final = 256
"""Queries at a time, so that memory doesn't grow with their number."""

_ROWS: Final = 4096
"""Rows at a time: their products with the queries stay in the cache."""

_FIRST_ROWS: Final = 512
"""Rows of the first block, twice as many in each that follows: they only show what is much."""

_UNIT_ROUNDOFF: Final = 2.0**-24  # of float32


def candidates(
    queries: Vectors, vectors: Vectors, rows: NDArray[np.int64] | None, k: int
) -> NDArray[np.int64] | None:
    """Return the rows that can be among each query's k best, (queries, most), padded with -1.

    A sum of dim products, in whatever order, is off by at most dim * u times the product of both
    lengths (Higham, "Accuracy and Stability of Numerical Algorithms", 3.5), and two such sums are
    compared twice: once at the place in question and once at the k-th best. None where rounding
    leaves too many rows, as of a matrix whose rows are all equal.
    """
    total = len(vectors) if rows is None else len(rows)
    room = 4 * queries.shape[1] * _UNIT_ROUNDOFF * np.linalg.norm(queries, axis=1)
    kept = np.full((len(queries), k), -np.inf, np.float32)  # the k best products so far
    longest = 0.0
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []
    count = 0
    for first, stretch in _stretches(total, max(_FIRST_ROWS, 2 * k)):
        block = vectors[stretch] if rows is None else vectors[rows[stretch]]
        longest = max(longest, _longest(block))
        products = queries @ block.T
        if first == 0:
            kept = np.partition(products, -k, axis=1)[:, -k:]
        least = kept.min(axis=1) - (room * longest).astype(np.float32)
        query, place = _true_places(products >= least[:, None])
        values = products[query, place]
        if first:
            kept = _with_more(kept, query, values)
        found.append((query, place + first, values))
        count += len(query)
        if count * MANY > len(queries) * total:
            return None
    query, place, values = (np.concatenate(each) for each in zip(*found, strict=True))
    least = kept.min(axis=1) - (room * longest).astype(np.float32)
    able = values >= least[query]
    query, place = query[able], place[able]
    order = np.argsort(query, kind="stable")
    return _padded(query[order], place[order] if rows is None else rows[place[order]], len(queries))


def _stretches(total: int, size: int) -> Iterator[tuple[int, slice]]:
    """Cut rows into stretches, the first of them shorter."""
    first = 0
    while first < total:
        yield first, slice(first, first + size)
        first += size
        size = min(2 * size, max(size, _ROWS))


def _longest(block: Vectors) -> float:
    """Return the length of the longest row, (rows, dim) float32."""
    faiss = load_faiss()
    squares = np.empty(len(block), np.float32)
    faiss.fvec_norms_L2sqr(faiss.swig_ptr(squares), faiss.swig_ptr(block), *block.shape[::-1])
    return float(np.sqrt(squares.max()))


def _true_places(table: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what `np.nonzero` does of a table in which next to nothing is True, in less time."""
    flat = table.reshape(-1)
    whole = len(flat) // 8 * 8
    words = np.flatnonzero(flat[:whole].view(np.uint64))
    inside = np.flatnonzero(flat[:whole].reshape(-1, 8)[words])
    places = words[inside // 8] * 8 + inside % 8
    places = np.concatenate([places, whole + np.flatnonzero(flat[whole:])])
    return np.divmod(places, table.shape[1])


def _with_more(
    kept: NDArray[np.float32], query: NDArray[np.int64], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the k best of each query, (queries, k), after more values; `query` rises."""
    if not len(query):
        return kept
    k = kept.shape[1]
    beside = np.full((len(kept), int(np.bincount(query).max())), -np.inf, np.float32)
    beside[query, _places(query, len(kept))] = values
    changed = np.flatnonzero(beside[:, 0] > -np.inf)
    wider = np.concatenate([kept[changed], beside[changed]], axis=1)
    kept = kept.copy()
    kept[changed] = np.partition(wider, -k, axis=1)[:, -k:]
    return kept


def _padded(query: NDArray[np.int64], rows: NDArray[np.int64], queries: int) -> NDArray[np.int64]:
    """Lay out the rows of each query beside each other; `query` rises."""
    table = np.full((queries, int(np.bincount(query, minlength=1).max())), -1, np.int64)
    table[query, _places(query, queries)] = rows
    return table


def _places(query: NDArray[np.int64], queries: int) -> NDArray[np.int64]:
    """Number the entries of each query from 0; `query` rises."""
    starts = np.searchsorted(query, np.arange(queries))
    return np.arange(len(query)) - starts[query]
