"""How a query with a mask is answered, by what each way is estimated to cost.

Three ways, each keeps the recall that was proved without a filter:

* *exact*: the rows that pass are scored, all of them;
* *selector*, of lists: codes are scanned, those that don't pass are skipped. All lists are
  visited, since the rows that pass may lie in any of them; compiled loops see how many rows pass
  near a query, and visit as many more lists as that takes, so that nothing else is needed;
* *over-fetch*: the search as it was tuned, but for so many candidates that as many pass as were
  wanted, or with more rows of a graph in sight (see `sight`). Where too few pass, since filter and
  query have to do with each other, the cheaper of the other two follows. A graph is walked again,
  with as many more in sight as what passed of those seen suggests, or all that pass are scored,
  where that is cheaper: a graph that skips what doesn't pass fills its answer with whatever it
  meets, and can't say how much it has missed.
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

_WORTH_THE_RISK: Final = 1 / 1.6
"""Over-fetching costs at most this share of what would have to follow if too few passed.

What is chosen then costs at most 1.6 times as much as what would have been best: either what has
to follow, where over-fetching had done, or both, where it hadn't (x = 1 + 1 / x at 1.62).
"""

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
    follows: exact or selector, what is cheaper after an over-fetch of which too few passed.
    """

    way: Way
    effort: Effort
    estimates: Mapping[Way, float]
    follows: Way


def plan(
    costs: Costs,
    rows: int,
    passing: int | None,
    effort: Effort,
    lists: int | None,
    *,
    in_batch: bool,
    widens: bool = False,
) -> Plan:
    """Choose the cheapest way.

    passing: how many of the rows pass a mask; None without one.
    effort: what is spent without a filter.
    lists: how many there are; None in a graph.
    in_batch: whether many queries share the mask.
    widens: whether more lists are visited, the fewer rows pass, by what scans them.
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
        share = max(passing, 1) / max(rows, 1)
        if lists is None:
            wanted = math.ceil(sight(effort, share))
        else:
            wanted = math.ceil(fetched / share * SPARE)
        if wanted < rows and not widens:
            ways["over-fetch"] = _widened(effort, wanted, lists), _fetching(costs, wanted, effort)
        if lists is not None:
            selected = of_mask + fetched * costs.fetch + scored
            if widens:
                near = min(costs.probe / math.sqrt(share), costs.scan)
                ways["selector"] = effort, selected + near
            else:
                all_ = replace(effort, probes=lists, nearness=None)
                ways["selector"] = all_, selected + costs.scan
    estimates = {name: estimate for name, (_, estimate) in ways.items()}
    way = min(ways, key=lambda name: estimates[name])
    certain: tuple[Way, ...] = ("exact", "selector") if "selector" in ways else ("exact",)
    follows = min(certain, key=lambda name: estimates[name])
    if way == "over-fetch" and estimates[way] > _WORTH_THE_RISK * estimates[follows]:
        way = follows
    return Plan(way, ways[way][0], estimates, follows)


def sight(effort: Effort, share: float) -> float:
    """Return how many rows of a graph are in sight for the same recall of the share that passes.

    Of a share s the best k are about the best k / s of all rows. To find these as surely takes less
    than 1 / s times as many in sight: among 200,000 rows of 256 numbers, for a recall of .93 to .99
    and from half of the rows down to a twentieth, 1 / sqrt(s) times as many, as long as all that
    is to be scored is in sight.
    """
    return max(effort.probes / math.sqrt(share), effort.candidates / share)


def wider(costs: Costs, effort: Effort, share: float, passing: int) -> Effort | None:
    """Return with how many rows in sight a graph is walked once more; None to score all that pass.

    effort: what is spent without a filter. share: of the rows near a query, what passes. passing:
        how many pass of all rows.
    """
    if not share:
        return None
    wanted = math.ceil(sight(effort, share))
    exact = passing * costs.row
    if _fetching(costs, wanted, effort) > _WORTH_THE_RISK * exact:
        return None
    return _widened(effort, wanted, None)


def _fetching(costs: Costs, wanted: int, effort: Effort) -> float:
    """Return what it takes to fetch so many; of these only what passes is scored."""
    return costs.probe + wanted * costs.fetch + SPARE * effort.candidates * costs.row


def _widened(effort: Effort, wanted: int, lists: int | None) -> Effort:
    """Return an effort that fetches so many rows."""
    return replace(effort, candidates=wanted, probes=wanted if lists is None else effort.probes)
