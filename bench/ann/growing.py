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
ROUNDS: Final = 5


def batches(vectors: Vectors, queries: Vectors, scratch: Path) -> list[dict[str, Any]]:
    """Compare exact search for many queries with FAISS's own at its default threshold."""
    flat = Flat(vectors)
    flat.search(queries[:1024], K, ALL)  # after so much work compiled loops are loaded
    told = []
    for size in (8, 16, 64, 256, 1024):
        asked = queries[:size]
        # Of small batches a round has several, of other queries each.
        turns = [queries[i * size : (i + 1) * size] for i in range(max(1, 256 // size))]
        rounds = [
            (
                cpu(
                    lambda turns=turns: [
                        faiss.knn(each, vectors, K, metric=faiss.METRIC_INNER_PRODUCT)
                        for each in turns
                    ]
                ),
                cpu(lambda turns=turns: [flat.search(each, K, ALL) for each in turns]),
            )
            for _ in range(ROUNDS)
        ]
        rows, scores = flat.search(asked, K, ALL)
        alone = [flat.search(asked[i : i + 1], K, ALL) for i in range(size)]
        count = size * len(turns)
        told.append(
            {
                "queries": size,
                "rows": len(vectors),
                "ratio": statistics.median(a / b for a, b in rounds),
                "ms_per_query": statistics.median(b for _, b in rounds) / count * 1e3,
                "faiss_ms_per_query": statistics.median(a for a, _ in rounds) / count * 1e3,
                "same_as_alone": all(
                    each[1][0].tobytes() == scores[i].tobytes() for i, each in enumerate(alone)
                ),
                "same_rows": float(
                    np.mean([each[0][0] == rows[i] for i, each in enumerate(alone)])
                ),
            }
        )
        say(str(told[-1]))
    return told


def growth(vectors: Vectors, queries: Vectors, scratch: Path) -> dict[str, Any]:
    """Measure the fastest at a recall of .95 and .99 as rows grow."""
    told = []
    asked = queries[:ASKED]
    for size in SIZES:
        some = vectors[:size]
        exact = exact_rows(some, asked)
        folder = scratch / f"first-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        best: dict[float, dict[str, Any]] = {}
        flat = cpu(
            lambda some=some: [Flat(some).search(asked[i : i + 1], K, ALL) for i in range(30)]
        )
        for engine in ours(size):
            built = engine.built(some, folder)
            for effort in engine.efforts:
                if effort.candidates >= size:
                    continue
                search = engine.search(built, some, effort)
                reached = recall(search(asked, K), exact)
                for target in (0.95, 0.99):
                    if reached < target:
                        continue
                    alone = min(
                        cpu(lambda s=search: [s(asked[i : i + 1], K) for i in range(ALONE)])
                        for _ in range(2)
                    )
                    batch = min(cpu(lambda s=search: s(asked, K)) for _ in range(2))
                    point = {
                        "name": engine.name,
                        "recall": reached,
                        "alone_us": alone / ALONE * 1e6,
                        "batch_us": batch / ASKED * 1e6,
                    }
                    if target not in best or point["batch_us"] < best[target]["batch_us"]:
                        best[target] = point
                if reached >= 0.995:
                    break
        told.append({"rows": size, "flat_us": flat / 30 * 1e6, "at": best})
        say(str(told[-1]))
    powers = {
        f"{way} at {target}": float(
            np.polyfit(
                np.log([each["rows"] for each in told]),
                np.log([each["at"][target][way] for each in told]),
                1,
            )[0]
        )
        for target in (0.95, 0.99)
        for way in ("alone_us", "batch_us")
    }
    say(str(powers))
    return {"sizes": told, "power_of_n": powers}
