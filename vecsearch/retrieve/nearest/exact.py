"""Exact search: one query by FAISS's kernel, many by matrix products that are then settled.

The kernel reads the vectors where they are mapped: nothing is copied into memory, so opening is
free. A matrix product is an order of magnitude faster, but the last bits of what it gives depend on
how many queries there are. So it only finds the rows that can be among the best, with room for
rounding, and these few are scored by the kernel: a score is the same number in every batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest.base import Found
from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.retrieve.nearest.scan import SCANS, scan
from vecsearch.types import ALL, Mask, Vectors

BATCH: Final = 8
"""Queries from which on matrices are multiplied."""

_QUERIES: Final = 256
"""Queries at a time, so that memory doesn't grow with their number."""

_ROWS: Final = 4096
"""Rows at a time: their products with the queries stay in the cache."""

_FIRST_ROWS: Final = 512
"""Rows of the first block, twice as many in each that follows: they only show what is much."""

_UNIT_ROUNDOFF: Final = 2.0**-24  # of float32
_MANY: Final = 16
"""The kernel takes a batch that asks for, or can't tell apart, more than 1/16 of the rows."""


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
    found = np.full((len(rows), k), -1, np.int64)
    values = np.full((len(rows), k), -np.inf, np.float32)
    each = np.arange(len(rows))[:, None]
    if rows.shape[1] > k:
        kept = np.argpartition(scores, -k, axis=1)[:, -k:]
        rows, scores = rows[each, kept], scores[each, kept]
    order = np.argsort(-scores, axis=1, kind="stable")
    found[:, : rows.shape[1]] = rows[each, order]
    values[:, : rows.shape[1]] = scores[each, order]
    return found, values


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
    parts = [
        _settled(queries[first : first + _QUERIES], vectors, rows, k)
        for first in range(0, len(queries), _QUERIES)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _settled(queries: Vectors, vectors: Vectors, rows: NDArray[np.int64] | None, k: int) -> Found:
    total = len(vectors) if rows is None else len(rows)
    candidates = _candidates(queries, vectors, rows, k) if k * _MANY <= total else None
    if candidates is None:
        if rows is None:
            return _kernel(queries, vectors, k, None)
        found, scores = _kernel(queries, np.ascontiguousarray(vectors[rows]), k, None)
        return np.append(rows, -1)[found], scores  # so that -1 stays -1
    return best(candidates, inner_products(queries, vectors, candidates), k)


def _candidates(
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
        if count * _MANY > len(queries) * total:
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
