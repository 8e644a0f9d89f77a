"""Bag-of-words retrieval: any weighting over the raw counts of a snapshot.

Nothing is precomputed that a later document would change. Document frequencies, the average length
and l2 norms are the living rows' own, so that after any history of adds and deletes the scores
are those of an index built afresh, bit for bit: each is a sum of the same numbers in the
same order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.base import Ranking, best_documents, check_k, merge_rankings, top_k
from vecsearch.retrieve.clauses import Expanded, Reading, query_terms
from vecsearch.retrieve.explanation import (
    FILTERED,
    Explanation,
    Remainder,
    Standing,
    TermPart,
    passes,
    standings,
    unranked,
)
from vecsearch.retrieve.weighting import Collection, Formula, Weighting
from vecsearch.store.postings import BLOCK_ENTRIES, Entries, stretches
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.text import Analyzer
from vecsearch.types import ALL, Mask, TopK, seen_text


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

    def explain(self, query: str, documents: Sequence[slice], allow: Mask) -> list[Explanation]:
        """See `Explainer.explain`; the parts are the query's terms, those that it lacks too."""
        terms = self._terms(query)
        found = standings(self._snapshot, documents, lambda k: self.retrieve([query], k, allow))
        return [
            self._unranked(rows, query, terms, allow)
            if standing is None
            else self._told(standing, query, terms)
            for rows, standing in zip(documents, found, strict=True)
        ]

    def _unranked(
        self, rows: slice, query: str, terms: Sequence[_Term], allow: Mask
    ) -> Explanation:
        note = "It shares no term with the query."
        if not terms:
            note = "The query holds no term."
        elif not passes(rows, allow):
            note = FILTERED
        elif not any(term.frequency for term in terms):
            note = "No document holds a term of the query."
        note = " ".join([note, *(each.sentence for each in _expansions(query))])
        return unranked(self._snapshot.id_of(rows.start), self.name, note)

    def _told(self, standing: Standing, query: str, terms: Sequence[_Term]) -> Explanation:
        hit = self._snapshot.hit(standing.row, standing.score)
        words: dict[str, dict[str, None]] = {term.term: {} for term in terms}
        text = seen_text(hit.document.title, hit.passage)
        for term, start, end in self._analyzer.tokens(text):
            if term in words:
                words[term][text[start:end]] = None
        number, local = self._place(standing.row)
        norm = self._query_norm([term for term in terms if term.frequency])
        if self.weighting.cosine:
            norm *= float(self._norms[number][local])
        parts = [self._part(term, number, local, tuple(words[term.term]), norm) for term in terms]
        parts.sort(key=lambda part: -part.value)
        expansions = _expansions(query)
        return Explanation(
            hit.id,
            self.name,
            standing.score,
            standing.rank,
            hit.span,
            _gathered(parts, expansions),
            " ".join([self._method(), *(each.sentence for each in expansions)]),
            True,
            "",
        )

    def _method(self) -> str:
        product = "Each term of the query adds its weight in the query times its weight here"
        if self.weighting.cosine:
            product += ", divided by the lengths (l2 norms) of both sides' weights"
        if isinstance(self.weighting, Formula):
            product += f"; its weight here is {self.weighting.formula}"
        return f"{product}."

    def _place(self, row: int) -> tuple[int, int]:
        """Return the number of the segment that holds a row, and the row's number there."""
        firsts = [part.first_row for part in self._snapshot.parts]
        number = bisect_right(firsts, row) - 1
        return number, row - firsts[number]

    def _part(
        self, term: _Term, number: int, row: int, words: tuple[str, ...], norm: float
    ) -> TermPart:
        postings = self._snapshot.parts[number].segment.postings
        rows, counts = term.entries[number]
        at = int(np.searchsorted(rows, row))
        tf = int(counts[at]) if at < len(rows) and rows[at] == row else 0
        length = int(postings.lengths[row])
        df, weight, idf = term.frequency, 0.0, None
        if tf:
            count, size = np.array([tf]), np.array([length])
            weight = float(self.weighting.row(count, size, df, self.collection)[0])
        elif df:
            weight = self._lacking(df)
        if df and isinstance(self.weighting, Formula):
            idf = float(self.weighting.idf(df, self.collection.rows))
        return TermPart(
            value=term.query_weight * weight / norm,
            term=term.term,
            words=words,
            tf=tf,
            df=df,
            rows=self.collection.rows,
            length=length,
            average_length=self.collection.average_length,
            idf=idf,
            weight=weight,
            query_weight=term.query_weight,
            norm=norm,
        )

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
        weighed = [term for term in self._terms(query) if term.frequency]
        norm = self._query_norm(weighed)
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

    def _terms(self, query: str) -> list[_Term]:
        return [self._look_up(item) for item in Counter(query_terms(self._analyzer, query)).items()]

    def _query_norm(self, terms: Sequence[_Term]) -> float:
        if not (self.weighting.cosine and terms):
            return 1.0
        return float(np.sqrt(sum(term.query_weight**2 for term in terms)))

    def _look_up(self, item: tuple[str, int]) -> _Term:
        term, count = item
        entries, frequency = self._snapshot.entries(term)
        weight = self.weighting.query(count, frequency, self.collection) if frequency else 0.0
        return _Term(term, entries, frequency, weight)

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


def _expansions(query: str) -> tuple[Reading, ...]:
    return query.expansions if isinstance(query, Expanded) else ()


def _gathered(
    parts: Sequence[TermPart], expansions: Sequence[Reading]
) -> tuple[TermPart | Remainder, ...]:
    """Make one part of the terms of prefixes and fuzzy words that aren't here: they are many."""
    scored = (each for each in expansions if not each.clause.excluded)
    alternatives = {term for each in scored for term in each.terms}
    lacking = [part for part in parts if not part.tf and part.term in alternatives]
    if not lacking:
        return tuple(parts)
    text = f"terms of prefixes and fuzzy words that aren't here: {len(lacking)}"
    here = [part for part in parts if part.tf or part.term not in alternatives]
    return (*here, Remainder(sum(part.value for part in lacking), text))


class _Term:
    """A query term: its entries per segment, living document frequency and query weight."""

    __slots__ = ("entries", "frequency", "query_weight", "term")

    def __init__(
        self, term: str, entries: list[Entries], frequency: int, query_weight: float
    ) -> None:
        self.term = term
        self.entries = entries
        self.frequency = frequency
        self.query_weight = query_weight
