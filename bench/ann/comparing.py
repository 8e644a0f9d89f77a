"""Recall against queries a second, and the best of each library at equal recall, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from common import ALONE, ASKED, TARGETS, K, cpu, exact_rows, recall, say
from engines import Engine, ours, peers

from vecsearch.types import Vectors

ROUNDS: Final = 3
ENOUGH: Final = 0.992
"""Recall at which no greater effort is measured."""


def pareto(vectors: Vectors, queries: Vectors, scratch: Path) -> dict[str, Any]:
    """Measure each library at rising effort, then its best builds at equal recall, in turns."""
    asked = queries[:ASKED]
    exact = exact_rows(vectors, asked)
    lines, able = [], []
    everyone: Sequence[Engine] = [*ours(vectors, graph=True), *peers()]
    for engine in everyone:
        built = engine.built(vectors, scratch)
        points = []
        for effort in engine.efforts:
            search = engine.search(built, vectors, effort)
            start = time.process_time()
            found = search(asked, K)
            seconds = time.process_time() - start
            point = {"effort": str(effort), "recall": recall(found, exact)}
            points.append(point | {"per_second": len(asked) / seconds})
            able.append((engine, built, effort, points[-1]))
            if point["recall"] >= ENOUGH:
                break
        about = {"name": engine.name, "build_s": built.seconds, "bytes": built.bytes}
        lines.append(about | {"bytes_per_vector": built.bytes / len(vectors), "points": points})
        say(f"{engine.name}: {points[-1]}")
    duels = [_duel(able, target, vectors, asked) for target in TARGETS]
    return {"rows": len(vectors), "queries": len(asked), "engines": lines, "at_recall": duels}


def _duel(
    able: Sequence[tuple[Any, Any, Any, dict[str, Any]]],
    target: float,
    vectors: Vectors,
    asked: Vectors,
) -> dict[str, Any]:
    """Ask the fastest of each library, of those with the recall, in turns."""
    best: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {}
    for each in able:
        library = each[0].name.split()[0]
        if each[3]["recall"] < target:
            continue
        if library not in best or each[3]["per_second"] > best[library][3]["per_second"]:
            best[library] = each
    rounds: list[dict[str, dict[str, float]]] = []
    for _ in range(ROUNDS):
        took = {}
        for library, (engine, built, effort, _) in best.items():
            search = engine.search(built, vectors, effort)

            def alone(search: Any = search) -> None:  # noqa: ANN401
                for i in range(ALONE):
                    search(asked[i : i + 1], K)

            batch = cpu(lambda search=search: search(asked, K)) / len(asked)
            took[library] = {"batch_us": batch * 1e6, "alone_us": cpu(alone) / ALONE * 1e6}
        rounds.append(took)
    told = {
        library: {
            "name": engine.name,
            "effort": str(effort),
            "recall": point["recall"],
            "build_s": built.seconds,
            "bytes_per_vector": built.bytes / len(vectors),
            **{
                way: statistics.median(each[library][way] for each in rounds)
                for way in ("batch_us", "alone_us")
            },
        }
        for library, (engine, built, effort, point) in best.items()
    }
    others = [library for library in told if library != "vecsearch"]
    ratios = {}
    if "vecsearch" in told:
        for way in ("batch_us", "alone_us"):
            ratios[way.replace("_us", "_ratio")] = statistics.median(
                min(each[library][way] for library in others) / each["vecsearch"][way]
                for each in rounds
            )
        fastest = min(others, key=lambda library: told[library]["batch_us"])
        ratios["build_ratio"] = told[fastest]["build_s"] / told["vecsearch"]["build_s"]
        ratios["build_ratio_to_quickest"] = (
            min(told[library]["build_s"] for library in others) / told["vecsearch"]["build_s"]
        )
    say(f"at {target}: {ratios} {told}")
    return {"target": target, **ratios, "libraries": told}
