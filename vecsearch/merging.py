"""When segments are merged, so that many small commits leave few segments and cost little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

RATIO: Final = 2
"""Every segment stays at least this many times as large as all later ones together."""

LARGEST: Final = 1 << 20
"""Living documents from which on a segment isn't merged any more unless somebody asks."""


class Size(NamedTuple):
    """A segment's documents as written, and how many of them live.

    tuned: whether its search was tuned, which rewriting it would undo.
    """

    documents: int
    living: int
    tuned: bool = False


def plan_merges(sizes: Sequence[Size]) -> list[range]:
    """Choose runs of neighbouring segments, each to become one.

    The tail is merged from the first segment that is less than `RATIO` times all later ones
    together. So n documents lie in about log(n) / log(1 + RATIO) segments, and a document is
    rewritten a few times per level. Elsewhere a segment of which less than half lives is rewritten.
    A tuned segment stays as it is.
    """
    first = next(
        (
            i + 1
            for i in reversed(range(len(sizes)))
            if sizes[i].tuned or sizes[i].living >= LARGEST
        ),
        0,
    )
    tail = len(sizes)
    for i in range(first, len(sizes)):
        if i + 1 < len(sizes) and sizes[i].living < RATIO * sum(s.living for s in sizes[i + 1 :]):
            tail = i
            break
    wasteful = [
        range(i, i + 1)
        for i in range(tail)
        if 2 * sizes[i].living < sizes[i].documents and not sizes[i].tuned
    ]
    return wasteful + ([range(tail, len(sizes))] if tail < len(sizes) else [])
