"""Tables and views of SQLite databases: a document a row, and nothing is ever written.

The fields are those of JSON Lines; without a column `_id` or `id`, the rowid is the id of a row.
BLOBs are left out, but one in the id, title or text is an error.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from vecsearch.corpus.base import DEFAULT_FIELDS, Fields, Record
from vecsearch.corpus.files import InShares, reason
from vecsearch.corpus.record import BadRecord, document_of, resolved
from vecsearch.corpus.seen import unique
from vecsearch.errors import CorpusError, did_you_mean

SUFFIXES: Final = (".db", ".sqlite", ".sqlite3")
"""Those of files that may be databases."""

_PATIENCE: Final = 3.0  # seconds that a lock may last
_ROWS: Final = 100  # fetched at once
_ROWIDS: Final = ("rowid", "_rowid_", "oid")  # SQLite's names of it, where no column has them
_SHARED: Final = "mode=ro&readonly_shm=1"
_PROBLEMS: Final = {
    "locked": "it is locked by another program that writes to it; try again when that is done.",
    "not a database": "this is no SQLite database, or an encrypted one.",
    "malformed": "the database is damaged or cut short; `sqlite3 FILE .recover` may save its rows.",
    "unable to open": "it can't be opened; may you read it, and the files beside it?",
    "readonly database": "a change to it was broken off, and can't be undone without writing to "
    "it; open it once with sqlite3.",
}


class SqliteTable(InShares):
    """A table or view of a database, read as it is at one moment."""

    def __init__(
        self, path: str | Path, table: str | None = None, fields: Fields = DEFAULT_FIELDS
    ) -> None:
        """Name a table; without it, the only one of the database is read, else its only view."""
        super().__init__(path)
        self._path = Path(path)
        self._table = table
        self._fields = fields

    def read(self) -> Iterator[Record | CorpusError]:
        """Read from the start; `line` is the number of the row, from 1."""
        return unique(self._records(), "row")

    def _records(self) -> Iterator[Record | CorpusError]:
        self._share = 0.0
        number = 0
        try:
            with closing(_Reading(self._path)) as reading:
                table = reading.choose(self._table)
                columns = reading.columns(table, self._fields)
                count = max(reading.count(table), 1)
                for number, row in enumerate(reading.rows(table, columns), 1):
                    self._share = (number - 1) / count
                    yield self._record(row, number, columns)
                self._share = 1.0
        except BadRecord as problem:
            yield CorpusError(self.name, None, str(problem))
        except (sqlite3.Error, OSError) as error:
            yield CorpusError(self.name, number + 1 if number else None, _worded(error), "row")

    def _record(
        self, row: Sequence[object], number: int, columns: _Columns
    ) -> Record | CorpusError:
        record: dict[str, object] = {}
        try:
            for name, value in zip(columns.names, row, strict=True):
                if not isinstance(value, bytes):
                    record[name] = value
                elif isinstance(value, _NotUtf8):
                    raise BadRecord(f"the text in the column {name!r} isn't UTF-8.")
                elif name in columns.fields.names:
                    raise BadRecord(f"the column {name!r} holds a BLOB here, which is no text.")
            return Record(document_of(record, columns.fields), self.name, number)
        except BadRecord as problem:
            return CorpusError(self.name, number, str(problem), "row")


class _NotUtf8(bytes):
    """A text that can't be decoded."""


class _Columns(NamedTuple):
    """What is read of a table: SQL for each column, their names, and what they hold."""

    sql: list[str]
    names: list[str]
    fields: Fields


class _Reading:
    """A read transaction; BadRecord and sqlite3.Error say what is wrong with the database."""

    def __init__(self, path: Path) -> None:
        path = path.resolve()  # the log lies beside what a link leads to
        self._path = path
        self._before = _stamp(path)
        self._alone = _is_alone(path)
        self._connection = _connect(path, "mode=ro&immutable=1" if self._alone else _SHARED)
        try:
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            page = self._connection.execute("PRAGMA page_size").fetchone()[0]
            if self._before.size % page:  # SQLite would take the rest of the page to be zeros
                raise BadRecord(_PROBLEMS["malformed"])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the transaction."""
        self._connection.close()

    def choose(self, table: str | None) -> str:
        """Find the table of this name, or else the only one there is."""
        kinds = self._kinds()
        tables = [name for name, kind in kinds.items() if kind == "table"] or list(kinds)
        if table in kinds:
            return table
        listing = ", ".join(map(repr, kinds)) or "none"
        if table is not None:
            hint = did_you_mean(table, kinds)
            raise BadRecord(f"there is no table {table!r}.{hint} Tables here: {listing}.")
        if len(tables) == 1:
            return tables[0]
        if not tables:
            raise BadRecord("the database holds no table.")
        raise BadRecord(
            f"the database holds several tables: {listing}; choose one, as in "
            f"sqlite:FILE?table={quote(tables[0])}."
        )

    def columns(self, table: str, fields: Fields) -> _Columns:
        """Find what to read of a table; BadRecord where the id or the text isn't there."""
        cursor = self._connection.execute(f"SELECT * FROM {_quoted(table)} LIMIT 0")
        names = [column[0] for column in cursor.description]
        sql = [_quoted(name) for name in names]
        wanted = [fields.id] if fields.id else ["_id", "id"]
        if names and not any(name in names for name in wanted):
            rowid = self._rowid(table, names)
            if rowid and (fields.id is None or fields.id.lower() == rowid):
                fields = replace(fields, id=fields.id or rowid)
                names, sql = [fields.id or rowid, *names], [rowid, *sql]
        return _Columns(sql, names, resolved(fields, names))

    def count(self, table: str) -> int:
        """How many rows a table has."""
        rows = self._connection.execute(f"SELECT count(*) FROM {_quoted(table)}")
        return int(rows.fetchone()[0])

    def rows(self, table: str, columns: _Columns) -> Iterator[Sequence[object]]:
        """Read the rows, in the order in which they are stored."""
        cursor = self._connection.execute(f"SELECT {', '.join(columns.sql)} FROM {_quoted(table)}")
        while rows := cursor.fetchmany(_ROWS):
            self._check()
            yield from rows
        self._check()

    def _kinds(self) -> dict[str, str]:
        """Tables and views, without those that SQLite or an index of it keeps for itself."""
        schema = self._connection.execute(
            "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
        )
        # Releases before 3.37 don't know the list, and give no row.
        listed = self._connection.execute("PRAGMA main.table_list").fetchall()
        own = {row[1] for row in listed if row[2] == "shadow"}
        return {
            name: kind
            for name, kind in schema.fetchall()
            if name not in own and not name.lower().startswith("sqlite_")
        }

    def _rowid(self, table: str, columns: Sequence[str]) -> str | None:
        """The name of the rowid in a table that has one."""
        taken = {name.lower() for name in columns}
        for name in _ROWIDS:
            if name not in taken and self._kinds()[table] == "table":
                with suppress(sqlite3.OperationalError):
                    self._connection.execute(f"SELECT {name} FROM {_quoted(table)} LIMIT 0")
                    return name
        return None

    def _check(self) -> None:
        """Refuse to go on with a database that changed, where no lock keeps it from changing."""
        if self._alone and _stamp(self._path) != self._before:
            raise BadRecord("the database was changed while it was read; read it again.")


def _is_alone(path: Path) -> bool:
    """Whether a database has a write-ahead log that nobody has open.

    SQLite would make the files of the log anew to read it, and leave them there. It need not, as
    all is in the database then.
    """
    log, shared = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    if shared.exists():
        return False
    if log.exists() and log.stat().st_size:
        raise BadRecord(
            f"its log {log.name!r} holds changes that aren't in the database, and reading them "
            f"would write beside it; `sqlite3 {path.name} 'PRAGMA wal_checkpoint(TRUNCATE)'` "
            "puts them in."
        )
    with closing(_connect(path, "mode=ro&nolock=1")) as connection:
        try:  # without locks, SQLite refuses a log before it looks for its files
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.Error as error:
            return "unable to open" in str(error)
    return False


def _connect(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?{options}",
        uri=True,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,  # a generator may be closed by another
    )
    connection.text_factory = _text
    return connection


def _text(data: bytes) -> str | _NotUtf8:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _NotUtf8(data)


class _Stamp(NamedTuple):
    """What differs once a file is changed."""

    time: int
    size: int


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return _Stamp(status.st_mtime_ns, status.st_size)


def _quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def _worded(error: Exception) -> str:
    if isinstance(error, OSError):
        return reason(error)
    known = (text for part, text in _PROBLEMS.items() if part in str(error))
    return next(known, f"it can't be read: {error}.")
