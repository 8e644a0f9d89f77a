"""The ids of an index that begin in a certain way.

Segments store their alphabetical order, so no more than a few ids of each are read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from vecsearch.searcher import Searcher
from vecsearch.store.documents import Documents


def ids_with_prefix(searcher: Searcher, prefix: str, most: int) -> list[str]:
    """Return at most so many ids of living documents that begin with `prefix`, sorted."""
    found: list[str] = []
    for ids in _living(searcher):
        first = bisect_left(ids, prefix)
        names = (ids[place] for place in range(first, min(first + most, len(ids))))
        found += takewhile(lambda name: name.startswith(prefix), names)
    return sorted(found)[:most]


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
