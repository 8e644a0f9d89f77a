"""What is asked for a document, in words of its own: four kinds of query.

title      its title or, where it has none, its first sentence
sentence   any sentence of it
rare       its 3 most telling terms, by tf-idf, of those that fewer than 1 document of 50 has
common     its 5 most telling terms, by tf-idf, of those that 1 document of 50 has, up to 1 of 5

In a corpus of fewer than 250 documents 1 of 50 is 5.

A title or a sentence is taken out of the document, so that it has to be found by the rest of it.
Of keywords nothing can be taken out: the document still has every one of them, word for word, which
favours bag-of-words; `trust` says how much.

A sentence of more than 20 words is cut, and its pieces are sentences: so a text without punctuation
has some too. Terms are those of the analyzer "english"; the words that other languages are held
together by are left out of keywords because more than 1 document of 5 has them. A term of one
document alone is no keyword: it would find its document by itself, and tell no two systems apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from vecsearch.passages import sentences
from vecsearch.text import analyzer
from vecsearch.types import Document, seen_text

Kind: TypeAlias = Literal["title", "sentence", "rare", "common"]
"""What a query is made of."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

Ask: TypeAlias = Callable[[Document, float], str | None]
"""Makes a query of a document and a number from 0 to below 1, drawn at random for it; None where
the document isn't fit."""

FEWEST_TERMS: Final = 3
"""Distinct terms that a query has at least."""

FEWEST_LEFT: Final = 8
"""Terms that are left of a document without its query at least."""

_LONGEST: Final = 20  # words of a sentence
_ANALYZER: Final = "english"


def terms(text: str) -> list[str]:
    """Return the terms of a text that queries and what is left of documents are measured in."""
    return analyzer(_ANALYZER).terms(text)


def asker(kind: Kind, documents: Iterable[Document]) -> Ask:
    """Return what makes queries of a kind; for keywords it counts the terms of all documents."""
    match kind:
        case "title":
            return title
        case "sentence":
            return sentence
        case "rare":
            frequencies = Frequencies.of(documents)
            return Keywords(frequencies, 3, 2, frequencies.seldom)
        case "common":
            frequencies = Frequencies.of(documents)
            return Keywords(frequencies, 5, frequencies.seldom, frequencies.documents / 5)


def title(document: Document, draw: float) -> str | None:
    """Ask by the title, or the first sentence where the title has fewer than 3 terms."""
    whole = len(terms(document.text))
    if _is_query(terms(document.title)):
        return document.title if whole >= FEWEST_LEFT else None
    first = next(iter(sentences(document.text, _LONGEST)), None)
    if first is None:
        return None
    query = document.text[first.start : first.end]
    asked = terms(query)
    return query if _is_query(asked) and whole - len(asked) >= FEWEST_LEFT else None


def sentence(document: Document, draw: float) -> str | None:
    """Ask by one of the sentences that have 3 terms or more."""
    whole = len(terms(document.text))
    fit = []
    for start, end in sentences(document.text, _LONGEST):
        asked = terms(document.text[start:end])
        if _is_query(asked) and whole - len(asked) >= FEWEST_LEFT:
            fit.append(document.text[start:end])
    return fit[int(draw * len(fit))] if fit else None


def _is_query(asked: list[str]) -> bool:
    return len(set(asked)) >= FEWEST_TERMS


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How many of so many documents have each term."""

    documents: int
    of_term: Counter[str]

    @property
    def seldom(self) -> float:
        """How many documents a term is in that is no more rare."""
        return max(5, self.documents / 50)

    @staticmethod
    def of(documents: Iterable[Document]) -> Frequencies:
        """Count the terms of documents; what is kept is the vocabulary."""
        counts: Counter[str] = Counter()
        total = 0
        for total, document in enumerate(documents, 1):  # noqa: B007 - the last one counts them
            counts.update(set(terms(seen_text(document.title, document.text))))
        return Frequencies(total, counts)


@dataclass(frozen=True, slots=True)
class Keywords:
    """Asks by the `most` terms of a document with the highest tf-idf, in the order of its text.

    Terms are taken that at least `low` and fewer than `high` documents have.
    """

    frequencies: Frequencies
    most: int
    low: float
    high: float

    def __call__(self, document: Document, draw: float) -> str | None:
        """See `Ask`; nothing is drawn."""
        seen = seen_text(document.title, document.text)
        counts = Counter(terms(seen))
        if counts.total() < FEWEST_LEFT:
            return None
        fit = filter(self._in_range, counts)
        best = sorted(fit, key=lambda term: (-counts[term] * self._idf(term), term))[: self.most]
        return _surface(seen, best) if len(best) >= FEWEST_TERMS else None

    def _in_range(self, term: str) -> bool:
        return self.low <= self.frequencies.of_term[term] < self.high

    def _idf(self, term: str) -> float:
        return math.log(self.frequencies.documents / self.frequencies.of_term[term])


def _surface(text: str, wanted: list[str]) -> str:
    """Return terms as they first stand in a text."""
    places = {}
    for term, start, end in reversed(analyzer(_ANALYZER).tokens(text)):
        places[term] = start, end
    found = sorted(places[term] for term in wanted)
    return " ".join(text[start:end] for start, end in found)
