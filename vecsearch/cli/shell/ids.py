"""The ids of an index in alphabetical order: those that begin like this, those that look like this.

Segments store the order, so neither reads more than a few ids of each.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Iterator
from itertools import takewhile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.searcher import Searcher
from vecsearch.store.documents import Documents

_NEIGHBOURS: Final = 200
"""How many ids before and after a wrong one are looked at in each segment."""


def ids_with_prefix(searcher: Searcher, prefix: str, most: int) -> list[str]:
    """Return at most so many ids of living documents that begin with `prefix`, sorted."""
    found: list[str] = []
    for ids in _living(searcher):
        first = bisect_left(ids, prefix)
        names = (ids[place] for place in range(first, min(first + most, len(ids))))
        found += takewhile(lambda name: name.startswith(prefix), names)
    return sorted(found)[:most]


def ids_like(searcher: Searcher, name: str) -> list[str]:
    """Return the ids of up to three living documents that look like `name`, the nearest first.

    Only its neighbours in the alphabet are looked at.
    """
    near: list[str] = []
    for ids in _living(searcher):
        place = bisect_left(ids, name)
        first, last = max(0, place - _NEIGHBOURS), min(len(ids), place + _NEIGHBOURS)
        near += (ids[i] for i in range(first, last))
    return difflib.get_close_matches(name, near, n=3)


class _Ids:
    """The ids at some positions of a segment, in rising order, each read when it is asked for."""

    def __init__(self, documents: Documents, positions: NDArray[np.int64]) -> None:
        self._documents = documents
        self._positions = positions[np.argsort(documents.id_ranks[positions])]

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, place: int) -> str:
        return self._documents.id(int(self._positions[place]))


def _living(searcher: Searcher) -> Iterator[_Ids]:
    for part in searcher.snapshot.parts:
        yield _Ids(part.segment.documents, np.flatnonzero(part.segment.living()))
