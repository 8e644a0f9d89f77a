"""A retriever over a retriever: the best of a ranking, read again by a slower and better model.

Its cost is bounded: by `top`, so many documents of each query are read, and by `seconds`, after
which no more are begun. What isn't read follows what is, in the order that it had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.rerankers import Reranker, score
from vecsearch.errors import UsageError
from vecsearch.retrieve.asking import ask
from vecsearch.retrieve.base import (
    Ranking,
    Retriever,
    check_request,
    check_snapshot,
    rank,
    ranking_of,
    top_k,
)
from vecsearch.retrieve.explanation import (
    ArmPart,
    Explanation,
    Remainder,
    Standing,
    explainer,
    standings,
)
from vecsearch.store.snapshot import Snapshot
from vecsearch.types import Mask, TopK, seen_text

DEPTH: Final = 50
"""So many documents are read where nobody says."""

_BATCH: Final = 16
"""Texts that are read between two looks at the clock."""

_METHOD: Final = (
    "The model reads query and passage together: its score is of both, and no sum of their parts."
)


class Reranked:
    """Ranks the best documents of another retriever by how a model scores their best passages.

    top: so many documents of each query are read by the model.
    seconds: for each query; some are read however short it is. None for no bound. With a bound
        the ranking depends on how fast the machine is.
    on_read: is told of each query that is ranked how many documents the model read, of how many.

    Documents that weren't read keep their order, with scores 1, 2, 3, ... below the least that the
    model gave: so scores fall, and say nothing else. They come last: `on_read` tells them apart.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        retriever: Retriever,
        reranker: Reranker,
        *,
        top: int = DEPTH,
        seconds: float | None = None,
        on_read: Callable[[int, int], None] | None = None,
    ) -> None:
        if not isinstance(top, int) or isinstance(top, bool) or top < 1:
            raise UsageError(f"A re-ranker reads at least 1 document, not {top!r}.")
        if seconds is not None and not seconds > 0:
            raise UsageError(f"A re-ranker's time is more than 0 seconds, not {seconds!r}.")
        check_snapshot(retriever, snapshot)
        self.snapshot = snapshot
        self._retriever = retriever
        self._reranker = reranker
        self._top = top
        self._seconds = seconds
        self._on_read = on_read
        self._last: _Read | None = None

    @property
    def name(self) -> str:
        """The names of the retriever and of the model, as in "bm25+my-cross-encoder"."""
        return f"{self._retriever.name}+{self._reranker.name}"

    def retrieve(self, queries: Sequence[str], k: int, allow: Mask) -> TopK:
        """See `Retriever.retrieve`."""
        check_request(self.snapshot, k, allow)
        found = ask(self._retriever, self.snapshot, queries, max(k, self._top), allow)
        rankings = []
        for place, query in enumerate(queries):
            rows, _ = ranking_of(found, place)
            scores = self._scores(query, rows[: self._top])
            rankings.append(_first(self._reranked(rows, scores), k))
            if self._on_read is not None:
                self._on_read(len(scores), len(rows))
        return top_k(rankings, k)

    def explain(self, query: str, documents: Sequence[slice], allow: Mask) -> list[Explanation]:
        """See `Explainer.explain`; beside the model's score stands what the retriever said.

        What `retrieve` has just had read for this query isn't read again.
        """
        before = explainer(self._retriever).explain(query, documents, allow)
        deepest = max((each.rank for each in before if each.rank is not None), default=1)
        depth = max(deepest, self._top)  # the model may have put any of these anywhere among them
        rows, _ = ranking_of(ask(self._retriever, self.snapshot, [query], depth, allow), 0)
        scores = self._known_scores(query, rows[: self._top])
        ranking, read = self._reranked(rows, scores), len(scores)
        found = standings(self.snapshot, documents, lambda k: top_k([_first(ranking, k)], k))
        return [
            Explanation(arm.id, self.name, None, None, None, (), "", True, arm.note)
            if standing is None
            else self._told(standing, arm, read)
            for standing, arm in zip(found, before, strict=True)
        ]

    def _told(self, standing: Standing, arm: Explanation, read: int) -> Explanation:
        said = f"the score of {self._reranker.name}, which read query and passage"
        if standing.rank > read:
            said = f"below the least score of the {read} documents that {self._reranker.name} read"
        parts = (Remainder(standing.score, said), ArmPart(0.0, 0.0, 0.0, arm))
        hit = self.snapshot.hit(standing.row, standing.score)
        return Explanation(
            hit.id, self.name, standing.score, standing.rank, hit.span, parts, _METHOD, True, ""
        )

    def _reranked(self, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> Ranking:
        """Rank rows anew, of which the first have scores of the model."""
        read = len(scores)
        best_rows, best_scores = rank(self.snapshot, rows[:read], scores, read)
        rest = rows[read:]
        lowered = scores.min(initial=np.float32(np.inf)) - np.arange(1, len(rest) + 1)
        return np.append(best_rows, rest), np.append(best_scores, lowered.astype(np.float32))

    def _known_scores(self, query: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what the last search gave the same rows for the same query, else score them."""
        last = self._last
        if last is not None and last.query == query and np.array_equal(last.rows, rows):
            return last.scores
        return self._scores(query, rows)

    def _scores(self, query: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score the passages of the first rows, as many as there is time for."""
        load = getattr(self._reranker, "load", None)
        if load is not None and len(rows):
            load()
        started = time.monotonic()
        scores = np.zeros(0, np.float32)
        while len(scores) < len(rows):
            if len(scores) and self._seconds and time.monotonic() - started >= self._seconds:
                break
            batch = rows[len(scores) : len(scores) + _BATCH]
            texts = [self._text(row) for row in batch.tolist()]
            scores = np.append(scores, score(self._reranker, query, texts))
        self._last = _Read(query, rows, scores)
        return scores

    def _text(self, row: int) -> str:
        hit = self.snapshot.hit(row, 0.0)
        return seen_text(hit.document.title, hit.passage)


class _Read(NamedTuple):
    """What the model read last: some of these rows, as many as there are scores."""

    query: str
    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


def _first(ranking: Ranking, k: int) -> Ranking:
    rows, scores = ranking
    return rows[:k], scores[:k]
