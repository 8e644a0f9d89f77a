"""The planner of filters against each of its ways."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import ALONE, K, cpu, exact_rows, recall, say
from engines import ours

from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.exact import Flat
from vecsearch.retrieve.nearest.measuring import measured_costs
from vecsearch.retrieve.nearest.planner import Costs
from vecsearch.retrieve.nearest.structure import Effort
from vecsearch.types import Vectors


def filters(vectors: Vectors, queries: Vectors, scratch: Path) -> list[dict[str, Any]]:
    """Compare the planner with each of its ways, tuned to the same recall, mask time included."""
    target = 0.95
    asked = queries[:ALONE]
    engine = ours(vectors)[0]
    built = engine.built(vectors, scratch)
    exact = exact_rows(vectors, asked)
    effort = next(
        each
        for each in engine.efforts
        if recall(engine.search(built, vectors, each)(asked, K), exact) >= target + 0.005
    )
    costs = measured_costs(built.index, vectors, effort, asked)
    rng = np.random.default_rng(1)
    rows = []
    near = vectors @ asked[:40].mean(axis=0)
    for share in (0.9, 0.5, 0.1, 0.01, 0.001):
        masks = {"random": rng.random(len(vectors)) < share}
        masks["correlated"] = near >= np.quantile(near, 1 - share)
        masks["opposed"] = near <= np.quantile(near, share)
        for kind, allow in masks.items():
            rows.append(
                {"share": share, "kind": kind}
                | _filtered(built.index, vectors, asked, effort, costs, allow, target)
            )
            say(str(rows[-1]))
    return rows


def _filtered(
    index: Any,  # noqa: ANN401
    vectors: Vectors,
    asked: Vectors,
    effort: Effort,
    costs: Costs,
    allow: np.ndarray,
    target: float,
) -> dict[str, Any]:
    planner, flat = Approximate(index, vectors, effort, costs), Flat(vectors)
    wanted = min(K, int(allow.sum()))
    least = flat.search(asked, K, allow)[1][:, wanted - 1 : wanted]
    some = [asked[i : i + 1] for i in range(len(asked))]

    def way_of(candidates: int, way: str) -> Callable[[Vectors], Any]:
        if way == "selector":
            all_lists = replace(effort, probes=planner.lists or 1, candidates=candidates)
            return lambda query: planner._selected(query, K, all_lists, allow)

        def over_fetch(query: Vectors) -> Any:  # noqa: ANN401
            rows = planner._rows(query, replace(effort, candidates=candidates))
            return flat.search_rows(query, K, rows[0][allow[rows[0]]])

        return over_fetch

    def measured(search: Callable[[Vectors], Any]) -> float:
        scores = np.concatenate([search(query)[1] for query in some])
        return float(np.mean(np.count_nonzero(scores >= least, axis=1) / wanted))

    ways: dict[str, Callable[[Vectors], Any]] = {
        "exact": lambda query: flat.search_rows(query, K, np.flatnonzero(allow))
    }
    for way in ("selector", "over-fetch"):
        for candidates in (20, 30, 50, 70, 100, 150, 200, 400, 800, 1600, 3200, 6400, 12800):
            search = way_of(candidates, way)
            if candidates < len(vectors) / 4 and measured(search) >= target:
                ways[way] = search
                break
    ways["planner"] = lambda query: planner.search(query, K, allow)
    rounds = [
        {name: cpu(lambda s=search: [s(q) for q in some]) for name, search in ways.items()}
        for _ in range(3)
    ]
    took = {
        name: statistics.median(each[name] for each in rounds) / len(some) * 1e6 for name in ways
    }
    found = np.concatenate([planner.search(query, K, allow)[0] for query in some])
    return {
        "passing": int(allow.sum()),
        "way": planner._plan(K, int(allow.sum()), 1).way,
        "recall": measured(ways["planner"]),
        "empty": int((found[:, :wanted] < 0).sum()),
        "us": took,
        "of_best": took["planner"] / min(v for name, v in took.items() if name != "planner"),
    }
