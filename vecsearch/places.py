"""Where some terms stand in a text, without a look for the place of every word.

To say where each word stands takes ten times as long as to say which terms there are. So a text is
gone through in stretches, and words are placed only in those that hold what is looked for. Where
there is neither white space nor punctuation a stretch is as long as that goes on; words are then
placed only at its beginning.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import regex

from vecsearch.text import LONGEST_TERM, Analyzer, Token

_NEAR: Final = 1 << 14
"""Characters of a text of which every place is told; after that only where a term is met first."""

_STRETCH: Final = regex.compile(r"(?s).{1,1024}+[^\s\p{P}]*+")
"""About so many characters, up to white space or punctuation: neither is part of a word."""

_PLACED: Final = 1 << 12
"""Characters of a stretch in which words are placed."""


def places(analyzer: Analyzer, text: str, terms: Collection[str]) -> Iterator[Token]:
    """Yield where terms stand in a text, in its order, each place at most 64 characters long.

    Of the first 16,384 characters it is every place. Later on it is those around the first place
    of a term that wasn't met before; when all were met, nothing more is looked at.
    """
    terms = set(terms)
    missing = terms.copy()
    for stretch in _STRETCH.finditer(text):
        start = stretch.start()
        wanted = terms if start < _NEAR else missing
        if not wanted:
            return
        if wanted.isdisjoint(analyzer.terms(stretch[0][:_PLACED])):
            continue
        for token in _placed(analyzer, stretch[0], start):
            if token.term in terms:
                missing.discard(token.term)
                yield token


class Counted(NamedTuple):
    """The terms of a text, counted, and about where each is met first.

    counts: term -> how often, in order of appearance.
    bounds: where the stretches of the text start, and where the last one ends that was counted.
    known: how many terms are known after each stretch: those that it adds are met first there.
    """

    text: str
    counts: Mapping[str, int]
    bounds: Sequence[int]
    known: Sequence[int]

    def first(self, analyzer: Analyzer, numbers: Sequence[int]) -> dict[int, Token]:
        """Return the first places of some terms, which are numbered in order of appearance.

        A term that is met first deep in a stretch without end has none.
        """
        terms = list(self.counts)
        wanted: defaultdict[int, set[str]] = defaultdict(set)
        for number in numbers:
            wanted[bisect_right(self.known, number)].add(terms[number])
        found: dict[str, Token] = {}
        for stretch, those in wanted.items():
            start, end = self.bounds[stretch : stretch + 2]
            for token in _placed(analyzer, self.text[start:end], start):
                if token.term in those:
                    found.setdefault(token.term, token)
        return {number: found[terms[number]] for number in numbers if terms[number] in found}


def counted(analyzer: Analyzer, text: str, most: int) -> Counted:
    """Count the terms of a text, up to the stretch in which there are so many distinct ones."""
    counts: Counter[str] = Counter()
    bounds, known = [0], []
    for stretch in _STRETCH.finditer(text):
        counts.update(analyzer.terms(stretch[0]))
        bounds.append(stretch.end())
        known.append(len(counts))
        if len(counts) >= most:
            break
    return Counted(text, counts, bounds, known)


def _placed(analyzer: Analyzer, stretch: str, start: int) -> Iterator[Token]:
    """Yield the tokens at the beginning of a stretch that starts at a place in a text."""
    for term, first, end in analyzer.tokens(stretch[:_PLACED]):
        yield Token(term, start + first, start + min(end, first + LONGEST_TERM))
