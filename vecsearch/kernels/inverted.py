"""An inverted file of codes, and which of its lists a query visits."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.kernels import compiled, compiled_quickly, part
from vecsearch.kernels.best import nth_greatest
from vecsearch.kernels.floats import ordered, widened
from vecsearch.kernels.memory import array_at
from vecsearch.kernels.tables import ROWS

Numbers: TypeAlias = NDArray[Any]

_LISTS_SEEN: Final = 32
"""Lists at least, if so many are visited, of which it is looked at how many rows pass."""


class Codes(NamedTuple):
    """An index, as FAISS keeps it.

    rotation, centroids: (width, dim), and (lists, width) of the lists: uint16, which are bfloat16,
        as for every query they come from memory.
    words: (numbers, ENTRIES, width / numbers) float32, what each number of a code stands for.
    blocks, rows: (lists,) int64, the address of each list's blocks and of its rows' numbers, int64.
    sizes: (lists,) int64.
    """

    rotation: Numbers
    centroids: Numbers
    words: Numbers
    blocks: Numbers
    rows: Numbers
    sizes: Numbers


class Wanted(NamedTuple):
    """What each query asks for.

    probes: lists that are visited, the nearest.
    nearness: of these the least product with the query, as a share of the nearest list's; -inf for
        any.
    candidates: rows that are found; a list is visited in any case if fewer are in those before it.
    allow: (rows,) bool, those that may be found; empty for all. The fewer they are in near lists,
        the more lists are visited: so many times more as is the root of the share.
    """

    probes: int
    nearness: float
    candidates: int
    allow: Numbers


@compiled
def visit(index: Codes, turned: Numbers, wanted: Wanted, visited: Numbers) -> None:
    """Say which lists, (lists,) bool, are visited for a query that is rotated, (width,)."""
    lists = len(visited)
    near, order = np.empty(lists, np.float32), np.empty(lists, np.int32)
    multiply(index.centroids, turned, near)
    for each in range(lists):
        order[each] = ordered(near[each])
    close = _visit_close(index.sizes, near, order, wanted, visited)
    if len(wanted.allow):
        share = _passing(index, wanted.allow, visited, close)
        count = min(close / np.sqrt(share), lists) if share > 0 else lists
        _visit_nearest(order, int(count), visited)


@part
def _visit_close(
    sizes: Numbers, near: Numbers, order: Numbers, wanted: Wanted, visited: Numbers
) -> int:
    """Visit lists whatever passes, and return how many; `order` rises with what is near."""
    best = np.float32(0)
    for each in range(len(near)):
        best = max(best, near[each])
    count = wanted.probes
    if best > 0:
        enough = np.float32(wanted.nearness) * best
        count = 0
        for each in range(len(near)):
            count += near[each] >= enough
        count = max(min(count, wanted.probes), 1)
    while True:
        _visit_nearest(order, count, visited)
        held = 0
        for each in range(len(near)):
            held += visited[each] * sizes[each]
        if held >= wanted.candidates or count == wanted.probes:
            return count
        count += 1


@part
def _visit_nearest(order: Numbers, count: int, visited: Numbers) -> None:
    least = nth_greatest(order, count)
    for each in range(len(order)):
        visited[each] = order[each] >= least


@compiled
def _passing(index: Codes, allow: Numbers, visited: Numbers, lists: int) -> float:
    """Return about which share of the rows of the lists visited, so many, may be found."""
    apart = max(lists // _LISTS_SEEN, 1)
    at = seen = passing = 0
    for each in range(len(visited)):
        if not visited[each]:
            continue
        at += 1
        if at % apart:
            continue
        rows = array_at(index.rows[each], min(index.sizes[each], ROWS), np.int64)
        for row in range(len(rows)):
            passing += allow[rows[row]]
        seen += len(rows)
    return passing / max(seen, 1)


@compiled_quickly
def multiply(matrix: Numbers, vector: Numbers, out: Numbers) -> None:
    """Multiply a matrix, (n, dim) bfloat16, with a vector of float32."""
    for i in range(len(matrix)):
        total = np.float32(0)
        for j in range(len(vector)):
            total += widened(matrix[i, j]) * vector[j]
        out[i] = total
