"""What is asked and how, and what the commands of the prompt find out; no terminal in sight.

A session is a value: each change makes another one. So a command that is stopped half-way, or that
fails, leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import regex

from vecsearch.cli.output import Answer, answered
from vecsearch.cli.shell.comparison import DEPTH, Comparison, compared
from vecsearch.errors import UnknownDocument, UsageError
from vecsearch.index import Index
from vecsearch.retrieve.base import check_k
from vecsearch.retrieve.clauses import query_terms, query_text
from vecsearch.retrieve.explanation import Explanation
from vecsearch.searcher import Searcher
from vecsearch.snippets import ELLIPSIS, marked_title, snippet
from vecsearch.types import ALL, Document, Hit, Query, Span

_WIDTH: Final = 130
"""Characters of a snippet: two lines beside ranks and scores in 80 columns."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The list that was shown last: commands name its documents by number, from 1.

    Either it answers a `query`, or it holds the documents `like` another.
    """

    query: str | Query | None
    like: str | None
    by: str
    where: str | None
    answers: tuple[Answer, ...]


class Opened(NamedTuple):
    """A document, its best passage where one is known, and where terms of the query stand."""

    document: Document
    passage: Span | None
    marks: tuple[Span, ...]


class Reason(NamedTuple):
    """Why a document is where it is in one ranking, the filter included."""

    by: str
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Session:
    """An index as it was opened, the settings of the prompt, and what was asked last."""

    index: Index
    searcher: Searcher
    by: str
    k: int = 10
    where: str | None = None
    syntax: bool = False
    query: str | Query | None = None
    listing: Listing | None = None

    @classmethod
    def start(cls, index: Index) -> Session:
        """Begin with the defaults of `search`."""
        searcher = index.searcher()
        return cls(index, searcher, searcher.default)

    @property
    def retrievers(self) -> tuple[str, ...]:
        """The names of what this index can be searched by."""
        return retrievers_of(self.searcher)

    def ranked_by(self, name: str) -> Session:
        """Rank by that from now on; raise where the index can't serve it."""
        self.searcher.retriever(name)
        return replace(self, by=name)

    def at_most(self, k: int) -> Session:
        """List so many documents from now on; raise UsageError for a k below 1."""
        check_k(k)
        return replace(self, k=k)

    def filtered(self, where: str | None) -> Session:
        """Search only what passes from now on, all for None; raise FilterError if it can't be."""
        self.searcher.mask(where)
        return replace(self, where=where)

    def reading_syntax(self, on: bool) -> Session:
        """Read the syntax of queries from now on, or take every character as text."""
        return replace(self, syntax=on)

    def ask(self, query: str) -> Session:
        """Search; the answers are the new session's listing."""
        question = self._read(query)
        hits = self.searcher.search(question, self.k, self.where, self.by)
        return self._listed(question, None, self.by, hits)

    def like(self, which: str) -> Session:
        """List the documents that are like one."""
        name = self._named(which)
        hits = self.searcher.like(name, self.k, self.where, self.by)
        return self._listed(None, name, self.by, hits)

    def compare(self, names: Sequence[str], query: str | None) -> tuple[Session, Comparison]:
        """Rank a query, or the last one, by two representations; list the answers of the first."""
        question = self._last_query() if query is None else self._read(query)
        second = "dense" if "dense" in self.retrievers else "tfidf"
        first, second = names or ("bm25", second)
        if first == second:
            raise UsageError(f"Two representations are compared, not {first} with itself.")
        depth = max(self.k, DEPTH)
        one, other = (
            self.searcher.search(question, depth, self.where, by) for by in (first, second)
        )
        session = self._listed(question, None, first, one[: self.k])
        return session, compared(str(question), (first, second), (one, other), self.k, depth)

    def open(self, which: str) -> Opened:
        """Read a document, with the best passage for the query where it stands in the list."""
        answer = self._answer(which)
        document = answer.hit.document if answer else self.searcher.get(self._named(which))
        if self.listing is None or self.listing.query is None:
            return Opened(document, None, ())
        text = query_text(self.searcher.snapshot, self.searcher.analyzer, self.listing.query)
        terms = set(query_terms(self.searcher.analyzer, text))
        tokens = self.searcher.analyzer.tokens(document.text)
        marks = (Span(start, end) for term, start, end in tokens if term in terms)
        return Opened(document, best_passage(answer) if answer else None, tuple(marks))

    def explain(self, which: str) -> Explanation:
        """Explain the score of a document for the query of the list, as the list was ranked."""
        query, name = self._last_query(), self._named(which)
        if self.listing is None or self.listing.query is None:
            raise UsageError(
                "The list holds what is like another document: no query ranked it. "
                f":why {name} tells where the last query has this one."
            )
        return self.searcher.explain(query, name, self.listing.where, self.listing.by)

    def why(self, name: str) -> list[Reason]:
        """Explain where a document stands in each ranking, whether or not it was found."""
        query = self._last_query()
        self.searcher.get(name)
        arms = [each for each in ("bm25", "dense") if each in self.retrievers]
        return [
            Reason(by, self.searcher.explain(query, name, self.where, by))
            for by in dict.fromkeys([*arms, self.by])  # each once
        ]

    def reload(self) -> Session:
        """Take the index as it is now.

        The list goes, since its documents may have changed, and so does a retriever that the index
        doesn't have any more.
        """
        searcher = self.index.searcher()
        by = self.by if self.by in retrievers_of(searcher) else searcher.default
        return replace(self, searcher=searcher, by=by, listing=None)

    def _read(self, query: str) -> str | Query:
        return Query.parse(query) if self.syntax else query

    def _listed(
        self, query: str | Query | None, like: str | None, by: str, hits: Sequence[Hit]
    ) -> Session:
        if query is None:
            answers = [self._unmarked(hit) for hit in hits]
        else:
            answers = answered(self.searcher, query, hits, by, _WIDTH)
        last = self.query if query is None else query
        listing = Listing(query, like, by, self.where, tuple(answers))
        return replace(self, query=last, listing=listing)

    def _unmarked(self, hit: Hit) -> Answer:
        """Show of a hit that answers no query the start of its best passage."""
        analyzer = self.searcher.analyzer
        body = snippet(hit.document.text, hit.span, (), analyzer, _WIDTH)
        return Answer(hit, marked_title(hit.document.title, (), analyzer), body)

    def _last_query(self) -> str | Query:
        if self.query is None:
            raise UsageError("There is no query yet that this could be about: type one first.")
        return self.query

    def _answer(self, which: str) -> Answer | None:
        """Return the answer of the list that a number, or else an id, means; None for no answer."""
        answers = self.listing.answers if self.listing else ()
        place = int(which) if regex.fullmatch("[0-9]{1,9}", which) else 0
        if 1 <= place <= len(answers):
            return answers[place - 1]
        return next((answer for answer in answers if answer.hit.id == which), None)

    def _named(self, which: str) -> str:
        """Return the id of the document that a number of the list, or else an id, means."""
        if answer := self._answer(which):
            return answer.hit.id
        try:
            return self.searcher.get(which).id
        except UnknownDocument:
            if not which.isdecimal():
                raise
            count = len(self.listing.answers) if self.listing else 0
            listed = f"has {count}" if count else "is empty; type a query first"
            raise UsageError(f"There is no number {which}: the list {listed}.") from None


def passing(session: Session) -> int:
    """Count the documents that pass the filter."""
    mask = session.searcher.mask(session.where)
    if mask is ALL:
        return len(session.searcher)
    return len(np.unique(session.searcher.snapshot.document_of(np.flatnonzero(mask))))


def retrievers_of(searcher: Searcher) -> tuple[str, ...]:
    """Name what an index can be searched by."""
    lexical = ("bm25", "tfidf")
    return ("hybrid", "dense", *lexical) if searcher.default == "hybrid" else lexical


def best_passage(answer: Answer) -> Span | None:
    """Return the stretch of the document to mark: the passage that was ranked, or the snippet.

    A document that was ranked as a whole has no better stretch than the one its snippet shows.
    """
    text, span = answer.hit.document.text, answer.hit.span
    if span.end - span.start < len(text.strip()):
        return span
    words = answer.snippet.text.strip(ELLIPSIS).split(" ")
    # A snippet has single spaces where the document has any space and control characters.
    pattern = r"[\s\p{Cc}]+".join(map(regex.escape, words))
    found = regex.search(pattern, text) if any(words) else None
    return Span(*found.span()) if found else None
