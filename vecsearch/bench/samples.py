"""What all statistics take, one value per query, and how much of it is drawn at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError

Values: TypeAlias = Sequence[float] | NDArray[np.float64]
"""(n,): one finite number per query."""

_BLOCK: Final = 1 << 18
"""How many drawn values are held at once: 2 MB of float64."""

SAME: Final = 1e-12
"""Sums this near, relative to the largest that is possible, differ by rounding alone."""


class Interval(NamedTuple):
    """Where the true value lies, as often as the level says."""

    low: float
    high: float


def checked(values: Values) -> NDArray[np.float64]:
    """Return (n,) float64; UsageError for none, or one that is NaN or infinite."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not len(sample):
        raise UsageError("There are no values, and statistics need one per query.")
    if not np.isfinite(sample).all():
        place = int(np.flatnonzero(~np.isfinite(sample))[0])
        raise UsageError(f"Value {place + 1} is {sample[place]}, and statistics need numbers.")
    return sample


def blocks(rows: int, width: int) -> Iterator[int]:
    """Split so many rows of a width into as many at once as memory is meant for."""
    most = max(_BLOCK // width, 1)
    while rows > 0:
        yield min(rows, most)
        rows -= most
