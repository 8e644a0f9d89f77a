"""Nearest neighbours by embedding: exact, or where a recall was asked for, fast within it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.base import Encoder, encode
from vecsearch.errors import EncoderMismatch, RecallWarning
from vecsearch.retrieve.base import Ranking, check_request, merge_rankings, top_k
from vecsearch.retrieve.explanation import FILTERED, Explanation, passes, standings, unranked
from vecsearch.retrieve.nearest.growth import outgrown, stretches
from vecsearch.retrieve.nearest.opening import contract_of, index_of
from vecsearch.retrieve.nearest.ranking import rank_documents
from vecsearch.retrieve.similarity import carriers
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.types import ALL, Mask, TopK, Vectors, seen_text


class Dense:
    """Ranks by the inner product of a query's vector with the rows' vectors.

    A query without a vector (zero: no known token) finds nothing, since it is equally near to all,
    and for the same reason a row without one is never found.
    """

    def __init__(self, snapshot: Snapshot, load_encoder: Callable[[], Encoder]) -> None:
        self.snapshot = snapshot
        self._load_encoder = load_encoder

    @property
    def name(self) -> str:
        """The name "dense"."""
        return "dense"

    def retrieve(self, queries: Sequence[str], k: int, allow: Mask) -> TopK:
        """See `Retriever.retrieve`."""
        check_request(self.snapshot, k, allow)
        return self.nearest(encode(self._load_encoder(), queries, "query"), k, allow)

    def nearest(self, vectors: Vectors, k: int, allow: Mask) -> TopK:
        """Rank by vectors, (queries, dim) float32, instead of texts."""
        check_request(self.snapshot, k, allow)
        if not self.snapshot.noticed:
            self.snapshot.noticed = True
            if change := outgrown(stretches(self.snapshot)):
                warnings.warn(change, RecallWarning, stacklevel=2)
        parts = []
        known = np.flatnonzero(np.any(vectors, axis=1))
        for part in self.snapshot.parts:
            parts.append(_search(part, vectors[known], k, _of_part(allow, part)))
        rankings: list[Ranking] = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(vectors)
        for i, query in enumerate(known.tolist()):
            rankings[query] = merge_rankings(self.snapshot, [part[i] for part in parts], k)
        return top_k(rankings, k)

    def explain(self, query: str, documents: Sequence[slice], allow: Mask) -> list[Explanation]:
        """See `Explainer.explain`; the parts are words or pieces of the best passage."""
        encoder = self._load_encoder()
        vectors = encode(encoder, [query], "query")
        found = standings(self.snapshot, documents, lambda k: self.nearest(vectors, k, allow))
        told = []
        searched = self._described(allow)
        for rows, standing in zip(documents, found, strict=True):
            if standing is None:
                told.append(self._unranked(rows, vectors[0], allow))
            else:
                rank, score, row = standing
                hit = self.snapshot.hit(row, score)
                carried = carriers(encoder, vectors[0], hit.document, hit.span, score)
                method = f"{carried.method}{searched}"
                told.append(
                    Explanation(
                        hit.id,
                        self.name,
                        score,
                        rank,
                        hit.span,
                        *carried._replace(method=method),
                    )
                )
        return told

    def _described(self, allow: Mask) -> str:
        """Say how the tuned segments are searched for the query of an explanation; "" for none."""
        told = ""
        for part in self.snapshot.parts:
            matrix, contract = part.segment.vectors, contract_of(part.segment)
            if contract is not None and matrix is not None:
                how = index_of(part.segment, matrix).describe(contract.k, _of_part(allow, part))
                told += f" Search ({contract.name}, recall {contract.target:g}): {how}."
        return told

    def _unranked(self, rows: slice, query: NDArray[np.float32], allow: Mask) -> Explanation:
        document = self.snapshot.document(rows.start)
        note = "Its vector is zero."
        if not query.any():
            note = "The query has no vector: no token of it is known."
        elif not passes(rows, allow):
            note = FILTERED
        elif not seen_text(document.title, document.text).strip():
            note = "The document is blank."
        return unranked(document.id, self.name, note)


def _of_part(allow: Mask, part: Part) -> Mask:
    """Return a mask over the rows of one segment; ALL where each of them passes."""
    if allow is ALL:
        return ALL
    mine = allow[part.rows]
    return ALL if mine.all() else mine


def _search(part: Part, queries: Vectors, k: int, allow: Mask) -> list[Ranking]:
    """Rank one segment's documents for each query."""
    matrix = part.segment.vectors
    if matrix is None or matrix.shape[1] != queries.shape[1]:
        width = 0 if matrix is None else matrix.shape[1]
        raise EncoderMismatch(
            f"The index has vectors of {width} numbers, the query one of {queries.shape[1]}."
        )
    return rank_documents(part, matrix, index_of(part.segment, matrix), queries, k, allow)
