"""Exact search: one query by FAISS's kernel, many by matrix products that are then settled.

The kernel reads the vectors where they are mapped: nothing is copied into memory, so opening is
free. A matrix product is an order of magnitude faster, but the last bits of what it gives depend on
how many queries there are. So it only finds the rows that can be among the best, with room for
rounding, and these few are scored by the kernel: a score is the same number in every batch. Since
there is room for rounding anyway, bfloat16 will do, where the processor multiplies that faster.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest import products, tiled
from vecsearch.retrieve.nearest.base import Found
from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.retrieve.nearest.scan import SCANS, scan
from vecsearch.types import ALL, Mask, Vectors

BATCH: Final = 8
"""Queries from which on matrices are multiplied."""

_FEW: Final = 128
"""So many rows are put in order faster than the best of them are set apart first."""


class Flat:
    """Exact search over a matrix of vectors, (rows, dim) float32."""

    _GATHER = 8
    """Where less than this share (1/8) of the rows passes, only those are visited."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def search(self, queries: Vectors, k: int, allow: Mask) -> Found:
        """See `VectorIndex.search`."""
        queries = np.ascontiguousarray(queries, np.float32)
        if SCANS.suit(queries.size * len(self._vectors)):
            return scan(queries, self._vectors, k, None if allow is ALL else allow)
        if allow is not ALL and (
            len(queries) >= BATCH or np.count_nonzero(allow) * self._GATHER < len(allow)
        ):
            return self.search_rows(queries, k, np.flatnonzero(allow))
        if allow is ALL and len(queries) >= BATCH:
            return _in_blocks(queries, self._vectors, None, k)
        return _kernel(queries, self._vectors, k, None if allow is ALL else allow)

    def search_rows(self, queries: Vectors, k: int, rows: NDArray[np.int64]) -> Found:
        """Search among some rows, (n,) int64, for queries (queries, dim) float32."""
        if len(queries) >= BATCH:
            return _in_blocks(queries, self._vectors, rows, k)
        tiled = np.ascontiguousarray(np.broadcast_to(rows, (len(queries), len(rows))))
        return best(tiled, inner_products(queries, self._vectors, tiled), k)

    def describe(self, k: int, allow: Mask) -> str:
        """See `VectorIndex.describe`."""
        if allow is ALL:
            return f"all {len(self._vectors):,} rows are scored exactly"
        passing = int(np.count_nonzero(allow))
        return f"the {passing:,} rows of {len(allow):,} that pass are scored exactly"


def inner_products(
    queries: Vectors, vectors: Vectors, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Score rows, (queries, n) int64, each with its query, by the kernel; -inf for row -1."""
    faiss = load_faiss()
    scores = np.full(rows.shape, -np.inf, np.float32)
    if rows.size:
        faiss.fvec_inner_products_by_idx(
            faiss.swig_ptr(scores),
            faiss.swig_ptr(queries),
            faiss.swig_ptr(vectors),
            faiss.swig_ptr(rows),
            queries.shape[1],
            *rows.shape,
        )
        scores[rows < 0] = -np.inf
    return scores


def best(rows: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Found:
    """Keep the k best of each query's rows, (queries, n), in falling order, padded to k."""
    if rows.shape[1] > max(k, _FEW):
        kept = np.argpartition(scores, -k, axis=1)[:, -k:]
        rows = np.take_along_axis(rows, kept, axis=1)
        scores = np.take_along_axis(scores, kept, axis=1)
    found, values = _first(rows, scores, k)
    lacking = k - found.shape[1]
    if lacking <= 0:
        return found, values
    padding = ((0, 0), (0, lacking))
    return (
        np.pad(found, padding, constant_values=-1),
        np.pad(values, padding, constant_values=-np.inf),
    )


def _first(rows: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Found:
    """Keep the k best of each query's candidates, which rise; of equal ones the first rows.

    So what is found doesn't depend on how many candidates there are, unlike by `best`.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    if len(rows) == 1:
        return rows[:, order[0]], scores[:, order[0]]
    each = np.arange(len(rows))[:, None]
    return rows[each, order], scores[each, order]


def _kernel(queries: Vectors, vectors: Vectors, k: int, allow: NDArray[np.bool_] | None) -> Found:
    """Score every row that passes, one query after the other."""
    faiss = load_faiss()
    rows = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    if not (len(queries) and len(vectors)):
        return rows, scores
    selected = []
    if allow is not None:
        bits = np.packbits(allow, bitorder="little")
        selected = [faiss.IDSelectorBitmap(len(allow), faiss.swig_ptr(bits))]
    # From 20 queries on some versions of FAISS multiply matrices, where equal vectors needn't tie.
    for first in range(0, len(queries), BATCH):
        batch = slice(first, first + BATCH)
        faiss.knn_inner_product(
            faiss.swig_ptr(queries[batch]),
            faiss.swig_ptr(vectors),
            queries.shape[1],
            len(queries[batch]),
            len(vectors),
            k,
            faiss.swig_ptr(scores[batch]),
            faiss.swig_ptr(rows[batch]),
            *selected,
        )
    scores[rows < 0] = -np.inf
    return rows, scores


def _in_blocks(queries: Vectors, vectors: Vectors, rows: NDArray[np.int64] | None, k: int) -> Found:
    """Search for many queries by matrix products; `rows` are those that pass, None for all."""
    total = len(vectors) if rows is None else len(rows)
    kernels = tiled.LOADING.kernels(queries.size * total)
    step = products.QUERIES if kernels is None else tiled.queries_at_once(k)
    parts = [
        _settled(queries[first : first + step], vectors, rows, k, kernels)
        for first in range(0, len(queries), step)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _settled(
    queries: Vectors,
    vectors: Vectors,
    rows: NDArray[np.int64] | None,
    k: int,
    kernels: ModuleType | None,
) -> Found:
    candidates = None
    if k * products.MANY <= (len(vectors) if rows is None else len(rows)):
        if kernels is not None:
            return _by_tiles(queries, vectors, rows, k, kernels)
        candidates = products.candidates(queries, vectors, rows, k)
    if candidates is None:
        if rows is None:
            return _kernel(queries, vectors, k, None)
        found, scores = _kernel(queries, np.ascontiguousarray(vectors[rows]), k, None)
        return np.append(rows, -1)[found], scores  # so that -1 stays -1
    return _first(candidates, inner_products(queries, vectors, candidates), k)


def _by_tiles(
    queries: Vectors,
    vectors: Vectors,
    rows: NDArray[np.int64] | None,
    k: int,
    kernels: ModuleType,
) -> Found:
    threads = load_faiss().omp_get_max_threads()
    candidates, able = tiled.candidates(kernels, queries, vectors, rows, k, threads)
    if not able.any():
        return _settled(queries, vectors, rows, k, None)
    found = _first(candidates, inner_products(queries, vectors, candidates), k)
    left = np.flatnonzero(~able)
    if len(left):
        found[0][left], found[1][left] = _settled(queries[left], vectors, rows, k, None)
    return found
