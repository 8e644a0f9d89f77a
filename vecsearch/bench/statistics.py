"""How sure a difference is: intervals, a paired test, its correction, and what could be seen.

Every function takes one value per query, and draws at random from a seed of its own: the same
values give the same answer. Bad values (none, NaN, infinite) are a UsageError.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError

Values: TypeAlias = Sequence[float] | NDArray[np.float64]
"""(n,): one finite number per query."""

_BLOCK: Final = 1 << 20
"""How many drawn values are held at once: 8 MB of float64."""

_SAME: Final = 1e-12
"""Sums this near, relative to the largest that is possible, differ by rounding alone."""


class Interval(NamedTuple):
    """Where the true value lies, as often as the level says."""

    low: float
    high: float


class Test(NamedTuple):
    """The outcome of a test.

    p: how often chance alone gives as large a difference, in (0, 1].
    exact: every permutation was counted, none drawn.
    permutations: how many were looked at.
    """

    p: float
    exact: bool
    permutations: int


class Correlation(NamedTuple):
    """Spearman's rank correlation with its bootstrap interval and permutation test."""

    rho: float
    interval: Interval
    p: float


def bootstrap_interval(
    values: Values, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Return an interval of the mean."""
    sample = _checked(values)
    rng = np.random.default_rng(seed)
    means = np.concatenate([drawn.mean(axis=1) for drawn in _resampled(sample, resamples, rng)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def randomization_test(differences: Values, permutations: int = 100_000, seed: int = 0) -> Test:
    """Test whether a mean difference between pairs is 0, against both sides.

    Were the two systems alike, each difference would have had the other sign as easily: p is the
    part of all ways to choose signs whose mean is as far from 0 as the one observed. Zeros have no
    sign and change nothing. All ways are counted where there are no more of them than
    `permutations`; else so many are drawn, and the observed one counts as one of them. Smucker,
    Allan & Carterette, A comparison of statistical significance tests for information retrieval
    evaluation, CIKM 2007.
    """
    signed = _checked(differences)
    sizes = np.sort(np.abs(signed[signed != 0]))[::-1]
    # A sum that would equal the observed one counts, however its rounding came out.
    observed = abs(math.fsum(signed)) - _SAME * math.fsum(sizes)
    if 2 ** len(sizes) <= permutations:
        sums = _signed_sums(sizes)
        return Test(float(np.mean(np.abs(sums) >= observed)), True, len(sums))
    sums = np.zeros(permutations)
    rng = np.random.default_rng(seed)
    for start in range(0, len(sizes), 8):  # a random byte is the signs of eight values
        eight = _signed_sums(sizes[start : start + 8])
        sums += eight[rng.integers(0, len(eight), permutations, dtype=np.uint8)]
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
    sample = _checked(differences)
    spread = _spread(sample)
    return float(np.mean(sample)) / spread if spread else None


def detectable(
    differences: Values, family: int = 1, level: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest true mean difference that would be shown `power` of the time.

    With n queries whose differences have standard deviation s, in a family of m comparisons:
    (z(1 - level / 2m) + z(power)) s / sqrt(n), z being the normal quantile (Cohen 1988, section
    2.4). That takes Bonferroni's level for Holm's, which is the level of its first step: a bound.
    It is inf where so few queries can't show any, as the least p, 2 / 2^n, isn't below the level.
    """
    sample = _checked(differences)
    if 2.0 ** (1 - len(sample)) >= level / family:
        return math.inf
    normal = NormalDist()
    errors = normal.inv_cdf(1 - level / (2 * family)) + normal.inv_cdf(power)
    return errors * _spread(sample) / math.sqrt(len(sample))


def spearman(x: Values, y: Values) -> float:
    """Return the rank correlation of pairs, ties having the mean of their ranks.

    0 where either is constant: nothing goes with it. Spearman, The proof and measurement of
    association between two things, Am. J. Psychol. 15, 1904.
    """
    first, second = _checked_pairs(x, y)
    once = np.ones((1, len(first)))
    return float(_rank_correlations(_groups(first), _groups(second), once)[0])


def correlation(x: Values, y: Values, seed: int = 0) -> Correlation:
    """Return Spearman's correlation, its 95% interval and p, two-sided.

    The interval is between percentiles of 2,000 bootstrap resamples of pairs, which are ranked
    anew; p is from 10,000 shuffles of y, the observed order counting as one more.
    """
    raise NotImplementedError
