"""Whether two properties of queries go together: Spearman's correlation, and how sure it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.bench.samples import SAME, Interval, Values, blocks, checked
from vecsearch.errors import UsageError


class Correlation(NamedTuple):
    """Spearman's rank correlation with its bootstrap interval and permutation test."""

    rho: float
    interval: Interval
    p: float


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
    first, second = _checked_pairs(x, y)
    n = len(first)
    groups = _groups(first), _groups(second)
    rng = np.random.default_rng(seed)
    drawn = []
    for rows in blocks(2_000, n):
        cells = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, np.newaxis]
        times = np.bincount(cells.ravel(), minlength=rows * n).reshape(rows, n)
        drawn.append(_rank_correlations(*groups, times.astype(np.float64)))
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    once = np.ones((1, n))
    rho = float(_rank_correlations(*groups, once)[0])
    p = _shuffled(_ranks(groups[0], once)[0], _ranks(groups[1], once)[0], 10_000, rng)
    return Correlation(rho, Interval(float(low), float(high)), p)


def _checked_pairs(x: Values, y: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = checked(x), checked(y)
    if len(first) != len(second):
        raise UsageError(f"{len(first)} values can't be paired with {len(second)}.")
    return first, second


class _Groups(NamedTuple):
    """How n values are ordered, equal ones being a group.

    order: (n,) the places of the values, rising. starts: (groups,) where in that order each group
    begins. group: (n,) the group of each value.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    group: NDArray[np.int64]


def _groups(values: NDArray[np.float64]) -> _Groups:
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return _Groups(np.argsort(group, kind="stable"), np.cumsum(sizes) - sizes, group)


def _ranks(groups: _Groups, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank n values, each of which is there so many times.

    times: (rows, n). Returns (rows, n) ranks less their mean; ties have the mean of theirs.
    """
    sizes = np.add.reduceat(times[:, groups.order], groups.starts, axis=1)
    ends = np.cumsum(sizes, axis=1)
    centred: NDArray[np.float64] = ends - (sizes + ends[:, -1:]) / 2
    return centred[:, groups.group]


def _rank_correlations(x: _Groups, y: _Groups, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (rows,): Spearman's correlation where pair i is there times[row, i] times."""
    first, second = _ranks(x, times), _ranks(y, times)
    together = np.einsum("ij,ij,ij->i", times, first, second)
    alone = np.einsum("ij,ij,ij->i", times, first, first)
    scale = np.sqrt(alone * np.einsum("ij,ij,ij->i", times, second, second))
    rho: NDArray[np.float64] = np.zeros_like(scale)
    np.divide(together, scale, out=rho, where=scale > 0)
    return rho


def _shuffled(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    shuffles: int,
    rng: np.random.Generator,
) -> float:
    """Return how often shuffling one of two rankings makes them go together as much, or more."""
    largest = float(np.linalg.norm(first) * np.linalg.norm(second))
    observed = abs(float(first @ second)) - SAME * largest
    hits = 0
    for rows in blocks(shuffles, len(first)):
        orders = rng.permuted(np.tile(second, (rows, 1)), axis=1)
        hits += int(np.count_nonzero(np.abs(orders @ first) >= observed))
    return (1 + hits) / (1 + shuffles)
