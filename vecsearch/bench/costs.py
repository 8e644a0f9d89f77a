"""What systems cost on one corpus, all of them measured in one go, in turns.

Every process does one system's work only. Each round asks all systems one after the other, so that
a machine that gets busier is busier for all. Queries are timed with one thread, batches and builds
with as many as the system takes.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, TypeAlias

from vecsearch.bench.cache import Cache
from vecsearch.bench.contestants import Contestant
from vecsearch.bench.environment import Bystanders, machine, software_digest
from vecsearch.bench.processes import work
from vecsearch.bench.ranking import Indexes
from vecsearch.bench.results import BuildCost, Cost, CostStamp, Percentiles, Spread
from vecsearch.bench.system import digest_of

Costs: TypeAlias = tuple[dict[str, Cost], CostStamp]
"""By the name of the system; and when and how they were measured."""

ROUNDS: Final = 3
_TIMED_QUERIES: Final = 200
_LONG_BUILD: Final = 60.0
"""Seconds; a build that took longer isn't repeated, and its spread is of one."""

_SEED: Final = 0


def costs_key(corpus_digest: str, queries: Mapping[str, str], systems: Iterable[Contestant]) -> str:
    """Return what costs are kept under: other systems beside one make a new measurement of all."""
    names = sorted((each.name, each.digest) for each in systems)
    asked = list(queries.items())
    return digest_of([corpus_digest, asked, names, software_digest(), machine(), ROUNDS])


def kept_costs(cache: Cache, key: str) -> Costs | None:
    """Return costs that were measured before, all of them together; else None."""
    kept = cache.costs(key)
    return None if kept is None else (kept["costs"], kept["stamp"])


def measure_costs(
    queries: Mapping[str, str],
    systems: Sequence[Contestant],
    indexes: Indexes,
    bystanders: Bystanders,
) -> Costs:
    """Measure builds, latencies, batches and cold commands; see `results.Cost`.

    indexes: timed ones. bystanders: watched from before the first of them was built.
    """
    asked = list(queries.values())
    if len(asked) > _TIMED_QUERIES:
        asked = random.Random(_SEED).sample(asked, _TIMED_QUERIES)
    timed: dict[str, list[dict[str, Any]]] = {each.name: [] for each in systems}
    batches: dict[str, list[float]] = {each.name: [] for each in systems}
    commands: dict[str, list[float]] = {each.name: [] for each in systems}
    for each in systems:
        indexes.folder(each)
    for number in range(ROUNDS):
        for each in systems:
            indexes.tell(
                f"{indexes.corpus}: {each.label}: costs, round {number + 1} of {ROUNDS}", 0
            )
            folder = indexes.folder(each)
            timed[each.name].append(work("time_queries", each, folder, single=True, queries=asked))
            first, seconds = _start(each, folder, _from(asked, number))
            commands[each.name].append(first)
            batches[each.name].append(len(asked) / seconds)
        if number + 1 < ROUNDS:
            _build_again(systems, indexes)
    costs = {
        each.name: _cost(
            indexes.measured[each.index_digest],
            timed[each.name],
            batches[each.name],
            commands[each.name],
        )
        for each in systems
    }
    stamp: CostStamp = {
        "measured": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "rounds": ROUNDS,
        "queries": len(asked),
        "others": bystanders.cores(),
        "machine": machine(),
    }
    return costs, stamp


def _from(queries: list[str], number: int) -> list[str]:
    """Return the queries with another one first in each round."""
    number %= len(queries)
    return queries[number:] + queries[:number]


def _start(contestant: Contestant, folder: Path, queries: Sequence[str]) -> tuple[float, float]:
    """Return seconds from starting a process to its first answer, and of answering all queries."""
    answered: list[float] = []
    start = time.perf_counter()
    seconds = work(
        "time_start",
        contestant,
        folder,
        progress=lambda _: answered.append(time.perf_counter()),
        queries=queries,
    )
    return answered[0] - start, seconds


def _build_again(systems: Sequence[Contestant], indexes: Indexes) -> None:
    """Build each index that systems share once more, but for those that take long."""
    for each in {each.index_digest: each for each in systems}.values():
        if indexes.measured[each.index_digest][0]["seconds"] <= _LONG_BUILD:
            indexes.build_again(each)


def _cost(
    builds: Sequence[dict[str, Any]],
    timed: Sequence[dict[str, Any]],
    batches: Sequence[float],
    commands: Sequence[float],
) -> Cost:
    first = builds[0]
    # Of each query the middle of its warm times, so that one round's hiccup isn't a slow query.
    warm = sorted(statistics.median(each) for each in zip(*(t["warm"] for t in timed), strict=True))
    return {
        "build": _build_cost(builds),
        "bytes": first["bytes"],
        "bytes_per_document": first["bytes"] / first["documents"],
        "model_bytes": timed[0]["model_bytes"],
        "build_memory": _spread([each["memory"] for each in builds]),
        "query_memory": _spread([each["memory"] for each in timed]),
        "cold": _percentiles([each["cold"] for each in timed]),
        "warm": _percentiles([each["warm"] for each in timed]),
        "warm_latencies": warm,
        "batch_queries_per_second": _spread(batches),
        "cold_command": _spread(commands),
    }


def _build_cost(builds: Sequence[dict[str, Any]]) -> BuildCost:
    stages = builds[0]["stages"]
    return {
        "seconds": _spread([each["seconds"] for each in builds]),
        "documents_per_second": _spread([each["documents"] / each["seconds"] for each in builds]),
        "stages": {stage: _spread([each["stages"][stage] for each in builds]) for stage in stages},
    }


def _percentiles(rounds: Sequence[Sequence[float]]) -> Percentiles:
    return {
        "p50": _spread([percentile(each, 50) for each in rounds]),
        "p95": _spread([percentile(each, 95) for each in rounds]),
        "p99": _spread([percentile(each, 99) for each in rounds]),
    }


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that at least so many percent of the values don't exceed."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)]


def _spread(values: Sequence[float]) -> Spread:
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "n": len(values),
    }
