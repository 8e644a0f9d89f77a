"""How sure a mean is: a lower confidence bound that holds for any distribution on 0..1.

Recalls of single queries are mostly 1 with a tail to the left, where the usual bound (Student's t)
promises too much. Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
betting" (Journal of the Royal Statistical Society B, 2024): somebody bets on every value that the
mean is greater than m, with stakes that depend on earlier values only. Were the mean m or less, the
capital would be a supermartingale, so it would reach 1/alpha with probability alpha at most
(Ville). The m that capital refutes lie below the bound.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
_MOST_AT_STAKE: Final = 0.75
"""The share of the capital that the worst value may cost."""
_HALVINGS: Final = 30


def lower_bound(values: NDArray[np.floating], confidence: float = CONFIDENCE) -> float:
    """Return a bound that the mean exceeds with at least the confidence given; 0 without values.

    values: (n,) from 0 to 1, independent, in an order that doesn't depend on them.
    """
    if not len(values):
        return 0.0
    numbers: NDArray[np.float64] = values.astype(np.float64)
    stakes = _stakes(numbers, 1 - confidence)
    low, high = 0.0, float(numbers.mean())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        refuted = _capital(numbers, stakes, middle) >= math.log(1 / (1 - confidence))
        low, high = (middle, high) if refuted else (low, middle)
    return low


def _stakes(values: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Return how much is bet on each value, from the variance of those before it.

    Half an observation at the middle with a variance of 1/4 comes first, as in the paper.
    """
    counts = np.arange(1, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (counts + 1)
    variances = (0.25 + np.cumsum((values - means) ** 2)) / (counts + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    stakes: NDArray[np.float64] = np.sqrt(2 * math.log(1 / alpha) / (len(values) * before))
    return stakes


def _capital(values: NDArray[np.float64], stakes: NDArray[np.float64], mean: float) -> float:
    """Return the logarithm of the most that betting against a mean ever made of 1."""
    bounded = np.minimum(stakes, _MOST_AT_STAKE / max(mean, 1e-9))
    return float(np.cumsum(np.log1p(bounded * (values - mean))).max())
