"""The best of what a query ranks, as it is found; and these in the one order of ranking."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, part

Numbers: TypeAlias = NDArray[Any]


class Best(NamedTuple):
    """Rows that may be among the best; it grows.

    rows: (n,) int64. most: (n,) float32, no score is greater.
    heap: (enough,) float32, the greatest of what scores at least are, the least of them first.
    """

    rows: Numbers
    most: Numbers
    heap: Numbers


@compiled
def room_best(room: int, enough: int) -> Best:
    """Return room for so many rows, of which so many are enough."""
    return Best(np.empty(room, np.int64), np.empty(room, np.float32), np.empty(enough, np.float32))


@compiled
def grown(best: Best, taken: int, room: int) -> Best:
    """Return the same with room for so many rows, of which so many are taken."""
    rows, most = np.empty(room, np.int64), np.empty(room, np.float32)
    rows[:taken] = best.rows[:taken]
    most[:taken] = best.most[:taken]
    return Best(rows, most, best.heap)


@part
def push(heap: Numbers, heaped: int, score: float) -> int:
    """Put a score into a heap of so many, for its least where it is full; return how many it has.

    A score below that least changes nothing.
    """
    at = heaped
    if heaped < len(heap):
        while at > 0 and heap[(at - 1) >> 1] > score:
            heap[at] = heap[(at - 1) >> 1]
            at = (at - 1) >> 1
        heap[at] = score
        return heaped + 1
    if score <= heap[0]:
        return heaped
    at = 0
    while True:
        child = 2 * at + 1
        if child >= len(heap):
            break
        if child + 1 < len(heap) and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= score:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = score
    return heaped


@part
def drop(best: Best, taken: int, floor: float) -> int:
    """Drop what can't be as good as the floor; return how many stay."""
    kept = 0
    for i in range(taken):
        if best.most[i] >= floor:
            best.rows[kept] = best.rows[i]
            best.most[kept] = best.most[i]
            kept += 1
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
    order = np.argsort(-((bits.astype(np.int64) << 32) | ranks.astype(np.int64)))
    rows[:] = rows[order]
    scores[:] = scores[order]
    for first_row in first_rows[1:]:
        for i in range(1, len(rows)):
            apart = (rows[i] < first_row) != (rows[i - 1] < first_row)
            if apart and scores[i] == scores[i - 1]:
                return len(rows), True
    return min(len(rows), enough), False
