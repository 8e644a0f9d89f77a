"""The best of what a query ranks, as it is found; and these in the one order of ranking."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, part

Numbers: TypeAlias = NDArray[Any]


class Best(NamedTuple):
    """Rows that may be among the best; it grows.

    rows: (n,) int64. least, most: (n,) float32, what each scores at least, and at most.
    """

    rows: Numbers
    least: Numbers
    most: Numbers


@compiled
def room_best(room: int) -> Best:
    """Return room for so many rows."""
    return Best(np.empty(room, np.int64), np.empty(room, np.float32), np.empty(room, np.float32))


@compiled
def grown(best: Best, taken: int, room: int) -> Best:
    """Return the same with room for so many rows, of which so many are taken."""
    larger = room_best(room)
    # One by one, as elsewhere here: for an assignment to a slice numba also compiles the wording of
    # its error, which takes a second or two.
    for i in range(taken):
        larger.rows[i] = best.rows[i]
        larger.least[i] = best.least[i]
        larger.most[i] = best.most[i]
    return larger


@part
def nth_greatest(numbers: Numbers, n: int) -> int:
    """Return the n-th greatest of at least as many integers, from 0 up to 2 to the 31st less one.

    Halving what it can be takes a few passes, each of which compares many at once.
    """
    low, high = np.int64(0), np.int64(0)
    for i in range(len(numbers)):
        high = max(high, np.int64(numbers[i]) + 1)
    while high - low > 1:
        middle = (low + high) >> 1
        as_great = np.int32(0)
        for i in range(len(numbers)):
            as_great += np.int32(numbers[i]) >= np.int32(middle)
        if as_great >= n:
            low = middle
        else:
            high = middle
    found: int = low
    return found


@part
def drop(best: Best, taken: int, floor: float) -> int:
    """Drop what can't be as good as the floor; return how many stay."""
    kept = 0
    for i in range(taken):
        best.rows[kept] = best.rows[i]
        best.least[kept] = best.least[i]
        best.most[kept] = best.most[i]
        kept += best.most[i] >= floor  # whoever doesn't stay is written over: no branch to guess
    return kept


@compiled
def settle(
    rows: Numbers, scores: Numbers, ranks: Numbers, first_rows: Numbers, enough: int
) -> tuple[int, bool]:
    """Put rows in order; return how many are enough, and whether it is left open.

    rows, scores, ranks: (n,) int64, float32, int32, of equal scores the greater rank is first.
    first_rows: (segments,) int64. Ranks are comparable within a segment, so it is open where rows
    of several score alike.
    """
    bits = scores.view(np.int32)  # they rise with scores, of which none is below 0
    keys = (bits.astype(np.int64) << 32) | ranks.astype(np.int64)
    order = np.argsort(-keys, kind="mergesort")  # numba's other kind takes longer
    unsorted_rows, unsorted_scores = rows.copy(), scores.copy()
    for i in range(len(rows)):
        rows[i] = unsorted_rows[order[i]]
        scores[i] = unsorted_scores[order[i]]
    for first_row in first_rows[1:]:
        for i in range(1, len(rows)):
            apart = (rows[i] < first_row) != (rows[i - 1] < first_row)
            if apart and scores[i] == scores[i - 1]:
                return len(rows), True
    return min(len(rows), enough), False
