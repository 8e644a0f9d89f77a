"""The retrievers of a snapshot that have a name, over the index's encoder or over given vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

from vecsearch.encoders.base import Encoder
from vecsearch.encoders.own import QueryVectors
from vecsearch.errors import UnknownName, UsageError
from vecsearch.retrieve.base import Retriever, check_snapshot
from vecsearch.retrieve.dense import Dense
from vecsearch.retrieve.fusion import Arm, WeightedSum
from vecsearch.retrieve.lexical import Lexical
from vecsearch.retrieve.weighting import BM25, TfIdf
from vecsearch.store.snapshot import Snapshot
from vecsearch.text import Analyzer
from vecsearch.types import Vectors

Mode: TypeAlias = Literal["hybrid", "bm25", "tfidf", "dense"]
"""The retrievers that have a name."""


class Named:
    """Finds retrievers by name; each is made once.

    load_encoder: None in an index without embeddings.
    embeds_text: whether that encoder takes texts, or only stands for vectors of the caller's own.
    hybrid_weight: what its ranking weighs in a hybrid; that of BM25 has the rest.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        analyzer: Analyzer,
        load_encoder: Callable[[], Encoder] | None,
        *,
        embeds_text: bool,
        hybrid_weight: float,
    ) -> None:
        self._snapshot = snapshot
        self._hybrid_weight = hybrid_weight
        self._embeds_text = embeds_text
        self._retrievers: dict[str, Retriever] = {
            "bm25": Lexical(snapshot, analyzer, BM25()),
            "tfidf": Lexical(snapshot, analyzer, TfIdf()),
        }
        if load_encoder is not None:
            self._retrievers |= self._by_embeddings(load_encoder)

    @property
    def default(self) -> Mode:
        """What ranks where nobody says: hybrid, or bm25 where no encoder takes a query's text."""
        return "hybrid" if self._embeds_text else "bm25"

    def get(self, by: str | Retriever | None) -> Retriever:
        """Return a retriever by name, the default for None; one that is no name as it is.

        Raise UnknownName for other names, UsageError for one that the index can't serve, and for a
        retriever over another snapshot.
        """
        if by is not None and not isinstance(by, str):
            # As isinstance says of the protocol, but that takes as long as a small search.
            ranks = hasattr(by, "name") and callable(getattr(by, "retrieve", None))
            if isinstance(by, type) or not ranks:
                raise UsageError(f"What ranks is a retriever or the name of one, not {by!r}.")
            check_snapshot(by, self._snapshot)
            return by
        name = self.default if by is None else by
        if name in self._retrievers:
            return self._retrievers[name]
        if name in ("dense", "hybrid"):
            raise UsageError(
                f"This index has no embeddings, so it can't be searched by {name}. "
                f"It has: {', '.join(sorted(self._retrievers))}. "
                "`vecsearch reencode INDEX --encoder small` makes them."
            )
        raise UnknownName("retriever", name, get_args(Mode))

    def over_vectors(self, by: str | Retriever | None, vectors: Vectors) -> Retriever:
        """Return what ranks, by default dense, for queries that come with vectors, (queries, dim).

        Raise UsageError for a retriever that compares no vectors.
        """
        found = self.get("dense" if by is None else by)
        over = self._over(found, vectors)
        if over is None:
            raise UsageError(
                f"A vector is compared with embeddings, by dense or hybrid, not by {found.name}."
            )
        return over

    def over_document(self, by: str | Retriever | None, vectors: Vectors | None) -> Retriever:
        """Return what ranks for the text of a document whose vectors, (rows, dim), are at hand.

        Embeddings are compared with their mean, so that no encoder is loaded.
        """
        if by is None and "hybrid" in self._retrievers:
            by = "hybrid"
        found = self.get(by)
        over = None if vectors is None else self._over(found, vectors.mean(axis=0, keepdims=True))
        return over or found

    def _over(self, retriever: Retriever, vectors: Vectors) -> Retriever | None:
        """Return one of the named retrievers over vectors; None for what compares none."""
        for name, made in self._by_embeddings(lambda: QueryVectors(vectors)).items():
            if retriever is self._retrievers.get(name):
                return made
        return None

    def _by_embeddings(self, load_encoder: Callable[[], Encoder]) -> dict[str, Retriever]:
        dense = Dense(self._snapshot, load_encoder)
        weight = self._hybrid_weight
        arms = [Arm(self._retrievers["bm25"], 1 - weight), Arm(dense, weight)]
        return {"dense": dense, "hybrid": WeightedSum(self._snapshot, arms)}
