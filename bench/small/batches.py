"""Paragraphs and pairs of texts as pieces, in batches to learn from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray
from sources import Pair

from vecsearch.encoders.subwords import Subwords

BATCH: Final = 1024
LONGEST: Final = 128
"""Pieces of a paragraph that are read."""

TOPICS: Final = 400
TOPICAL: Final = 0.8
"""Share of the batches of paragraphs that are on one or two topics."""

SCIENTIFIC: Final = 0.15
"""Share of the paragraphs that count as scientific."""

SENTENCE: Final = re.compile(r'(?<=[.!?])\s+(?=[A-Z0-9"(])')

Ids = NDArray[np.int32]


class Batch(NamedTuple):
    """Texts in pairs, as piece ids; those of one key aren't each other's negatives."""

    first: list[Ids]
    second: list[Ids]
    keys: NDArray[np.int64]


class Paragraphs:
    """Paragraphs as sentences of piece ids, and which of them are on one topic."""

    def __init__(self, subwords: Subwords, found: Sequence[tuple[str, str]]) -> None:
        sentences = [[part for part in SENTENCE.split(text) if part] for _, text in found]
        tokens = subwords.encode([part for parts in sentences for part in parts])
        self._ids = tokens.ids
        self._sentence = tokens.offsets
        self._paragraph = np.concatenate([[0], np.cumsum([len(parts) for parts in sentences])])
        numbers: dict[str, int] = {}
        self.article = np.array([numbers.setdefault(title, len(numbers)) for title, _ in found])
        self.titles = split(subwords, list(numbers))
        self.scientific = np.arange(0)
        self.favoured = False
        self._by_topic = np.arange(len(found))
        self._bounds = np.array([0, len(found)])
        self._topic = np.zeros(len(found), np.int64)

    def __len__(self) -> int:
        return len(self.article)

    def pieces(self, paragraph: int) -> Ids:
        """The pieces of a paragraph, of its start where it is long."""
        start, end = self._sentence[self._paragraph[paragraph : paragraph + 2]]
        return self._ids[start:end][:LONGEST]

    def cloze(self, paragraph: int, rng: np.random.Generator) -> tuple[Ids, Ids]:
        """Take one sentence out of a paragraph; both may be empty."""
        first, last = self._paragraph[paragraph : paragraph + 2]
        if last - first < 2:
            return self._ids[:0], self._ids[:0]
        at = int(rng.integers(first, last))
        begin, start, end, finish = self._sentence[[first, at, at + 1, last]]
        rest = np.concatenate([self._ids[begin:start], self._ids[end:finish]])
        return self._ids[start:end], rest[:LONGEST]

    def find_scientific(self, subwords: Subwords, texts: Sequence[str]) -> None:
        """Find the paragraphs whose pieces are, on average, the likeliest to be from `texts`."""
        here = np.bincount(self._ids, minlength=subwords.size) + 1.0
        there = np.bincount(subwords.encode(texts).ids, minlength=subwords.size) + 1.0
        likelier = np.log(there / there.sum()) - np.log(here / here.sum())
        bounds = self._sentence[self._paragraph]
        sums = np.concatenate([[0.0], np.cumsum(likelier[self._ids])])
        lengths = np.maximum(np.diff(bounds), 20)
        means = np.diff(sums[bounds]) / lengths
        self.scientific = np.argsort(-means, kind="stable")[: round(SCIENTIFIC * len(self))]

    def group(self, rows: NDArray[np.float32]) -> None:
        """Sort the paragraphs into topics by k-means of their vectors, which rows add up to."""
        vectors = np.stack([rows[self.pieces(each)].sum(axis=0) for each in range(len(self))])
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        means = faiss.Kmeans(rows.shape[1], TOPICS, niter=6, seed=0, spherical=True)
        means.train(vectors[::4])
        self._topic = means.index.search(vectors, 1)[1][:, 0]
        self._by_topic = np.argsort(self._topic, kind="stable")
        self._bounds = np.searchsorted(self._topic[self._by_topic], np.arange(TOPICS + 1))

    def draw(self, rng: np.random.Generator, topics: int) -> NDArray[np.int64]:
        """Draw a batch of so many topics; a topic is drawn as often as it is large.

        Half of the batches are scientific where `favoured` says so.
        """
        among = np.arange(len(self))
        if self.favoured and rng.random() < 0.5:
            among = self.scientific
        if rng.random() >= TOPICAL:
            return among[rng.integers(0, len(among), BATCH)]
        chosen = self._topic[among[rng.integers(0, len(among), topics)]]
        parts = [self._by_topic[self._bounds[one] : self._bounds[one + 1]] for one in chosen]
        share = BATCH // topics
        return np.concatenate([rng.choice(one, min(share, len(one)), False) for one in parts])


class Sources:
    """All that is learnt from, as batches by name."""

    def __init__(
        self, paragraphs: Paragraphs, subwords: Subwords, pairs: dict[str, list[Pair]]
    ) -> None:
        self._paragraphs = paragraphs
        self._pairs = {}
        for name, found in pairs.items():
            first = split(subwords, [pair.first for pair in found])
            second = split(subwords, [pair.second for pair in found])
            keys = _keys(found, by_first=name != "questions")
            self._pairs[name] = [
                each
                for each in zip(first, second, keys, strict=True)
                if len(each[0]) and len(each[1])
            ]

    def batch(self, name: str, rng: np.random.Generator) -> Batch:
        """Make a batch of a source."""
        paragraphs = self._paragraphs
        if name == "cloze":
            drawn = paragraphs.draw(rng, int(rng.integers(1, 3)))
            taken = [paragraphs.cloze(each, rng) for each in drawn]
            kept = [pair for pair in taken if min(map(len, pair)) > 3]
            return Batch([one for one, _ in kept], [two for _, two in kept], np.arange(len(kept)))
        if name == "neighbours":
            drawn = np.minimum(paragraphs.draw(rng, 2), len(paragraphs) - 2)
            drawn = drawn[paragraphs.article[drawn] == paragraphs.article[drawn + 1]]
            return _kept(
                [paragraphs.pieces(each) for each in drawn],
                [paragraphs.pieces(each + 1) for each in drawn],
                paragraphs.article[drawn],
            )
        if name == "titles":
            drawn = rng.integers(0, len(paragraphs), BATCH)
            articles = paragraphs.article[drawn]
            titles = [paragraphs.titles[each] for each in articles]
            return _kept(titles, [paragraphs.pieces(each) for each in drawn], articles)
        pairs = self._pairs[name]
        size = BATCH if name == "questions" else 2 * BATCH  # the latter are short
        chosen = [pairs[at] for at in rng.integers(0, len(pairs), size)]
        keys = np.array([key for _, _, key in chosen])
        longest = 2 * LONGEST
        return Batch([one for one, _, _ in chosen], [two[:longest] for _, two, _ in chosen], keys)


def _keys(pairs: Sequence[Pair], *, by_first: bool) -> list[int]:
    numbers: dict[str, int] = {}
    texts = (pair.first if by_first else pair.second for pair in pairs)
    return [numbers.setdefault(text, len(numbers)) for text in texts]


def _kept(first: list[Ids], second: list[Ids], keys: NDArray[np.int64]) -> Batch:
    kept = [at for at, pair in enumerate(zip(first, second, strict=True)) if min(map(len, pair))]
    return Batch([first[at] for at in kept], [second[at] for at in kept], keys[kept])


def split(subwords: Subwords, texts: Sequence[str]) -> list[Ids]:
    """Cut texts into piece ids."""
    tokens = subwords.encode(texts)
    return np.split(tokens.ids, tokens.offsets[1:-1])
