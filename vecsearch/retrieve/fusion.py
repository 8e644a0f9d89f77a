"""Retrievers over retrievers: several rankings of the same snapshot made into one.

A fused document's row is the best passage of the retriever that adds most to its score.

A ranking doesn't depend on how much of it is asked for. Its first level are all documents that some
retriever has among its best `depth`; the next are those of the fusion at twice the depth, then at
four times, and so on, each without the documents of the levels before it. Every level's scores
are lowered once more by the most that a fusion can give, so that they fall from level to level: a
score below 0 says that no retriever has the document among its best `depth`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError
from vecsearch.groups import groups
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
    FILTERED,
    ArmPart,
    Explanation,
    Remainder,
    ScorePart,
    Standing,
    explainer,
    passes,
    standings,
    unranked,
)
from vecsearch.store.snapshot import Snapshot
from vecsearch.types import Mask, TopK


class Arm(NamedTuple):
    """A retriever that takes part in a fusion, and how much it counts."""

    retriever: Retriever
    weight: float


class _Fusion(ABC):
    """What all fusions share; they differ in how an arm's scores are made comparable."""

    def __init__(self, snapshot: Snapshot, arms: Sequence[Arm], depth: int, name: str) -> None:
        self.snapshot = snapshot
        self._arms = _checked(snapshot, arms, depth)
        self._depth = depth
        self.name = name

    @abstractmethod
    def _normalise(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Make an arm's scores, best first, comparable; the first gets the most."""

    @abstractmethod
    def _method(self, depth: int) -> str:
        """Say what an arm's share is."""

    def retrieve(self, queries: Sequence[str], k: int, allow: Mask) -> TopK:
        """See `Retriever.retrieve`."""
        check_request(self.snapshot, k, allow)
        # An arm read k deep gives k documents or all it has, so no level below is needed.
        depths = [self._depth]
        while depths[-1] < k:
            depths.append(2 * depths[-1])
        found = [
            ask(arm.retriever, self.snapshot, queries, depths[-1], allow) for arm in self._arms
        ]
        rankings = [
            self._fused([ranking_of(each, query) for each in found], k, depths)
            for query in range(len(queries))
        ]
        return top_k(rankings, k)

    def explain(self, query: str, documents: Sequence[slice], allow: Mask) -> list[Explanation]:
        """See `Explainer.explain`; the parts are the arms, each with its own explanation."""
        found = standings(self.snapshot, documents, lambda k: self.retrieve([query], k, allow))
        by_arm = [explainer(arm.retriever).explain(query, documents, allow) for arm in self._arms]
        told = list(zip(*by_arm, strict=True))
        depths = [self._level_depth(arms) for arms in told]
        values = [
            ranking_of(
                ask(arm.retriever, self.snapshot, [query], max(depths, default=1), allow), 0
            )[1]
            for arm in self._arms
        ]
        return [
            self._unranked(rows, arms, allow)
            if standing is None
            else self._told(standing, arms, values, depth)
            for rows, standing, arms, depth in zip(documents, found, told, depths, strict=True)
        ]

    def _fused(self, rankings: Sequence[Ranking], k: int, depths: Sequence[int]) -> Ranking:
        """Fuse the arms' rankings of a query, level by level, until there are k documents."""
        listed, scores = np.zeros(0, np.int64), np.zeros(0, np.float32)
        ceiling = np.float32(np.inf)
        most = self._normalise(np.zeros(1, np.float32))[0] * sum(arm.weight for arm in self._arms)
        for level, depth in enumerate(depths):
            parts = [
                (rows[:depth], arm.weight * self._normalise(values[:depth]))
                for arm, (rows, values) in zip(self._arms, rankings, strict=True)
            ]
            rows, sums = _add(self.snapshot, parts)
            new = ~np.isin(self.snapshot.document_of(rows), self.snapshot.document_of(listed))
            lowered = np.minimum((sums[new] - level * most).astype(np.float32), ceiling)
            more_rows, more_scores = rank(self.snapshot, rows[new], lowered, k - len(listed))
            listed, scores = np.append(listed, more_rows), np.append(scores, more_scores)
            if len(listed) == k:
                break
            # Rounding, or an arm of weight 0, may let a level's best meet the worst of the last.
            ceiling = np.nextafter(scores.min(initial=0), np.float32(-np.inf))
        return listed, scores

    def _level_depth(self, arms: Sequence[Explanation]) -> int:
        """Return how deep the arms are read at the level that first has a document."""
        best = min((arm.rank for arm in arms if arm.rank is not None), default=1)
        depth = self._depth
        while depth < best:
            depth *= 2
        return depth

    def _told(
        self,
        standing: Standing,
        arms: Sequence[Explanation],
        values: Sequence[NDArray[np.float32]],
        depth: int,
    ) -> Explanation:
        parts: list[ScorePart] = []
        for (_, weight), arm, scores in zip(self._arms, arms, values, strict=True):
            normalised = 0.0
            if arm.rank is not None and arm.rank <= depth:
                normalised = float(self._normalise(scores[:depth])[arm.rank - 1])
            parts.append(ArmPart(weight * normalised, weight, normalised, arm))
        if depth > self._depth:
            lowered = standing.score - sum(part.value for part in parts)
            text = f"lowered, since no retriever has it among its best {depth // 2}"
            parts.append(Remainder(lowered, text))
        hit = self.snapshot.hit(standing.row, standing.score)
        return Explanation(
            id=hit.id,
            by=self.name,
            score=standing.score,
            rank=standing.rank,
            span=hit.span,
            parts=tuple(parts),
            method=self._method(depth),
            exact=True,
            note="",
        )

    def _unranked(self, rows: slice, arms: Sequence[Explanation], allow: Mask) -> Explanation:
        note = FILTERED
        if passes(rows, allow):
            note = " ".join(f"{arm.by}: {arm.note}" for arm in arms)
        return unranked(self.snapshot.id_of(rows.start), self.name, note)


class WeightedSum(_Fusion):
    """Adds the arms' scores, each scaled to 0..1 over its own best `depth` (min-max).

    An arm that ranks only one score gives it 1; a document that an arm didn't rank gets 0 from it.
    """

    def __init__(
        self, snapshot: Snapshot, arms: Sequence[Arm], *, depth: int = 100, name: str = "hybrid"
    ) -> None:
        super().__init__(snapshot, arms, depth, name)

    def _normalise(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        return _min_max(scores)

    def _method(self, depth: int) -> str:
        return (
            "Each retriever adds its weight times its score, scaled to 0..1 over its best "
            f"{depth} documents; one that has it further down adds 0."
        )


class ReciprocalRank(_Fusion):
    """Adds weight / (k + rank) over the arms (Cormack, Clarke and Büttcher, SIGIR 2009; k = 60).

    Ranks count from 1 over each arm's best `depth`.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        arms: Sequence[Arm],
        *,
        constant: float = 60,
        depth: int = 100,
        name: str = "rrf",
    ) -> None:
        if not 0 <= constant < math.inf:
            raise UsageError(f"The constant of reciprocal rank is at least 0, not {constant}.")
        super().__init__(snapshot, arms, depth, name)
        self._constant = constant

    def _normalise(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.reciprocal(self._constant + 1 + np.arange(len(scores), dtype=np.float64))

    def _method(self, depth: int) -> str:
        return (
            f"Each retriever adds its weight times 1 / ({self._constant:g} + rank); one that has "
            f"it beyond its best {depth} documents adds 0."
        )


def _min_max(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    values = scores.astype(np.float64)
    if not len(values) or values[0] == values[-1]:
        return np.ones(len(values))
    scaled: NDArray[np.float64] = (values - values[-1]) / (values[0] - values[-1])
    return scaled


def _checked(snapshot: Snapshot, arms: Sequence[Arm], depth: int) -> tuple[Arm, ...]:
    if not arms:
        raise UsageError("A fusion needs at least one retriever.")
    if depth < 1:
        raise UsageError(f"The depth of a fusion is at least 1, not {depth}.")
    for arm in arms:
        check_snapshot(arm.retriever, snapshot)
        if not 0 <= arm.weight < math.inf:
            raise UsageError(f"An arm's weight is at least 0 and finite, not {arm.weight}.")
    return tuple(arms)


def _add(
    snapshot: Snapshot, parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Add up what each arm gives a document, in the order of the arms: rows and their sums."""
    rows = np.concatenate([rows for rows, _ in parts])
    shares = np.concatenate([shares for _, shares in parts])
    which = groups(snapshot.document_of(rows)).which
    sums = np.bincount(which, shares)
    # Stable, by share falling: the first of each document is the arm that adds most.
    order = np.argsort(-shares, kind="stable")
    first = groups(which[order]).first
    return rows[order][first], sums.astype(np.float64, copy=False)
