"""Duplicate ids found in a stream, at about 12 bytes a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from vecsearch.corpus.base import Record
from vecsearch.errors import CorpusError

_DIGEST: Final = 8  # bytes
_LOAD: Final = 64  # digests in a bucket, on average, at which the buckets are doubled


class SeenIds:
    """A set of ids that keeps 64 bits of each: an extendible hash table of byte strings.

    The digest is Python's keyed hash, so nobody can make ids collide on purpose, and by chance
    n ids do with a probability of n**2 / 2**65: 3e-6 for ten million.
    """

    def __init__(self) -> None:
        # Digests end to end: a search for 8 bytes within some 400 is faster than any structure.
        self._buckets = [bytearray()]
        self._mask = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, id: str) -> bool:
        """Put an id in; False if it was there."""
        digest = hash(id)
        bucket = self._buckets[digest & self._mask]
        key = digest.to_bytes(_DIGEST, "little", signed=True)
        if key in bucket and _holds(bucket, key):
            return False
        bucket += key
        self._count += 1
        if self._count > _LOAD * (self._mask + 1):
            self._double()
        return True

    def _double(self) -> None:
        """Split every bucket in two, by the next bit of the digests."""
        bit = self._mask + 1
        for i in range(bit):
            digests = np.frombuffer(bytes(self._buckets[i]), dtype="<i8")
            upper = (digests & bit) != 0
            self._buckets.append(bytearray(digests[upper].tobytes()))
            self._buckets[i] = bytearray(digests[~upper].tobytes())
        self._mask += bit


def _holds(bucket: bytearray, key: bytes) -> bool:
    """Whether one of the digests is the key: not the end of one and the start of the next."""
    at = bucket.find(key)
    while at % _DIGEST and at >= 0:
        at = bucket.find(key, at + 1)
    return at >= 0


def unique(
    records: Iterator[Record | CorpusError], unit: str = "line"
) -> Iterator[Record | CorpusError]:
    """Pass records on; one whose id came before becomes an error. `unit`: see CorpusError."""
    seen = SeenIds()
    for record in records:
        if isinstance(record, Record) and not seen.add(record.document.id):
            yield CorpusError(
                record.path,
                record.line,
                f"the id {record.document.id!r} comes a second time; each id must come once only.",
                unit,
            )
        else:
            yield record
