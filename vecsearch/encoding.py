"""Rows of text on their way to vectors: from the cache, or by an encoder while others are taken.

The encoder works in a thread of its own, so that reading, finding terms and writing go on
meanwhile; one that overlaps works in two, so that one call begins before another is kept. Which
texts it gets together depends on the texts alone, never on time.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from vecsearch.cache import KeptVectors, Keys
from vecsearch.encoders.base import Encoder, encode, is_costly, overlaps
from vecsearch.types import Vectors

Told: TypeAlias = Callable[[int, int], object]
"""Is told how many rows have their vectors, of how many that were taken."""

_LOT: Final = 512
"""Rows looked up at a time."""

_FIRST: Final = 256
_WINDOW: Final = 8192
_CHARACTERS: Final = 1 << 24
"""Rows sorted by length at a time, so that like is padded to like: few at first, to begin at once,
then twice as many each time, while they have no more characters than this."""

_CALL: Final = 128
_CALL_CHARACTERS: Final = 1 << 18
"""Rows, and their characters, that a costly encoder gets at a time; any other gets a lot. It is
what an interruption costs, and how often progress shows."""

_AHEAD: Final = 2
"""Calls still waiting when the next rows are sorted: enough for the encoder not to wait."""


class Encoding:
    """Encodes the rows of one writer, and remembers what was worth its time.

    load: gives the encoder; called once there is a text to encode.
    told: see `Told`; it is called by the thread that adds rows.
    """

    def __init__(self, load: Callable[[], Encoder], told: Told | None = None) -> None:
        self._load = load
        self._told = told
        self._encoder: Encoder | None = None
        self._keys: Keys | None = None
        self._kept = KeptVectors()
        self._threads: ThreadPoolExecutor | None = None
        self._pid = os.getpid()
        self._taken = self._done = 0

    @property
    def most(self) -> int:
        """How many texts the encoder gets at a time."""
        return _CALL if is_costly(self._loaded()) else _LOT

    def find(self, texts: Sequence[str]) -> tuple[Sequence[bytes], dict[bytes, Vectors]]:
        """Return the texts' keys, and by key the vectors, (dim,), that are known.

        There are no keys where a vector isn't worth keeping.
        """
        encoder = self._loaded()
        if not is_costly(encoder):
            return [b""] * len(texts), {}
        if self._keys is None:
            self._keys = Keys(encoder, "document")
        keys = self._keys.of(texts)
        return keys, self._kept.get(keys)

    def submit(self, texts: Sequence[str], keys: Sequence[bytes]) -> Future[Vectors]:
        """Encode texts, (texts, dim), as soon as those submitted before are."""
        encoder = self._loaded()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(2 if overlaps(encoder) else 1)
        return self._threads.submit(self._encode, encoder, texts, keys)

    def tell(self, taken: int, done: int) -> None:
        """Count rows that were taken, and such as have their vectors."""
        self._taken += taken
        self._done += done
        if self._told is not None:
            self._told(self._done, self._taken)

    def close(self) -> None:
        """Stop once the calls that are under way have come to their end."""
        if self._pid == os.getpid():  # a forked process has no such thread
            if self._threads is not None:
                self._threads.shutdown(cancel_futures=True)
            self._kept.close()

    def _loaded(self) -> Encoder:
        if self._encoder is None:
            self._encoder = self._load()
        return self._encoder

    def _encode(self, encoder: Encoder, texts: Sequence[str], keys: Sequence[bytes]) -> Vectors:
        vectors = encode(encoder, texts, "document")
        if keys[0]:
            self._kept.put(keys, vectors)
        return vectors


class _Asked(NamedTuple):
    """A text that is to be encoded, and its key."""

    text: str
    key: bytes


class _Place(NamedTuple):
    """Where a vector belongs: a row of a block."""

    block: Vectors
    row: int


class _Call(NamedTuple):
    """Texts that the encoder has got, and what will become of them."""

    asked: Sequence[_Asked]
    vectors: Future[Vectors]


class Rows:
    """Collects the vectors of rows, in the order in which they are added.

    Errors of the encoder are raised by whatever is called next. Nothing is lost then: it is tried
    again at the next occasion.

    dim: how many numbers a vector has. encoding: None where all rows come with their vectors.
    """

    def __init__(self, dim: int, encoding: Encoding | None) -> None:
        self.dim = dim
        self._encoding = encoding
        self._waiting: list[str | Vectors] = []  # not looked up yet
        self._blocks: list[Vectors] = []
        self._wanted: dict[str, list[_Place]] = {}  # by text, those without a vector yet
        self._window: list[_Asked] = []
        self._characters = 0
        self._size = _FIRST
        self._calls: deque[_Call] = deque()

    @property
    def encodes(self) -> bool:
        """Whether rows may be added as text."""
        return self._encoding is not None

    def add(self, rows: Sequence[str] | Vectors) -> None:
        """Take rows: texts that are to be encoded, or their vectors, (rows, dim)."""
        self._waiting.extend(rows)
        if len(self._waiting) >= _LOT:
            self._look_up()

    def blocks(self) -> list[Vectors]:
        """Return the vectors of all rows, (rows, dim) float32 one below the other.

        It waits until they are there.
        """
        self._look_up()
        while self._window or self._calls:
            self._submit()
            self._wait(0)
        return self._blocks

    def _look_up(self) -> None:
        """Give what waits its vectors, or a place in the window."""
        if not self._waiting:
            return
        # A blank text has a zero row: a model would put nothing at all near to something.
        block = np.zeros((len(self._waiting), self.dim), np.float32)
        places: dict[str, list[_Place]] = {}
        for i, row in enumerate(self._waiting):
            if not isinstance(row, str):
                block[i] = row
            elif row and not row.isspace():
                places.setdefault(row, []).append(_Place(block, i))
        wanted = self._want(places)
        self._blocks.append(block)
        self._waiting = []
        self._tell(len(block), len(block) - wanted)
        while self._calls and self._calls[0].vectors.done():
            self._settle()
        if len(self._window) >= self._size or self._characters >= _CHARACTERS:
            self._submit()

    def _want(self, places: dict[str, list[_Place]]) -> int:
        """Give these texts' places their vectors; return how many places have to wait for them."""
        if not places or not self._encoding:
            return 0
        new = [text for text in places if text not in self._wanted]
        keys, known = self._encoding.find(new)
        for text, key in zip(new, keys, strict=True):
            if key in known:
                _fill(places.pop(text), known[key])
            else:
                self._window.append(_Asked(text, key))
                self._characters += len(text)
        for text, some in places.items():
            self._wanted.setdefault(text, []).extend(some)
        return sum(map(len, places.values()))

    def _submit(self) -> None:
        """Let the encoder have the window, once it has done most of what it got before."""
        self._wait(_AHEAD)
        if not self._window or not self._encoding:
            return
        # The longest first: if one is too long for the machine, that shows at once.
        longest = sorted(self._window, key=lambda each: -len(each.text))
        for asked in _calls(longest, self._encoding.most):
            texts, keys = zip(*asked, strict=True)
            self._calls.append(_Call(asked, self._encoding.submit(texts, keys)))
        self._window, self._characters = [], 0
        self._size = min(2 * self._size, _WINDOW)

    def _wait(self, most: int) -> None:
        """Wait until only so many calls are left."""
        while len(self._calls) > most:
            self._settle()

    def _settle(self) -> None:
        """Wait for the first call, and put its vectors where they belong."""
        asked, future = self._calls[0]
        try:
            vectors = future.result()
        except Exception:
            self._take_back()
            raise
        done = 0
        for (text, _), vector in zip(asked, vectors, strict=True):
            done += len(self._wanted[text])
            _fill(self._wanted[text], vector)
        for text, _ in asked:
            del self._wanted[text]
        self._calls.popleft()
        self._tell(0, done)

    def _take_back(self) -> None:
        """Put what the encoder didn't do back into the window, after a call that failed."""
        first, *others = self._calls
        left = [first, *(each for each in others if each.vectors.cancel())]
        self._calls = deque(each for each in others if not each.vectors.cancelled())
        again = [asked for each in left for asked in each.asked]
        self._window = again + self._window
        self._characters += sum(len(each.text) for each in again)

    def _tell(self, taken: int, done: int) -> None:
        if self._encoding:
            self._encoding.tell(taken, done)


def _fill(places: Sequence[_Place], vector: Vectors) -> None:
    for block, row in places:
        block[row] = vector


def _calls(window: Sequence[_Asked], most: int) -> Iterator[Sequence[_Asked]]:
    """Cut a window into what the encoder gets at a time: one text at least."""
    call: list[_Asked] = []
    characters = 0
    for asked in window:
        characters += len(asked.text)
        if call and (len(call) == most or characters > _CALL_CHARACTERS):
            yield call
            call, characters = [], len(asked.text)
        call.append(asked)
    yield call
