"""The colour and mark of each system: the same in all pictures and tables of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vecsearch.bench.report.svg import SHAPES

COLOURS: Final = 8
"""How many the style sheet has, --s1 to --s8; --s0 is the ink, for the baseline."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a system looks: `class_` sets its colour, and no two of a report have both the same."""

    class_: str
    shape: str


def looks(systems: Sequence[str], baseline: str) -> dict[str, Look]:
    """Give each system its look. The baseline is drawn in ink: the others are told apart from it.

    From the ninth other system on colours come again, with another mark.
    """
    found = {baseline: Look("c0", SHAPES[0])}
    others = [each for each in systems if each != baseline]
    for n, system in enumerate(others):
        shape = SHAPES[(1 + n + n // COLOURS) % len(SHAPES)]
        found[system] = Look(f"c{1 + n % COLOURS}", shape)
    return found
