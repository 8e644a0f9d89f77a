"""Which word of a text each token of a model is of."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import east_asian_width

from vecsearch.types import Span


def word_spans(
    places: Iterable[tuple[int, int]], words: Iterable[int | None], text: str
) -> tuple[Span | None, ...]:
    """Return for each token the place in the text of the word that it is of.

    places, words: what the tokenizer says: where in the text a token starts and ends, below 0 for a
    prompt before it, and the number of its word, None for a token that the model adds.
    """
    spans: list[Span | None] = []
    last: int | None = None
    for (start, end), word in zip(places, words, strict=True):
        place = before = None
        if word is not None:
            place = _visible(text, start, end)
            before = spans[-1] if word == last and spans else None
        if place and before and _joined(text, before, place):
            place = Span(before.start, max(before.end, place.end))
            spans = [place if span == before else span for span in spans]
        spans.append(place)
        last = word
    return tuple(spans)


def _visible(text: str, start: int, end: int) -> Span | None:
    """Return a stretch of a text without white space around; None where nothing is left."""
    start = max(start, 0)
    stretch = text[start : max(end, start)]
    left = start + len(stretch) - len(stretch.lstrip())
    return Span(left, left + len(stretch.strip())) if stretch.strip() else None


def _joined(text: str, before: Span, place: Span) -> bool:
    """Say whether two pieces are of one word.

    Some tokenizers take a whole sentence of wide characters (Chinese, Japanese, ...) for a word.
    """
    wide = any(east_asian_width(text[at]) in "WF" for at in (before.end - 1, place.start))
    return place.start < before.end or (place.start == before.end and not wide)
