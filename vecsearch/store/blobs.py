"""Many byte strings in two arrays: one that holds them end to end, one with their bounds."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from vecsearch.coded import Coded, as_bytes
from vecsearch.store.arrays import Stream


class Blobs(Sequence[bytes]):
    """A sequence of byte strings over memory-mapped arrays; reading one touches only its bytes.

    data: (bytes,) uint8.
    offsets: (n + 1,) int64, where each string begins, and the end of the last.
    """

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self._data = data.data
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return bytes(self._data[self.offsets[index] : self.offsets[index + 1]])

    def texts(self, indices: NDArray[np.integer[Any]]) -> list[str]:
        """Return the strings at some places, of UTF-8, as text."""
        starts, ends = self.offsets[indices], self.offsets[indices + 1]
        if len(indices) >= _MANY and len(self._data):
            # Gathered with a line break behind each, and cut there: unless one holds a break.
            sizes = ends - starts + 1
            stops = sizes.cumsum()
            places = np.arange(stops[-1])
            places += (starts - stops + sizes).repeat(sizes)
            gathered = np.asarray(self._data).take(places, mode="clip")
            gathered[stops - 1] = ord("\n")
            found = gathered[:-1].tobytes().decode().split("\n")
            if len(found) == len(indices):
                return found
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return [str(self._data[start:end], "utf-8") for start, end in pairs]

    def some(self, indices: NDArray[np.integer[Any]]) -> list[bytes]:
        """Return the strings at some places."""
        starts, ends = self.offsets[indices].tolist(), self.offsets[indices + 1].tolist()
        data = self._data
        return [bytes(data[start:end]) for start, end in zip(starts, ends, strict=True)]

    def holding(self, piece: bytes) -> list[int]:
        """Return the places of the strings that hold a piece, which isn't empty, rising."""
        starts = [found.start() for found in re.finditer(re.escape(piece), self._data)]
        places = np.searchsorted(self.offsets, starts, side="right") - 1
        # A piece may be found where one string ends and the next begins.
        return [at for at in dict.fromkeys(places.tolist()) if piece in self[at]]

    def all(self) -> list[bytes]:
        """Return all strings: much faster than one by one."""
        return self.between(0, len(self))

    def between(self, first: int, last: int) -> list[bytes]:
        """Return the strings from `first` up to `last`: much faster than one by one."""
        bounds = self.offsets[first : last + 1].astype(np.int64)
        data = bytes(self._data[bounds[0] : bounds[-1]])
        return [data[start:end] for start, end in pairwise((bounds - bounds[0]).tolist())]

    def take(self, kept: NDArray[np.bool_], each: int = 1) -> Iterator[NDArray[np.uint8]]:
        """Yield the bytes of the strings that are kept, in runs, end to end.

        kept: (n / each,): of how many strings one after another it is said.
        """
        for first, last in _runs(kept):
            end = int(self.offsets[each * last])
            for start in range(int(self.offsets[each * first]), end, _BLOCK):
                yield np.asarray(self._data[start : min(start + _BLOCK, end)])

    def lengths(self, kept: NDArray[np.bool_], each: int = 1) -> Iterator[NDArray[np.int64]]:
        """Yield the lengths in bytes of the strings that are kept, as `take` does, in blocks."""
        for start in range(0, len(kept), _STRINGS):
            some = np.repeat(kept[start : start + _STRINGS], each)
            bounds = self.offsets[each * start : each * start + len(some) + 1].astype(np.int64)
            yield np.diff(bounds)[some]


_MANY = 32  # strings, of which all bytes are gathered at once
_BLOCK = 1 << 22
_STRINGS = 1 << 14
_EIGHT = 8  # bytes of an integer


def _runs(kept: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(kept, prepend=False, append=False))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def offsets_of(lengths: Iterable[int] | NDArray[np.integer]) -> NDArray[np.int64]:
    """Turn n lengths into n + 1 offsets."""
    sizes = lengths if isinstance(lengths, np.ndarray) else np.fromiter(lengths, np.int64)
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, dtype=np.int64, out=offsets[1:])
    return offsets


def rising(strings: Sequence[bytes]) -> NDArray[np.int64]:
    """Return the places of byte strings in rising order, (n,) int64, those of equal ones as well.

    As integers their heads sort much faster than strings do; what is equal that far is sorted.
    """
    if not strings:
        return np.zeros(0, np.int64)
    heads = np.array(strings, f"S{2 * _EIGHT}").view(">u8").reshape(-1, 2)
    order = np.lexsort((heads[:, 1], heads[:, 0]))
    heads = heads[order]
    alike = np.zeros(len(strings) + 1, np.bool_)
    alike[1:-1] = (heads[1:] == heads[:-1]).all(axis=1)
    edges = np.flatnonzero(alike[1:] != alike[:-1])
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        order[start : end + 1] = sorted(order[start : end + 1].tolist(), key=strings.__getitem__)
    return order


def pack(strings: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Lay byte strings end to end; return the data and the offsets of `Blobs`."""
    return np.frombuffer(b"".join(strings), np.uint8), offsets_of(map(len, strings))


def pack_in_blocks(strings: Sequence[Coded]) -> tuple[Stream, NDArray[np.int64]]:
    """Lay byte strings end to end, as a stream: they aren't in memory a second time."""
    offsets = offsets_of(map(len, strings))
    blocks = (
        _joined(strings[start : start + _STRINGS]) for start in range(0, len(strings), _STRINGS)
    )
    return Stream(np.dtype(np.uint8), (int(offsets[-1]),), blocks), offsets


def _joined(strings: Sequence[Coded]) -> NDArray[np.uint8]:
    data = io.BytesIO()  # takes them one by one, while joining them would hold them all
    data.writelines(as_bytes(filter(None, strings)))
    return np.frombuffer(data.getbuffer(), np.uint8)


def pack_taken(
    parts: Sequence[tuple[Blobs, NDArray[np.bool_]]], each: int = 1
) -> tuple[Stream, Stream]:
    """Lay the kept strings of several blobs end to end, as streams, without holding them.

    each: as in `Blobs.take`.
    """

    def lengths() -> Iterator[NDArray[np.int64]]:
        for blobs, kept in parts:
            yield from blobs.lengths(kept, each)

    count = each * sum(int(np.count_nonzero(kept)) for _, kept in parts)
    size = sum(int(some.sum()) for some in lengths())
    blocks = (block for blobs, kept in parts for block in blobs.take(kept, each))
    return Stream(np.dtype(np.uint8), (size,), blocks), stream_offsets(lengths(), count, np.int64)


def stream_offsets(
    lengths: Iterable[NDArray[np.integer[Any]]], count: int, dtype: type[np.integer[Any]]
) -> Stream:
    """Turn lengths that come in blocks, `count` in all, into offsets that do."""

    def blocks() -> Iterator[NDArray[np.integer[Any]]]:
        yield np.zeros(1, dtype)
        end = 0
        for some in lengths:
            ends = end + np.cumsum(some, dtype=np.int64)
            end = int(ends[-1]) if len(ends) else end
            yield ends.astype(dtype)

    return Stream(np.dtype(dtype), (count + 1,), blocks())
