"""The SQLite file in which vectors are kept: its tables, its size, and what goes first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from sqlite3 import Connection

_FORMAT: Final = (0x76656373, 1)
"""SQLite's application_id and user_version of our files."""

_PAGE: Final = 8192
"""Bytes of a page: five vectors of 384 numbers fit, where the usual 4,096 would hold two."""

_WAIT: Final = 30.0
"""Seconds that one process waits while another writes."""

_ASKED: Final = 500
"""Keys looked up at a time: SQLite takes some thousand parameters."""


class Size(NamedTuple):
    """How many vectors a cache holds, and the bytes that they take on disk."""

    vectors: int
    bytes: int


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file isn't as it was written, or never was a database."""
    import sqlite3

    if isinstance(error, sqlite3.OperationalError):
        return "no such" in str(error)
    return isinstance(error, sqlite3.DatabaseError | TypeError | ValueError | OverflowError)


def connect(path: Path) -> Connection:
    """Open a file of ours, made if it is missing; sqlite3.Error where that can't be."""
    import sqlite3

    base = sqlite3.connect(path, timeout=_WAIT, check_same_thread=False, isolation_level=None)
    base.text_factory = bytes  # where damage makes text of what was none
    try:
        begun = time.monotonic()
        while True:
            try:
                _prepare(base)
                return base
            except sqlite3.OperationalError as error:
                # Two who make it at the same moment: SQLite itself doesn't wait for this lock.
                if "locked" not in str(error) or time.monotonic() - begun > _WAIT:
                    raise
                time.sleep(0.05)
    except BaseException:
        base.close()
        raise


def _prepare(base: Connection) -> None:
    if _format(base) != _FORMAT:
        if not _pragma(base, "page_count"):  # it can't be set later
            base.execute(f"PRAGMA page_size = {_PAGE}")
            base.execute("PRAGMA auto_vacuum = INCREMENTAL")
        with base:
            base.execute("BEGIN IMMEDIATE")
            _make(base)
    # A writer that is killed has lost nothing that it committed; a power cut may cost the last.
    base.execute("PRAGMA journal_mode = WAL").fetchall()
    base.execute("PRAGMA synchronous = NORMAL")
    base.execute("PRAGMA temp_store = MEMORY")
    base.execute("PRAGMA journal_size_limit = 0")


def _make(base: Connection) -> None:
    """Make the tables of an empty file, within a transaction, unless another process just did."""
    import sqlite3

    if _format(base) == _FORMAT:
        return
    [(tables,)] = base.execute("SELECT count(*) FROM sqlite_master")
    if tables or _format(base) != (0, 0):
        raise sqlite3.OperationalError("it is another program's, or another version's")
    # Apart, since each use changes an entry, and vectors are large.
    base.execute(
        "CREATE TABLE entries (key BLOB PRIMARY KEY, used INTEGER NOT NULL, "
        "place INTEGER NOT NULL) WITHOUT ROWID"
    )
    base.execute("CREATE TABLE vectors (place INTEGER PRIMARY KEY, vector BLOB NOT NULL)")
    base.execute(f"PRAGMA application_id = {_FORMAT[0]}")
    base.execute(f"PRAGMA user_version = {_FORMAT[1]}")


def _format(base: Connection) -> tuple[int, int]:
    return _pragma(base, "application_id"), _pragma(base, "user_version")


def _pragma(base: Connection, name: str) -> int:
    [(value,)] = base.execute(f"PRAGMA {name}")
    return int(value)


def bytes_of(base: Connection) -> int:
    """Return the bytes that a file takes, but for pages that are free."""
    pages = _pragma(base, "page_count") - _pragma(base, "freelist_count")
    return pages * _pragma(base, "page_size")


def size_of(base: Connection) -> Size:
    """Say how much a file holds."""
    [(entries,)] = base.execute("SELECT count(*) FROM entries")
    return Size(entries, bytes_of(base))


def evict(base: Connection, entries: int) -> None:
    """Remove so many entries: those not used for the longest time, the oldest of these first."""
    base.execute(
        "CREATE TEMP TABLE IF NOT EXISTS evicted "
        "(key BLOB PRIMARY KEY, place INTEGER) WITHOUT ROWID"
    )
    base.execute("DELETE FROM evicted")
    base.execute(
        "INSERT INTO evicted SELECT key, place FROM entries ORDER BY used, place LIMIT ?",
        (entries,),
    )
    base.execute("DELETE FROM vectors WHERE place IN (SELECT place FROM evicted)")
    base.execute("DELETE FROM entries WHERE key IN (SELECT key FROM evicted)")


def lots(keys: Sequence[bytes]) -> Iterator[tuple[Sequence[bytes], str]]:
    """Cut keys into so many as can be asked for at a time, each lot with its question marks."""
    for start in range(0, len(keys), _ASKED):
        some = keys[start : start + _ASKED]
        yield some, ",".join("?" * len(some))
