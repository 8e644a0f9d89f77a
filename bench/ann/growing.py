"""Exact batches against FAISS's own, and what a query takes as rows grow."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
from common import ALONE, ASKED, K, cpu, exact_rows, recall, say
from engines import ours

from vecsearch.retrieve.nearest.exact import Flat
from vecsearch.types import ALL, Vectors

SIZES: Final = (10_000, 30_000, 100_000, 300_000)
TARGETS_GROWN: Final = (0.95, 0.99)


def batches(vectors: Vectors, queries: Vectors, scratch: Path) -> list[dict[str, Any]]:
    """Compare exact search for many queries with FAISS's own at its default threshold."""
    told = []
    for size in (8, 16, 64, 256, 1024):
        asked = queries[:size]
        rounds = [
            (
                cpu(lambda q=asked: faiss.knn(q, vectors, K, metric=faiss.METRIC_INNER_PRODUCT)),
                cpu(lambda q=asked: Flat(vectors).search(q, K, ALL)),
            )
            for _ in range(3)
        ]
        scores = Flat(vectors).search(asked, K, ALL)[1]
        alone = np.concatenate(
            [Flat(vectors).search(asked[i : i + 1], K, ALL)[1] for i in range(8)]
        )
        told.append(
            {
                "queries": size,
                "rows": len(vectors),
                "ratio": statistics.median(a / b for a, b in rounds),
                "ms_per_query": statistics.median(b for _, b in rounds) / size * 1e3,
                "same_as_alone": scores[:8].tobytes() == alone.tobytes(),
            }
        )
        say(str(told[-1]))
    return told


def growth(vectors: Vectors, queries: Vectors, scratch: Path) -> dict[str, Any]:
    """Measure the fastest at a recall of .95 and .99 as rows grow, alone and in a batch."""
    told = []
    asked = queries[:ASKED]
    for size in SIZES:
        some = vectors[:size]
        folder = scratch / f"first-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        flat = cpu(
            lambda some=some: [Flat(some).search(asked[i : i + 1], K, ALL) for i in range(30)]
        )
        best = _fastest(some, asked, folder)
        told.append({"rows": size, "flat_us": flat / 30 * 1e6, "at": best})
        say(str(told[-1]))
    powers = {
        name: float(
            np.polyfit(
                np.log([each["rows"] for each in told]),
                np.log([each["at"][name]["us"] for each in told]),
                1,
            )[0]
        )
        for name in told[0]["at"]
    }
    say(str(powers))
    return {"sizes": told, "power_of_n": powers}


def _fastest(vectors: Vectors, asked: Vectors, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the fastest at each recall, alone and in a batch, of all that tuning tries."""
    exact = exact_rows(vectors, asked)
    best: dict[str, dict[str, Any]] = {}
    for engine in ours(vectors, graph=True):
        built = engine.built(vectors, folder)
        for effort in engine.efforts:
            if max(effort.candidates, effort.probes) >= len(vectors):
                continue
            search = engine.search(built, vectors, effort)
            reached = recall(search(asked, K), exact)
            if reached < min(TARGETS_GROWN):
                continue
            took = {
                "alone": cpu(lambda s=search: [s(asked[i : i + 1], K) for i in range(ALONE)])
                / ALONE,
                "batch": cpu(lambda s=search: s(asked, K)) / len(asked),
            }
            for target in TARGETS_GROWN:
                for way, seconds in took.items():
                    name = f"{way} at {target}"
                    point = {"name": engine.name, "recall": reached, "us": seconds * 1e6}
                    if (
                        reached >= target
                        and point["us"] < best.get(name, point | {"us": 1e9})["us"]
                    ):
                        best[name] = point
            if reached >= 0.995:
                break
    return best
