"""Recall against queries a second, and the best of each library at equal recall, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from common import ALONE, ASKED, TARGETS, K, cpu, exact_rows, recall, say
from engines import Built, Engine, ours, peers

from vecsearch.types import Vectors

ROUNDS: Final = 3
Way: TypeAlias = Literal["in batches", "one by one"]
WAYS: Final[Sequence[Way]] = ("in batches", "one by one")
ENOUGH: Final = 0.992
"""Recall at which no greater effort is measured."""


class Contestant(NamedTuple):
    """A library's build at some effort, what it reaches, and how fast it is in a batch."""

    engine: Engine
    built: Built
    effort: Any
    recall: float
    per_second: float


def pareto(vectors: Vectors, queries: Vectors, scratch: Path) -> dict[str, Any]:
    """Measure each library at rising effort, then its best builds at equal recall, in turns."""
    asked = queries[:ASKED]
    exact = exact_rows(vectors, asked)
    lines, able = [], []
    everyone: Sequence[Engine] = [*ours(vectors, asked, graph=True), *peers()]
    for engine in everyone:
        built = engine.built(vectors, scratch)
        points = []
        for effort in engine.efforts:
            search = engine.search(built, vectors, effort)
            start = time.process_time()
            found = search(asked, K)
            seconds = time.process_time() - start
            reached, speed = recall(found, exact), len(asked) / seconds
            points.append({"effort": str(effort), "recall": reached, "per_second": speed})
            able.append(Contestant(engine, built, effort, reached, speed))
            if reached >= ENOUGH:
                break
        about = {"name": engine.name, "build_s": built.seconds, "bytes": built.bytes}
        lines.append(about | {"bytes_per_vector": built.bytes / len(vectors), "points": points})
        say(f"{engine.name}: {points[-1]}")
    duels = [_duel(able, target, way, vectors, asked) for target in TARGETS for way in WAYS]
    return {"rows": len(vectors), "queries": len(asked), "engines": lines, "at_recall": duels}


def _duel(
    able: Sequence[Contestant], target: float, way: Way, vectors: Vectors, asked: Vectors
) -> dict[str, Any]:
    """Ask the fastest build of each library, of those with the recall, in turns."""
    builds: dict[str, Contestant] = {}
    for each in able:
        known = builds.get(each.engine.name)
        if each.recall >= target and (known is None or each.per_second > known.per_second):
            builds[each.engine.name] = each
    best: dict[str, tuple[float, Contestant]] = {}
    for each in builds.values():
        library = each.engine.name.split()[0]
        took = _microseconds(each, way, vectors, asked)
        if library not in best or took < best[library][0]:
            best[library] = took, each
    chosen = {library: each for library, (_, each) in best.items()}
    rounds = [
        {name: _microseconds(each, way, vectors, asked) for name, each in chosen.items()}
        for _ in range(ROUNDS)
    ]
    told = {
        library: {
            "name": each.engine.name,
            "effort": str(each.effort),
            "recall": each.recall,
            "build_s": each.built.seconds,
            "bytes_per_vector": each.built.bytes / len(vectors),
            "us": statistics.median(took[library] for took in rounds),
        }
        for library, each in chosen.items()
    }
    others = [library for library in told if library != "vecsearch"]
    fastest = min(others, key=lambda library: told[library]["us"])
    own = told["vecsearch"]["build_s"]
    ratios = {
        "ratio": statistics.median(
            min(took[library] for library in others) / took["vecsearch"] for took in rounds
        ),
        "build_ratio": told[fastest]["build_s"] / own,
        "build_ratio_to_quickest": min(told[library]["build_s"] for library in others) / own,
    }
    say(f"at {target}, {way}: {ratios} {told}")
    return {"target": target, "way": way, **ratios, "libraries": told}


def _microseconds(each: Contestant, way: Way, vectors: Vectors, asked: Vectors) -> float:
    """Return what a query takes, of CPU time."""
    search = each.engine.search(each.built, vectors, each.effort)
    if way == "in batches":
        return cpu(lambda: search(asked, K)) / len(asked) * 1e6
    some = [asked[i : i + 1] for i in range(ALONE)]
    return cpu(lambda: [search(query, K) for query in some]) / ALONE * 1e6
