"""Which words or pieces of a text carry its similarity to a query.

Where an encoder's vector of a text is the sum of vectors of its tokens (bags, mean pooling), so is
the similarity, and each word has an exact share. Elsewhere the pieces are left out one by one,
which only approximates what a piece adds: pieces mean something together.

Of a very long text only the beginning is looked at, so that an explanation has a bounded cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.base import Encoder, TokenEncoder, TokenVectors, WordEncoder, encode
from vecsearch.errors import UsageError
from vecsearch.passages import split
from vecsearch.places import counted
from vecsearch.retrieve.explanation import (
    MOST_PARTS,
    Remainder,
    ScorePart,
    TextPart,
    strongest,
)
from vecsearch.text import LONGEST_TERM
from vecsearch.types import Document, Span, seen_text

_WORDS_OF: Final = 1 << 21
"""Characters of a text whose words are counted: more than most books have."""

_DISTINCT: Final = 1 << 16
"""Distinct words of a text after which counting stops; looking these up takes most of the time."""

_TOKENS_OF: Final = 1 << 18
"""Characters of a text that are encoded token by token: more than models read."""

_PIECES_OF: Final = 1 << 14
"""Characters of a text that are cut into pieces. These are left out in turn, `MOST_PARTS` at most,
and each costs an encoding of so much text."""

_NOISE: Final = 1e-3
"""What devices, batches and number formats may change of a similarity."""

_OTHER_VECTOR: Final = (
    " The vector in the index is not what the text gives today; the difference is in the remainder."
)


class Carriers(NamedTuple):
    """What carries a similarity: parts that sum to it, how they were found, and whether exactly.

    note: how much of the text the model read, or was looked at, where that isn't all.
    """

    parts: tuple[ScorePart, ...]
    method: str
    exact: bool
    note: str = ""


class _Seen(NamedTuple):
    """The text of a row as encoders see it, and how places there map to the document's text."""

    text: str
    length: int
    """How many characters there are, where `text` is only the first of them."""
    body: int
    """Where the passage begins, after the title."""
    shift: int
    """What leads from a place in the passage to one in the document's text."""

    def first(self, characters: int) -> _Seen:
        return self._replace(text=self.text[:characters])

    def part(self, value: float, start: int, end: int, count: int = 1) -> TextPart:
        inside = start >= self.body
        span = Span(start + self.shift, end + self.shift) if inside else None
        return TextPart(value, self.text[start:end], span, count)

    def compared(self, recomputed: float, score: float) -> _Compared:
        """Compare what the text gives today with the score."""
        if len(self.text) < self.length:
            seen = f"Only the first {len(self.text):,} of {self.length:,} characters were looked at"
            return _Compared(False, "", f"{seen}; the difference is in the remainder.")
        same = math.isclose(recomputed, score, rel_tol=_NOISE, abs_tol=_NOISE)
        return _Compared(same, "" if same else _OTHER_VECTOR, "")


class _Compared(NamedTuple):
    """Whether a text gives a score, what else is to be said of it, and a note on what was seen."""

    same: bool
    said: str
    note: str


def carriers(
    encoder: Encoder, query: NDArray[np.float32], document: Document, span: Span, score: float
) -> Carriers:
    """Take apart the similarity of a query's vector, (dim,), to a passage of a document."""
    text = seen_text(document.title, document.text[span.start : span.end])
    body = len(document.title) + 1 if document.title else 0
    seen = _Seen(text, len(text), body, span.start - body)
    try:
        if isinstance(encoder, WordEncoder):
            return _by_word(encoder, query, seen.first(_WORDS_OF), score)
        if isinstance(encoder, TokenEncoder):
            stretch = seen.first(_TOKENS_OF)
            tokens = encoder.encode_tokens(stretch.text, "document")
            if tokens is not None:
                return _by_token(tokens, query, stretch, score)
        return _by_leaving_out(encoder, query, seen.first(_PIECES_OF), score)
    except UsageError:
        rest = Remainder(score, "the inner product of both vectors as a whole")
        method = "The encoder takes no text, so it can't be said which words carry the similarity."
        return Carriers((rest,), method, False)


def _by_word(
    encoder: WordEncoder, query: NDArray[np.float32], seen: _Seen, score: float
) -> Carriers:
    words = counted(encoder.analyzer, seen.text, _DISTINCT)
    seen = seen.first(words.bounds[-1])
    shares = encoder.word_shares(words.counts, query)
    first = words.first(encoder.analyzer, strongest(shares))
    parts = [
        seen.part(float(shares[i]), start, end, words.counts[term])
        for i, (term, start, end) in first.items()
    ]
    same, said, note = seen.compared(float(shares.sum()), score)
    return Carriers(
        _with_rest(parts, score, "rounding", len(shares)),
        "The similarity is a sum over the words of the text, so their shares add up exactly. A "
        "word adds the same wherever it stands; its share is that of all its places." + said,
        same,
        note,
    )


def _by_token(
    tokens: TokenVectors, query: NDArray[np.float32], seen: _Seen, score: float
) -> Carriers:
    shares = tokens.vectors.astype(np.float64) @ query.astype(np.float64)
    words: dict[Span, float] = {}
    for span, share in zip(tokens.spans, shares.tolist(), strict=True):
        if span is not None:
            words[span] = words.get(span, 0.0) + share
    told = [
        (Span(start, min(end, start + LONGEST_TERM)), value)
        for (start, end), value in words.items()
        if not _is_punctuation(seen.text[start:end])
    ]
    # What a model leaves unread is no matter of how far was looked at.
    unread = _unread(tokens, seen)
    whole = seen._replace(length=len(seen.text)) if unread else seen
    same, said, note = whole.compared(float(shares.sum()), score)
    return Carriers(
        _with_rest(
            _named(told, seen),
            score,
            "punctuation, tokens that the encoder adds, and rounding",
            len(told),
        ),
        "The similarity is a sum over the tokens of the text, so the shares of its words add up "
        "exactly. Where a network encodes, a token's vector also holds what stands around it, so "
        "a share isn't what the word would be worth alone." + said,
        same,
        unread or note,
    )


def _unread(tokens: TokenVectors, seen: _Seen) -> str:
    """Say where a model stopped reading; "" where it read all, or no token can be placed."""
    text = seen.text
    read = max((span.end for span in tokens.spans if span is not None), default=len(text))
    # Only letters and digits are missed: tokenizers drop white space and what can't be seen.
    if not any(character.isalnum() for character in text[read:]):
        return ""
    return (
        f"The model read only the first {read:,} of {seen.length:,} characters; shorter passages "
        "(--passages) let it read all."
    )


def _by_leaving_out(
    encoder: Encoder, query: NDArray[np.float32], seen: _Seen, score: float
) -> Carriers:
    pieces = _pieces(seen)
    texts = [seen.text, *(_without(seen.text, piece) for piece in pieces)]
    scores = encode(encoder, texts, "document").astype(np.float64) @ query.astype(np.float64)
    values = (scores[0] - scores[1:]).tolist()
    _, said, note = seen.compared(float(scores[0]), score)
    return Carriers(
        _with_rest(
            _named(list(zip(pieces, values, strict=True)), seen),
            score,
            "what the pieces are worth together rather than one by one",
            len(pieces),
        ),
        "An approximation: each piece's share is how much the score falls when the text is encoded "
        "without it." + said,
        False,
        note,
    )


def _named(told: Sequence[tuple[Span, float]], seen: _Seen) -> list[TextPart]:
    """Make parts of the places that matter most, in falling order."""
    chosen = strongest(np.array([value for _, value in told], np.float64))
    return [seen.part(told[i][1], *told[i][0]) for i in chosen]


def _with_rest(
    parts: Sequence[TextPart], score: float, text: str, of: int
) -> tuple[ScorePart, ...]:
    """Put at the end of parts, chosen out of so many, what they lack of the score."""
    rest = score - sum(part.value for part in parts)
    return (*parts, Remainder(rest, text, of - len(parts)))


def _pieces(seen: _Seen) -> list[Span]:
    """Cut a text into pieces of whole sentences where they fit, else of a few words or of one."""
    words = len(seen.text.split()) // MOST_PARTS + 1
    while True:
        title = _cut(seen.text[: seen.body], words, 0)
        pieces = [*title, *_cut(seen.text[seen.body :], words, seen.body)]
        if len(pieces) <= MOST_PARTS:
            return pieces
        words *= 2


def _cut(text: str, words: int, at: int) -> list[Span]:
    """Cut a stretch that begins `at` a place; a blank one has no piece."""
    return [Span(start + at, end + at) for start, end in split(text, words, 0) if end > start]


def _is_punctuation(text: str) -> bool:
    return all(category(character).startswith("P") for character in text)


def _without(text: str, piece: Span) -> str:
    return f"{text[: piece.start].rstrip()} {text[piece.end :].lstrip()}".strip()
