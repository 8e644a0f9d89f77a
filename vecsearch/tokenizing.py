"""Tokenizer: many texts -> numbers of their terms, which are exactly those of `Analyzer.terms`.

It begins in plain Python. Once it has seen so much text that compiled code was worth loading, a
kernel cuts texts into chunks and numbers these, and Python works out the terms of new ones only.
Both number terms alike: where the one takes over from the other can't be told but by the time.
"""

from __future__ import annotations

import io
import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, compress, count, islice, repeat
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.text import Analyzer

Numbers: TypeAlias = NDArray[np.int32]

LOADING: Final = 1 << 22
"""Bytes that plain Python works off in the time that loading the kernel takes."""

BLOCK: Final = 1 << 24
"""Bytes that the kernel gets at a time: few enough that what it makes of them is small."""

NO_TERM: Final = ""
"""What stands where a chunk has no term; numbered -1."""

MOST_CHUNKS: Final = 1 << 21
"""Chunks that are remembered; some 50 bytes each. Then it starts over."""

MOST_TERMS: Final = 1 << 18
"""Terms that are remembered from one batch to the next; some 150 bytes each, with their chunks."""


class Cut(NamedTuple):
    """Texts, and their blocks where the kernel has cut them into chunks."""

    texts: Sequence[bytes]
    blocks: Sequence[_Block] | None


class _Block(NamedTuple):
    """What the kernel found in a block of texts.

    numbers: (chunks found,) int32, the number of each.
    counts: (texts,) int32, how many each text has.
    new: those not seen before, a line each. forms: (new,) int32, what is known of each.
    anew: whether all that were seen before are forgotten.
    """

    numbers: Numbers
    counts: Numbers
    new: bytes
    forms: Numbers
    anew: bool


class Tokenizer:
    """Numbers the terms of texts, the first that it sees first.

    `tokenize` does it at once. Its halves are for two threads: `cut` for one, and `number` for
    another that takes what was cut in its order.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._chunks: _Chunks | None = None
        self._until_worth: float = LOADING
        self._begin()

    def _begin(self) -> None:
        self._numbers = defaultdict(count().__next__, {NO_TERM: -1})
        self._vocabulary: list[str] = []
        self._terms = _Terms(self._analyzer, self._numbers.__getitem__)

    def forget(self) -> None:
        """Number terms from 0 again where so many are known that memory would grow with them.

        For when no numbers given before are of use any more, and nothing that was cut waits.
        """
        if len(self._numbers) > MOST_TERMS:
            self._begin()
            if self._chunks is not None:
                self._chunks.clear()

    @property
    def vocabulary(self) -> list[str]:
        """The term of each number; asked for again, the same list has what came since."""
        known = len(self._vocabulary) + 1  # NO_TERM comes before
        if known < len(self._numbers):  # skipping to what is new takes its time
            self._vocabulary += islice(self._numbers, known, None)
        return self._vocabulary

    def tokenize(self, texts: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Return the numbers of texts' terms, and how many terms each text has.

        (tokens,) int32: of all texts one after another, each text's in their order.
        (texts,) int32.
        """
        return self.number(self.cut(_encoded(texts)))

    def cut(self, texts: Sequence[bytes]) -> Cut:
        """Cut texts, of UTF-8, into chunks; without the GIL for most of the time."""
        sizes = list(map(len, texts))
        if self._chunks is None:
            self._until_worth -= sum(sizes)
            if self._until_worth < 0:
                self._load()
        if self._chunks is None:
            return Cut(texts, None)
        return Cut(texts, [self._chunks.cut(texts[block]) for block in _blocks(sizes)])

    def number(self, cut: Cut) -> tuple[Numbers, Numbers]:
        """Return what `tokenize` does of texts that were cut."""
        if cut.blocks is None:
            return self._plainly(cut.texts)
        if len(cut.blocks) == 1:
            return self._terms.resolve(cut.blocks[0])
        tokens, counts = zip(*map(self._terms.resolve, cut.blocks), strict=True)
        return np.concatenate(tokens), np.concatenate(counts)

    def _load(self) -> None:
        try:
            self._chunks = _Chunks(self._analyzer)
        except ImportError:  # numba isn't there, or not for this Python or this numpy
            self._until_worth = math.inf

    def _plainly(self, texts: Sequence[bytes]) -> tuple[Numbers, Numbers]:
        found = [self._analyzer.terms(text.decode("utf-8", "surrogatepass")) for text in texts]
        counts = np.fromiter(map(len, found), np.int32, len(found))
        tokens = map(self._numbers.__getitem__, chain.from_iterable(found))
        return np.fromiter(tokens, np.int32, int(counts.sum(dtype=np.int64))), counts


class _Chunks:
    """What the kernel knows: chunks by number."""

    def __init__(self, analyzer: Analyzer) -> None:
        from vecsearch.characters import kinds
        from vecsearch.kernels import words

        self._lower = analyzer.name != "turkish"
        self._kernel = words
        self._kinds = kinds()
        self._data = io.BytesIO()
        self._texts = np.empty(0, np.uint8)
        self._found = np.empty(0, np.int32)
        self._new = words.New(self._texts, self._found, np.zeros(2, np.int64))
        self.clear()

    def clear(self) -> None:
        """Forget the chunks that were seen."""
        self._used = np.zeros(2, np.int64)
        self._slots = np.zeros(1 << 16, np.uint64)
        self._records = np.zeros(2, np.uint64)
        self._tails = np.empty(0, np.uint64)

    def cut(self, texts: Sequence[bytes]) -> _Block:
        """Cut a block of texts."""
        if self._used[0] > MOST_CHUNKS:
            self.clear()
        anew = not self._used[0]
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1) - 1
        data = self._joined(texts)
        self._make_room(len(data))
        table = self._kernel.Table(self._slots, self._records, self._tails, self._used)
        counts, found, self._slots = self._kernel.read(
            data, ends, self._lower, self._kinds, table, self._texts, self._found, self._new
        )
        size, new = self._new.used.tolist()
        return _Block(
            self._found[:found].copy(),
            counts,
            self._new.chunks[:size].tobytes(),
            self._new.forms[:new].copy(),
            anew,
        )

    def _joined(self, texts: Sequence[bytes]) -> NDArray[np.uint8]:
        """Lay texts end to end, a space behind each, and what the kernel needs behind the last.

        The memory is that of the block before: fresh memory takes longer to get than to fill.
        """
        self._data.seek(0)
        self._data.writelines(chain.from_iterable(zip(texts, repeat(b" "), strict=False)))
        self._data.write(b" " * self._kernel.PADDING)
        return np.frombuffer(self._data.getbuffer()[: self._data.tell()], np.uint8)

    def _make_room(self, size: int) -> None:
        """See to it that the kernel can read so many bytes: what may come of them has room."""
        chunks, tails = self._used.tolist()
        self._records = _with_room(self._records, 2 * (chunks + 1), size + 2)
        self._tails = _with_room(self._tails, tails, size)
        if len(self._found) < size:
            self._texts = np.empty(size, np.uint8)
            self._found = np.empty(size, np.int32)
            self._new = self._kernel.New(
                np.empty(3 * size, np.uint8), np.empty(size, np.int32), np.empty(2, np.int64)
            )


class _Terms:
    """What chunks stand for: the terms of each by its number."""

    def __init__(self, analyzer: Analyzer, number: Callable[[str], int]) -> None:
        self._analyzer = analyzer
        self._number = number
        self._clear()

    def _clear(self) -> None:
        self._term_of = array("i")
        self._several = array("i", [0, 0])  # a place is at least 2: -1 is no term, 0 the first

    def resolve(self, block: _Block) -> tuple[Numbers, Numbers]:
        """Do `Tokenizer.number` for a block."""
        from vecsearch.kernels import words

        if block.anew:
            self._clear()
        if len(block.forms):
            self._learn(block.new.decode("utf-8", "surrogatepass")[:-1].split("\n"), block.forms)
        term_of = np.frombuffer(self._term_of or array("i", [-1]), np.int32)
        several = np.frombuffer(self._several, np.int32)
        return words.resolve(block.numbers, block.counts, term_of, several)

    def _learn(self, terms: list[str], forms: Numbers) -> None:
        """Work out the terms of new chunks; those first seen are numbered first."""
        from vecsearch.kernels import words

        for form in (words.ASCII, words.WORD):  # those in ASCII need less work
            these = forms == form
            found = self._analyzer.word_terms(list(compress(terms, these.tolist())))
            for at, term in zip(np.flatnonzero(these).tolist(), found, strict=True):
                terms[at] = term
        begun = 0
        for at in np.flatnonzero((forms > 0) | (forms == words.MIXED)).tolist():
            self._term_of.extend(map(self._number, terms[begun:at]))
            self._learn_mixed(terms[at], int(forms[at]))
            begun = at + 1
        self._term_of.extend(map(self._number, terms[begun:]))

    def _learn_mixed(self, chunk: str, form: int) -> None:
        terms = self._analyzer.chunk_terms(chunk)
        if form > 0:
            first = chunk.encode("utf-8", "surrogatepass")[:form].decode("utf-8", "surrogatepass")
            terms = terms[len(self._analyzer.chunk_terms(first)) :]
        self._term_of.append(-len(self._several))
        self._several.append(len(terms))
        self._several.extend(map(self._number, terms))


def _encoded(texts: Sequence[str]) -> list[bytes]:
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:  # there is a lone surrogate
        return [text.encode("utf-8", "surrogatepass") for text in texts]


def _with_room(array: NDArray[np.uint64], used: int, more: int) -> NDArray[np.uint64]:
    """Return an array that starts with what is used of this one, and has room for more."""
    if used + more <= len(array):
        return array
    larger = np.empty(2 * used + more, np.uint64)
    larger[:used] = array[:used]
    return larger


def _blocks(sizes: Sequence[int]) -> Iterator[slice]:
    """Cut texts of some sizes into blocks of about BLOCK bytes, one text at least."""
    ends = np.cumsum(np.array(sizes, np.int64))
    first = 0
    while True:
        limit = BLOCK + (ends[first - 1] if first else 0)
        last = max(int(np.searchsorted(ends, limit)), first) + 1
        yield slice(first, last)
        if last >= len(sizes):
            return
        first = last
