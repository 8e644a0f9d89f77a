"""How sure a difference is: intervals, a paired test, its correction, and what could be seen.

Every function takes one value per query, and draws at random from a seed of its own: the same
values give the same answer. Bad values (none, NaN, infinite) are a UsageError.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.bench.correlations import Correlation, correlation, spearman
from vecsearch.bench.samples import SAME, Interval, Values, blocks, checked
from vecsearch.errors import UsageError

__all__ = [
    "Correlation",
    "Interval",
    "Test",
    "Values",
    "bootstrap_interval",
    "correlation",
    "detectable",
    "effect_size",
    "holm",
    "randomization_test",
    "spearman",
]


class Test(NamedTuple):
    """The outcome of a test.

    p: how often chance alone gives as large a difference, in (0, 1].
    exact: every permutation was counted, none drawn.
    permutations: how many were looked at.
    """

    p: float
    exact: bool
    permutations: int


def bootstrap_interval(
    values: Values,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    bounds: tuple[float, float] = (-1.0, 1.0),
) -> Interval:
    """Return a symmetric bootstrap-t interval of the mean, cut at the bounds; equal values' own.

    bounds: the least and the largest value there can be: those of a difference of scores, where
        none are given; (0, 1) for scores themselves. A value outside is a UsageError.

    Each resample's mean is put in standard errors of that resample, and the distance that `level`
    of them stay within, times the sample's own standard error, is the reach to both sides. Efron &
    Tibshirani, An introduction to the bootstrap, 1993, section 12.5; symmetric after Hall, On
    symmetric bootstrap confidence intervals, J. R. Statist. Soc. B 50, 1988.

    Differences of scores are mostly exactly 0, and that decides between the methods: of intervals
    meant to hold the mean 95% of the time, from samples of five such populations without a
    difference, this one held it 98% of the time at n = 20 and 96% at 50, 100 and 300 (at worst
    94%); the percentile interval 89%, 93%, 93% and 94% (at worst 80%), BCa 85%, 91%, 92% and 94%
    (75%), and the equal-tailed bootstrap-t 91%, 92%, 93% and 94% (88%). With a difference it was
    95% to 96% at each n. These are averages of what bench/simulation.py counts. What a sample holds
    none of no interval can tell: where 3 queries in 100 differ by much and 7 by next to nothing,
    this one held the mean 48%, 78%, 95% and 99% of the time (percentile 28%, 58%, 72% and 92%).
    """
    sample = np.sort(checked(values))  # so that the order of queries is no matter
    if not bounds[0] - SAME <= sample.min() <= sample.max() <= bounds[1] + SAME:
        raise UsageError(
            f"Values from {sample.min():g} to {sample.max():g} aren't all between the bounds "
            f"{bounds[0]:g} and {bounds[1]:g}."
        )
    mean, error = float(np.mean(sample)), _spread(sample) / math.sqrt(len(sample))
    if not error:
        return Interval(mean, mean)
    rng = np.random.default_rng(seed)
    distances = _studentized(sample - mean, resamples, rng)
    # Two or three values can't tell how they spread, so it is never narrower than Student's.
    student = np.abs(rng.standard_t(len(sample) - 1, resamples))
    reach = error * max(float(np.quantile(each, level)) for each in (distances, student))
    return Interval(max(mean - reach, bounds[0]), min(mean + reach, bounds[1]))


def randomization_test(differences: Values, permutations: int = 100_000, seed: int = 0) -> Test:
    """Test whether a mean difference between pairs is 0, against both sides.

    Were the two systems alike, each difference would have had the other sign as easily: p is the
    part of all ways to choose signs whose mean is as far from 0 as the one observed. Zeros have no
    sign and change nothing. All ways are counted where there are no more of them than
    `permutations`; else so many are drawn, and the observed one counts as one of them. Where few
    queries differ, p has few values and false positives are rarer than the level. Smucker, Allan &
    Carterette, A comparison of statistical significance tests for information retrieval
    evaluation, CIKM 2007.
    """
    signed = checked(differences)
    sizes = np.sort(np.abs(signed[signed != 0]))[::-1]
    # A sum that would equal the observed one counts, however its rounding came out.
    observed = abs(math.fsum(signed)) - SAME * math.fsum(sizes)
    if 2 ** len(sizes) <= permutations:
        sums = _signed_sums(sizes[np.newaxis])[0]
        return Test(float(np.mean(np.abs(sums) >= observed)), True, len(sums))
    sums = np.zeros(permutations)
    rng = np.random.default_rng(seed)
    eights = np.pad(sizes, (0, -len(sizes) % 8)).reshape(-1, 8)
    for choices in _signed_sums(eights):  # a random byte is the signs of eight values
        sums += choices[rng.integers(0, 256, permutations, dtype=np.uint8)]
    hits = int(np.count_nonzero(np.abs(sums) >= observed))
    return Test((1 + hits) / (1 + permutations), False, permutations)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p values of a family so that any false positive in it is as rare as p says.

    The i-th smallest of m is multiplied by m - i + 1, and is no smaller than the one before it.
    Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return [float(each) for each in np.minimum(adjusted, 1.0)]


def effect_size(differences: Values) -> float | None:
    """Return the mean over the standard deviation (n - 1) of paired differences: Cohen's d_z.

    None where all are equal, or there is only one. Cohen, Statistical power analysis for the
    behavioral sciences, 2nd edition, 1988, section 2.3.5.
    """
    sample = checked(differences)
    spread = _spread(sample)
    return float(np.mean(sample)) / spread if spread else None


def detectable(
    differences: Values, family: int = 1, level: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest true mean difference that would be shown `power` of the time.

    With n queries whose differences have standard deviation s, in a family of m comparisons:
    (z + z') s / sqrt(n - z^2 / 2), z being the normal quantile of 1 - level / 2m and z' of power.
    Guenther, Sample size formulas for normal theory t tests, The American Statistician 35, 1981.
    The level is Bonferroni's, which Holm's first step takes; later steps show smaller ones. It is
    inf where so few queries can't show any, as the least p, 2 / 2^n, isn't below the level.
    """
    sample = checked(differences)
    if 2.0 ** (1 - len(sample)) >= level / family:
        return math.inf
    normal = NormalDist()
    z = normal.inv_cdf(1 - level / (2 * family))
    return (z + normal.inv_cdf(power)) * _spread(sample) / math.sqrt(len(sample) - z * z / 2)


def _spread(sample: NDArray[np.float64]) -> float:
    """Return the standard deviation (n - 1); 0 where all are equal, or there is only one."""
    return 0.0 if np.all(sample == sample[0]) else float(np.std(sample, ddof=1))


_LEAST_SPREAD: Final = 0.1


def _studentized(
    centred: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return how far each resample's mean is from 0, in standard errors of that resample.

    One that missed what the sample's spread is made of, so that it has less than a tenth of it, is
    constant or next to it and has no error to divide by: it counts as the furthest of the others.
    """
    n = len(centred)
    least = (_LEAST_SPREAD * _spread(centred)) ** 2
    drawn = list(_drawn(centred, resamples, rng))
    sums, squares = (np.concatenate(each) for each in zip(*drawn, strict=True))
    variances = (squares - sums**2 / n) / (n - 1)
    varied = variances > least
    distances = np.zeros(resamples)
    distances[varied] = np.abs(sums[varied]) / np.sqrt(n * variances[varied])
    distances[~varied] = distances.max()
    return distances


def _drawn(
    sample: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Draw resamples; yield blocks of their sums, and of their sums of squares.

    Where most values are equal to others it is faster to draw how often each distinct one comes.
    """
    n = len(sample)
    distinct, counts = np.unique(sample, return_counts=True)
    if 10 * len(distinct) < n:
        for rows in blocks(resamples, len(distinct)):
            times = rng.multinomial(n, counts / n, size=rows)
            yield times @ distinct, times @ distinct**2
    else:
        for rows in blocks(resamples, n):
            chosen = sample[rng.integers(0, n, (rows, n))]
            yield chosen.sum(axis=1), np.einsum("ij,ij->i", chosen, chosen)


def _signed_sums(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (rows, 2^n): the sums of each row of (rows, n) with every choice of signs."""
    sums = np.zeros((len(sizes), 1))
    for column in sizes.T[:, :, np.newaxis]:
        sums = np.concatenate([sums + column, sums - column], axis=1)
    return sums
