"""The stretch of a passage that shows best why it was found, with the terms of the query marked."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import regex

from vecsearch.errors import UsageError
from vecsearch.text import CLUSTER, Analyzer, Token
from vecsearch.types import Span

LONGEST_PASSAGE: Final = 50_000
"""Characters of a passage that are looked at; work is linear in them."""

NEAREST_WORD: Final = 30
"""Characters that a cut moves at most to fall between words."""

ELLIPSIS: Final = "…"

_GAP: Final = regex.compile(r"[\s\p{Cc}]++")
_UNPRINTABLE: Final = regex.compile(r"\p{Cs}")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A short text; `highlights` are the stretches of it that match, in order and apart."""

    text: str
    highlights: tuple[Span, ...] = ()


def snippet(
    text: str, span: Span, terms: Collection[str], analyzer: Analyzer, width: int = 240
) -> Snippet:
    """Return what to show of the passage `span` of a text for a query of these terms.

    It is the window of at most `width` characters with the most distinct terms; of equal ones that
    with the most occurrences, then the earliest. Without any match it is the start of the passage.
    White space and control characters become single spaces, lone surrogates U+FFFD. Cuts fall
    between words, where some are near, never inside a grapheme cluster (one that is longer than
    `width` stays whole), and leave an ellipsis, which `width` doesn't count. Raises UsageError for
    a width below 1.
    """
    if width < 1:
        raise UsageError(f"A snippet needs a width of at least 1 character, not {width}.")
    passage = _GAP.sub(" ", text[span.start : min(span.end, span.start + LONGEST_PASSAGE)]).strip()
    passage = _UNPRINTABLE.sub("\ufffd", passage)
    bounds = _cluster_bounds(passage)
    wanted = frozenset(terms)
    matches = [token for token in analyzer.tokens(passage) if token.term in wanted]
    start, end = _window(passage, _best(matches, width), bounds, width)
    before = ELLIPSIS if start > 0 else ""
    after = ELLIPSIS if end < len(passage) or span.end - span.start > LONGEST_PASSAGE else ""
    highlights = _highlights(matches, Span(start, end), bounds)
    shift = len(before) - start
    return Snippet(
        before + passage[start:end] + after,
        tuple(Span(left + shift, right + shift) for left, right in highlights),
    )


def _cluster_bounds(passage: str) -> Sequence[int]:
    """Return the places between grapheme clusters, both ends of the passage among them."""
    if passage.isascii():
        return range(len(passage) + 1)
    return [0, *(cluster.end() for cluster in CLUSTER.finditer(passage))]


def _best(matches: list[Token], width: int) -> Span:
    """Return the stretch from a match to the last that ends within `width` with the best terms."""
    best, best_worth = Span(0, 0), (0, 0)
    inside: Counter[str] = Counter()
    after = 0
    for first, match in enumerate(matches):
        while after < len(matches) and (
            after == first or matches[after].end - match.start <= width
        ):
            inside[matches[after].term] += 1
            after += 1
        worth = (len(inside), after - first)
        if worth > best_worth:
            best, best_worth = Span(match.start, matches[after - 1].end), worth
        inside[match.term] -= 1
        if not inside[match.term]:
            del inside[match.term]
    return best


def _window(passage: str, core: Span, bounds: Sequence[int], width: int) -> Span:
    """Return a stretch around `core` of at most `width` that is cut well; core is cut if longer."""
    left = bounds[bisect_right(bounds, core.start) - 1]
    right = bounds[bisect_left(bounds, core.end)]
    spare = max(0, width - (right - left))
    start = max(0, min(left - spare // 2, len(passage) - width))
    start = _word_start(passage, bounds, start, left)
    end = _word_end(passage, bounds, min(start + width, len(passage)), right)
    return Span(start, max(end, bounds[min(bisect_right(bounds, start), len(bounds) - 1)]))


def _word_start(passage: str, bounds: Sequence[int], start: int, latest: int) -> int:
    """Return a place to begin from `start` on, not after `latest`, a bound of clusters."""
    if start == 0:
        return 0
    space = passage.find(" ", start - 1, min(latest, start + NEAREST_WORD))
    return bounds[bisect_left(bounds, start if space < 0 else space + 1)]


def _word_end(passage: str, bounds: Sequence[int], end: int, earliest: int) -> int:
    """Return a place to end at or before `end`, not before `earliest` if that lies before it."""
    if end == len(passage):
        return end
    space = passage.rfind(" ", max(earliest, end - NEAREST_WORD), end + 1)
    return bounds[bisect_right(bounds, end if space < 0 else space) - 1]


def _highlights(matches: list[Token], window: Span, bounds: Sequence[int]) -> list[Span]:
    """Return the matches in a window, widened to whole clusters; those that overlap are merged."""
    merged: list[Span] = []
    for _, start, end in matches:
        left = max(window.start, bounds[bisect_right(bounds, start) - 1])
        right = min(window.end, bounds[bisect_left(bounds, end)])
        if merged and left < merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(right, merged[-1].end))
        elif left < right:
            merged.append(Span(left, right))
    return merged
