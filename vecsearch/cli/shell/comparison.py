"""Two rankings of the same query beside each other: what moved, and what only one of them has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from vecsearch.types import Hit

DEPTH: Final = 100
"""How far down each ranking is looked at, at least."""


class Place(NamedTuple):
    """A hit's place in one ranking.

    move: how many places higher the second ranking has it than the first; None where the other
        ranking doesn't have it at all.
    """

    rank: int
    hit: Hit
    move: int | None


class Comparison(NamedTuple):
    """The best of two rankings; `names` are what ranked, `depth` how far each was looked at."""

    query: str
    names: tuple[str, str]
    places: tuple[tuple[Place, ...], tuple[Place, ...]]
    depth: int


def compared(
    query: str,
    names: tuple[str, str],
    rankings: tuple[Sequence[Hit], Sequence[Hit]],
    k: int,
    depth: int,
) -> Comparison:
    """Compare the k best of two rankings of at most `depth` hits each."""
    first, second = ({hit.id: rank for rank, hit in enumerate(hits, start=1)} for hits in rankings)

    def best(hits: Sequence[Hit]) -> tuple[Place, ...]:
        return tuple(
            Place(rank, hit, first[hit.id] - second[hit.id] if both(hit.id) else None)
            for rank, hit in enumerate(hits[:k], start=1)
        )

    def both(name: str) -> bool:
        return name in first and name in second

    return Comparison(query, names, (best(rankings[0]), best(rankings[1])), depth)
