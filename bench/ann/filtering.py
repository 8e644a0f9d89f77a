"""The planner of filters against each of its ways."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from common import ALONE, K, cpu, exact_rows, recall, say
from engines import Ours

from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.exact import Flat
from vecsearch.retrieve.nearest.measuring import NEVER_EXACT, measured_costs
from vecsearch.retrieve.nearest.structure import Effort, Structure
from vecsearch.types import ALL, Vectors

TARGET: Final = 0.95
KINDS: Final = (Structure("pq4"), Structure("pq4", lists=512), Structure("bf16", links=32))


def filters(vectors: Vectors, queries: Vectors, scratch: Path) -> list[dict[str, Any]]:
    """Compare the planner with each of its ways, tuned to the same recall, mask time included."""
    asked = queries[:ALONE]
    exact = exact_rows(vectors, asked)
    rng = np.random.default_rng(1)
    near = vectors @ asked[:40].mean(axis=0)
    masks = {
        (share, kind): allow
        for share in (0.9, 0.5, 0.1, 0.01, 0.001)
        for kind, allow in (
            ("random", rng.random(len(vectors)) < share),
            ("correlated", near >= np.quantile(near, 1 - share)),
            ("opposed", near <= np.quantile(near, share)),
        )
    }
    rows = []
    for engine in (Ours(kind, asked) for kind in KINDS):
        index = engine.built(vectors, scratch).index
        effort = next(
            each
            for each in engine.efforts
            if recall(
                Approximate(index, vectors, each, NEVER_EXACT).search(asked, K, ALL)[0], exact
            )
            >= TARGET + 0.005
        )
        planner = Approximate(index, vectors, effort, measured_costs(index, vectors, effort, asked))
        for (share, kind), allow in masks.items():
            about = {"engine": engine.name, "share": share, "kind": kind}
            rows.append(about | _filtered(planner, vectors, asked, effort, allow))
            say(str(rows[-1]))
    return rows


def _filtered(
    planner: Approximate, vectors: Vectors, asked: Vectors, effort: Effort, allow: np.ndarray
) -> dict[str, Any]:
    flat = Flat(vectors)
    wanted = min(K, int(allow.sum()))
    least = flat.search(asked, K, allow)[1][:, wanted - 1 : wanted]
    some = [asked[i : i + 1] for i in range(len(asked))]

    def way_of(most: int, way: str) -> Callable[[Vectors], Any]:
        """Scan for so many candidates, or walk with so many rows in sight."""
        graph = planner.lists is None
        if way == "selector":
            spent = Effort(K, most, 2 * K) if graph else Effort(K, planner.lists or 1, most)
            return lambda query: planner._scored(query, K, spent, allow)
        spent = replace(effort, candidates=most, probes=most if graph else effort.probes)

        def over_fetch(query: Vectors) -> Any:  # noqa: ANN401
            rows = planner._rows(query, spent, ALL)
            return flat.search_rows(query, K, rows[0][allow[rows[0]]])

        return over_fetch

    def measured(search: Callable[[Vectors], Any]) -> float:
        scores = np.concatenate([search(query)[1] for query in some])
        return float(np.mean(np.count_nonzero(scores >= least, axis=1) / wanted))

    ways: dict[str, Callable[[Vectors], Any]] = {
        "exact": lambda query: flat.search_rows(query, K, np.flatnonzero(allow))
    }
    for way in ("selector", "over-fetch"):
        for most in (20, 30, 50, 70, 100, 150, 200, 400, 800, 1600, 3200, 6400, 12800):
            search = way_of(most, way)
            if most < len(vectors) / 4 and measured(search) >= TARGET:
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
