"""Bag-of-words retrieval: any weighting over the raw counts of a snapshot, ranked and explained."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from vecsearch.places import places
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
    strongest,
    unranked,
)
from vecsearch.retrieve.scoring import Scorer
from vecsearch.retrieve.terms import Term, Terms
from vecsearch.retrieve.weighting import Collection, Formula, Weighting
from vecsearch.store.snapshot import Snapshot
from vecsearch.text import Analyzer
from vecsearch.types import Mask, TopK, seen_text

_LOOKED_AT: Final = 1 << 18
"""Characters of a passage in which the words of an explanation's terms are looked for."""


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
        number, local = self._place(standing.row)
        weighed = self._terms.weighed(counts)
        norm = weighed.norm
        if self.weighting.cosine:
            norm *= float(self._terms.norms[number][local])
        parts = [self._part(term, number, local, norm) for term in self._terms.get(counts)]
        expansions = _expansions(query)
        named, rest = _gathered(parts, expansions)
        text = seen_text(hit.document.title, hit.passage)
        return Explanation(
            hit.id,
            self.name,
            standing.score,
            standing.rank,
            hit.span,
            (*self._worded(named, text), *rest),
            " ".join([self._method(), *(each.sentence for each in expansions)]),
            True,
            "",
        )

    def _worded(self, parts: Sequence[TermPart], text: str) -> list[TermPart]:
        """Add to parts the forms in which their terms stand in a text."""
        words: dict[str, dict[str, None]] = {part.term: {} for part in parts if part.tf}
        for term, start, end in places(self._analyzer, text[:_LOOKED_AT], words):
            words[term][text[start:end]] = None
        return [replace(part, words=tuple(words.get(part.term, ()))) for part in parts]

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
            words=(),
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
) -> tuple[list[TermPart], list[Remainder]]:
    """Choose the terms to name, and make one part of the others.

    These are such as matter less, and those that clauses expand to and that aren't here.
    """
    scored = (each for each in expansions if not each.clause.excluded)
    alternatives = {term for each in scored for term in each.terms}
    lacking = [part for part in parts if not part.tf and part.term in alternatives]
    here = [part for part in parts if part.tf or part.term not in alternatives]
    chosen = strongest(np.array([part.value for part in here], np.float64))
    named = [here[i] for i in chosen]
    others = [here[i] for i in sorted(set(range(len(here))).difference(chosen))]
    if not lacking and not others:
        return named, []
    text = ""
    if lacking:
        text = f"terms that parts of the query stand for and that aren't here: {len(lacking)}"
    value = sum(part.value for part in (*lacking, *others))
    return named, [Remainder(value, text, len(others))]
