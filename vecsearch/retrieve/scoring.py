"""Ranks the rows of a snapshot by the terms of queries, in one of two ways to the same scores.

Plainly, by numpy, as a cold query does; and by compiled loops, once as much time was spent without
them as they take to load. Each score is a sum of the same numbers in the same order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import accumulate, pairwise
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.base import Ranking, best_documents, merge_rankings
from vecsearch.retrieve.terms import Terms, Weighed
from vecsearch.store.postings import BLOCK_BITS
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.types import ALL, Mask

_PATIENCE: Final = 1.0
"""Seconds of scoring without the compiled loops after which they are loaded."""

_NO_MASK: Final = np.zeros(0, np.bool_)
_NO_RANKS: Final = np.zeros(0, np.int32)
_NO_RANKS.flags.writeable = False  # as those in a file are


def rank(
    snapshot: Snapshot, terms: Terms, queries: Sequence[Mapping[str, int]], k: int, allow: Mask
) -> list[Ranking]:
    """Return the k best documents that hold a term of each query, given as counts of terms."""
    weighed = [terms.weighed(counts) for counts in queries]
    kernels = _LOADING.kernels()
    if kernels is not None:
        return _rank_compiled(kernels, snapshot, terms, weighed, k, allow)
    started = time.perf_counter()
    rankings = [_rank_plainly(snapshot, terms, query, k, allow) for query in weighed]
    _LOADING.spend(time.perf_counter() - started)
    return rankings


def _rank_plainly(snapshot: Snapshot, terms: Terms, query: Weighed, k: int, allow: Mask) -> Ranking:
    rankings = []
    for number, part in enumerate(snapshot.parts):
        rows, sums = _score(number, part, terms, query)
        scores = (sums / query.norm).astype(np.float32)
        if allow is not ALL:
            passing = allow[part.rows][rows]
            rows, scores = rows[passing], scores[passing]
        if len(rows):
            rankings.append(best_documents(part, rows, scores, k))
    return merge_rankings(snapshot, rankings, k)


def _score(
    number: int, part: Part, terms: Terms, query: Weighed
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Score one segment: the rows that hold a term, (n,) rising, and their scores."""
    postings, tf, norms = part.segment.postings, terms.tf[number], terms.norms[number]
    scores = np.zeros(len(postings.lengths))
    matched = np.zeros(len(postings.lengths), np.bool_)
    for term, weight in zip(query.terms, query.weights, strict=True):
        rows, cells = postings.entries_in(term.chunks[number])
        # A row holds a term in one entry only, so no addition is lost.
        scores[rows] += weight * (term.idf * tf[cells] - term.lacking)
        matched[rows] = True
    found = np.flatnonzero(matched)
    scores = scores[found] + query.absent
    return found, scores / norms[found] if len(norms) else scores


def _rank_compiled(
    kernels: ModuleType,
    snapshot: Snapshot,
    terms: Terms,
    queries: Sequence[Weighed],
    k: int,
    allow: Mask,
) -> list[Ranking]:
    """Rank for all queries in one call a segment, which other threads run on beside."""
    every = [term for query in queries for term in query.terms]
    bounds = np.array([0, *accumulate(len(query.terms) for query in queries)], np.int64)
    idfs = np.array([term.idf for term in every], np.float64)
    weights = np.array([weight for query in queries for weight in query.weights], np.float64)
    lacking = np.array([term.lacking for term in every], np.float64)
    absent = np.array([query.absent for query in queries], np.float64)
    norms = np.array([query.norm for query in queries], np.float64)
    rankings: list[list[Ranking]] = [[] for _ in queries]
    for number, part in enumerate(snapshot.parts):
        postings, documents = part.segment.postings, part.segment.documents
        alone = documents.rows == len(documents)  # each row is a document
        rows, scores, found = kernels.rank_rows(
            kernels.Entries(
                postings.rows,
                postings.cells,
                postings.chunk_blocks,
                postings.chunk_starts,
                terms.tf[number],
                terms.peaks[number],
            ),
            kernels.Rows(
                terms.norms[number],
                _NO_MASK if allow is ALL else allow[part.rows],
                documents.id_ranks if alone else _NO_RANKS,
            ),
            kernels.Queries(
                bounds,
                np.array([term.chunks[number].start for term in every], np.int64),
                np.array([term.chunks[number].stop for term in every], np.int64),
                idfs,
                weights,
                lacking,
                absent,
                norms,
            ),
            k * documents.most_rows,  # so many rows are of k documents at least
            _LOADING.room(kernels),
        )
        for query, (start, end) in enumerate(pairwise(found.tolist())):
            if start < end:
                each = rows[start:end] + part.first_row, scores[start:end]
                if not alone:
                    each = best_documents(part, rows[start:end], scores[start:end], k)
                rankings[query].append(each)
    return [merge_rankings(snapshot, each, k) for each in rankings]


class _Loading:
    """Loads the compiled loops of `vecsearch.kernels.scoring` when they are worth it."""

    def __init__(self) -> None:
        self._spent = 0.0
        self._kernels: ModuleType | None = None
        self._rooms = threading.local()

    def spend(self, seconds: float) -> None:
        """Take down time that was spent without them."""
        self._spent += seconds

    def kernels(self) -> ModuleType | None:
        """Return them once they are worth it; None before, and where there is no numba."""
        if self._kernels is None and self._spent >= _PATIENCE and find_spec("numba"):
            from vecsearch.kernels import scoring

            self._kernels = scoring
        return self._kernels

    def room(self, kernels: ModuleType) -> object:
        """Return this thread's memory for them to work in."""
        if not hasattr(self._rooms, "room"):
            self._rooms.room = kernels.new_room(1 << BLOCK_BITS)
        return self._rooms.room


_LOADING: Final = _Loading()
