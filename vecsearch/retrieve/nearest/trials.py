"""What tuning tries: structures, the likeliest to win first, each at rising effort."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.building import offered
from vecsearch.retrieve.nearest.choosing import Trial
from vecsearch.retrieve.nearest.faiss_search import FaissSearch
from vecsearch.retrieve.nearest.measuring import NEVER_EXACT, Yardstick, microseconds
from vecsearch.retrieve.nearest.structure import Codes, Effort, Structure
from vecsearch.types import Vectors

_LINKS: Final = 32
_CANDIDATES: Final = (2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80)
_FEWER_CANDIDATES: Final = (7, 15, 20, 30, 60)
_VISITED: Final = (1 / 24, 1 / 16, 1 / 12, 1 / 8, 1 / 6, 1 / 4, 3 / 8, 1 / 2, 5 / 8)
"""Shares of the lists, over all queries."""
_IN_SIGHT: Final = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Rows kept in sight of a graph, as multiples of k."""
_OF_GRAPH: Final = 2
"""Candidates of a graph, as a multiple of k: its codes are nearly the vectors."""


def structures(rows: int, dim: int, memory: float | None) -> Iterator[Structure]:
    """Yield what may be built of so many vectors, with at most `memory` bytes for each.

    First what is built in seconds and mostly wins, then graphs, which take long and win where there
    is time; last what hasn't won yet.
    """
    lists = 1 << round(math.log2(math.sqrt(rows)))
    products: tuple[Codes, ...] = ("pq4", "pq8", "pq2")
    tried = [Structure(codes) for codes in products]
    tried += [Structure(codes, lists) for codes in products]
    tried += [Structure(codes, links=_LINKS) for codes in ("bf16", "sq8", "float32")]
    tried += [Structure("rabitq"), Structure("rabitq", lists), Structure("sq8", lists)]
    for structure in tried:
        fits = memory is None or structure.bytes_per_vector(dim) <= memory
        if fits and offered(structure):
            yield structure


def efforts(
    structure: Structure,
    k: int,
    index: Any,  # noqa: ANN401 - a FAISS index
    queries: Vectors,
) -> Iterator[list[Effort]]:
    """Yield rows of efforts, each row rising in one respect, for k documents.

    index: of that structure. queries: some, by which it is seen how near lists are.
    """
    if structure.links:
        yield [Effort(k, sight * k, _OF_GRAPH * k) for sight in _IN_SIGHT]
    elif structure.lists == 1:
        yield [Effort(k, 1, multiple * k) for multiple in _CANDIDATES]
    else:
        theirs = FaissSearch(index)
        for share in _VISITED:
            nearness = theirs.nearness(queries, share)
            yield [
                Effort(k, structure.lists, multiple * k, nearness) for multiple in _FEWER_CANDIDATES
            ]


def trials(
    matrix: Vectors,
    index: Any,  # noqa: ANN401 - a FAISS index
    structure: Structure,
    queries: Yardstick,
    k: int,
    target: float,
    slowest: float,
) -> Iterator[Trial]:
    """Measure a structure at rising effort, until next to nothing is missed.

    slowest: microseconds beyond which no greater effort could win.
    """
    enough = 1 - (1 - target) / 10
    for row in efforts(structure, k, index, queries.vectors):
        for effort in row:
            if max(effort.candidates, effort.probes) >= len(matrix):
                break
            searched = Approximate(index, matrix, effort, NEVER_EXACT)
            recall = float(queries.recalls(searched).mean())
            taken = microseconds(searched, queries.vectors, k + 1)
            yield Trial(structure, effort, recall, taken)
            if recall >= enough or taken > slowest:
                break
