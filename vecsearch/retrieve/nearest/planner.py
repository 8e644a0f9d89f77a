"""How a query with a mask is answered, by what each way is estimated to cost.

Three ways, each keeps the recall that was proved without a filter:

* *exact*: the rows that pass are scored, all of them;
* *selector*, of lists: every code is scanned, those that don't pass are skipped. All lists are
  visited, since the rows that pass may lie in any of them;
* *over-fetch*: the search as it was tuned, but for so many candidates, or with so many more rows of
  a graph in sight, that as many pass as were wanted. Where they don't, since filter and query have
  to do with each other, the selector follows, and in a graph exact scoring: a graph that skips what
  doesn't pass fills its answer with whatever it meets, and can't say how much it has missed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, TypeAlias

from vecsearch.retrieve.nearest.structure import Effort

Way: TypeAlias = Literal["tuned", "exact", "selector", "over-fetch"]

SPARE: Final = 1.1
"""So many times more is fetched than would do if the filter had nothing to do with queries."""

_MASK: Final = 2e-4
"""Microseconds for each row of a mask that has to be looked at."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What one query takes, in microseconds, as it was measured when the index was tuned.

    row: a row that is scored exactly. row_in_batch: the same where many queries are asked at once.
    fetch: a candidate that is kept while codes are scanned; in a graph a row kept in sight.
    scan: all codes; 0 in a graph. probe: what else a search without a filter does, such as to scan
        the lists that it visits.
    """

    row: float
    row_in_batch: float
    fetch: float
    scan: float
    probe: float

    def to_dict(self) -> dict[str, float]:
        """Return plain numbers, to be kept."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, float]) -> Costs:
        """Read what `to_dict` gave."""
        return cls(**{name: float(kept[name]) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Plan:
    """The way that was chosen, what is spent on it, and each way's estimate.

    effort: of exact scoring the candidates are the rows that pass. estimates: microseconds a query.
    """

    way: Way
    effort: Effort
    estimates: Mapping[Way, float]


def plan(
    costs: Costs,
    rows: int,
    passing: int | None,
    effort: Effort,
    lists: int | None,
    *,
    in_batch: bool,
) -> Plan:
    """Choose the cheapest way.

    passing: how many of the rows pass a mask; None without one.
    effort: what is spent without a filter.
    lists: how many there are; None in a graph.
    in_batch: whether many queries share the mask.
    """
    scored = effort.candidates * costs.row
    fetched = effort.probes if lists is None else effort.candidates
    most = rows if passing is None else passing
    of_mask = 0.0 if passing is None else _MASK * rows
    exact = of_mask + most * (costs.row_in_batch if in_batch else costs.row)
    ways: dict[Way, tuple[Effort, float]] = {"exact": (replace(effort, candidates=most), exact)}
    if passing is None:
        ways["tuned"] = effort, costs.probe + fetched * costs.fetch + scored
    else:
        wanted = math.ceil(fetched * rows * SPARE / max(passing, 1))
        if wanted < rows:
            # Of what is fetched only what passes is scored.
            widened = costs.probe + wanted * costs.fetch + SPARE * scored
            ways["over-fetch"] = _widened(effort, wanted, lists), widened
        if lists is not None:
            selected = of_mask + costs.scan + fetched * costs.fetch + scored
            ways["selector"] = replace(effort, probes=lists), selected
    way = min(ways, key=lambda name: ways[name][1])
    return Plan(way, ways[way][0], {name: estimate for name, (_, estimate) in ways.items()})


def _widened(effort: Effort, wanted: int, lists: int | None) -> Effort:
    """Return an effort that fetches so many rows."""
    return replace(effort, candidates=wanted, probes=wanted if lists is None else effort.probes)
