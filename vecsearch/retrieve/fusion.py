"""Retrievers over retrievers: several rankings of the same snapshot made into one.

A fused document's row is the best passage of the retriever that adds most to its score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError
from vecsearch.retrieve.base import Ranking, Retriever, check_k, rank, ranking_of, top_k
from vecsearch.store.snapshot import Snapshot
from vecsearch.types import Mask, TopK


class Arm(NamedTuple):
    """A retriever that takes part in a fusion, and how much it counts."""

    retriever: Retriever
    weight: float


class WeightedSum:
    """Adds the arms' scores, each scaled to 0..1 over its own best `depth` (min-max).

    An arm that ranks only one score gives it 1; a document that an arm didn't rank gets 0 from it.
    Asked for more than `depth` documents, the arms are read as deep as was asked.
    """

    def __init__(
        self, snapshot: Snapshot, arms: Sequence[Arm], *, depth: int = 100, name: str = "hybrid"
    ) -> None:
        self._snapshot = snapshot
        self._arms = _checked(arms, depth)
        self._depth = depth
        self.name = name

    def retrieve(self, queries: Sequence[str], k: int, allow: Mask) -> TopK:
        """See `Retriever.retrieve`."""
        return _fuse(self._snapshot, self._arms, queries, k, self._depth, allow, _min_max)


class ReciprocalRank:
    """Adds weight / (k + rank) over the arms (Cormack, Clarke and Büttcher, SIGIR 2009; k = 60).

    Ranks count from 1 over each arm's best `depth`; asked for more, as deep as was asked.
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
        self._snapshot = snapshot
        self._arms = _checked(arms, depth)
        self._constant = constant
        self._depth = depth
        self.name = name

    def retrieve(self, queries: Sequence[str], k: int, allow: Mask) -> TopK:
        """See `Retriever.retrieve`."""

        def reciprocal(scores: NDArray[np.float32]) -> NDArray[np.float64]:
            return np.reciprocal(self._constant + 1 + np.arange(len(scores), dtype=np.float64))

        return _fuse(self._snapshot, self._arms, queries, k, self._depth, allow, reciprocal)


def _min_max(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    values = scores.astype(np.float64)
    if not len(values) or values[0] == values[-1]:
        return np.ones(len(values))
    scaled: NDArray[np.float64] = (values - values[-1]) / (values[0] - values[-1])
    return scaled


def _checked(arms: Sequence[Arm], depth: int) -> tuple[Arm, ...]:
    if not arms:
        raise UsageError("A fusion needs at least one retriever.")
    if depth < 1:
        raise UsageError(f"The depth of a fusion is at least 1, not {depth}.")
    for arm in arms:
        if not 0 <= arm.weight < math.inf:
            raise UsageError(f"An arm's weight is at least 0 and finite, not {arm.weight}.")
    return tuple(arms)


def _fuse(
    snapshot: Snapshot,
    arms: Sequence[Arm],
    queries: Sequence[str],
    k: int,
    depth: int,
    allow: Mask,
    normalise: Callable[[NDArray[np.float32]], NDArray[np.float64]],
) -> TopK:
    check_k(k)
    found = [arm.retriever.retrieve(queries, max(depth, k), allow) for arm in arms]
    rankings = []
    for query in range(len(queries)):
        ranked = [ranking_of(each, query) for each in found]
        parts = [
            (rows, arm.weight * normalise(scores))
            for arm, (rows, scores) in zip(arms, ranked, strict=True)
        ]
        rankings.append(_add(snapshot, parts, k))
    return top_k(rankings, k)


def _add(
    snapshot: Snapshot, parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]], k: int
) -> Ranking:
    """Add up what each arm gives a document, in the order of the arms."""
    rows = np.concatenate([rows for rows, _ in parts])
    shares = np.concatenate([shares for _, shares in parts])
    documents, which = np.unique(snapshot.document_of(rows), return_inverse=True)
    sums = np.bincount(which, shares, minlength=len(documents))
    # Stable, by share falling: the first of each document is the arm that adds most.
    order = np.argsort(-shares, kind="stable")
    _, first = np.unique(which[order], return_index=True)
    return rank(snapshot, rows[order][first], sums.astype(np.float32), k)
