"""Which words or pieces of a text carry its similarity to a query.

Where an encoder's vector of a text is the sum of vectors of its tokens (mean pooling), so is the
similarity, and each word has an exact share. Elsewhere the pieces are left out one by one, which
only approximates what a piece adds: pieces mean something together.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.base import Encoder, TokenEncoder, TokenVectors, encode
from vecsearch.errors import UsageError
from vecsearch.passages import split
from vecsearch.retrieve.explanation import Remainder, ScorePart, TextPart
from vecsearch.types import Document, Span, seen_text

_MOST_PIECES: Final = 30
"""Pieces that are left out in turn; each costs an encoding of the text."""

_NOISE: Final = 1e-3
"""What devices, batches and number formats may change of a similarity."""

_OTHER_VECTOR: Final = (
    " The vector in the index is not what the text gives today; the difference is in the remainder."
)


class Carriers(NamedTuple):
    """What carries a similarity: parts that sum to it, how they were found, and whether exactly.

    note: how much of the text the model read, where that is known and isn't all.
    """

    parts: tuple[ScorePart, ...]
    method: str
    exact: bool
    note: str = ""


class _Seen(NamedTuple):
    """The text of a row as encoders see it, and how places there map to the document's text."""

    text: str
    body: int
    """Where the passage begins, after the title."""
    shift: int
    """What leads from a place in the passage to one in the document's text."""

    def part(self, value: float, start: int, end: int) -> TextPart:
        inside = start >= self.body
        span = Span(start + self.shift, end + self.shift) if inside else None
        return TextPart(value, self.text[start:end], span)


def carriers(
    encoder: Encoder, query: NDArray[np.float32], document: Document, span: Span, score: float
) -> Carriers:
    """Take apart the similarity of a query's vector, (dim,), to a passage of a document."""
    text = seen_text(document.title, document.text[span.start : span.end])
    body = len(document.title) + 1 if document.title else 0
    seen = _Seen(text, body, span.start - body)
    try:
        tokens = None
        if isinstance(encoder, TokenEncoder):
            tokens = encoder.encode_tokens(text, "document")
        if tokens is not None:
            return _by_token(tokens, query, seen, score)
        return _by_leaving_out(encoder, query, seen, score)
    except UsageError:
        rest = Remainder(score, "the inner product of both vectors as a whole")
        method = "The encoder takes no text, so it can't be said which words carry the similarity."
        return Carriers((rest,), method, False)


def _by_token(
    tokens: TokenVectors, query: NDArray[np.float32], seen: _Seen, score: float
) -> Carriers:
    shares = tokens.vectors.astype(np.float64) @ query.astype(np.float64)
    words: dict[Span, float] = {}
    for span, share in zip(tokens.spans, shares.tolist(), strict=True):
        if span is not None:
            words[span] = words.get(span, 0.0) + share
    parts = [
        seen.part(value, *span)
        for span, value in words.items()
        if not _is_punctuation(seen.text[span.start : span.end])
    ]
    same = _is_near(float(shares.sum()), score)
    return Carriers(
        _with_rest(parts, score, "punctuation, tokens that the encoder adds, and rounding"),
        "The similarity is a sum over the tokens of the text, so the shares of its words add up "
        "exactly. Where a network encodes, a token's vector also holds what stands around it, so "
        "a share isn't what the word would be worth alone." + ("" if same else _OTHER_VECTOR),
        same,
        _unread(tokens, seen.text),
    )


def _unread(tokens: TokenVectors, text: str) -> str:
    """Say where a model stopped reading; "" where it read all, or no token can be placed."""
    read = max((span.end for span in tokens.spans if span is not None), default=len(text))
    # Only letters and digits are missed: tokenizers drop white space and what can't be seen.
    if not any(character.isalnum() for character in text[read:]):
        return ""
    return (
        f"The model read only the first {read:,} of {len(text):,} characters; shorter passages "
        "(--passages) let it read all."
    )


def _by_leaving_out(
    encoder: Encoder, query: NDArray[np.float32], seen: _Seen, score: float
) -> Carriers:
    pieces = _pieces(seen)
    texts = [seen.text, *(_without(seen.text, piece) for piece in pieces)]
    scores = encode(encoder, texts, "document").astype(np.float64) @ query.astype(np.float64)
    values = (scores[0] - scores[1:]).tolist()
    parts = [seen.part(value, *piece) for piece, value in zip(pieces, values, strict=True)]
    return Carriers(
        _with_rest(parts, score, "what the pieces are worth together rather than one by one"),
        "An approximation: each piece's share is how much the score falls when the text is encoded "
        "without it." + ("" if _is_near(float(scores[0]), score) else _OTHER_VECTOR),
        False,
    )


def _with_rest(parts: list[TextPart], score: float, text: str) -> tuple[ScorePart, ...]:
    """Put parts in falling order, and what they lack of the score at their end."""
    ordered = sorted(parts, key=lambda part: -part.value)
    return (*ordered, Remainder(score - sum(part.value for part in parts), text))


def _pieces(seen: _Seen) -> list[Span]:
    """Cut a text into pieces of whole sentences where they fit, else of a few words or of one."""
    words = len(seen.text.split()) // _MOST_PIECES + 1
    while True:
        title = _cut(seen.text[: seen.body], words, 0)
        pieces = [*title, *_cut(seen.text[seen.body :], words, seen.body)]
        if len(pieces) <= _MOST_PIECES:
            return pieces
        words *= 2


def _cut(text: str, words: int, at: int) -> list[Span]:
    """Cut a stretch that begins `at` a place; a blank one has no piece."""
    return [Span(start + at, end + at) for start, end in split(text, words, 0) if end > start]


def _is_near(recomputed: float, score: float) -> bool:
    return math.isclose(recomputed, score, rel_tol=_NOISE, abs_tol=_NOISE)


def _is_punctuation(text: str) -> bool:
    return all(category(character).startswith("P") for character in text)


def _without(text: str, piece: Span) -> str:
    return f"{text[: piece.start].rstrip()} {text[piece.end :].lstrip()}".strip()
