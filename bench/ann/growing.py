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
TARGETS_GROWN: Final = (0.95, 0.99)


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
                    np.mean(
                        [
                            np.array_equal(
                                _settled(rows[i], scores[i]), _settled(mine[0], values[0])
                            )
                            for i, (mine, values) in enumerate(alone)
                        ]
                    )
                ),
            }
        )
        say(str(told[-1]))
    return told


def _settled(rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the rows above the last score, rising.

    Which of those with the last score are found, an index may choose: some passages are equal to
    the last bit of their vectors. `rank_documents` then asks for more, and puts ties in order.
    """
    return np.sort(rows[scores > scores[-1]])


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
    for engine in ours(vectors, asked, graph=True):
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
