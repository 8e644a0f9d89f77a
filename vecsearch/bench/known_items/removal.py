"""Taking a query's words out of a document, wherever they stand in it in a row.

Words are those of the analyzer "plain": neither case nor punctuation hides a repetition.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import regex

from vecsearch.text import PLAIN, analyzer
from vecsearch.types import Document, seen_text

_CLOSING: Final = regex.compile(r"[\p{P}]*+")
_OPENING: Final = regex.compile(r"""(?r)[\p{Ps}\p{Pi}"'¿¡]*""")  # read backwards


def words(text: str) -> str:
    """Return the words of a text with a space before and after each."""
    return f" {' '.join(analyzer(PLAIN).terms(text))} "


def says(document: Document, query: str) -> bool:
    """Whether the words of a query stand in a document in a row, from title to text too."""
    return words(query) in words(seen_text(document.title, document.text))


def without(document: Document, query: str) -> Document:
    """Return the document without any occurrence of a query, in its title or its text.

    The punctuation that touches an occurrence goes with it.
    """
    title, text = _cut(document.title, query), _cut(document.text, query)
    return dataclasses.replace(document, title=title, text=text, vector=None)


def _cut(text: str, query: str) -> str:
    """Cut until none is left: what stood around one may make another."""
    wanted = analyzer(PLAIN).terms(query)
    while wanted and words(query) in words(text):
        tokens = analyzer(PLAIN).tokens(text)
        terms = [token.term for token in tokens]
        first = next(i for i in range(len(terms)) if terms[i : i + len(wanted)] == wanted)
        start, end = tokens[first].start, tokens[first + len(wanted) - 1].end
        before = text[: start - len(_matched(_OPENING, text, 0, start))]
        after = text[end + len(_matched(_CLOSING, text, end, len(text))) :]
        text = f"{before}{_gap(before, after)}{after}".strip()
    return text


def _matched(pattern: regex.Pattern[str], text: str, start: int, end: int) -> str:
    match = pattern.match(text, start, end)
    return match[0] if match else ""


def _gap(before: str, after: str) -> str:
    """Return the space that keeps two words apart."""
    return " " if before[-1:].strip() and after[:1].strip() else ""
