"""How a query with a mask is answered, by what each way is estimated to cost.

Three ways, each keeps the recall that was proved without a filter:

* *exact*: the rows that pass are scored, all of them;
* *selector*: every code is scanned, those that don't pass are skipped. All lists are visited, since
  the rows that pass may lie in any of them;
* *over-fetch*: the search as it was tuned, but for so many candidates that as many pass as were
  wanted; where they don't, since filter and query have to do with each other, the selector follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

Way: TypeAlias = Literal["tuned", "exact", "selector", "over-fetch"]

_SPARE: Final = 1.25
"""Over-fetching takes so many times what would do if the filter had nothing to do with queries."""

_MASK: Final = 2e-4
"""Microseconds for each row of a mask that has to be looked at."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What one query takes, in microseconds, as it was measured when the index was tuned.

    row: a row that is scored exactly. row_in_batch: the same where many queries are asked at once.
    fetch: a candidate that is kept while codes are scanned.
    scan: all codes. probe: the codes of the lists that are visited without a filter.
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
    """The way that was chosen, how many candidates it scores exactly, and each way's estimate.

    estimates: microseconds a query by way.
    """

    way: Way
    candidates: int
    estimates: Mapping[Way, float]


def plan(costs: Costs, rows: int, passing: int | None, candidates: int, *, in_batch: bool) -> Plan:
    """Choose the cheapest way.

    passing: how many of the rows pass a mask; None without one.
    candidates: how many are scored exactly without a filter.
    in_batch: whether many queries share the mask.
    """
    row = costs.row_in_batch if in_batch else costs.row
    if passing is None:
        return _cheapest(
            {
                "tuned": (candidates, costs.probe + candidates * (costs.fetch + costs.row)),
                "exact": (rows, rows * row),
            }
        )
    of_mask = _MASK * rows
    wanted = math.ceil(candidates * rows * _SPARE / max(passing, 1))
    ways: dict[Way, tuple[int, float]] = {
        "exact": (passing, of_mask + passing * row),
        "selector": (candidates, of_mask + costs.scan + candidates * (costs.fetch + costs.row)),
    }
    if wanted < rows:
        # Of what is fetched only the candidates that pass are scored.
        scored = _SPARE * candidates * costs.row
        ways["over-fetch"] = (wanted, costs.probe + wanted * costs.fetch + scored)
    return _cheapest(ways)


def _cheapest(ways: Mapping[Way, tuple[int, float]]) -> Plan:
    way = min(ways, key=lambda name: ways[name][1])
    return Plan(way, ways[way][0], {name: estimate for name, (_, estimate) in ways.items()})
