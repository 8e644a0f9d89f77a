"""Encoders to which a text is a bag of tokens: its vector is a weighted sum of theirs.

It is the road's first step from bag-of-words on: a vector for each token, whatever stands around
it. So an encoding takes microseconds, and what each word adds to a similarity can be said exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.artefact import Artefact
from vecsearch.encoders.base import TokenVectors, check_role
from vecsearch.encoders.subwords import Tokens
from vecsearch.groups import groups
from vecsearch.text import PLAIN, analyzer
from vecsearch.types import Role, Span, Vectors

_AT_ONCE: Final = 4096
"""Rows that are gathered at a time, so that a long text needs little memory."""


HYBRID_WEIGHT: Final = 0.25
"""What a bag's ranking weighs in a hybrid, chosen on SciFact's train and NFCorpus' dev queries.

BM25 alone is better than a bag alone almost everywhere, so half and half would lose by it.
"""

Rows: TypeAlias = NDArray[np.float32] | NDArray[np.int8]


class Tokenizer(Protocol):
    """What cuts texts into tokens that are numbered from 0."""

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Cut texts; raise UsageError for what isn't text."""
        ...

    def tokens(self, text: str) -> list[tuple[int, Span]]:
        """Cut one text; with each id stands where the word is that it is of."""
        ...


class Bag(NamedTuple):
    """A row of numbers for each token, and how the rows of a text's tokens are added up.

    A text's vector is the sum over its distinct tokens of g(count) * scale * row, at unit length;
    g is the count, or 1 + ln(count) where `sublinear`.

    rows: (tokens, dim) float32, or int8 where memory matters.
    scales: (tokens,) float32.
    """

    rows: Rows
    scales: NDArray[np.float32]
    sublinear: bool

    def vectors(self, tokens: Tokens) -> Vectors:
        """Return the vectors of texts: (texts, dim), zero where a text has no token.

        Each is worked out by itself, so it doesn't depend on the other texts.
        """
        found = np.zeros((len(tokens.offsets) - 1, self.rows.shape[1]), np.float32)
        for i, (start, end) in enumerate(pairwise(tokens.offsets.tolist())):
            if start < end:
                found[i] = self._sum(tokens.ids[start:end])
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        np.divide(found, lengths, out=found, where=lengths > 0)
        return found

    def shares(self, ids: NDArray[np.int32]) -> Vectors:
        """Return what each token of one text adds to its vector: (tokens, dim)."""
        length = np.linalg.norm(self._sum(ids))
        same = groups(ids)
        weights = (self._gain(same.counts) / same.counts)[same.which] * self.scales[ids]
        rows = self.rows[ids].astype(np.float32)
        rows *= (weights / length if length > 0 else 0 * weights)[:, np.newaxis]
        return rows

    def _sum(self, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        same = groups(ids)
        distinct = same.values
        weights = self._gain(same.counts) * self.scales[distinct]
        total = np.zeros(self.rows.shape[1], np.float32)
        for start in range(0, len(distinct), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            rows = self.rows.take(distinct[part], axis=0)
            total += weights[part] @ rows.astype(np.float32, copy=False)
        return total

    def _gain(self, counts: NDArray[np.intp]) -> NDArray[np.float32]:
        return (1 + np.log(counts) if self.sublinear else counts).astype(np.float32)


class BagEncoder:
    """An encoder by a bag of tokens; queries and documents are encoded alike.

    Safe to share between threads.
    """

    hybrid_weight = HYBRID_WEIGHT

    def __init__(self, artefact: Artefact, tokenizer: Tokenizer, bag: Bag) -> None:
        self.name = artefact.name
        self.dim = artefact.dim
        self._artefact = artefact
        self._tokenizer = tokenizer
        self._bag = bag

    @property
    def fingerprint(self) -> str:
        """See `Encoder.fingerprint`."""
        return self._artefact.fingerprint

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """See `Encoder.encode`; raise UsageError for what isn't text."""
        check_role(role)
        return self._bag.vectors(self._tokenizer.encode(texts))

    def encode_tokens(self, text: str, role: Role) -> TokenVectors:
        """See `TokenEncoder.encode_tokens`; a word that the encoder doesn't know has zeros."""
        known = self._tokenizer.tokens(text)
        spans = [span for _, span in known]
        placed = set(spans)
        words = (Span(start, end) for _, start, end in analyzer(PLAIN).tokens(text))
        unknown = [word for word in words if word not in placed]
        vectors = np.zeros((len(known) + len(unknown), self.dim), np.float32)
        vectors[: len(known)] = self._bag.shares(np.array([id for id, _ in known], np.int32))
        return TokenVectors((*spans, *unknown), vectors)

    def save(self, folder: Path) -> None:
        """See `Encoder.save`."""
        self._artefact.write(folder)
