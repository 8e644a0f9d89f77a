"""Bag-of-words retrieval: any weighting over the raw counts of a snapshot, ranked and explained."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from vecsearch.retrieve.base import check_request, top_k
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
from vecsearch.retrieve.scoring import Scorer
from vecsearch.retrieve.terms import Term, Terms
from vecsearch.retrieve.weighting import Collection, Formula, Weighting
from vecsearch.store.snapshot import Snapshot
from vecsearch.text import Analyzer
from vecsearch.types import Mask, TopK, seen_text


class Lexical:
    """Scores every row that shares a term with the query; the others aren't returned."""

    def __init__(self, snapshot: Snapshot, analyzer: Analyzer, weighting: Weighting) -> None:
        self.snapshot = snapshot
        self._analyzer = analyzer
        self.weighting = weighting
        self._terms = Terms(snapshot, weighting)
        self._scorer = Scorer(snapshot, self._terms)

    @property
    def name(self) -> str:
        """The weighting's name."""
        return self.weighting.name

    def retrieve(self, queries: Sequence[str], k: int, allow: Mask) -> TopK:
        """See `Retriever.retrieve`."""
        check_request(self.snapshot, k, allow)
        counts = [_counts(self._names(query)) for query in queries]
        return top_k(self._scorer.rank(counts, k, allow), k)

    def explain(self, query: str, documents: Sequence[slice], allow: Mask) -> list[Explanation]:
        """See `Explainer.explain`; the parts are the query's terms, those that it lacks too."""
        counts = Counter(self._names(query))
        found = standings(self.snapshot, documents, lambda k: self.retrieve([query], k, allow))
        return [
            self._unranked(rows, query, counts, allow)
            if standing is None
            else self._told(standing, query, counts)
            for rows, standing in zip(documents, found, strict=True)
        ]

    @property
    def collection(self) -> Collection:
        """The living rows' statistics."""
        return self._terms.collection

    def _names(self, query: str) -> Sequence[str]:
        return query_terms(self._analyzer, query)

    def _unranked(
        self, rows: slice, query: str, counts: Mapping[str, int], allow: Mask
    ) -> Explanation:
        note = "It shares no term with the query."
        if not counts:
            note = "The query holds no term."
        elif not passes(rows, allow):
            note = FILTERED
        elif not any(term.frequency for term in self._terms.get(counts)):
            note = "No document holds a term of the query."
        note = " ".join([note, *(each.sentence for each in _expansions(query))])
        return unranked(self.snapshot.id_of(rows.start), self.name, note)

    def _told(self, standing: Standing, query: str, counts: Mapping[str, int]) -> Explanation:
        hit = self.snapshot.hit(standing.row, standing.score)
        words: dict[str, dict[str, None]] = {name: {} for name in counts}
        text = seen_text(hit.document.title, hit.passage)
        for term, start, end in self._analyzer.tokens(text):
            if term in words:
                words[term][text[start:end]] = None
        number, local = self._place(standing.row)
        weighed = self._terms.weighed(counts)
        norm = weighed.norm
        if self.weighting.cosine:
            norm *= float(self._terms.norms[number][local])
        parts = [
            self._part(
                term,
                number,
                local,
                tuple(words[term.name]),
                norm,
            )
            for term in self._terms.get(counts)
        ]
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
        firsts = [part.first_row for part in self.snapshot.parts]
        number = bisect_right(firsts, row) - 1
        return number, row - firsts[number]

    def _part(
        self,
        term: Term,
        number: int,
        row: int,
        words: tuple[str, ...],
        norm: float,
    ) -> TermPart:
        postings = self.snapshot.parts[number].segment.postings
        rows, cells = postings.entries_in(term.chunks[number])
        at = int(np.searchsorted(rows, row))
        tf, weight, df = 0, term.lacking, term.frequency
        if at < len(rows) and rows[at] == row:
            tf = int(postings.cell_counts[cells[at]])
            weight = term.idf * float(self._terms.tf[number][cells[at]])
        return TermPart(
            value=term.weight * weight / norm,
            term=term.name,
            words=words,
            tf=tf,
            df=df,
            rows=self.collection.rows,
            length=int(postings.lengths[row]),
            average_length=self.collection.average_length,
            idf=term.idf if df and isinstance(self.weighting, Formula) else None,
            weight=weight,
            query_weight=term.weight,
            norm=norm,
        )


def _counts(names: Sequence[str]) -> Mapping[str, int]:
    """Count terms; those of most queries come once each, which is faster to find out."""
    once = dict.fromkeys(names, 1)
    return once if len(once) == len(names) else Counter(names)


def _expansions(query: str) -> tuple[Reading, ...]:
    return query.expansions if isinstance(query, Expanded) else ()


def _gathered(
    parts: Sequence[TermPart], expansions: Sequence[Reading]
) -> tuple[TermPart | Remainder, ...]:
    """Make one part of the terms that clauses expand to and that aren't here: they are many."""
    scored = (each for each in expansions if not each.clause.excluded)
    alternatives = {term for each in scored for term in each.terms}
    lacking = [part for part in parts if not part.tf and part.term in alternatives]
    if not lacking:
        return tuple(parts)
    text = f"terms that parts of the query stand for and that aren't here: {len(lacking)}"
    here = [part for part in parts if part.tf or part.term not in alternatives]
    return (*here, Remainder(sum(part.value for part in lacking), text))
