"""The terms of a snapshot as one weighting sees them.

Nothing is precomputed that a later document would change. Document frequencies, the average length
and l2 norms are the living rows' own, so that after any history of adds and deletes the scores
are those of an index built afresh, bit for bit: each is a sum of the same numbers in the
same order.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError
from vecsearch.retrieve.weighting import Collection, Numbers, Weighting
from vecsearch.store.postings import BLOCK_ENTRIES, stretches
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.types import ALL, Mask

_REMEMBERED: Final = 1 << 16
"""Terms of queries of which it is remembered where they lie; when there are more it starts over."""


_ROUNDING: Final = 1e-9
"""By such a share a term that is there may seem to weigh less than one that is lacking."""


class Term(NamedTuple):
    """A term of a query: where it lies in every segment, and what it is worth.

    frequency: how many living rows hold it.
    idf: its inverse document frequency; 0 where no row holds it.
    weight: what it weighs in the query; 0 where no row holds it.
    lacking: what a row counts that lacks it.
    packed: these, and the bounds of the chunks, as a row of the compiled loops' table of terms.
    """

    name: str
    chunks: tuple[slice, ...]
    frequency: int
    idf: float
    weight: float
    lacking: float
    packed: bytes


class Weighed(NamedTuple):
    """A query: its terms that some living row holds, in the order in which they are added up.

    That is by falling weight, query's times row's, and as in the query where it is the same.

    norm: the l2 norm of their weights in the query where the weighting is the cosine, else 1.
    absent: what a row counts that lacks all of them.
    """

    terms: list[Term]
    norm: float
    absent: float


class _Known(dict[tuple[str, int], Term]):
    """Terms of queries, by name and how often they come, remembered. When full it starts over."""

    __slots__ = ("_look_up",)

    def __init__(self, look_up: Callable[[str, int], Term]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, key: tuple[str, int]) -> Term:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[key] = term = self._look_up(*key)
        return term


class Terms:
    """Looks terms up, and weighs them; safe to share between threads."""

    def __init__(self, snapshot: Snapshot, weighting: Weighting) -> None:
        self._snapshot = snapshot
        self._weighting = weighting
        self._known = _Known(self._look_up)

    def get(self, counts: Mapping[str, int]) -> list[Term]:
        """Look the terms of a query up, each of which comes so often."""
        return list(map(self._known.__getitem__, counts.items()))

    def weighed(self, counts: Mapping[str, int]) -> Weighed:
        """Weigh the terms of a query, each of which comes so often."""
        terms = [term for term in self.get(counts) if term.frequency]
        terms.sort(key=lambda term: -(term.idf * term.weight))
        absent = squares = 0.0
        for term in terms:
            absent += term.weight * term.lacking
            squares += term.weight * term.weight
        norm = math.sqrt(squares) if self._weighting.cosine and terms else 1.0
        return Weighed(terms, norm, absent)

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
        weights = [self._weigh(each.cell_counts, each.cell_lengths) for each in every]
        for each in weights:
            least = float(each.min(initial=math.inf))
            if least < self._tf_of_none * (1 - _ROUNDING):
                raise UsageError(
                    f"The weighting {self._weighting.name!r} gives {least:g} as the tf of a term "
                    f"that is there, and {self._tf_of_none:g} where it is lacking; it can't be "
                    "less."
                )
        return [np.maximum(each, self._tf_of_none) for each in weights]  # but for rounding the same

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
        return float(self._weigh(np.zeros(1), np.ones(1))[0])

    def _weigh(self, counts: Numbers, lengths: Numbers) -> NDArray[np.float64]:
        # Anybody may write a weighting; the compiled loops take nothing else.
        weights = np.ascontiguousarray(
            self._weighting.tf(counts, lengths, self.collection), np.float64
        )
        if weights.shape != counts.shape:
            raise UsageError(
                f"The weighting {self._weighting.name!r} gives a tf of the shape {weights.shape} "
                f"for counts of the shape {counts.shape}; they must be the same."
            )
        self._check("tf", weights.min(initial=0.0), weights.max(initial=0.0))
        return weights

    def _check(self, what: str, *values: float) -> None:
        """Raise UsageError unless what the weighting gives is finite and at least 0."""
        for value in values:
            if not 0 <= value < math.inf:
                raise UsageError(
                    f"The weighting {self._weighting.name!r} gives {value:g} as {what}; it must be "
                    "a finite number of at least 0."
                )

    def _look_up(self, name: str, count: int) -> Term:
        chunks = self._snapshot.chunks(name)
        frequency = self._snapshot.held(chunks)
        idf = weight = lacking = 0.0
        if frequency:
            idf = float(self._weighting.idf(frequency, self.collection.rows))
            weight = float(self._weighting.query(count, frequency, self.collection))
            self._check(f"idf of {name!r}", idf)
            self._check(f"query's weight of {name!r}", weight)
            lacking = idf * self._tf_of_none
        held = chunks if frequency else (slice(0, 0),) * len(chunks)
        bounds = [bound for each in held for bound in (each.start, each.stop)]
        packed = struct.pack(f"=3d{len(bounds)}q", idf, weight, lacking, *bounds)
        return Term(name, chunks, frequency, idf, weight, lacking, packed)

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
        self._check("idf", idfs.min(initial=0.0), idfs.max(initial=0.0))
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
