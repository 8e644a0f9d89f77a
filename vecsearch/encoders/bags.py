"""Encoders to which a text is a bag of tokens: its vector is a weighted sum of theirs.

It is the road's first step from bag-of-words on: a vector for each token, whatever stands around
it. So an encoding takes microseconds, and what each word adds to a similarity can be said exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.artefact import Artefact
from vecsearch.encoders.base import check_role
from vecsearch.encoders.subwords import Tokens
from vecsearch.groups import groups
from vecsearch.text import Analyzer
from vecsearch.types import Role, Vectors

_AT_ONCE: Final = 4096
"""Rows that are gathered at a time, so that a long text needs little memory."""


HYBRID_WEIGHT: Final = 0.25
"""What a bag's ranking weighs in a hybrid, chosen on SciFact's train and NFCorpus' dev queries.

BM25 alone is better than a bag alone almost everywhere, so half and half would lose by it.
"""

Rows: TypeAlias = NDArray[np.float32] | NDArray[np.int8]


class Tokenizer(Protocol):
    """What cuts texts into words, and these into tokens that are numbered from 0."""

    @property
    def analyzer(self) -> Analyzer:
        """What cuts texts into words."""
        ...

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Cut texts; raise UsageError for what isn't text."""
        ...

    def ids(self, term: str) -> Sequence[int]:
        """Return the tokens of one word; none where it isn't known."""
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
                same = groups(tokens.ids[start:end])
                found[i] = self._sum(same.values, same.counts)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        np.divide(found, lengths, out=found, where=lengths > 0)
        return found

    def shares(
        self, ids: NDArray[np.int32], times: NDArray[np.int64], vector: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return what tokens add to the inner product of their text's vector and another, (dim,).

        ids: (tokens,), of the distinct words of the text, each word's tokens once.
        times: (tokens,), how often the text has the word that each is of.
        """
        same = groups(ids)
        counts = np.bincount(same.which, times, len(same.values)).astype(np.int64)
        length = float(np.linalg.norm(self._sum(same.values, counts)))
        products = np.zeros(len(counts), np.float64)
        for start in range(0, len(counts), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            products[part] = self._rows(same.values[part]) @ vector
        products *= self._gain(counts) / counts * self.scales[same.values]
        if length > 0:
            products /= length
        shares: NDArray[np.float64] = products[same.which] * times
        return shares

    def _sum(self, distinct: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vector of a text, (dim,), by its distinct tokens and their counts."""
        weights = self._gain(counts) * self.scales[distinct]
        total = np.zeros(self.rows.shape[1], np.float32)
        for start in range(0, len(distinct), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            total += weights[part] @ self._rows(distinct[part])
        return total

    def _rows(self, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        return self.rows.take(ids, axis=0).astype(np.float32, copy=False)

    def _gain(self, counts: NDArray[np.int64]) -> NDArray[np.float32]:
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

    @property
    def analyzer(self) -> Analyzer:
        """See `WordEncoder.analyzer`."""
        return self._tokenizer.analyzer

    def word_shares(
        self, words: Mapping[str, int], vector: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """See `WordEncoder.word_shares`."""
        counts = np.fromiter(words.values(), np.int64, len(words))
        cuts = [self._tokenizer.ids(word) for word in words]
        lengths = np.fromiter(map(len, cuts), np.int64, len(cuts))
        ids = np.fromiter(chain.from_iterable(cuts), np.int32, int(lengths.sum()))
        owners = np.repeat(np.arange(len(words)), lengths)
        shares = self._bag.shares(ids, counts[owners], vector)
        return np.bincount(owners, shares, len(words)).astype(np.float64)  # int64 of no word

    def save(self, folder: Path) -> None:
        """See `Encoder.save`."""
        self._artefact.write(folder)
