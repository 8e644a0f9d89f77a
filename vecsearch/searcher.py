"""Searching one state of an index: queries -> hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

from vecsearch.encoders.base import Encoder
from vecsearch.errors import UnknownName, UsageError
from vecsearch.filters import parse_filter
from vecsearch.retrieve.base import Retriever, check_k, ranking_of
from vecsearch.retrieve.dense import Dense
from vecsearch.retrieve.fusion import Arm, WeightedSum
from vecsearch.retrieve.lexical import Lexical
from vecsearch.retrieve.weighting import BM25, TfIdf
from vecsearch.store.snapshot import Snapshot
from vecsearch.text import Analyzer
from vecsearch.types import Hit, Mask

Mode: TypeAlias = Literal["hybrid", "bm25", "tfidf", "dense"]
"""The retrievers that have a name."""

_BLOCK = 256
"""Queries ranked at a time, so that memory doesn't grow with their number."""


class Searcher:
    """A snapshot of an index and its retrievers. Immutable; safe to share between threads.

    What a writer commits later is seen by a new searcher only.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        analyzer: Analyzer,
        load_encoder: Callable[[], Encoder] | None,
        generation: int,
    ) -> None:
        self.snapshot = snapshot
        self.analyzer = analyzer
        self.generation = generation
        bm25 = Lexical(snapshot, analyzer, BM25())
        self._retrievers: dict[str, Retriever] = {
            "bm25": bm25,
            "tfidf": Lexical(snapshot, analyzer, TfIdf()),
        }
        if load_encoder is not None:
            dense = Dense(snapshot, load_encoder)
            hybrid = WeightedSum(snapshot, [Arm(bm25, 0.5), Arm(dense, 0.5)])
            self._retrievers |= {"dense": dense, "hybrid": hybrid}

    def __len__(self) -> int:
        """Count the documents that live."""
        return self.snapshot.living

    @property
    def default(self) -> Mode:
        """What is used where nobody says: hybrid, or bm25 where there is no encoder."""
        return "hybrid" if "hybrid" in self._retrievers else "bm25"

    def retriever(self, by: str | None = None) -> Retriever:
        """Return a retriever by name: "hybrid", "bm25", "tfidf" or "dense"; the default for None.

        Raise UnknownName for other names, UsageError for one that this index can't serve.
        """
        name = by or self.default
        if name in self._retrievers:
            return self._retrievers[name]
        if name in ("dense", "hybrid"):
            raise UsageError(
                f"This index has no embeddings, so it can't be searched by {name}. "
                f"It has: {', '.join(sorted(self._retrievers))}. "
                "Index again with --encoder minilm to have them."
            )
        raise UnknownName("retriever", name, get_args(Mode))

    def mask(self, where: str | None = None) -> Mask:
        """Return which rows live and pass a metadata filter; ALL where every row does.

        Raise FilterError where the filter can't be read or doesn't fit the index's fields.
        """
        if where is None:
            return self.snapshot.alive
        if not isinstance(where, str):
            raise UsageError(f"A filter is text such as 'year >= 2020', not {where!r}.")
        columns = [part.segment.columns for part in self.snapshot.parts]
        return self.snapshot.mask(parse_filter(where).mask(columns))

    def search(
        self,
        query: str,
        k: int = 10,
        where: str | None = None,
        by: str | Retriever | None = None,
    ) -> list[Hit]:
        """Return the k best documents for a query, best first.

        query: plain text; no character of it is syntax. A blank one finds nothing.
        where: a metadata filter such as 'lang = "en" and year >= 2020'.
        by: the name of a retriever, or one composed over `snapshot`.

        Fewer than k come back only where fewer match. Raise UsageError for a k below 1 or a
        retriever that this index can't serve, FilterError for a filter that doesn't fit, and
        EncoderError where the index's encoder can't be loaded.
        """
        return self.search_many([query], k, where, by)[0]

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        where: str | None = None,
        by: str | Retriever | None = None,
    ) -> list[list[Hit]]:
        """Search for several queries at once; see `search`."""
        return [
            [self.snapshot.hit(row, score) for row, score in ranking]
            for ranking in self._rank(queries, k, where, by)
        ]

    def rank_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        where: str | None = None,
        by: str | Retriever | None = None,
    ) -> list[list[tuple[str, float]]]:
        """Return only ids and scores, as a run wants them, without reading the documents."""
        return [
            [(self.snapshot.id_of(row), score) for row, score in ranking]
            for ranking in self._rank(queries, k, where, by)
        ]

    def _rank(
        self, queries: Sequence[str], k: int, where: str | None, by: str | Retriever | None
    ) -> list[list[tuple[int, float]]]:
        if isinstance(queries, str):
            raise UsageError("Several queries are a list of texts; for one there is `search`.")
        queries = list(queries)  # it may be a generator
        for query in queries:
            if not isinstance(query, str):
                raise UsageError(f"A query is text, not {type(query).__name__}.")
        check_k(k)
        if by is not None and not isinstance(by, str | Retriever):
            raise UsageError(f"What ranks is the name of a retriever or a retriever, not {by!r}.")
        retriever = self.retriever(by) if by is None or isinstance(by, str) else by
        allow = self.mask(where)
        k = min(k, max(len(self), 1))  # rankings are padded to k, so ask for no more than there is
        rankings: list[list[tuple[int, float]]] = [[] for _ in queries]
        # Blank queries are left out: a model would find something near to nothing at all.
        asked = [i for i, query in enumerate(queries) if query.strip()]
        for start in range(0, len(asked), _BLOCK):
            block = asked[start : start + _BLOCK]
            found = retriever.retrieve([queries[i] for i in block], k, allow)
            for place, i in enumerate(block):
                rows, scores = ranking_of(found, place)
                rankings[i] = list(zip(rows.tolist(), scores.tolist(), strict=True))
        return rankings
