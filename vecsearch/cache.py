"""Vectors that were made before, kept by content in the user's cache folder.

The key of a vector is the digest of all that it depends on, so none is ever outdated. The cache is
for speed alone: whatever is wrong with it costs an encoding, never an error or a wrong vector. It
holds digests of texts, not texts.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from vecsearch.cache_file import Size, bytes_of, connect, evict, is_damage, lots, size_of
from vecsearch.encoders.base import Encoder, precision
from vecsearch.errors import VecsearchError, VecsearchWarning
from vecsearch.types import Role, Vectors

if TYPE_CHECKING:
    from sqlite3 import Connection

_T = TypeVar("_T")

LIMIT: Final = 4_000_000_000
"""Bytes that the vectors of a folder may take: some 2.4 million of 384 numbers."""

VECTORS: Final = "vectors.sqlite"

_CHECK: Final = 8  # bytes
_OVERHEAD: Final = 96
"""Bytes that an entry takes besides its numbers, with the room that pages leave empty."""

_EVICTED: Final = 32
"""Where there is no room any more, one of so many entries goes."""


def cache_folder() -> Path:
    """Return the folder for caches that the system gives its user, or XDG_CACHE_HOME names.

    Raise VecsearchError where neither is there, as for a user whom the system doesn't know.
    """
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        raise VecsearchError(
            "There is no home folder to keep a cache in; XDG_CACHE_HOME may name another."
        ) from None
    return Path(base) / "vecsearch"


@functools.cache
def _versions() -> str:
    """Name the versions of what a text's vector may depend on besides the model."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("vecsearch", "torch", "sentence-transformers", "transformers", "tokenizers"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return " ".join(found)


class Keys:
    """Gives texts their keys, for one encoder, with the precision that it has, and one role."""

    def __init__(self, encoder: Encoder, role: Role) -> None:
        self._common = hashlib.blake2b(digest_size=16)
        for part in (_versions(), encoder.fingerprint, precision(encoder), role):
            coded = part.encode("utf-8", "surrogatepass")
            self._common.update(len(coded).to_bytes(8, "big") + coded)

    def of(self, texts: Sequence[str]) -> list[bytes]:
        """Return the key of each text, 16 bytes."""
        keys = []
        for text in texts:
            digest = self._common.copy()
            digest.update(text.encode("utf-8", "surrogatepass"))
            keys.append(digest.digest())
        return keys


class KeptVectors:
    """A SQLite file of vectors by key, which processes and threads may share.

    What `put` returned from outlives the process, however that ends. Where there would be more than
    `limit` bytes, what wasn't used for the longest time goes. A file that is damaged is made anew.
    Where it can't be used at all, a VecsearchWarning says so once, and it is as if it were empty.

    path: made where it is missing; None is that of the user's cache folder.
    """

    def __init__(self, path: Path | None = None, limit: int = LIMIT) -> None:
        self._path = path  # that of the user is found once it is needed: there may be none
        self._limit = limit
        self._now = int(time.time())
        self._base: Connection | None = None
        self._pid = 0
        self._guard = threading.RLock()
        self._mended = False
        self._usable = True

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        """Return the vectors, (dim,) float32, of those keys that it holds."""
        return self._within(lambda base: self._get(base, sorted(set(keys)))) or {}

    def put(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors, (keys, dim) float32."""
        if len(keys):
            self._within(lambda base: self._put(base, keys, vectors))

    def size(self) -> Size:
        """Say how much it holds."""
        return self._within(size_of) or Size(0, 0)

    def prune(self, most: int) -> None:
        """Remove what wasn't used for the longest time, until at most so many bytes are left."""

        def prune(base: Connection) -> None:
            with base:
                base.execute("BEGIN IMMEDIATE")
                while (size := size_of(base)).bytes > most and size.vectors:
                    evict(base, math.ceil(size.vectors * (1 - most / size.bytes)))
            base.executescript("PRAGMA incremental_vacuum")  # `execute` frees one page only
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        self._within(prune)

    def close(self) -> None:
        """Let go of the file; it is opened again if need be."""
        with self._guard:
            if self._base is not None and self._pid == os.getpid():
                self._base.close()
            self._base = None

    def __enter__(self) -> KeptVectors:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _within(self, work: Callable[[Connection], _T]) -> _T | None:
        """Do some work with the file; None where that can't be."""
        import sqlite3

        with self._guard:
            while self._usable:
                try:
                    return work(self._opened())
                except (
                    sqlite3.Error,
                    OSError,
                    TypeError,
                    ValueError,
                    OverflowError,
                    VecsearchError,
                ) as error:
                    self.close()
                    if self._mended or not is_damage(error) or not self._removed():
                        self._usable = False
                        place = f"{self._path}: the" if self._path else "The"
                        warnings.warn(
                            f"{place} cache of vectors can't be used ({error}), so what "
                            "is encoded isn't kept. It may be removed: it is made again.",
                            VecsearchWarning,
                            stacklevel=4,
                        )
                    self._mended = True
        return None

    def _removed(self) -> bool:
        """Remove the file, so that it is made anew; say whether that was possible."""
        try:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        except (OSError, ValueError):
            return False
        return True

    def _opened(self) -> Connection:
        if self._base is None or self._pid != os.getpid():  # none is carried into a forked process
            self._path = self._path or cache_folder() / VECTORS
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._base, self._pid = connect(self._path), os.getpid()
        return self._base

    def _get(self, base: Connection, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        found: dict[bytes, Vectors] = {}
        used: list[bytes] = []
        for some, marks in lots(keys):
            asked = (
                "SELECT key, used, vector FROM entries JOIN vectors USING (place) "
                f"WHERE key IN ({marks})"
            )
            for key, when, content in base.execute(asked, some):
                vector = content[:-_CHECK]
                if content[-_CHECK:] == _check(key, vector):
                    found[key] = np.frombuffer(vector, np.float32)
                    used += [key] * (when < self._now)
        self._touch(base, used)
        return found

    def _touch(self, base: Connection, keys: Sequence[bytes]) -> None:
        """Note that entries are in use; that they aren't noted is no harm."""
        import sqlite3

        with contextlib.suppress(sqlite3.OperationalError), base:
            for some, marks in lots(keys):
                base.execute(
                    f"UPDATE entries SET used = ? WHERE key IN ({marks})", (self._now, *some)
                )

    def _put(self, base: Connection, keys: Sequence[bytes], vectors: Vectors) -> None:
        coded = [np.ascontiguousarray(each, np.float32).tobytes() for each in vectors]
        contents = {key: each + _check(key, each) for key, each in zip(keys, coded, strict=True)}
        with base:
            base.execute("BEGIN IMMEDIATE")
            if not self._make_room(base, sum(map(len, contents.values())), len(contents)):
                return
            for some, marks in lots(list(contents)):  # made by another meanwhile, or damaged
                base.execute(
                    "DELETE FROM vectors WHERE place IN "
                    f"(SELECT place FROM entries WHERE key IN ({marks}))",
                    some,
                )
            [(last,)] = base.execute("SELECT coalesce(max(place), 0) FROM vectors")
            places = range(last + 1, last + 1 + len(contents))
            base.executemany(
                "INSERT INTO vectors VALUES (?, ?)", zip(places, contents.values(), strict=True)
            )
            base.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)",
                ((key, self._now, place) for key, place in zip(contents, places, strict=True)),
            )

    def _make_room(self, base: Connection, needed: int, entries: int) -> bool:
        """See to it that entries of so many bytes have room; False where they never will."""
        needed += entries * _OVERHEAD
        while bytes_of(base) + needed > self._limit:
            held = size_of(base).vectors
            if not held:
                return False
            evict(base, max(entries, held // _EVICTED))
        return True


def _check(key: bytes, vector: bytes) -> bytes:
    return hashlib.blake2b(key + vector, digest_size=_CHECK).digest()
