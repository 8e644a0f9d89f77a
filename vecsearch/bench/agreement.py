"""Whether a peer gives the answers of the system that it is to be measured against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from vecsearch.bench.contestants import Contestant
from vecsearch.bench.results import Agreement
from vecsearch.runs import Run, ranked

_BEST: Final = 10


def agreements(
    corpus: str, systems: Iterable[Contestant], runs: Mapping[str, Run], queries: Sequence[str]
) -> Iterator[Agreement]:
    """Compare each peer with the system that it says it is the same as, where that takes part."""
    systems = list(systems)
    for peer in systems:
        for each in systems:
            if peer.same_as is not None and each.system and each.name == peer.same_as:
                yield _agreement(corpus, peer.name, each.name, runs, queries)


def _agreement(
    corpus: str, peer: str, ours: str, runs: Mapping[str, Run], queries: Sequence[str]
) -> Agreement:
    shares, differences = [], []
    for query in queries:
        theirs, own = runs[peer].get(query, {}), runs[ours].get(query, {})
        best, wanted = (set(ranked(query, scores)[:_BEST]) for scores in (theirs, own))
        shares.append(len(best & wanted) / max(len(best), len(wanted)) if best | wanted else 1.0)
        differences += [abs(theirs[each] - own[each]) for each in best & wanted]
    return {
        "corpus": corpus,
        "system": peer,
        "same_as": ours,
        "overlap": sum(shares) / len(shares),
        "largest_difference": max(differences, default=None),
    }
