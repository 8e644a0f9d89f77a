"""How often a promise is kept when tuning is repeated with other queries."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from common import ASKED, TARGETS, K, cpu, say
from engines import ours

from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.choosing import Trial, choose, sequence
from vecsearch.retrieve.nearest.exact import Flat
from vecsearch.retrieve.nearest.measuring import NEVER_EXACT
from vecsearch.types import ALL, Vectors

TUNINGS: Final = 100
HELD_OUT: Final = 5000
POOL: Final = 12_000
ENGINES: Final = 4
"""The kinds that tuning tries first: what is repeated is the choice, whatever it is among."""


def honesty(vectors: Vectors, queries: Vectors, scratch: Path) -> list[dict[str, Any]]:
    """Tune again and again with other queries; judge each tuning by those it hasn't seen."""
    pool = queries[ASKED : ASKED + POOL]
    least = Flat(vectors).search(pool, K, ALL)[1][:, -1:]
    known: list[tuple[Trial, np.ndarray]] = []
    for engine in ours(vectors, queries[:ASKED])[:ENGINES]:
        built = engine.built(vectors, scratch)
        for effort in engine.efforts:
            index = Approximate(built.index, vectors, effort, NEVER_EXACT)
            recalls = np.count_nonzero(index.search(pool, K, ALL)[1] >= least, axis=1) / K
            some = pool[:64]

            def alone(index: Approximate = index, some: Vectors = some) -> None:
                for i in range(len(some)):
                    index.search(some[i : i + 1], K, ALL)

            microseconds = min(cpu(alone) for _ in range(3)) / len(some) * 1e6
            known.append((Trial(engine.structure, effort, 0.0, microseconds), recalls))
    say(f"{len(known)} trials known")
    return [_repeated(known, target, queries) for target in TARGETS for queries in (400, 2000)]


def _repeated(
    known: Sequence[tuple[Trial, np.ndarray]], target: float, queries: int
) -> dict[str, Any]:
    """Tune `TUNINGS` times: a quarter of the queries selects, the others prove."""
    rng = np.random.default_rng(0)
    honoured = naive = proved = 0
    costs, shortfalls = [], []
    for _ in range(TUNINGS):
        drawn = rng.permutation(POOL)
        first, second = drawn[: queries // 4], drawn[queries // 4 : queries]
        judges = drawn[queries : queries + HELD_OUT]
        by_trial = {
            trial._replace(recall=float(recalls[first].mean())): recalls for trial, recalls in known
        }
        found = choose(
            sequence(list(by_trial), target, np.inf),
            lambda trial, by=by_trial, rows=second: by[trial][rows],
            target,
        )
        able = [t.microseconds for t, r in by_trial.items() if r[judges].mean() >= target]
        if found is None:
            honoured += 1  # exact search
        else:
            true = by_trial[found[0]][judges].mean()
            proved += 1
            honoured += bool(true >= target)
            shortfalls.append(max(target - float(true), 0.0))
            costs.append(found[0].microseconds / min(able))
        # What others do: the fastest whose recall on all the queries is the target.
        rows = drawn[:queries]
        point = [t for t, r in by_trial.items() if r[rows].mean() >= target]
        plain = min(point, key=lambda trial: trial.microseconds)
        naive += bool(by_trial[plain][judges].mean() >= target)
    told = {
        "target": target,
        "queries": queries,
        "tunings": TUNINGS,
        "held_out": HELD_OUT,
        "honoured": honoured,
        "approximate": proved,
        "greatest_shortfall": max(shortfalls, default=0.0),
        "times_the_oracle": statistics.median(costs) if costs else None,
        "point_estimate_honoured": naive,
    }
    say(str(told))
    return told
