"""What was promised of a segment's approximate search, on which evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from vecsearch.retrieve.nearest.planner import Costs
from vecsearch.retrieve.nearest.structure import Effort, Structure

Source: TypeAlias = Literal["supplied", "documents"]
"""Where the queries came from: a person gave them, or they are vectors of documents."""

GROWTH: Final = 0.25
"""Rows beside the measured ones, as a share of them, from which on to compact again."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A structure that was tried, at the least effort whose recall met the target, or its best.

    recall: on the queries that selected. bytes: of the codes, in memory and on disk.
    """

    name: str
    effort: Effort
    recall: float
    microseconds: float
    bytes: int
    build_seconds: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A structure that wasn't tried, since building it would have taken about so many seconds.

    seconds: None where there was no time left to find that out.
    """

    name: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Contract:
    """Recall@k of at least `target`, with what is known of it.

    structure, effort, costs: what was chosen; None for exact search.
    rows: how many were measured. selected_on, proved_on: numbers of queries, which share none.
    measured, bound: mean recall on those that prove, and its lower 95% confidence bound.
    microseconds: of a query alone; exact_microseconds: of exact search.
    bytes, build_seconds: what the codes take, and took to make.
    """

    target: float
    k: int
    structure: Structure | None
    effort: Effort | None
    costs: Costs | None
    rows: int
    source: Source
    selected_on: int
    proved_on: int
    measured: float
    bound: float
    microseconds: float
    exact_microseconds: float
    bytes: int
    build_seconds: float
    alternatives: tuple[Alternative, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def name(self) -> str:
        """What was chosen."""
        return self.structure.name if self.structure else "flat"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for the manifest."""
        plain = dataclasses.asdict(self)
        for name in ("alternatives", "left_out"):
            plain[name] = list(plain[name])
        return plain

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Contract:
        """Read what `to_dict` gave; raise KeyError, TypeError or ValueError for anything else."""
        tried = (
            Alternative(**{**each, "effort": Effort.from_dict(each["effort"])})
            for each in kept["alternatives"]
        )
        return cls(
            **{
                **kept,
                "structure": kept["structure"] and Structure.from_dict(kept["structure"]),
                "effort": kept["effort"] and Effort.from_dict(kept["effort"]),
                "costs": kept["costs"] and Costs.from_dict(kept["costs"]),
                "alternatives": tuple(tried),
                "left_out": tuple(LeftOut(**each) for each in kept.get("left_out", ())),
            }
        )
