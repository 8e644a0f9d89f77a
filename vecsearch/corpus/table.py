"""Tables: .csv and .tsv files with a header, a document a row.

A column of metadata holds values of one kind, so that a filter on it means every row: numbers if
all its cells are decimal numbers without leading zeros or plus sign (2020, -3, 3.50, and with a
signed exponent 1e-05), booleans if all are true or false in any case, else text, as 007, +5, 1e5
and nan are. An empty cell is null. The whole file is read once beforehand to know that; in what
can be read only once, as a named pipe, all cells are text.
"""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from vecsearch.corpus.base import DEFAULT_FIELDS, Fields, Record
from vecsearch.corpus.files import (
    READING_ERRORS,
    ByteFile,
    InOneFile,
    head,
    reason,
    strangeness,
    suffix,
)
from vecsearch.corpus.record import BadRecord, document_of, quoted, resolved
from vecsearch.corpus.seen import unique
from vecsearch.errors import CorpusError
from vecsearch.types import Document, Scalar

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?(e[+-][0-9]+)?")
_BOOLEANS: Final = {"true": True, "false": False}
_ESCAPED: Final = re.compile("[\udc80-\udcff]")


class Table(InOneFile):
    """A .csv or .tsv file, gzipped or not, quoted as spreadsheets do it.

    A cell may be of any size and hold newlines. A row with fewer cells than the header has empty
    ones for the rest; columns without a name are left out.
    """

    def __init__(self, path: str | Path, fields: Fields = DEFAULT_FIELDS) -> None:
        super().__init__(path)
        self._path = path
        self._fields = fields
        self._delimiter = "\t" if suffix(path).startswith(".tsv") else ","

    def read(self) -> Iterator[Record | CorpusError]:
        """Read from the start; `line` is where a row begins."""
        return unique(self._records())

    def _records(self) -> Iterator[Record | CorpusError]:
        header: _Header | None = None
        texts: set[str] = set()
        for row in self._rows(self._file):
            if isinstance(row, CorpusError):
                yield row
                if header is None:
                    return
                continue
            line, cells = row
            try:
                if header is None:
                    header = _Header(cells, self._fields)
                    texts = self._text_columns(header)
                else:
                    yield Record(header.document(cells, texts), self.name, line)
            except BadRecord as problem:
                yield CorpusError(self.name, line, str(problem))
                if header is None:
                    return

    def _text_columns(self, header: _Header) -> set[str]:
        """Find the columns of metadata that aren't all numbers or all booleans, ahead of all."""
        if self.total_bytes is None:
            return set(header.others)
        kinds: dict[str, type] = {}
        undecided = set(header.others)
        for each in islice(self._rows(ByteFile(self._path)), 1, None):
            if not undecided:
                break
            with suppress(BadRecord):  # it is told of, or skipped, when it is read again
                row = {} if isinstance(each, CorpusError) else header.row(each[1])
                for name in undecided.intersection(row):
                    kind = _kind(row[name])
                    if kind is str or (kind and kinds.setdefault(name, kind) is not kind):
                        undecided.remove(name)
        return set(header.others) - undecided

    def _rows(self, file: ByteFile) -> Iterator[tuple[int, list[str]] | CorpusError]:
        """Read (line of its start, cells) pairs; bytes that aren't UTF-8 are escaped in a cell."""
        line = 0
        try:
            with file.open() as stream:
                problem = strangeness(head(stream))
                if problem:
                    yield CorpusError(self.name, None, problem)
                    return
                # Only whole rows tell where the quotes are: so bad bytes are looked for in rows.
                text = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
                rows = csv.reader(text, delimiter=self._delimiter, strict=True)
                while True:
                    line = rows.line_num + 1
                    try:
                        cells = _next_row(rows)
                    except csv.Error as error:
                        yield CorpusError(self.name, line, _badly_quoted(error))
                        continue
                    if cells is None:
                        return
                    if cells:
                        yield line, cells
        except READING_ERRORS as error:
            yield CorpusError(self.name, line or None, reason(error))


class _Header:
    """The names of the columns, and documents of the rows beneath them."""

    def __init__(self, names: Sequence[str], fields: Fields) -> None:
        _refuse_bytes(names, names)
        named = [name for name in names if name]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise BadRecord(f"two columns of the header are named {twice[0]!r}.")
        self._names = names
        try:
            self._fields = resolved(fields, named)
        except BadRecord as problem:
            raise BadRecord(f"{problem}{_other_delimiter(names)}") from None
        used = {self._fields.id, self._fields.title, self._fields.text}
        self._used = [name for name in named if name in used]
        self.others = [name for name in named if name not in used]

    def row(self, cells: Sequence[str]) -> dict[str, str]:
        """Give the cells of a row their names; BadRecord says what is wrong with them."""
        if len(cells) > len(self._names):
            raise BadRecord(
                f"the row has {len(cells)} cells and the header {len(self._names)}; the first too "
                f"many is {quoted(cells[len(self._names)])}. "
                "A cell that holds the delimiter must be quoted."
            )
        _refuse_bytes(cells, self._names)
        return dict(zip(self._names, cells, strict=False))

    def document(self, cells: Sequence[str], texts: Collection[str]) -> Document:
        """Make a document of a row; `texts` are the columns of metadata whose values are text."""
        row = self.row(cells)
        plain = document_of({name: row[name] for name in self._used if name in row}, self._fields)
        meta = {
            name: (row.get(name) or None) if name in texts else typed(row.get(name, ""))
            for name in self.others
        }
        return Document(plain.id, plain.text, plain.title, meta)


def typed(cell: str) -> Scalar:
    """The value that a cell stands for by its look alone; see the top of the module."""
    if not cell:
        return None
    number = _NUMBER.fullmatch(cell)
    if number is None:
        return _BOOLEANS.get(cell.lower(), cell)
    try:
        value = int(cell) if number.lastindex is None else float(cell)
    except ValueError:  # Python's limit on the digits of an integer
        return cell
    return value if math.isfinite(value) else cell


def _other_delimiter(names: Sequence[str]) -> str:
    """What to say of a header that is a single field, since something else parts its cells."""
    [name] = names if len(names) == 1 else [""]
    found = next((each for each in ";\t,|" if each in name), None)
    if found is None:
        return ""
    return (
        f" Is {found!r} the delimiter? The cells of a .csv are parted by commas, those of a .tsv "
        "by tabs: rename or convert the file."
    )


def _kind(cell: str) -> type | None:
    """Which of float, bool and str a cell stands for; None for an empty one."""
    value = typed(cell)
    if value is None:
        return None
    return float if type(value) is int else type(value)


def _next_row(rows: Iterator[list[str]]) -> list[str] | None:
    """Read a row, lifting the limit on the size of a cell, which is the process's, meanwhile."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        return next(rows, None)
    finally:
        csv.field_size_limit(limit)


def _badly_quoted(error: csv.Error) -> str:
    if "end of data" in str(error):
        return "a quoted cell of this row is never closed; a quote within a cell is doubled."
    return f"the row can't be read ({error}); a cell with quotes is quoted, and they are doubled."


def _refuse_bytes(cells: Sequence[str], names: Sequence[str]) -> None:
    """Refuse bytes that aren't UTF-8, which were escaped as lone surrogates."""
    for cell, name in zip(cells, names, strict=False):
        found = None if cell.isascii() else _ESCAPED.search(cell)
        if found:
            raise BadRecord(
                f"not UTF-8: the column {name!a} holds the byte 0x{ord(found[0]) - 0xDC00:02X}; "
                "convert the file, as with `iconv -f LATIN1 -t UTF-8` if it is Latin-1."
            )
