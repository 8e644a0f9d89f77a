"""Several rising sequences of byte strings, gone through side by side, a stretch at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

STRETCH: Final = 1 << 15
"""Strings of a stretch, at most, unless there are more equal ones."""


def stretches_of(sources: Sequence[Sequence[bytes]]) -> Iterator[list[slice]]:
    """Yield which strings of each source are next, so that they come before all that follow.

    What is equal is in one stretch, whichever sources it is in.
    """
    step = max(STRETCH // max(len(sources), 1), 1)
    cuts = {source[at] for source in sources for at in range(step, len(source), step)}
    starts = [0] * len(sources)
    for cut in sorted(cuts):
        ends = [
            bisect_left(source, cut, start) for source, start in zip(sources, starts, strict=True)
        ]
        yield list(map(slice, starts, ends))
        starts = ends
    yield list(map(slice, starts, map(len, sources)))
