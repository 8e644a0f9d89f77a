"""Nearest neighbours by embedding, exactly, with FAISS's brute-force kernel.

The kernel reads the vectors where they are mapped: nothing is copied into memory, so opening is
free. Another index type is another `VectorIndex`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.base import Encoder, encode
from vecsearch.errors import EncoderMismatch
from vecsearch.retrieve.base import Ranking, best_documents, check_k, merge_rankings, top_k
from vecsearch.retrieve.explanation import FILTERED, Explanation, passes, standings, unranked
from vecsearch.retrieve.similarity import carriers
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.types import ALL, Mask, TopK, Vectors, seen_text


class VectorIndex(Protocol):
    """Finds the rows of one segment with the greatest inner product."""

    def search(
        self, queries: Vectors, k: int, allow: Mask
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return k rows for each query, (queries, k) both; -1 and -inf pad where fewer pass."""
        ...


class Flat:
    """Exact search over a matrix of vectors, (rows, dim) float32."""

    _GATHER = 8
    """Where less than this share (1/8) of the rows passes, they are copied together first."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def search(
        self, queries: Vectors, k: int, allow: Mask
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See `VectorIndex.search`."""
        if allow is ALL:
            return _inner_product(queries, self._vectors, k, None)
        passing = np.flatnonzero(allow)
        if len(passing) * self._GATHER >= len(allow):
            return _inner_product(queries, self._vectors, k, allow)
        found, scores = _inner_product(queries, self._vectors[passing], k, None)
        padded = np.append(passing, -1)  # so that -1 stays -1
        return padded[found], scores


_BATCH: Final = 16
"""Queries at a time: from 20 on some versions of FAISS multiply matrices instead, where a score
depends on its neighbours in the last bits, so that equal vectors would not tie any more."""


class _Scan:
    """Says whether loading FAISS is worth it: once about as much time was spent without it."""

    _PATIENCE = 1e9  # multiplications

    def __init__(self) -> None:
        self._spent = 0

    def is_little(self, multiplications: int) -> bool:
        """Take down work to be done; say whether numpy shall do it."""
        self._spent += multiplications
        return self._spent < self._PATIENCE and "faiss" not in sys.modules


_SCAN: Final = _Scan()


def _scan(
    queries: Vectors, vectors: Vectors, k: int, allow: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Do with numpy what `_inner_product` does; each row's sum alone, so that equal ones tie."""
    rows = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    passing = np.arange(len(vectors)) if allow is None else np.flatnonzero(allow)
    for i, query in enumerate(np.ascontiguousarray(queries, np.float32)):
        products = np.einsum("ij,j->i", vectors, query)[passing]
        best = np.argsort(-products, kind="stable")[:k]
        rows[i, : len(best)] = passing[best]
        scores[i, : len(best)] = products[best]
    return rows, scores


def _inner_product(
    queries: Vectors, vectors: Vectors, k: int, allow: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    if _SCAN.is_little(queries.size * len(vectors)):
        return _scan(queries, vectors, k, allow)
    import faiss  # here, so that bag-of-words never pays for it

    rows = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    if not (len(queries) and len(vectors)):
        return rows, scores
    queries = np.ascontiguousarray(queries, np.float32)
    selected = []
    if allow is not None:
        bits = np.packbits(allow, bitorder="little")
        selected = [faiss.IDSelectorBitmap(len(allow), faiss.swig_ptr(bits))]
    for first in range(0, len(queries), _BATCH):
        batch = slice(first, first + _BATCH)
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


class Dense:
    """Ranks by the inner product of a query's vector with the rows' vectors.

    A query without a vector (zero: no known token) finds nothing, since it is equally near to all,
    and for the same reason a row without one is never found.
    """

    def __init__(self, snapshot: Snapshot, load_encoder: Callable[[], Encoder]) -> None:
        self._snapshot = snapshot
        self._load_encoder = load_encoder

    @property
    def name(self) -> str:
        """The name "dense"."""
        return "dense"

    def retrieve(self, queries: Sequence[str], k: int, allow: Mask) -> TopK:
        """See `Retriever.retrieve`."""
        check_k(k)
        return self.nearest(encode(self._load_encoder(), queries, "query"), k, allow)

    def nearest(self, vectors: Vectors, k: int, allow: Mask) -> TopK:
        """Rank by vectors, (queries, dim) float32, instead of texts."""
        parts = []
        known = np.flatnonzero(np.any(vectors, axis=1))
        for part in self._snapshot.parts:
            passing = ALL if allow is ALL else allow[part.rows]
            parts.append(_search(part, vectors[known], k, passing))
        rankings: list[Ranking] = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(vectors)
        for i, query in enumerate(known.tolist()):
            rankings[query] = merge_rankings(self._snapshot, [part[i] for part in parts], k)
        return top_k(rankings, k)

    def explain(self, query: str, documents: Sequence[slice], allow: Mask) -> list[Explanation]:
        """See `Explainer.explain`; the parts are words or pieces of the best passage."""
        encoder = self._load_encoder()
        vectors = encode(encoder, [query], "query")
        found = standings(self._snapshot, documents, lambda k: self.nearest(vectors, k, allow))
        told = []
        for rows, standing in zip(documents, found, strict=True):
            if standing is None:
                told.append(self._unranked(rows, vectors[0], allow))
            else:
                rank, score, row = standing
                hit = self._snapshot.hit(row, score)
                carried = carriers(encoder, vectors[0], hit.document, hit.span, score)
                told.append(Explanation(hit.id, self.name, score, rank, hit.span, *carried))
        return told

    def _unranked(self, rows: slice, query: NDArray[np.float32], allow: Mask) -> Explanation:
        document = self._snapshot.document(rows.start)
        note = "Its vector is zero."
        if not query.any():
            note = "The query has no vector: no token of it is known."
        elif not passes(rows, allow):
            note = FILTERED
        elif not seen_text(document.title, document.text).strip():
            note = "The document is blank."
        return unranked(document.id, self.name, note)


def _are_zero(
    matrix: Vectors, rows: NDArray[np.int64], scores: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Say which of the rows found, (k,), are zero: of blank texts, which are near to nothing."""
    zero: NDArray[np.bool_] = scores == 0
    zero[zero] = ~np.any(matrix[rows[zero]], axis=1)
    return zero


def _search(part: Part, queries: Vectors, k: int, allow: Mask) -> list[Ranking]:
    """Rank one segment's documents for each query.

    FAISS counts rows and breaks ties as it likes. So one row more is asked for than is needed, and
    twice as many again while a query lacks documents or its last place is a tie.
    """
    matrix = part.segment.vectors
    if matrix is None or matrix.shape[1] != queries.shape[1]:
        width = 0 if matrix is None else matrix.shape[1]
        raise EncoderMismatch(
            f"The index has vectors of {width} numbers, the query one of {queries.shape[1]}."
        )
    index: VectorIndex = Flat(matrix)
    most = len(matrix) if allow is ALL else int(np.count_nonzero(allow))
    rankings: list[Ranking] = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
    open_queries = np.arange(len(queries))
    asked = min(k + 1, most)
    while len(open_queries) and asked:
        rows, scores = index.search(queries[open_queries], asked, allow)
        settled = np.ones(len(open_queries), np.bool_)
        for i, query in enumerate(open_queries.tolist()):
            found = rows[i] >= 0
            last = scores[i][found][-1:]
            found &= ~_are_zero(matrix, rows[i], scores[i])
            ranking = best_documents(part, rows[i][found], scores[i][found], k)
            rankings[query] = ranking
            settled[i] = asked == most or (len(ranking[0]) == k and ranking[1][-1] > last[0])
        open_queries = open_queries[~settled]
        asked = min(2 * asked, most)
    return rankings
