"""Tokenizer: many texts -> numbers of their terms, which are exactly those of `Analyzer.terms`.

It begins in plain Python. Once it has seen so much text that compiled code was worth loading, a
kernel cuts texts into chunks and numbers these, and Python works out the terms of new ones only.
Both number terms alike: where the one takes over from the other can't be told but by the time.
"""

from __future__ import annotations

import gc
import io
import math
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, compress, count, islice, repeat
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.coded import Coded, as_bytes
from vecsearch.text import Analyzer

if TYPE_CHECKING:
    from vecsearch.kernels.chunks import Table

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

    texts: Sequence[Coded]
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
        self._terms: _Terms | None = None

    def forget(self) -> None:
        """Number terms from 0 again where so many are known that memory would grow with them.

        For when no numbers given before are of use any more, and nothing that was cut waits.
        """
        if len(self.vocabulary) > MOST_TERMS:
            self._begin()
            if self._chunks is not None:
                self._chunks.clear()

    @property
    def vocabulary(self) -> list[str]:
        """The term of each number; asked for again, the same list has what came since."""
        if self._terms:
            self._vocabulary += self._terms.new_terms()
            return self._vocabulary
        known = len(self._vocabulary) + 1  # NO_TERM comes before
        if known < len(self._numbers):  # skipping to what is new takes its time
            self._vocabulary += islice(self._numbers, known, None)
        return self._vocabulary

    def tokenize(self, texts: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Return the numbers of texts' terms, and how many terms each text has.

        (tokens,) int32: of all texts one after another, each text's in their order.
        (texts,) int32.
        """
        return self.number(self.cut([each if each.isascii() else _encoded(each) for each in texts]))

    def cut(self, texts: Sequence[Coded]) -> Cut:
        """Cut texts into chunks; without the GIL for most of the time."""
        sizes = list(map(len, texts))
        if self._chunks is None:
            self._until_worth -= sum(sizes)
            if self._until_worth < 0:
                self._load()
        if self._chunks is None:
            return Cut(texts, None)
        blocks = _blocks(sizes)
        return Cut(texts, [self._chunks.cut(texts[block], sizes[block]) for block in blocks])

    def number(self, cut: Cut) -> tuple[Numbers, Numbers]:
        """Return what `tokenize` does of texts that were cut."""
        if cut.blocks is None:
            return self._plainly(cut.texts)
        if self._terms is None:
            self._terms = _Terms(self._analyzer, self.vocabulary)
            self._numbers.clear()
        if len(cut.blocks) == 1:
            return self._terms.resolve(cut.blocks[0])
        tokens, counts = zip(*map(self._terms.resolve, cut.blocks), strict=True)
        return np.concatenate(tokens), np.concatenate(counts)

    def _load(self) -> None:
        # Of the many objects that loading makes nearly all stay: looking for garbage among them
        # again and again would take a sixth of the time.
        collecting = gc.isenabled()
        gc.disable()
        try:
            chunks = _Chunks(self._analyzer)
            chunks.cut([b""], [0])  # which loads the machine code
            self._chunks = chunks
        except ImportError:  # numba isn't there, or not for this Python or this numpy
            self._until_worth = math.inf
        finally:
            if collecting:
                gc.enable()

    def _plainly(self, texts: Sequence[Coded]) -> tuple[Numbers, Numbers]:
        found = [self._analyzer.terms(_decoded(text)) for text in texts]
        counts = np.fromiter(map(len, found), np.int32, len(found))
        tokens = map(self._numbers.__getitem__, chain.from_iterable(found))
        return np.fromiter(tokens, np.int32, int(counts.sum(dtype=np.int64))), counts


class _Table:
    """Byte strings by number, in memory that grows, and what of it the kernel takes."""

    def __init__(self) -> None:
        self.used = np.zeros(2, np.int64)
        self.slots = np.zeros(1 << 16, np.uint64)
        self._records = np.zeros(2, np.uint64)
        self._tails = np.empty(0, np.uint64)

    def with_room(self, chunks: int, tails: int) -> Table:
        """Return the arrays, once there is room for so many more."""
        from vecsearch.kernels.chunks import Table

        known, used = self.used.tolist()
        self._records = _with_room(self._records, 2 * (known + 1), 2 * chunks)
        self._tails = _with_room(self._tails, used, tails)
        return Table(self.slots, self._records, self._tails, self.used)


class _Chunks:
    """What the kernel knows: chunks by number."""

    def __init__(self, analyzer: Analyzer) -> None:
        from vecsearch.characters import kinds
        from vecsearch.kernels import words
        from vecsearch.kernels.chunks import New

        self._lower = analyzer.name != "turkish"
        self._kernel = words
        self._kinds = kinds()
        self._data = io.BytesIO()
        self._texts = np.empty(0, np.uint8)
        self._found = np.empty(0, np.int32)
        self._new = New(self._texts, self._found, np.zeros(2, np.int64))
        self.clear()

    def clear(self) -> None:
        """Forget the chunks that were seen."""
        self._table = _Table()

    def cut(self, texts: Sequence[Coded], sizes: Sequence[int]) -> _Block:
        """Cut a block of texts, of so many bytes each."""
        if self._table.used[0] > MOST_CHUNKS:
            self.clear()
        anew = not self._table.used[0]
        data = self._joined(texts)
        self._make_room(len(data))
        table = self._table.with_room(len(data) // 2 + 1, len(data))
        # One call makes all that takes long: while others work, each return to Python waits.
        counts, numbers, forms, self._table.slots = self._kernel.read(
            data,
            np.array(sizes, np.int64),
            self._lower,
            self._kinds,
            table,
            self._texts,
            self._found,
            self._new,
        )
        size = int(self._new.used[0])
        return _Block(numbers, counts, self._new.chunks[:size].tobytes(), forms, anew)

    def _joined(self, texts: Sequence[Coded]) -> NDArray[np.uint8]:
        """Lay texts end to end, a space behind each, and what the kernel needs behind the last.

        The memory is that of the block before: fresh memory takes longer to get than to fill.
        """
        self._data.seek(0)
        self._data.writelines(chain.from_iterable(zip(as_bytes(texts), repeat(b" "), strict=False)))
        self._data.write(b" " * self._kernel.PADDING)
        return np.frombuffer(self._data.getbuffer()[: self._data.tell()], np.uint8)

    def _make_room(self, size: int) -> None:
        """See to it that what the kernel makes of so many bytes has room."""
        if len(self._found) < size:
            self._texts = np.empty(size, np.uint8)
            self._found = np.empty(size, np.int32)
            self._new = type(self._new)(
                np.empty(3 * size, np.uint8), np.empty(size, np.int32), np.empty(2, np.int64)
            )


class _Terms:
    """What chunks stand for: the terms of each by its number; and the numbers of terms.

    vocabulary: terms that have a number already.
    """

    def __init__(self, analyzer: Analyzer, vocabulary: Sequence[str]) -> None:
        from vecsearch.kernels import chunks, words

        self._kernel = chunks
        self._resolve = words.resolve
        self._analyzer = analyzer
        self._table = _Table()
        self._new: list[bytes] = []
        self._number(vocabulary)
        self._new.clear()
        self._clear()

    def _clear(self) -> None:
        self._term_of = array("i")
        self._several = array("i", [0, 0])  # a place is at least 2: -1 is no term, 0 the first

    def new_terms(self) -> Iterator[str]:
        """Yield the terms that were numbered since this was asked for, in their order."""
        new, self._new = b"".join(self._new), []
        yield from new.decode("utf-8", "surrogatepass").split("\n")[:-1]

    def resolve(self, block: _Block) -> tuple[Numbers, Numbers]:
        """Do `Tokenizer.number` for a block."""
        if block.anew:
            self._clear()
        if len(block.forms):
            self._learn(block.new.decode("utf-8", "surrogatepass")[:-1].split("\n"), block.forms)
        term_of = np.frombuffer(self._term_of or array("i", [-1]), np.int32)
        several = np.frombuffer(self._several, np.int32)
        return self._resolve(block.numbers, block.counts, term_of, several)

    def _learn(self, terms: list[str], forms: Numbers) -> None:
        """Work out the terms of new chunks; those first seen are numbered first."""
        others = np.flatnonzero(forms != self._kernel.ASCII).tolist()
        chunks = [terms[at] for at in others]
        for at in others:
            terms[at] = NO_TERM
        terms = self._analyzer.word_terms(terms)  # those in ASCII need less work
        words = [forms[at] == self._kernel.WORD for at in others]
        found = iter(self._analyzer.word_terms(list(compress(chunks, words))))
        mixed = []
        for at, chunk, is_word in zip(others, chunks, words, strict=True):
            if is_word:
                terms[at] = next(found)
            elif forms[at] == self._kernel.OWN_TERM:
                terms[at] = chunk
            else:
                mixed.append((at, self._mixed_terms(chunk, int(forms[at]))))
        for at, several in reversed(mixed):
            terms[at : at + 1] = several
        self._write_down(self._number(terms), [(at, len(several)) for at, several in mixed])

    def _write_down(self, numbers: Numbers, mixed: list[tuple[int, int]]) -> None:
        """Note the terms of new chunks; of which the mixed ones, at some places, have so many."""
        begun = shift = 0
        for at, size in mixed:
            self._term_of.frombytes(numbers[begun : at + shift].tobytes())
            self._term_of.append(-len(self._several))
            self._several.append(size)
            begun = at + shift + size
            self._several.frombytes(numbers[at + shift : begun].tobytes())
            shift += size - 1
        self._term_of.frombytes(numbers[begun:].tobytes())

    def _mixed_terms(self, chunk: str, form: int) -> Sequence[str]:
        terms = self._analyzer.chunk_terms(chunk)
        if form > 0:
            first = chunk.encode("utf-8", "surrogatepass")[:form].decode("utf-8", "surrogatepass")
            terms = terms[len(self._analyzer.chunk_terms(first)) :]
        return terms

    def _number(self, terms: Sequence[str]) -> Numbers:
        """Return the number of each term, -1 for NO_TERM; one not seen before gets the next."""
        lines = "\n".join(chain(terms, [""])).encode("utf-8", "surrogatepass")
        # Of bytes it would be read-only, another type for which all would be compiled once more.
        text = np.frombuffer(bytearray().join((lines, b" " * self._kernel.PADDING)), np.uint8)
        numbers = np.empty(len(terms), np.int32)
        new = self._kernel.New(
            np.empty(len(lines), np.uint8), np.empty_like(numbers), np.zeros(2, np.int64)
        )
        table = self._table.with_room(len(terms), len(lines))
        self._table.slots = self._kernel.number_lines(text, table, numbers, new)
        self._new.append(new.chunks[: new.used[0]].tobytes())
        return numbers


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(text: Coded) -> str:
    return text if isinstance(text, str) else text.decode("utf-8", "surrogatepass")


def _with_room(array: NDArray[np.uint64], used: int, more: int) -> NDArray[np.uint64]:
    """Return an array that starts with what is used of this one, and has room for more."""
    if used + more <= len(array):
        return array
    larger = np.empty(2 * used + more, np.uint64)
    larger[:used] = array[:used]
    return larger


def _blocks(sizes: Sequence[int]) -> Iterator[slice]:
    """Cut texts of some sizes into blocks of about BLOCK bytes, one text at least."""
    if sum(sizes) <= BLOCK:
        yield slice(0, len(sizes))
        return
    ends = np.cumsum(np.array(sizes, np.int64))
    first = 0
    while True:
        limit = BLOCK + (ends[first - 1] if first else 0)
        last = max(int(np.searchsorted(ends, limit)), first) + 1
        yield slice(first, last)
        if last >= len(sizes):
            return
        first = last
