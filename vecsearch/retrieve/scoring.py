"""Ranks the rows of a snapshot by the terms of queries, in one of two ways to the same scores.

Plainly, by numpy, as a cold query does; and by compiled loops, once as much time was spent without
them as they take to load. Each score is a sum of the same numbers in the same order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.base import NOTHING, Ranking, best_documents, merge_rankings, rank
from vecsearch.retrieve.terms import Terms, Weighed
from vecsearch.store.postings import BLOCK_BITS
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.types import ALL, Mask

_PATIENCE: Final = 1.0
"""Seconds of scoring without the compiled loops after which they are loaded."""

_TABLES: Final = 1 << 16
"""Numbers in which the compiled loops keep what cells of frequent terms add."""

Memory: TypeAlias = tuple[NDArray[np.uint16], NDArray[np.uint16]]
"""Sums of a block's rows, all of them 0, and tables of what cells add."""

_NO_MASK: Final = np.zeros(0, np.bool_)


class Scorer:
    """Ranks documents of a snapshot by what their terms are worth; shared between threads."""

    def __init__(self, snapshot: Snapshot, terms: Terms) -> None:
        self._snapshot = snapshot
        self._terms = terms

    def rank(self, queries: Sequence[Mapping[str, int]], k: int, allow: Mask) -> list[Ranking]:
        """Return the k best documents that hold a term of each query, given as counts of terms."""
        kernels = _LOADING.kernels()
        if kernels is not None and max(map(len, queries), default=0) <= kernels.MOST_TERMS:
            return self._rank_compiled(kernels, queries, k, allow)
        started = time.perf_counter()
        rankings = [self._rank_plainly(self._terms.weighed(each), k, allow) for each in queries]
        _LOADING.spend(time.perf_counter() - started)
        return rankings

    def _rank_plainly(self, query: Weighed, k: int, allow: Mask) -> Ranking:
        rankings = []
        for number, part in enumerate(self._snapshot.parts):
            rows, sums = self._score(number, part, query)
            scores = (sums / query.norm).astype(np.float32)
            if allow is not ALL:
                passing = allow[part.rows][rows]
                rows, scores = rows[passing], scores[passing]
            if len(rows):
                rankings.append(best_documents(part, rows, scores, k))
        return merge_rankings(self._snapshot, rankings, k)

    def _score(
        self, number: int, part: Part, query: Weighed
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Score one segment: the rows that hold a term, (n,) rising, and their scores."""
        postings, tf, norms = part.segment.postings, self._terms.tf[number], self._terms.norms
        scores = np.zeros(len(postings.lengths))
        matched = np.zeros(len(postings.lengths), np.bool_)
        for term in query.terms:
            rows, cells = postings.entries_in(term.chunks[number])
            # A row holds a term in one entry only, so no addition is lost.
            scores[rows] += term.weight * (term.idf * tf[cells] - term.lacking)
            matched[rows] = True
        found = np.flatnonzero(matched)
        scores = scores[found] + query.absent
        return found, scores / norms[number][found] if len(norms[number]) else scores

    def _rank_compiled(
        self, kernels: ModuleType, queries: Sequence[Mapping[str, int]], k: int, allow: Mask
    ) -> list[Ranking]:
        """Rank for all queries in one call, which other threads run on beside."""
        if not self._snapshot.parts:
            return [NOTHING] * len(queries)
        packed: list[bytes] = []
        ends = [0]
        for counts in queries:
            packed += [term.packed for term in self._terms.get(counts)]
            ends.append(len(packed))
        table = self._table  # held here: another thread may put its own in this one's place
        columns = kernels.FIRST_CHUNK + 2 * len(self._snapshot.parts)
        terms = np.frombuffer(bytearray().join(packed)).reshape(-1, columns)
        memory = _LOADING.memory()
        rows, scores, bounds, opened = kernels.rank_rows(
            table.segments,
            table.peak,
            table.like,
            np.array(ends, np.int64),
            terms,
            _NO_MASK if allow is ALL else allow,
            k * self._most_rows,  # so many rows are of k documents at least
            *memory,
        )
        _LOADING.give_back(memory)
        ends = bounds.tolist()
        return [
            self._closed(rows[start:end], scores[start:end], k)
            if unsettled
            else (rows[start:end], scores[start:end])
            for start, end, unsettled in zip(ends, ends[1:], opened.tolist(), strict=False)
        ]

    def _closed(self, rows: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Ranking:
        """Put rows in order that the compiled loops left open."""
        if self._alone:
            return rank(self._snapshot, rows, scores, k)
        rankings = []
        for part in self._snapshot.parts:
            mine = (rows >= part.rows.start) & (rows < part.rows.stop)
            if mine.any():
                rankings.append(best_documents(part, rows[mine] - part.first_row, scores[mine], k))
        return merge_rankings(self._snapshot, rankings, k)

    @cached_property
    def _most_rows(self) -> int:
        """How many rows the document of the most rows has."""
        return max(part.segment.documents.most_rows for part in self._snapshot.parts)

    @cached_property
    def _alone(self) -> bool:
        """Whether each row is a document."""
        return all(
            part.segment.documents.rows == len(part.segment.documents)
            for part in self._snapshot.parts
        )

    @cached_property
    def _table(self) -> _Table:
        parts = self._snapshot.parts
        starts = [part.segment.postings.chunk_starts.astype(np.int64) for part in parts]
        cells = [part.segment.postings.cells for part in parts]
        one = np.result_type(*cells)
        cells = [each.astype(one, copy=False) for each in cells]
        tfs, norms = self._terms.tf, self._terms.norms
        table = []
        for part, start, cell, tf, norm in zip(parts, starts, cells, tfs, norms, strict=True):
            postings = part.segment.postings
            table.append(
                (
                    postings.rows.ctypes.data,
                    cell.ctypes.data,
                    len(postings.rows),
                    postings.chunk_blocks.ctypes.data,
                    start.ctypes.data,
                    len(postings.chunk_blocks),
                    tf.ctypes.data,
                    len(tf),
                    len(postings.lengths),
                    norm.ctypes.data if len(norm) else 0,
                    part.segment.documents.id_ranks.ctypes.data if self._alone else 0,
                    part.first_row,
                )
            )
        return _Table(
            np.array(table, np.int64),
            float(max(each.max(initial=0.0) for each in tfs)),
            np.empty(0, one),
            [starts, cells, tfs, norms],
        )


class _Table(NamedTuple):
    """What the compiled loops know of the segments, see `vecsearch.kernels.postings`.

    held: what they know by address only.
    """

    segments: NDArray[np.int64]
    peak: float
    like: NDArray[Any]
    held: Sequence[Any]


class _Loading:
    """Loads the compiled loops of `vecsearch.kernels.scoring` when they are worth it."""

    def __init__(self) -> None:
        self._spent = 0.0
        self._kernels: ModuleType | None = None
        self._own = threading.local()

    def spend(self, seconds: float) -> None:
        """Take down time that was spent without them."""
        self._spent += seconds

    def kernels(self) -> ModuleType | None:
        """Return them once they are worth it; None before, and where there is no numba."""
        if self._kernels is None and self._spent >= _PATIENCE and find_spec("numba"):
            from vecsearch.kernels import scoring

            self._kernels = scoring
        return self._kernels

    def memory(self) -> Memory:
        """Return what this thread's compiled loops work in; whoever finishes gives it back."""
        mine: Memory | None = self._own.__dict__.pop("memory", None)
        return mine or (np.zeros(1 << BLOCK_BITS, np.uint16), np.empty(_TABLES, np.uint16))

    def give_back(self, memory: Memory) -> None:
        """Keep memory for the next call; after an error it isn't given back."""
        self._own.memory = memory


_LOADING: Final = _Loading()
