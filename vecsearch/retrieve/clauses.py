"""What the clauses of a query stand for in an index: terms that are scored, rows that may be found.

- A word or a phrase is the sequence of its terms, as the index's analyzer makes them: in a document
  that holds it they follow each other, in its title or in its text, stopwords left out on both
  sides. The stored text is read for that, of those documents only that hold all of the terms.
- A prefix stands for the terms that begin with the word as the analyzer normalises it, unstemmed,
  and for the word's own term. A fuzzy word stands for the terms at most one edit away from its own
  term; see `vecsearch.retrieve.vocabulary`. A document holds it that holds any of them.
- A single character of a script without spaces, where it isn't beside others that make pairs of it,
  stands for all terms that hold it: if it has a sign or quotes, or the query holds nothing but a
  few of them. Beside words it is taken for one, as Korean's for "this" is: the pairs that hold it
  would drown them.
- A clause that isn't excluded is scored: the query's terms are those of all its words and phrases
  in order, a repeated one as often as it is there, and once more each term of every prefix, fuzzy
  word and single character. So the score is that of a query of exactly these terms.
- Signs and phrases are about whole documents, even where passages are ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Final, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError
from vecsearch.retrieve.explanation import Explanation, passes
from vecsearch.retrieve.vocabulary import beginning_with, holding, one_edit_from
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.syntax import Clause
from vecsearch.text import Analyzer, holds_spaceless, is_lone
from vecsearch.types import ALL, Mask, Query

MOST_TERMS: Final = 1000
"""Terms that a prefix or a fuzzy word may stand for; one that stands for more is an error."""

MOST_LONE: Final = 8
"""Single characters that may stand for terms: a text that holds more is spaced out throughout."""

_MOST_TOLD: Final = 20


class Reading(NamedTuple):
    """A clause and its terms: a sequence, or alternatives where it expands."""

    clause: Clause
    terms: tuple[str, ...]
    expands: bool

    @property
    def sentence(self) -> str:
        """Say what the clause stands for."""
        if not self.terms:
            return f"{self.clause} stands for no term of the index."
        told = ", ".join(self.terms[:_MOST_TOLD])
        more = len(self.terms) - _MOST_TOLD
        return f"{self.clause} stands for {told}{f' and {more:,} more' if more > 0 else ''}."


class Expanded(str):
    """A query's text that brings its own terms; to everything else it is just the text.

    So it passes through any retriever to those that look for terms.
    """

    __slots__ = ("expansions", "terms")

    terms: tuple[str, ...]
    expansions: tuple[Reading, ...]
    """What expands of it, excluded clauses too."""

    def __new__(cls, text: str, readings: Sequence[Reading]) -> Expanded:
        """Take the terms of all clauses that aren't excluded."""
        made = super().__new__(cls, text)
        made.terms = tuple(
            term for each in readings if not each.clause.excluded for term in each.terms
        )
        made.expansions = tuple(each for each in readings if each.expands)
        return made


def query_text(snapshot: Snapshot, analyzer: Analyzer, query: str | Query) -> str:
    """Return what retrievers are asked: the text, with its terms where the query has clauses.

    Raise UsageError, which names the character, for a clause that means nothing in the index.
    """
    if isinstance(query, Query) and query.clauses:
        return Expanded(query.text, read(snapshot, analyzer, query.clauses))
    text = query.text if isinstance(query, Query) else query
    # Of its own accord nothing else expands.
    if not (holds_spaceless(text) and _few_lone(terms := analyzer.terms(text))):
        return text
    return Expanded(
        text, [_read(snapshot, analyzer, Clause("word", term), [term], True) for term in terms]
    )


def query_terms(analyzer: Analyzer, text: str) -> Sequence[str]:
    """Return the terms of a query's text, or those that it brings."""
    return text.terms if isinstance(text, Expanded) else analyzer.terms(text)


def read(snapshot: Snapshot, analyzer: Analyzer, clauses: Sequence[Clause]) -> list[Reading]:
    """Find the terms of clauses; raise UsageError for one that means nothing in the index."""
    words = [analyzer.terms(clause.text) for clause in clauses]
    few = _few_lone(list(chain.from_iterable(words)))
    return [
        _read(snapshot, analyzer, clause, terms, few)
        for clause, terms in zip(clauses, words, strict=True)
    ]


def restricts(query: str | Query) -> TypeGuard[Query]:
    """Say whether a query has signs or phrases, so that not every document may be found."""
    return isinstance(query, Query) and any(clause.restricts for clause in query.clauses)


def narrowed(snapshot: Snapshot, analyzer: Analyzer, query: str | Query, allow: Mask) -> Mask:
    """Return the rows that a mask lets pass and whose documents keep to all signs and phrases.

    Raise as `query_text` does.
    """
    if not restricts(query):
        return allow
    return _restricted(snapshot, analyzer, query.clauses, allow)


def objected(
    snapshot: Snapshot,
    analyzer: Analyzer,
    query: str | Query,
    allow: Mask,
    document: slice,
    told: Explanation,
) -> Explanation:
    """Name the clause that keeps a document, given by its rows, out of a ranking, where one does.

    allow: what the filter lets pass; told: what the retriever says.
    """
    if told.score is not None or not restricts(query) or not passes(document, allow):
        return told
    only = np.zeros(snapshot.rows, np.bool_)
    only[document] = True
    for clause in query.clauses:
        if not passes(document, _restricted(snapshot, analyzer, [clause], only)):
            return replace(told, note=f"The query's {clause} keeps it out.")
    return told


def _restricted(
    snapshot: Snapshot, analyzer: Analyzer, clauses: Sequence[Clause], allow: Mask
) -> Mask:
    readings = read(snapshot, analyzer, [each for each in clauses if each.restricts])
    # Few documents are left where a phrase, or what it lacks, needs their text.
    readings.sort(key=_reads_text)
    masks = [_passing(part, analyzer, readings, allow) for part in snapshot.parts]
    rows = snapshot.mask(masks)
    return rows if allow is ALL or rows is ALL else rows & allow


def _few_lone(terms: Sequence[str]) -> bool:
    return 0 < len(terms) <= MOST_LONE and all(map(is_lone, terms))


def _read(
    snapshot: Snapshot, analyzer: Analyzer, clause: Clause, terms: Sequence[str], few: bool
) -> Reading:
    """Find what a clause of some terms stands for; few: whether the query is a few characters."""
    if clause.kind in ("word", "phrase"):
        if not terms and clause.restricts:
            raise _nothing_left(clause)
        if len(terms) == 1 and is_lone(terms[0]) and (clause.restricts or few):
            return Reading(clause, tuple(holding(snapshot, terms[0])) or tuple(terms), True)
        return Reading(clause, tuple(terms), False)
    if clause.kind == "fuzzy":
        found = set(islice(one_edit_from(snapshot, _only(clause, terms)), MOST_TERMS + 1))
    else:
        words = analyzer.unstemmed(clause.text)
        found = set(islice(beginning_with(snapshot, _only(clause, words)), MOST_TERMS + 1))
        found.update(term for term in terms if snapshot.frequency(term))
    if len(found) > MOST_TERMS:
        raise UsageError(
            f"{clause.place} stands for more than {MOST_TERMS:,} terms of the index: write more "
            "of the word."
        )
    return Reading(clause, tuple(sorted(found)), True)


def _only(clause: Clause, words: Sequence[str]) -> str:
    if not words:
        raise _nothing_left(clause)
    if len(words) > 1:
        raise UsageError(
            f"{clause.place} is {len(words)} words in the index ({', '.join(words)}): leave the "
            f"{str(clause)[-1]} out, or put a space between the words."
        )
    return words[0]


def _nothing_left(clause: Clause) -> UsageError:
    kind = "phrase" if clause.kind == "phrase" else "word"
    return UsageError(
        f"Nothing is left to look for of {clause.place}: the index holds no stopwords and no "
        f"punctuation. Write another {kind}, or leave it out."
    )


def _reads_text(reading: Reading) -> bool:
    return not reading.expands and len(reading.terms) > 1


def _passing(
    part: Part, analyzer: Analyzer, readings: Sequence[Reading], allow: Mask
) -> NDArray[np.bool_]:
    """Return the documents of a segment that pass, (documents,) bool."""
    documents = part.segment.documents
    passing = part.segment.living()
    if allow is not ALL:
        allowed = np.zeros(len(documents), np.bool_)
        allowed[documents.position_of(np.flatnonzero(allow[part.rows]))] = True
        passing = passing & allowed
    for reading in readings:
        held = _holding(part, analyzer, reading, passing)
        passing = passing & (~held if reading.clause.excluded else held)
    return passing


def _holding(
    part: Part, analyzer: Analyzer, reading: Reading, among: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which documents of a segment, among some, hold a clause, (documents,) bool."""
    terms = dict.fromkeys(reading.terms)
    if reading.expands:
        held: NDArray[np.bool_] = np.zeros(len(among), np.bool_)
        for term in terms:
            held[_positions(part, term)] = True
        held &= among
        return held
    held = among.copy()
    for term in terms:
        has = np.zeros(len(among), np.bool_)
        has[_positions(part, term)] = True
        held &= has
    if _reads_text(reading):
        for position in np.flatnonzero(held).tolist():
            held[position] = _stands_in(part, analyzer, position, reading.terms)
    return held


def _positions(part: Part, term: str) -> NDArray[np.int64]:
    """Return the documents of a segment that hold a term."""
    rows = part.segment.postings.entries(term).rows
    return part.segment.documents.position_of(rows)


def _stands_in(part: Part, analyzer: Analyzer, position: int, terms: Sequence[str]) -> bool:
    document = part.segment.documents.document(position)
    return any(
        any(terms == stretch for stretch in _stretches(analyzer.terms(text), len(terms)))
        for text in (document.title, document.text)
    )


def _stretches(terms: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    """Yield every so many terms that follow each other."""
    yield from zip(*(terms[start:] for start in range(length)), strict=False)
