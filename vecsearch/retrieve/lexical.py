"""Bag-of-words retrieval: any weighting over the raw counts of a snapshot.

Nothing is precomputed that a later document would change. Document frequencies, the average length
and l2 norms are the living rows' own, so that after any history of adds and deletes the scores
are those of an index built afresh, bit for bit: each is a sum of the same numbers in the
same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.base import Ranking, best_documents, check_k, merge_rankings, top_k
from vecsearch.retrieve.weighting import Collection, Weighting
from vecsearch.store.postings import BLOCK_ENTRIES, Entries, stretches
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.text import Analyzer
from vecsearch.types import ALL, Mask, TopK


class Lexical:
    """Scores every row that shares a term with the query; the others aren't returned."""

    def __init__(self, snapshot: Snapshot, analyzer: Analyzer, weighting: Weighting) -> None:
        self._snapshot = snapshot
        self._analyzer = analyzer
        self.weighting = weighting

    @property
    def name(self) -> str:
        """The weighting's name."""
        return self.weighting.name

    def retrieve(self, queries: Sequence[str], k: int, allow: Mask) -> TopK:
        """See `Retriever.retrieve`."""
        check_k(k)
        return top_k((self._rank(query, k, allow) for query in queries), k)

    @cached_property
    def collection(self) -> Collection:
        """The living rows' statistics."""
        rows = terms = 0
        for part, alive in self._parts():
            lengths = part.segment.postings.lengths
            lengths = lengths if alive is ALL else lengths[alive]
            rows += len(lengths)
            terms += int(lengths.sum(dtype=np.int64))
        # Where no row holds a term nothing is ever divided: there is no entry to weigh.
        return Collection(rows, terms / rows if terms else 1.0)

    def _parts(self) -> Iterator[tuple[Part, Mask]]:
        alive = self._snapshot.alive
        for part in self._snapshot.parts:
            yield part, ALL if alive is ALL else alive[part.rows]

    def _rank(self, query: str, k: int, allow: Mask) -> Ranking:
        terms = Counter(self._analyzer.terms(query))
        weighed = [term for term in map(self._look_up, terms.items()) if term.frequency]
        norm = 1.0
        if self.weighting.cosine and weighed:
            norm = float(np.sqrt(sum(term.query_weight**2 for term in weighed)))
        rankings = []
        for number, part in enumerate(self._snapshot.parts):
            rows, sums = self._score(number, part, weighed)
            scores = (sums / norm).astype(np.float32)
            if allow is not ALL:
                passing = allow[part.rows][rows]
                rows, scores = rows[passing], scores[passing]
            if len(rows):
                rankings.append(best_documents(part, rows, scores, k))
        return merge_rankings(self._snapshot, rankings, k)

    def _look_up(self, item: tuple[str, int]) -> _Term:
        term, count = item
        entries = [part.segment.postings.entries(term) for part in self._snapshot.parts]
        frequency = sum(
            len(found.rows) if alive is ALL else int(alive[found.rows].sum())
            for found, (_, alive) in zip(entries, self._parts(), strict=True)
        )
        weight = self.weighting.query(count, frequency, self.collection) if frequency else 0.0
        return _Term(entries, frequency, weight)

    def _score(
        self, number: int, part: Part, terms: Sequence[_Term]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Score one segment: the rows that hold a term, (n,) rising, and their scores."""
        lengths = part.segment.postings.lengths
        scores = np.zeros(len(lengths))
        matched = np.zeros(len(lengths), np.bool_)
        absent = 0.0
        for term in terms:
            rows, counts = term.entries[number]
            weights = self.weighting.row(counts, lengths[rows], term.frequency, self.collection)
            lacking = self._lacking(term.frequency)
            # A row holds a term in one entry only, so no addition is lost.
            scores[rows] += term.query_weight * (weights - lacking)
            absent += term.query_weight * lacking
            matched[rows] = True
        found = np.flatnonzero(matched)
        scores = scores[found] + absent
        return found, scores / self._norms[number][found] if self.weighting.cosine else scores

    def _lacking(self, frequency: int) -> float:
        """Weigh a term in a row without it, whose length then doesn't matter."""
        return float(self.weighting.row(np.zeros(1), np.ones(1), frequency, self.collection)[0])

    @cached_property
    def _norms(self) -> list[NDArray[np.float64]]:
        """The l2 norm of every row's weights, (rows,) per segment."""
        return [
            self._row_norms(part, frequencies)
            for part, frequencies in zip(self._snapshot.parts, self._frequencies(), strict=True)
        ]

    def _row_norms(self, part: Part, frequencies: NDArray[np.int64]) -> NDArray[np.float64]:
        postings = part.segment.postings
        sizes = np.diff(postings.starts)
        squares = np.zeros(len(postings.lengths))
        for first, last in stretches(sizes, BLOCK_ENTRIES):
            where = slice(postings.starts[first], postings.starts[last])
            rows, counts = postings.rows[where], postings.counts[where]
            # A term that only deleted rows hold has frequency 0; what it weighs isn't read.
            each = np.repeat(np.maximum(frequencies[first:last], 1), sizes[first:last])
            weights = self.weighting.row(counts, postings.lengths[rows], each, self.collection)
            # One by one, in term order: so a row's sum is the same in whatever segment it lies.
            np.add.at(squares, rows, weights**2)
        return np.sqrt(squares)

    def _frequencies(self) -> list[NDArray[np.int64]]:
        """Count the living rows that hold each term, (terms,) per segment, over all segments."""
        local = []
        for part, alive in self._parts():
            postings = part.segment.postings
            held = np.diff(postings.starts)
            if alive is not ALL:
                sums = np.concatenate([[0], np.cumsum(alive[postings.rows])])
                held = np.diff(sums[postings.starts])
            local.append(held)
        if len(local) < 2:
            return local
        vocabularies = [list(part.segment.postings.terms) for part in self._snapshot.parts]
        total: Counter[bytes] = Counter()
        for vocabulary, held in zip(vocabularies, local, strict=True):
            total.update(dict(zip(vocabulary, held.tolist(), strict=True)))
        return [
            np.fromiter(map(total.__getitem__, vocabulary), np.int64, len(vocabulary))
            for vocabulary in vocabularies
        ]


class _Term:
    """A query term: its entries per segment, living document frequency and query weight."""

    __slots__ = ("entries", "frequency", "query_weight")

    def __init__(self, entries: list[Entries], frequency: int, query_weight: float) -> None:
        self.entries = entries
        self.frequency = frequency
        self.query_weight = query_weight
