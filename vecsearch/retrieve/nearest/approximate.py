"""Approximate search: codes are scanned, or a graph is walked, and the best are scored exactly.

A random rotation evens out how much each dimension counts; product quantization (Jégou, Douze and
Schmid 2011) makes a code of four bits for every few dimensions, which FAISS scans in registers
("fast scan", after André, Kermarrec and Le Scouarnec 2015). RaBitQ (Gao and Long 2024) keeps a bit
of each. What is found is scored from the mapped float32 vectors: scores and order are those of
exact search.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest.base import Found
from vecsearch.retrieve.nearest.exact import BATCH, Flat, best, inner_products
from vecsearch.retrieve.nearest.faiss_search import FaissSearch
from vecsearch.retrieve.nearest.lookup import LookUp
from vecsearch.retrieve.nearest.planner import SPARE, Costs, Plan, plan, sight, wider
from vecsearch.retrieve.nearest.structure import Effort
from vecsearch.types import ALL, Mask, Vectors

_PLANS: Final = 1000
"""Plans that are kept at most."""

_ENOUGH: Final = 0.8
"""A filtered search is content with this share of what passes without a filter."""

_ENOUGH_SEEN: Final = 0.65
"""A graph is walked again if fewer than this share of the rows were in sight that had to be.

So what passes near a query may be 0.42 of what passes elsewhere: that costs no recall to speak of.
"""


class Approximate:
    """Searches a FAISS index, and scores what it finds from the vectors that it was made of."""

    def __init__(
        self,
        index: Any,  # noqa: ANN401 - a FAISS index
        vectors: Vectors,
        effort: Effort,
        costs: Costs,
    ) -> None:
        if (index.ntotal, index.d) != vectors.shape:
            raise ValueError(f"{index.ntotal} codes of {index.d} numbers for {vectors.shape}")
        self._index = index
        self._vectors = vectors
        self._flat = Flat(vectors)
        self._effort = effort
        self._costs = costs
        self._faiss = FaissSearch(index)
        self._looking = LookUp(index, vectors)
        self._plans: dict[tuple[int, int | None, bool, bool], Plan] = {}

    @property
    def lists(self) -> int | None:
        """How many lists there are; None in a graph."""
        return self._faiss.lists

    def search(self, queries: Vectors, k: int, allow: Mask) -> Found:
        """See `VectorIndex.search`."""
        queries = np.ascontiguousarray(queries, np.float32)
        passing = None if allow is ALL else int(np.count_nonzero(allow))
        chosen = self._plan(k, passing, len(queries))
        if chosen.way == "exact":
            if allow is ALL:
                return self._flat.search(queries, k, ALL)
            return self._flat.search_rows(queries, k, np.flatnonzero(allow))
        if allow is ALL:
            found = self._scored(queries, k, chosen.effort, ALL)
        elif chosen.way == "over-fetch":
            found = self._over_fetched(queries, k, chosen.effort, allow)
        else:
            found = self._scored(queries, k, chosen.effort, allow)
        wanted = min(k, len(self._vectors) if passing is None else passing)
        last = found[0][:, max(wanted, 1) - 1]
        if len(last) == 1 and last[0] >= 0:
            return found  # as nearly always; what else is called then takes longer than it seems
        short = np.flatnonzero(last < 0)
        if wanted and len(short):
            found[0][short], found[1][short] = self._flat.search(queries[short], k, allow)
        return found

    def describe(self, k: int, allow: Mask) -> str:
        """See `VectorIndex.describe`."""
        passing = None if allow is ALL else int(np.count_nonzero(allow))
        chosen = self._plan(k, passing, 1)
        probes = chosen.effort.probes
        if self.lists is None:
            how = f"a graph is walked with {probes:,} rows in sight"
            ways = {"tuned": how, "over-fetch": how}
        else:
            how = f"{probes:,} of {self.lists:,} lists are scanned"
            if (nearness := chosen.effort.nearness) is not None:
                how = (
                    f"of {self.lists:,} lists those are scanned whose centroids' products are at "
                    f"least {nearness:.3g} of the greatest"
                )
            all_ = "all codes of those that pass are scanned"
            more = f"{how}, and more of them the fewer rows pass near a query"
            ways = {
                "tuned": how,
                "selector": more if self.lists > 1 and self._widens else all_,
                "over-fetch": f"{how} for more candidates than are needed",
            }
        what = f"{ways[chosen.way]}, " if chosen.way in ways else ""
        pass_ = "" if passing is None else f"{passing:,} of {len(self._vectors):,} rows pass: "
        estimates = ", ".join(
            f"{way} {cost / 1000:.3g} ms" for way, cost in sorted(chosen.estimates.items())
        )
        scored = f"{chosen.effort.candidates:,} are scored exactly"
        return f"{pass_}{what}{scored} (estimates: {estimates})"

    @property
    def _widens(self) -> bool:
        """Whether compiled loops scan the lists, which see themselves how many have to be."""
        return self._looking.kernels(0, 1) is not None

    def _for_k(self, k: int) -> Effort:
        return self._effort.for_k(k, graph=self.lists is None)

    def _plan(self, k: int, passing: int | None, queries: int) -> Plan:
        """Plan once for each number of rows that pass: filters come again."""
        case = k, passing, queries >= BATCH, self._widens
        known = self._plans.get(case)
        if known is None:
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            effort, rows = self._for_k(k), len(self._vectors)
            known = self._plans[case] = plan(
                self._costs, rows, passing, effort, self.lists, in_batch=case[2], widens=case[3]
            )
        return known

    def _rows(self, queries: Vectors, effort: Effort, allow: Mask) -> NDArray[np.int64]:
        """Return the rows whose codes are nearest, (queries, candidates); -1 pads."""
        kernels = self._looking.kernels(len(queries), effort.probes)
        if kernels is None:
            return self._faiss.rows(queries, effort, allow)
        return self._looking.rows(kernels, queries, effort, allow)

    def _scored(self, queries: Vectors, k: int, effort: Effort, allow: Mask) -> Found:
        kernels = self._looking.kernels(len(queries), effort.probes)
        if kernels is not None:
            return self._looking.search(kernels, queries, k, effort, allow)
        rows = self._faiss.rows(queries, effort, allow)
        return best(rows, inner_products(queries, self._vectors, rows), k)

    def _over_fetched(
        self, queries: Vectors, k: int, effort: Effort, allow: NDArray[np.bool_]
    ) -> Found:
        if self.lists is None:
            return self._walked(queries, k, effort, allow)
        rows = self._rows(queries, effort, ALL)
        rows[~allow[rows]] = -1  # row -1, which pads, stays -1 whatever the last row's place says
        found = best(rows, inner_products(queries, self._vectors, rows), k)
        usual = self._for_k(k)
        few = np.flatnonzero(np.count_nonzero(rows >= 0, axis=1) < _ENOUGH * usual.candidates)
        if not len(few):
            return found
        if self._plan(k, int(np.count_nonzero(allow)), len(few)).follows == "exact":
            better = self._flat.search_rows(queries[few], k, np.flatnonzero(allow))
        else:
            all_ = replace(usual, probes=self.lists, nearness=None)
            better = self._scored(queries[few], k, all_, allow)
        found[0][few], found[1][few] = better
        return found

    def _walked(self, queries: Vectors, k: int, effort: Effort, allow: NDArray[np.bool_]) -> Found:
        """Search a graph without the mask; walk again, or score all, where too little passes."""
        usual = self._for_k(k)
        rows = self._rows(queries, effort, ALL)
        # They come by codes that are nearly the vectors: the first that pass will do.
        first = np.full((len(queries), math.ceil(SPARE * usual.candidates)), -1)
        again: list[tuple[int, Effort]] = []
        left = []
        for i, seen in enumerate(rows):
            places = np.flatnonzero(allow[seen] & (seen >= 0))
            share = _share(places, len(seen), k)
            if share and effort.probes >= _ENOUGH_SEEN * sight(usual, share):
                some = places[: first.shape[1]]
                first[i, : len(some)] = seen[some]
                continue
            more = wider(self._costs, usual, share, int(np.count_nonzero(allow)))
            if more is None or more.probes >= len(self._vectors):
                left.append(i)
            else:
                again.append((i, more))
        found = best(first, inner_products(queries, self._vectors, first), k)
        for i, more in again:
            walked = self._walked(queries[i : i + 1], k, more, allow)
            found[0][i], found[1][i] = walked[0][0], walked[1][0]
        if left:
            scored = self._flat.search_rows(queries[left], k, np.flatnonzero(allow))
            found[0][left], found[1][left] = scored
        return found


def _share(places: NDArray[np.int64], seen: int, k: int) -> float:
    """Return which share of a graph's rows passes near a query.

    places: of those that pass among the rows in sight, so many, the nearest first. Where the
        nearest pass more seldom than others it is the share up to the k-th that does.
    """
    share = len(places) / seen
    return min(share, k / (int(places[k - 1]) + 1)) if len(places) >= k else share
