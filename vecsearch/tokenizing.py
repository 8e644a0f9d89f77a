"""Tokenizer: many texts -> numbers of their terms, the terms being exactly `Analyzer.terms`.

It starts in plain Python. Once it has seen so much text that loading compiled code pays, a kernel
cuts the texts into chunks and numbers them, and Python works out the terms of new chunks alone.
Both number terms alike, so where it changes over shows in nothing but the time.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import accumulate, chain, islice
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.text import Analyzer

Counts: TypeAlias = NDArray[np.int32]

LOADING: Final = 1 << 22
"""Characters that plain Python works off in the time that loading the kernel takes."""

BLOCK: Final = 1 << 20
"""Characters that the kernel gets at a time, so that memory doesn't grow with what a caller has."""

MOST_CHUNKS: Final = 1 << 22
"""Distinct chunks that are remembered, so that memory doesn't grow with hostile text."""


class Tokenizer:
    """Numbers the terms of texts, those seen first being numbered first."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._numbers: defaultdict[str, int] = defaultdict()
        self._numbers.default_factory = self._numbers.__len__
        self._vocabulary: list[str] = []
        self._seen = 0
        self._chunks: _Chunks | None = None

    @property
    def vocabulary(self) -> list[str]:
        """The term of each number; the list grows when asked for after more texts."""
        self._vocabulary += islice(self._numbers, len(self._vocabulary), None)
        return self._vocabulary

    def tokenize(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the terms of texts as numbers.

        (tokens,) int32: the numbers of all texts' terms one after another.
        (texts,) int32: how many terms each text has.
        """
        sizes = list(map(len, texts))
        self._seen += sum(sizes)
        if self._seen < LOADING or not find_spec("numba"):
            return self._plainly(texts)
        if self._chunks is None:
            self._chunks = _Chunks(self._analyzer, self._numbers.__getitem__)
        found = [self._chunks.tokenize(texts[block]) for block in _blocks(sizes)]
        if len(found) == 1:
            return found[0]
        return np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])

    def _plainly(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        found = [self._analyzer.terms(text) for text in texts]
        numbers = map(self._numbers.__getitem__, chain.from_iterable(found))
        return np.fromiter(numbers, np.int32), np.fromiter(map(len, found), np.int32, len(found))


class _Chunks:
    """The chunks seen, by number, and the numbers of their terms."""

    def __init__(self, analyzer: Analyzer, number: Callable[[str], int]) -> None:
        from vecsearch.characters import kinds

        self._analyzer = analyzer
        self._number = number
        self._kinds = kinds()
        self._clear()

    def _clear(self) -> None:
        self._slots = np.zeros(1 << 16, np.uint64)
        self._tails = np.empty(0, np.uint64)
        self._records = np.zeros(2, np.uint64)
        self._used = np.zeros(2, np.int64)
        self._term_of = array("i")
        self._several = array("i", [0, 0])

    def tokenize(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        from vecsearch.kernels import words

        if self._used[0] > MOST_CHUNKS:
            self._clear()
        coded = _encoded(texts)
        ends = np.cumsum(np.fromiter(map(len, coded), np.int64, len(coded)) + 1) - 1
        data = np.frombuffer(b" ".join(coded), np.uint8)
        chunks_known, tails_known = self._used.tolist()
        self._records = _with_room(self._records, 2 * (chunks_known + 1), len(data) + 128)
        self._tails = _with_room(self._tails, tails_known, len(data) // 2 + 16)
        table = words.Table(self._slots, self._records, self._tails, self._used)
        numbers, counts, chunks, forms, self._slots = words.read(
            data, ends, self._kinds, self._analyzer.name != "turkish", table
        )
        if len(forms):
            new = chunks.tobytes().decode("utf-8", "surrogatepass").split("\n")[:-1]
            self._learn(new, forms.tolist())
        term_of = np.frombuffer(self._term_of, np.int32)
        several = np.frombuffer(self._several, np.int32)
        return words.resolve(numbers, counts, term_of, several)

    def _learn(self, chunks: list[str], forms: list[int]) -> None:
        """Work out the terms of new chunks."""
        for terms in self._terms(chunks, forms):
            if len(terms) == 1:
                self._term_of.append(self._number(terms[0]))
            elif not terms:
                self._term_of.append(-1)
            else:
                self._term_of.append(-len(self._several))
                self._several.append(len(terms))
                self._several.extend(map(self._number, terms))

    def _terms(self, chunks: list[str], forms: list[int]) -> Iterator[tuple[str, ...]]:
        """Yield the terms of chunks in their order."""
        words = [chunk for chunk, form in zip(chunks, forms, strict=True) if form == 0]
        found = iter(self._analyzer.word_terms(words))
        for chunk, form in zip(chunks, forms, strict=True):
            if form == 0:
                yield next(found)
            elif form == -1:
                yield (chunk,)
            else:
                terms = self._analyzer.chunk_terms(chunk)
                if form > 0:
                    first = chunk.encode("utf-8", "surrogatepass")[:form].decode("utf-8", "surrogatepass")
                    terms = terms[len(self._analyzer.chunk_terms(first)) :]
                yield terms


def _encoded(texts: Sequence[str]) -> list[bytes]:
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:  # a lone surrogate
        return [text.encode("utf-8", "surrogatepass") for text in texts]


def _with_room(array: NDArray, used: int, more: int) -> NDArray:
    """Return an array with room for more items beyond those used."""
    if used + more <= len(array):
        return array
    larger = np.empty(2 * (used + more), array.dtype)
    larger[:used] = array[:used]
    return larger


def _blocks(sizes: Sequence[int]) -> Iterator[slice]:
    """Cut a list of texts by their sizes into blocks of some BLOCK characters."""
    ends = np.fromiter(accumulate(sizes), np.int64, len(sizes))
    cuts = np.searchsorted(ends, np.arange(BLOCK, int(ends[-1]), BLOCK)) + 1 if len(ends) else []
    borders = sorted({0, *map(int, cuts), len(sizes)})
    for first, last in zip(borders, borders[1:]):
        yield slice(first, last)
