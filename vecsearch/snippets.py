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

_MARGIN: Final = 1_000
"""Characters around a focus that are read beyond the width: white space in them may shrink."""

_GAP: Final = regex.compile(r"[\s\p{Cc}]++")
_UNPRINTABLE: Final = regex.compile(r"\p{Cs}")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A short text; `highlights` are the stretches of it that match, in order and apart."""

    text: str
    highlights: tuple[Span, ...] = ()


def snippet(
    text: str,
    span: Span,
    terms: Collection[str],
    analyzer: Analyzer,
    width: int = 240,
    focus: Span | None = None,
) -> Snippet:
    """Return what to show of the passage `span` of a text for a query of these terms.

    It is the window of at most `width` characters with the most distinct terms; of equal ones that
    with the most occurrences, then the earliest. Without any match it is the start of the passage.
    focus: the part of the passage to show, a span of the text like `span`. The window is taken from
    it; where it is shorter than `width`, it is shown with what follows it, then what comes before.

    White space and control characters become single spaces, lone surrogates U+FFFD. Cuts fall
    between words, where some are near, never inside a grapheme cluster (one that is longer than
    `width` stays whole), and leave an ellipsis, which `width` doesn't count. Raises UsageError for
    a width below 1.
    """
    if not isinstance(width, int) or width < 1:
        raise UsageError(f"A snippet needs a width of at least 1 character, not {width!r}.")
    near = _near(span, focus, width)
    raw = text[near.start : near.end]
    passage = _UNPRINTABLE.sub("\ufffd", _GAP.sub(" ", raw).strip())
    bounds = _cluster_bounds(passage)
    part = Span(0, len(passage))
    if focus is not None:
        part = _place(raw, focus.start - near.start, focus.end - near.start, bounds)
    wanted = frozenset(terms)
    matches = [token for token in analyzer.tokens(passage) if token.term in wanted]
    start, end = _window(passage, _core(matches, part, width), part, bounds, width)
    before = ELLIPSIS if start > 0 or near.start > span.start else ""
    after = ELLIPSIS if end < len(passage) or near.end < span.end else ""
    highlights = _highlights(matches, Span(start, end), bounds)
    shift = len(before) - start
    return Snippet(
        before + passage[start:end] + after,
        tuple(Span(left + shift, right + shift) for left, right in highlights),
    )


def _near(span: Span, focus: Span | None, width: int) -> Span:
    """Return the part of a passage that can come to be shown; what is far off isn't read."""
    if focus is None:
        return Span(span.start, min(span.end, span.start + LONGEST_PASSAGE))
    reach = width + _MARGIN
    start = max(span.start, focus.start - reach)
    return Span(start, min(span.end, focus.end + reach, start + LONGEST_PASSAGE))


def marked_title(title: str, terms: Collection[str], analyzer: Analyzer) -> Snippet:
    """Return what to show of a title for a query of these terms."""
    return snippet(title, Span(0, len(title)), terms, analyzer)


def _cluster_bounds(passage: str) -> Sequence[int]:
    """Return the places between grapheme clusters, both ends of the passage among them."""
    if passage.isascii():
        return range(len(passage) + 1)
    return [0, *(cluster.end() for cluster in CLUSTER.finditer(passage))]


def _place(raw: str, start: int, end: int, bounds: Sequence[int]) -> Span:
    """Return where a stretch of the raw passage lies in the clean one, in whole clusters."""
    clean = _GAP.sub(" ", raw[:end])
    shift = len(clean) - len(clean.lstrip())
    left = min(max(0, len(_GAP.sub(" ", raw[: max(0, start)])) - shift), bounds[-1])
    right = min(max(left, len(clean.rstrip()) - shift), bounds[-1])
    return Span(bounds[bisect_right(bounds, left) - 1], bounds[bisect_left(bounds, right)])


def _core(matches: Sequence[Token], part: Span, width: int) -> Span:
    """Return what the window has to show: the whole part, or as much of its best as fits."""
    if part.end - part.start <= width:
        return part
    inside = [match for match in matches if part.start <= match.start < part.end]
    return _best(inside, width) if inside else Span(part.start, part.start)


def _best(matches: Sequence[Token], width: int) -> Span:
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


def _window(passage: str, core: Span, part: Span, bounds: Sequence[int], width: int) -> Span:
    """Return a stretch around `core` of at most `width` that is cut well; core is cut if longer.

    It lies in `part` where that is as long as the width, else in what follows and precedes it.
    """
    first = max(0, min(part.start, len(passage) - width))
    last = max(part.end, min(first + width, len(passage)))
    left = bounds[bisect_right(bounds, core.start) - 1]
    right = bounds[bisect_left(bounds, core.end)]
    spare = max(0, width - (right - left))
    start = max(first, min(left - spare // 2, last - width))
    start = _word_start(passage, bounds, start, left)
    end = _word_end(passage, bounds, min(start + width, last), right)
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
