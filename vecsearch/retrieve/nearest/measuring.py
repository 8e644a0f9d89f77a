"""How much of what exact search finds another index finds too, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.base import VectorIndex
from vecsearch.retrieve.nearest.exact import Flat, inner_products
from vecsearch.retrieve.nearest.planner import Costs
from vecsearch.retrieve.nearest.ranking import rank_documents
from vecsearch.retrieve.nearest.structure import Effort
from vecsearch.store.snapshot import Part
from vecsearch.types import ALL, Mask, Vectors

_PASSES: Final = 3
_TIMED: Final = 32
"""Queries that are asked one by one in a pass; the fastest pass counts."""

_FEWEST_SCORED, _MOST_SCORED, _SPARSE = 1000, 20_000, 10
"""Rows that are scored to see how long that takes: a tenth, as a filter leaves them."""

NEVER_EXACT: Final = Costs(1.0, 1.0, 0.0, 0.0, 0.0)
"""Costs by which nothing is answered exactly instead, so that an index is measured as it is."""


class Yardstick:
    """Queries, and what exact search over one segment finds for them.

    vectors: (queries, dim). own: whether each is the vector of a document, which then doesn't count
        among what it finds. allow: the rows that may be found.
    """

    def __init__(
        self,
        part: Part,
        matrix: Vectors,
        vectors: Vectors,
        k: int,
        *,
        own: bool,
        allow: Mask = ALL,
    ) -> None:
        self.vectors = vectors
        self._part = part
        self._matrix = matrix
        self._own = own
        self._k = k
        self._allow = allow
        self._exact = self._ranked(Flat(matrix))

    def __len__(self) -> int:
        """Count the queries."""
        return len(self.vectors)

    def recalls(self, index: VectorIndex) -> NDArray[np.float64]:
        """Return recall@k of each query, (queries,): the share of the best k that `index` finds.

        What scores as much as the k-th document counts as one of the k, as scores are exact.
        """
        found = self._ranked(index)
        return np.array(
            [_recall(mine, best) for mine, best in zip(found, self._exact, strict=True)]
        )

    def _ranked(self, index: VectorIndex) -> list[NDArray[np.float32]]:
        k = self._k + self._own
        ranked = rank_documents(self._part, self._matrix, index, self.vectors, k, self._allow)
        # A document is its own nearest; an equal one in its place changes no score.
        return [scores[self._own :] for _, scores in ranked]


def _recall(found: NDArray[np.float32], best: NDArray[np.float32]) -> float:
    if not len(best):
        return 1.0
    return min(1.0, np.count_nonzero(found >= best[-1]) / len(best))


def microseconds(
    index: VectorIndex, queries: Vectors, k: int, *, most: int = _TIMED, allow: Mask = ALL
) -> float:
    """Return what a query takes that is asked alone, as the median over at most `most` of them."""
    some = [queries[i : i + 1] for i in range(min(len(queries), most))]
    # In turns: what was just read for a query is read faster by the same one again.
    passes = [
        [_seconds(lambda q=query: index.search(q, k, allow)) for query in some]  # type: ignore[misc]
        for _ in range(_PASSES)
    ]
    return float(np.median(np.min(passes, axis=0))) * 1e6


def row_costs(vectors: Vectors, queries: Vectors) -> tuple[float, float]:
    """Return microseconds for a row that is scored exactly: for a query alone, and in a batch."""
    size = min(max(_FEWEST_SCORED, len(vectors) // _SPARSE), _MOST_SCORED)
    rows = np.random.default_rng(0).permutation(len(vectors))[: _PASSES * size]
    parts = [np.sort(part)[None] for part in np.array_split(rows, _PASSES)]
    times = [
        _seconds(lambda p=part: inner_products(queries[:1], vectors, p))  # type: ignore[misc]
        for part in parts
        for _ in range(_PASSES)  # filters come again, and then rows are in the cache
    ]
    alone = min(times) * 1e6 / parts[-1].size
    batch, some = np.resize(queries, (64, queries.shape[1])), vectors[: 1 << 14]
    together = _fastest(lambda: Flat(some).search(batch, 10, ALL)) / (len(batch) * len(some))
    return alone, together


def measured_costs(
    index: Any,  # noqa: ANN401 - a FAISS index
    matrix: Vectors,
    effort: Effort,
    queries: Vectors,
) -> Costs:
    """Measure on some queries, (queries, dim), what the planner reckons with."""
    effort = replace(effort, k=1)

    def taken(spent: Effort, allow: Mask = ALL) -> float:
        tried = Approximate(index, matrix, spent, NEVER_EXACT)
        return microseconds(tried, queries, 1, allow=allow)

    row, row_in_batch = row_costs(matrix, queries)
    lists = Approximate(index, matrix, effort, NEVER_EXACT).lists
    probes, few = effort.probes, effort.candidates
    if lists is None:
        # It matters where a mask is given, which is to be looked at too.
        allow = np.arange(len(matrix)) > 0
        wide = min(4 * probes, len(matrix) // 2)
        whole, wider = taken(effort, allow), taken(replace(effort, probes=wide), allow)
        fetch = max(wider - whole, 0.0) / (wide - probes) if wide > probes else 0.0
        rest = max(whole - few * row - probes * fetch, 0.0)
        return Costs(row, row_in_batch, fetch, 0.0, rest)
    many = min(few + 2000, len(matrix) // 2)
    probe, scan = taken(effort), taken(replace(effort, probes=lists, nearness=None))
    slope = (taken(replace(effort, candidates=many)) - probe) / (many - few) if many > few else 0.0
    candidates = few * max(slope, row)
    return Costs(
        row,
        row_in_batch,
        max(slope - row, 0.0),
        max(scan - candidates, 0.0),
        max(probe - candidates, 0.0),
    )


def _fastest(work: Callable[[], object]) -> float:
    """Return the microseconds of the fastest of a few passes."""
    return min(_seconds(work) for _ in range(_PASSES)) * 1e6


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
