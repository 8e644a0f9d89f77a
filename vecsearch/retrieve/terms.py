"""The terms of a snapshot as one weighting sees them.

Nothing is precomputed that a later document would change. Document frequencies, the average length
and l2 norms are the living rows' own, so that after any history of adds and deletes the scores
are those of an index built afresh, bit for bit: each is a sum of the same numbers in the
same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.weighting import Collection, Weighting
from vecsearch.store.postings import BLOCK_ENTRIES, stretches
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.types import ALL, Mask

_REMEMBERED: Final = 1 << 16
"""Terms of queries of which it is remembered where they lie; when there are more it starts over."""


class Term(NamedTuple):
    """Where a term lies in every segment, and what it is worth.

    frequency: how many living rows hold it.
    idf: its inverse document frequency; 0 where no row holds it.
    lacking: what a row counts that lacks it.
    once: what it weighs in a query where it comes once; 0 where no row holds it.
    bounds: of the chunks, the start and the stop of each segment's.
    """

    name: str
    chunks: tuple[slice, ...]
    frequency: int
    idf: float
    lacking: float
    once: float
    bounds: tuple[int, ...]


class Weighed(NamedTuple):
    """A query: its terms that some living row holds, and what each weighs in it.

    norm: the l2 norm of these weights where the weighting is the cosine, else 1.
    absent: what a row counts that lacks all of them.
    """

    terms: list[Term]
    weights: list[float]
    norm: float
    absent: float


class Terms:
    """Looks terms up, and weighs them; safe to share between threads."""

    def __init__(self, snapshot: Snapshot, weighting: Weighting) -> None:
        self._snapshot = snapshot
        self._weighting = weighting
        self._known: dict[str, Term] = {}

    def get(self, name: str) -> Term:
        """Look a term up."""
        term = self._known.get(name)
        if term is None:
            term = self._look_up(name)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[name] = term
        return term

    def weighed(self, counts: Mapping[str, int]) -> Weighed:
        """Weigh the terms of a query, each of which comes so often."""
        terms: list[Term] = []
        weights: list[float] = []
        absent = 0.0
        for name, count in counts.items():
            term = self.get(name)
            if term.frequency:
                weight = term.once if count == 1 else self._weight(count, term.frequency)
                terms.append(term)
                weights.append(weight)
                absent += weight * term.lacking
        norm = 1.0
        if self._weighting.cosine and terms:
            norm = float(np.sqrt(sum(weight**2 for weight in weights)))
        return Weighed(terms, weights, norm, absent)

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

    @cached_property
    def tf(self) -> list[NDArray[np.float64]]:
        """What the count and the length of each cell weigh, (cells,) float64 per segment."""
        every = (part.segment.postings for part in self._snapshot.parts)
        return [
            self._weighting.tf(each.cell_counts, each.cell_lengths, self.collection)
            for each in every
        ]

    @cached_property
    def norms(self) -> list[NDArray[np.float64]]:
        """The l2 norm of every row's weights, (rows,) per segment; empty but for the cosine."""
        if not self._weighting.cosine:
            return [np.zeros(0) for _ in self._snapshot.parts]
        return [
            self._row_norms(part, tf, frequencies)
            for part, tf, frequencies in zip(
                self._snapshot.parts, self.tf, self._frequencies(), strict=True
            )
        ]

    @cached_property
    def _tf_of_none(self) -> float:
        """What a count of 0 weighs, whatever the length."""
        return float(self._weighting.tf(np.zeros(1), np.ones(1), self.collection)[0])

    def _look_up(self, name: str) -> Term:
        chunks = self._snapshot.chunks(name)
        frequency = self._snapshot.held(chunks)
        bounds = tuple(bound for each in chunks for bound in (each.start, each.stop))
        if not frequency:
            return Term(name, chunks, 0, 0.0, 0.0, 0.0, bounds)
        idf = float(self._weighting.idf(frequency, self.collection.rows))
        weight = self._weight(1, frequency)
        return Term(name, chunks, frequency, idf, idf * self._tf_of_none, weight, bounds)

    def _weight(self, count: int, frequency: int) -> float:
        return float(self._weighting.query(count, frequency, self.collection))

    def _parts(self) -> Iterator[tuple[Part, Mask]]:
        alive = self._snapshot.alive
        for part in self._snapshot.parts:
            yield part, ALL if alive is ALL else alive[part.rows]

    def _row_norms(
        self, part: Part, tf: NDArray[np.float64], frequencies: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        postings = part.segment.postings
        # A term that only deleted rows hold has frequency 0; what it weighs isn't read.
        idfs = self._weighting.idf(np.maximum(frequencies, 1), self.collection.rows)
        sizes = np.diff(postings.term_starts)
        squares = np.zeros(len(postings.lengths))
        for first, last in stretches(sizes, BLOCK_ENTRIES):
            rows, cells = postings.entries_between(first, last)
            weights = np.repeat(idfs[first:last], sizes[first:last]) * tf[cells]
            # One by one, in term order: so a row's sum is the same in whatever segment it lies.
            np.add.at(squares, rows, weights**2)
        return np.sqrt(squares)

    def _frequencies(self) -> list[NDArray[np.int64]]:
        """Count the living rows that hold each term, (terms,) per segment, over all segments."""
        local = []
        for part, alive in self._parts():
            postings = part.segment.postings
            starts = postings.term_starts
            held = np.diff(starts)
            if alive is not ALL:
                for first, last in stretches(held.copy(), BLOCK_ENTRIES):
                    living = alive[postings.entries_between(first, last).rows]
                    sums = np.concatenate([[0], np.cumsum(living)])
                    held[first:last] = np.diff(sums[starts[first : last + 1] - starts[first]])
            local.append(held)
        if len(local) < 2:
            return local
        vocabularies = [part.segment.postings.terms.all() for part in self._snapshot.parts]
        total: Counter[bytes] = Counter()
        for vocabulary, held in zip(vocabularies, local, strict=True):
            total.update(dict(zip(vocabulary, held.tolist(), strict=True)))
        return [
            np.fromiter(map(total.__getitem__, vocabulary), np.int64, len(vocabulary))
            for vocabulary in vocabularies
        ]
