"""Vectors kept by text, so that no text is encoded twice by one encoder."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from vecsearch.bench.environment import encoder_versions
from vecsearch.encoders.base import Encoder, encode
from vecsearch.errors import VecsearchError
from vecsearch.types import Role, Vectors

_ASKED: Final = 500
"""Keys looked up at a time: SQLite takes some thousand parameters."""

_WAIT: Final = 60.0
"""Seconds that one process waits while another writes."""


class Deferred:
    """An encoder of which all is known but the model, which is loaded when a text is encoded."""

    def __init__(self, name: str, dim: int, fingerprint: str, load: Callable[[], Encoder]) -> None:
        self.name = name
        self.dim = dim
        self.fingerprint = fingerprint
        self._load = load
        self._loaded: Encoder | None = None

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """See `Encoder.encode`."""
        return encode(self._encoder(), texts, role)

    def save(self, folder: Path) -> None:
        """See `Encoder.save`."""
        self._encoder().save(folder)

    def _encoder(self) -> Encoder:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded


class CachedEncoder:
    """An encoder that remembers, in a SQLite file, by its fingerprint, the role and the text.

    And by the versions of the libraries that encode.

    Several processes may share a file, and several encoders. What was encoded before an interrupt
    stays. Raise VecsearchError where the file can't be used.

    reading: False for a build that is timed: it encodes all, and what it encodes is kept.
    """

    def __init__(self, encoder: Encoder, path: Path, *, reading: bool = True) -> None:
        self.name = encoder.name
        self.dim = encoder.dim
        self.fingerprint = encoder.fingerprint
        self._encoder = encoder
        self._path = path
        self._reading = reading

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """See `Encoder.encode`."""
        keys = [self._key(text, role) for text in texts]
        vectors = np.zeros((len(texts), self.dim), np.float32)
        with self._opened() as base:
            known = _find(base, set(keys)) if self._reading else {}
        new = [i for i, key in enumerate(keys) if key not in known]
        if new:
            vectors[new] = encode(self._encoder, [texts[i] for i in new], role)
            rows = [(keys[i], vectors[i].tobytes()) for i in new]
            with self._opened() as base, base:
                base.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        for i, key in enumerate(keys):
            if key in known:
                vectors[i] = np.frombuffer(known[key], np.float32)
        return vectors

    def save(self, folder: Path) -> None:
        """See `Encoder.save`."""
        self._encoder.save(folder)

    def _key(self, text: str, role: Role) -> bytes:
        parts = (encoder_versions(), self.fingerprint, role, text)
        digest = hashlib.blake2b(digest_size=20)
        for part in parts:
            coded = part.encode("utf-8", "surrogatepass")
            digest.update(len(coded).to_bytes(8, "big") + coded)
        return digest.digest()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A connection for each call: none is left open, or carried into another thread.
            with contextlib.closing(sqlite3.connect(self._path, timeout=_WAIT)) as base:
                base.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) "
                    "WITHOUT ROWID"
                )
                yield base
        except (sqlite3.Error, OSError) as error:
            raise VecsearchError(
                f"{self._path}: the cache of vectors can't be used ({error}). It may be removed: "
                "it is made again."
            ) from error


def _find(base: sqlite3.Connection, keys: set[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    wanted = sorted(keys)
    for start in range(0, len(wanted), _ASKED):
        asked = wanted[start : start + _ASKED]
        marks = ",".join("?" * len(asked))
        found.update(base.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", asked))
    return found
