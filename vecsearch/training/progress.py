"""How far a training is, for whoever wants to show it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Progress(NamedTuple):
    """What a training is at.

    what: what is being done, such as "training" or "reading notes/".
    done, total: steps, or texts; total is None where it isn't known.
    loss: of the latest step.
    per_second: examples learnt from, or texts encoded.
    dev: the latest nDCG@10 on the dev set.
    """

    what: str
    done: int = 0
    total: int | None = None
    loss: float | None = None
    per_second: float | None = None
    dev: float | None = None


Show: TypeAlias = Callable[[Progress], None]


def unseen(progress: Progress) -> None:
    """Show nothing."""
