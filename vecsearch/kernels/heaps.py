"""The k best scores so far, the least of them first."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from vecsearch.kernels import inlined


@inlined
def push(heap: NDArray[Any], heaped: int, score: float) -> int:
    """Put a score into a heap of so many, for its least where it is full; return how many it has.

    The score isn't below that least.
    """
    at = heaped
    if heaped < len(heap):
        while at > 0 and heap[(at - 1) >> 1] > score:
            heap[at] = heap[(at - 1) >> 1]
            at = (at - 1) >> 1
        heap[at] = score
        return heaped + 1
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
