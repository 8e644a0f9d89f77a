"""Show by simulation that the bench's statistics are right: how often each says what it shouldn't.

Usage: python bench/simulation.py RESULTS.json

Populations of 100,000 queries are made from a seed. Each query has a difficulty that all systems
share; a relevant document's rank is log-normal around it, with each system's own noise; ranks
become nDCG@10 or Success@10, which gives what real runs give: differences that are mostly exactly
0, discrete, and between -1 and 1. In one population the differences are skewed: rare large wins,
many small losses; in one few are large, and more are tiny. Their mean is 0 in all of them, so that
any difference found is a false positive. Where there is to be a difference, wins are drawn more
often until the mean is what `detectable` says. A thousand times, n queries are drawn from a
population and put to the statistics.

For each population and n the table holds, with 95% intervals (Wilson's) for what was counted:
false_positives, of one test at .05; family_wise, at least one after Holm's correction for 5
systems; coverage of the 95% interval, where there is no difference and where there is (with how the
usual alternatives would have done on every fourth sample); power, of one test at `detectable`.
"""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vecsearch.bench.statistics import bootstrap_interval, detectable, holm, randomization_test

Array = NDArray[np.float64]

SEED = 4
QUERIES = 100_000  # in a population
SYSTEMS = 5  # besides the baseline
SIZES = (20, 50, 100, 300)
REPETITIONS = 1_000
ALTERNATIVES = 4  # other intervals are tried on every fourth repetition
PERMUTATIONS = 2_000  # the bench takes 100,000; the error rates are the same
RESAMPLES = 1_000  # the bench takes 10,000
LEVEL = 0.05


def ranks(rng: np.random.Generator, relevant: int, noise: float) -> Array:
    """Return (queries, relevant, 1 + systems) ranks from 1: of each document by each system."""
    difficulty = rng.normal(1, 1.5, (QUERIES, 1, 1)) + rng.normal(0, 1, (QUERIES, relevant, 1))
    drawn = difficulty + rng.normal(0, noise, (QUERIES, relevant, 1 + SYSTEMS))
    return np.floor(np.exp(np.maximum(drawn, 0)))


def ndcg(ranks: Array) -> Array:
    """Return (queries, 1 + systems): nDCG@10, two documents at one rank being no matter here."""
    gains = np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0).sum(axis=1)
    ideal = (1 / np.log2(np.arange(2, ranks.shape[1] + 2))).sum()
    return np.minimum(gains / ideal, 1)


def against_first(scores: Array) -> Array:
    """Return (queries, systems) differences from the first system."""
    return scores[:, 1:] - scores[:, :1]


def skewed(rng: np.random.Generator) -> Array:
    """Return differences: 20% wins up to 1, 30% losses of a fraction of that, mean 0."""
    shape = (QUERIES, SYSTEMS)
    kind = rng.random(shape)
    wins = np.where(kind < 0.2, rng.beta(1, 1.5, shape), 0)
    losses = np.where(kind > 0.7, rng.exponential(0.1, shape), 0)
    return wins - np.minimum(losses * (wins.mean(axis=0) / losses.mean(axis=0)), 1)


def tiny(rng: np.random.Generator) -> Array:
    """Return differences: 3% of any size, 7% below a thousandth, as many wins as losses."""
    shape = (QUERIES, SYSTEMS)
    kind = rng.random(shape)
    sizes = np.where(kind < 0.03, rng.beta(1, 2, shape), rng.uniform(0, 1e-3, shape))
    return np.where(kind < 0.1, rng.choice([-1, 1], shape) * sizes, 0)


def populations() -> dict[str, Array]:
    """Return (queries, systems) differences from the baseline, by what they are."""
    rng = np.random.default_rng(SEED)
    return {
        "nDCG@10, one relevant": against_first(ndcg(ranks(rng, 1, 1.0))),
        "nDCG@10, one relevant, close systems": against_first(ndcg(ranks(rng, 1, 0.3))),
        "nDCG@10, eight relevant": against_first(ndcg(ranks(rng, 8, 0.7))),
        "Success@10": against_first((ranks(rng, 1, 1.0)[:, 0] <= 10).astype(np.float64)),
        "skewed": skewed(rng),
        "few large, some tiny": tiny(rng),
    }


def with_difference(values: Array, n: int) -> Array:
    """Return a population with wins so much more often that n queries detect the difference."""
    typical = np.resize([-1.0, 1.0], n)
    per_spread = detectable(typical) / float(typical.std(ddof=1))
    low, high = 0.0, 20.0  # of the logarithm of how much more often
    for _ in range(60):
        middle = (low + high) / 2
        weights = np.where(values > 0, math.exp(middle), 1.0)
        weights /= weights.sum()
        mean = float(weights @ values)
        spread = math.sqrt(float(weights @ values**2) - mean**2)
        low, high = (middle, high) if mean < per_spread * spread else (low, middle)
    places = np.searchsorted(np.cumsum(weights), (np.arange(QUERIES) + 0.5) / QUERIES)
    return values[np.minimum(places, QUERIES - 1)]


def alternatives(sample: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Yield other intervals of the mean: Efron & Tibshirani 1993, chapters 12 to 14."""
    n, normal, tails = len(sample), NormalDist(), np.array([LEVEL / 2, 1 - LEVEL / 2])
    drawn = sample[rng.integers(0, n, (RESAMPLES, n))]
    means, mean, spread = drawn.mean(axis=1), sample.mean(), sample.std(ddof=1)
    yield "percentile", np.quantile(means, tails)
    below = (np.mean(means < mean) + np.mean(means <= mean)) / 2
    bias = normal.inv_cdf(float(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES)))
    centred = sample - mean
    squares = float((centred**2).sum())
    bend = float((centred**3).sum()) / (6 * squares**1.5) if squares else 0.0
    moved = [bias + normal.inv_cdf(float(tail)) for tail in tails]
    yield (
        "BCa",
        np.quantile(means, [normal.cdf(bias + each / (1 - bend * each)) for each in moved]),
    )
    spreads = drawn.std(axis=1, ddof=1)
    varied = spreads > 1e-12
    if varied.any() and spread:
        far = np.quantile((means[varied] - mean) / spreads[varied], tails[::-1])
        yield "bootstrap-t", mean - far * spread
    else:
        yield "bootstrap-t", np.array([mean, mean])


def holds(interval: tuple[float, float] | Array, truth: float) -> bool:
    """Whether an interval holds the true mean."""
    low, high = interval
    return bool(low - 1e-12 <= truth <= high + 1e-12)


def rate(count: int, n: int) -> dict[str, float]:
    """Return a share of n with Wilson's interval (JASA 22, 1927)."""
    z, share = NormalDist().inv_cdf(0.975), count / n
    centre, reach = (
        share + z * z / (2 * n),
        z * math.sqrt(share * (1 - share) / n + (z / n / 2) ** 2),
    )
    low, high = ((centre + sign * reach) / (1 + z * z / n) for sign in (-1, 1))
    return {"rate": share, "low": round(low, 4), "high": round(high, 4)}


def simulate(nulls: Array, n: int, rng: np.random.Generator) -> dict[str, object]:
    """Return what was counted for samples of n queries."""
    shifted = with_difference(nulls[:, 0], n)
    counts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    thresholds = []
    for seed in range(REPETITIONS):
        sample = nulls[rng.integers(0, QUERIES, n)]
        p = [randomization_test(each, PERMUTATIONS, seed).p for each in sample.T]
        counts["false_positives"] += p[0] < LEVEL
        counts["family_wise"] += min(holm(p)) < LEVEL
        better = shifted[rng.integers(0, QUERIES, n)]
        counts["power"] += randomization_test(better, PERMUTATIONS, seed).p < LEVEL
        thresholds.append(detectable(better))
        for name, drawn, truth in (
            ("coverage", sample[:, 0], float(nulls[:, 0].mean())),
            ("coverage_with_difference", better, float(shifted.mean())),
        ):
            counts[name] += holds(bootstrap_interval(drawn, 1 - LEVEL, RESAMPLES, seed), truth)
            for other, interval in alternatives(drawn, rng) if seed % ALTERNATIVES == 0 else ():
                others[f"{name}, {other}"] += holds(interval, truth)
    return {
        "n": n,
        "zeros": round(float(np.mean(nulls[:, 0] == 0)), 3),
        "true_difference": round(float(shifted.mean()), 4),
        "median_detectable": round(float(np.median(thresholds)), 4),
        **{name: rate(counts[name], REPETITIONS) for name in counts},
        **{name: rate(others[name], REPETITIONS // ALTERNATIVES) for name in others},
    }


def show(row: Mapping[str, object]) -> str:
    """Return a row of the table that is printed."""
    shares = ("false_positives", "family_wise", "coverage", "coverage_with_difference", "power")
    cells = [f"{row['population']:<37}{row['n']:>4}"]
    for each in shares:
        share = row[each]
        assert isinstance(share, dict)
        cells.append(f"{share['rate']:.3f} ({share['low']:.3f}-{share['high']:.3f})")
    return "  ".join(cells)


def main() -> None:
    """Simulate everything, print the table and write it."""
    if len(sys.argv) != 2:
        print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
        sys.exit(2)
    start = time.perf_counter()
    rng = np.random.default_rng(SEED)
    table = []
    print("population, n, false positives, family-wise, coverage (null, with difference), power")
    for name, nulls in populations().items():
        for n in SIZES:
            table.append({"population": name, **simulate(nulls, n, rng)})
            print(show(table[-1]), flush=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], stdout=subprocess.PIPE, text=True).stdout
    results = {
        "command": f"python bench/simulation.py {Path(sys.argv[1]).name}",
        "commit": commit.strip(),
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "numpy": np.__version__,
        },
        "seed": SEED,
        "repetitions": REPETITIONS,
        "permutations": PERMUTATIONS,
        "resamples": RESAMPLES,
        "systems": SYSTEMS,
        "level": LEVEL,
        "seconds": round(time.perf_counter() - start),
        "table": table,
    }
    Path(sys.argv[1]).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
