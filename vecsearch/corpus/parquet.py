"""Columns in files: Parquet, and Arrow's own formats (.arrow, .ipc, .feather), a document a row.

They are read in batches of some rows by pyarrow, of the extra `tables`. Columns of bytes are left
out, and so is the column in which pandas keeps an index without a name. Times are cut to
microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from vecsearch.corpus.base import DEFAULT_FIELDS, Fields, Record
from vecsearch.corpus.files import InShares, reason, suffix
from vecsearch.corpus.record import BadRecord, resolved
from vecsearch.corpus.seen import unique
from vecsearch.corpus.values import document_from, without_bytes
from vecsearch.errors import CorpusError

if TYPE_CHECKING:
    from pyarrow import Array, Field, RecordBatch, Schema

PARQUET: Final = ".parquet"
SUFFIXES: Final = (PARQUET, ".arrow", ".ipc", ".feather")
"""Those of files that hold columns."""

_ROWS: Final = 256  # of a batch, made Python values at once
_BUFFER: Final = 1 << 18  # bytes of a column that are read at once
_ARROW_FILE: Final = b"ARROW1"
_ARROW_STREAM: Final = b"\xff\xff\xff\xff"
_FEATHER_1: Final = b"FEA1"
_INDEX: Final = re.compile("__index_level_[0-9]+__")
_INSTALL: Final = "pip install 'vecsearch[tables]'"

_Reader: TypeAlias = Any  # one of pyarrow's, which has no types


class ParquetFile(InShares):
    """A Parquet, Arrow or Feather file; all but Parquet are mapped into memory, not read whole."""

    def __init__(self, path: str | Path, fields: Fields = DEFAULT_FIELDS) -> None:
        super().__init__(path)
        self._path = path
        self._fields = fields

    def read(self) -> Iterator[Record | CorpusError]:
        """Read from the start; `line` is the number of the row, from 1."""
        return unique(self._records(), "row")

    def _records(self) -> Iterator[Record | CorpusError]:
        self._share = 0.0
        row = 0
        try:
            with ExitStack() as stack:
                opened = _open(self._path, stack)
                fields = resolved(self._fields, opened.schema.names)
                for self._share, batch in opened.batches(_searchable(opened.schema, fields)):
                    for row, found in enumerate(rows_of(batch), row + 1):  # noqa: B020
                        yield self._record(found, row, fields)
                self._share = 1.0
        except ImportError:
            yield CorpusError(self.name, None, f"reading it takes pyarrow: {_INSTALL}.")
        except BadRecord as problem:
            yield CorpusError(self.name, None, str(problem))
        except _failures() as error:
            yield CorpusError(self.name, row + 1 if row else None, _worded(error), "row")

    def _record(
        self, found: Mapping[str, object] | BadRecord, row: int, fields: Fields
    ) -> Record | CorpusError:
        try:
            if isinstance(found, BadRecord):
                raise found
            document = document_from(without_bytes(found, fields.names), fields)
        except BadRecord as problem:
            return CorpusError(self.name, row, str(problem), "row")
        return Record(document, self.name, row)


def rows_of(batch: RecordBatch) -> Iterator[dict[str, object] | BadRecord]:
    """The rows of a batch of Arrow's, as Python's values; one that is no text is a BadRecord."""
    batch = _cut_to_microseconds(batch)
    for start in range(0, batch.num_rows, _ROWS):
        yield from _some_rows(batch.slice(start, _ROWS))


def _some_rows(batch: RecordBatch) -> Iterator[dict[str, object] | BadRecord]:
    try:
        batch.validate(full=True)  # a broken file may have any offsets
        rows = batch.to_pylist()
    except (ValueError, OverflowError, LookupError) as error:  # a time zone may be unknown
        if batch.num_rows > 1:
            for row in range(batch.num_rows):
                yield from _some_rows(batch.slice(row, 1))
        elif isinstance(error, OverflowError):
            yield BadRecord(_beyond_python(batch))
        else:
            yield BadRecord(f"the row can't be read: {first_line(error)}.")
    else:
        yield from rows


def _beyond_python(batch: RecordBatch) -> str:
    """Name the column of a date, time or duration that Python has none of, of one row."""
    columns = zip(batch.schema.names, batch.columns, strict=True)
    name = next(name for name, column in columns if _is_beyond_python(column))
    return (
        f"the column {name!r} holds a date, time or duration that is too large; dates are of the "
        "years 1 to 9999."
    )


def _is_beyond_python(column: Array) -> bool:
    try:
        column.to_pylist()
    except OverflowError:
        return True
    return False


def _cut_to_microseconds(batch: RecordBatch) -> RecordBatch:
    """Make times of nanoseconds, which Python has none of, ones of microseconds."""
    import pyarrow as pa

    fields = [_without_nanoseconds(field) for field in batch.schema]
    schema = pa.schema(fields)
    if schema.equals(batch.schema):
        return batch
    arrays = [
        column.cast(field.type, safe=False) if field.type != column.type else column
        for column, field in zip(batch.columns, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _without_nanoseconds(field: Field) -> Field:
    import pyarrow as pa

    if not pa.types.is_temporal(field.type) or getattr(field.type, "unit", "") != "ns":
        return field
    if pa.types.is_timestamp(field.type):
        return field.with_type(pa.timestamp("us", field.type.tz))
    return field.with_type(pa.time64("us") if pa.types.is_time(field.type) else pa.duration("us"))


class _Opened(NamedTuple):
    """A file: its columns, and its batches, each with the share of the file that it comes after."""

    schema: Schema
    batches: Callable[[Sequence[str]], Iterator[tuple[float, RecordBatch]]]


def _open(path: str | Path, stack: ExitStack) -> _Opened:
    """Open a file; what `_failures` lists may be raised now and later."""
    import pyarrow
    from pyarrow import ipc, parquet

    with Path(path).open("rb") as plain:  # Python's errors are better worded than Arrow's
        start = plain.read(len(_ARROW_FILE))
    if suffix(path) == PARQUET:
        file = parquet.ParquetFile(
            str(path), buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
        )
        stack.callback(file.close)
        return _Opened(file.schema_arrow, partial(_of_parquet, file))
    if start[:4] == _FEATHER_1:
        raise BadRecord("this is Feather of version 1; write it anew, as version 2 or Parquet.")
    source = stack.enter_context(pyarrow.memory_map(str(path)))
    if start == _ARROW_FILE:
        reader = stack.enter_context(ipc.open_file(source))
        return _Opened(reader.schema, partial(_of_arrow_file, reader))
    if start[:4] != _ARROW_STREAM:
        raise BadRecord("this is no Arrow file, which begins with ARROW1 or a stream's FFFFFFFF.")
    reader = stack.enter_context(ipc.open_stream(source))
    return _Opened(reader.schema, partial(_of_arrow_stream, reader, source))


def _of_parquet(file: _Reader, columns: Sequence[str]) -> Iterator[tuple[float, RecordBatch]]:
    done = 0
    for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
        yield done / file.metadata.num_rows, batch.select(columns)
        done += batch.num_rows


def _of_arrow_file(reader: _Reader, columns: Sequence[str]) -> Iterator[tuple[float, RecordBatch]]:
    for number in range(reader.num_record_batches):
        yield number / reader.num_record_batches, reader.get_batch(number).select(columns)


def _of_arrow_stream(
    reader: _Reader, source: _Reader, columns: Sequence[str]
) -> Iterator[tuple[float, RecordBatch]]:
    before = 0
    for batch in reader:
        yield before / source.size(), batch.select(columns)
        before = source.tell()


def _searchable(schema: Schema, fields: Fields) -> list[str]:
    """The columns to read: without those of bytes, unless they are chosen."""
    import pyarrow as pa

    twice = sorted(name for name in set(schema.names) if schema.names.count(name) > 1)
    if twice:
        raise BadRecord(f"two columns are named {twice[0]!r}.")
    kinds = pa.types
    tests = kinds.is_binary, kinds.is_large_binary, kinds.is_fixed_size_binary
    return [
        field.name
        for field in schema
        if field.name in fields.names
        or not (_INDEX.fullmatch(field.name) or any(test(field.type) for test in tests))
    ]


def _failures() -> tuple[type[Exception], ...]:
    """What pyarrow may raise about a file."""
    import pyarrow

    return (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def _worded(error: Exception) -> str:
    """Word what pyarrow says of a file."""
    if isinstance(error, OSError) and error.errno is not None:
        return reason(error)
    return f"the file is broken, cut short or of another kind ({first_line(error)})."


def first_line(error: Exception) -> str:
    """The first line of what a library says, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".:")
