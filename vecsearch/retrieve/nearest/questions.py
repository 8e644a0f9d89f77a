"""What is asked when a recall is measured, and whether one that was promised is still kept."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from vecsearch.errors import UsageError
from vecsearch.retrieve.nearest.bound import lower_bound
from vecsearch.retrieve.nearest.contract import Contract, Source
from vecsearch.retrieve.nearest.measuring import Yardstick
from vecsearch.retrieve.nearest.opening import index_of
from vecsearch.store.snapshot import Part
from vecsearch.types import ALL, Vectors

FEWEST_QUERIES: Final = 100
"""Below so many nothing but exact search could be proved."""

_MOST_QUERIES: Final = 2000
_SEED: Final = 0


def check_enough(given: Vectors) -> None:
    """Raise UsageError where fewer queries are given than anything can be proved with."""
    known = int(np.count_nonzero(np.any(given, axis=1)))
    if known < FEWEST_QUERIES:
        raise UsageError(
            f"A recall is proved with at least {FEWEST_QUERIES} queries that have a vector, better "
            f"with {_MOST_QUERIES:,}; {known:,} were given."
        )


def questions(part: Part, given: Vectors | None) -> tuple[Vectors, Source]:
    """Return the queries to measure with, shuffled: those given, else vectors of documents.

    Raise UsageError as `check_enough` does.
    """
    matrix = part.segment.vectors
    assert matrix is not None
    rng = np.random.default_rng(_SEED)
    if given is None:
        living = np.flatnonzero(part.segment.rows_of(part.segment.living()))
        rows = rng.permutation(living)[:_MOST_QUERIES]
        vectors = np.ascontiguousarray(matrix[np.sort(rows)])
    else:
        check_enough(given)
        vectors = np.ascontiguousarray(given, np.float32)
    known = vectors[np.any(vectors, axis=1)]
    shuffled = known[rng.permutation(len(known))[:_MOST_QUERIES]]
    return shuffled, "documents" if given is None else "supplied"


class Checked(NamedTuple):
    """A recall measured again: its mean, its lower 95% confidence bound, and by which queries.

    Exact search needs none: it has both to the full.
    """

    recall: float
    bound: float
    queries: int
    source: Source


def check(part: Part, given: Vectors | None, contract: Contract) -> Checked:
    """Measure again the recall of a segment that was tuned, among the documents that live.

    given: vectors of queries, (queries, dim); without them documents ask.
    """
    matrix = part.segment.vectors
    assert matrix is not None
    if contract.structure is None:
        return Checked(1.0, 1.0, 0, contract.source)
    vectors, source = questions(part, given)
    alive = part.segment.alive
    allow = ALL if alive is None else part.segment.rows_of(alive)
    own = source == "documents"
    yardstick = Yardstick(part, matrix, vectors, contract.k, own=own, allow=allow)
    values = yardstick.recalls(index_of(part.segment, matrix))
    return Checked(float(values.mean()), lower_bound(values), len(values), source)
