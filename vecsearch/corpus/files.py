"""Files as bytes and lines: plain, gzipped or standard input, with progress and errors as values.

Text is UTF-8, with or without a byte order mark, and its lines end in a newline.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from vecsearch.errors import CorpusError

STANDARD_INPUT: Final = "-"
READING_ERRORS: Final = (OSError, EOFError, zlib.error)
"""What reading a file may raise; `reason` words it."""

Stream: TypeAlias = "io.BufferedReader[Any] | gzip.GzipFile"
"""Bytes in lines, at whose head one may peek."""

HEAD: Final = 4096
"""How many bytes of a file tell whether it is text."""

_BUFFER: Final = 1 << 18
_CONTROL: Final = bytes(set(range(0x20)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"
_GZIP: Final = b"\x1f\x8b"


class ByteFile:
    """A file, gunzipped if named *.gz, or standard input for "-"; it knows how far it is read."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._raw: io.BufferedReader[Any] | None = None
        self._read = 0
        self.name = "standard input" if str(path) == STANDARD_INPUT else shown(path)

    @property
    def total_bytes(self) -> int | None:
        """The size on disk; None if it has none."""
        if str(self._path) == STANDARD_INPUT:
            return None
        try:
            status = Path(self._path).stat()
        except OSError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    @property
    def bytes_read(self) -> int:
        """How many bytes the latest reading took from disk; 0 for what has no position."""
        raw = self._raw
        if raw is not None:
            with suppress(OSError, ValueError):  # a pipe has no position, nor a file just closed
                self._read = raw.tell()
        return self._read

    @contextmanager
    def open(self) -> Iterator[Stream]:
        """Open for reading bytes; what READING_ERRORS lists may be raised now and later."""
        if str(self._path) == STANDARD_INPUT:
            with _standard_input() as stream:
                yield stream
            return
        self._read = 0
        with io.BufferedReader(io.FileIO(self._path), _BUFFER) as raw:
            self._raw = raw
            try:
                if suffix(self._path).endswith(".gz"):
                    with gzip.GzipFile(fileobj=raw) as stream:
                        yield stream
                else:
                    yield raw
            finally:
                self._read = self.bytes_read
                self._raw = None

    def lines(self) -> Iterator[tuple[int, str] | CorpusError]:
        """Read (number from 1, line) pairs; the last error of a file may be that it breaks off."""
        number = 0
        try:
            with self.open() as stream:
                problem = strangeness(head(stream))
                if problem:
                    yield CorpusError(self.name, None, problem)
                    return
                for number, line in enumerate(stream, 1):
                    if number == 1:
                        line = line.removeprefix(codecs.BOM_UTF8)
                    try:
                        text = line.decode()
                    except UnicodeDecodeError as error:
                        yield CorpusError(self.name, number, not_utf8(error))
                    else:
                        yield number, text
        except READING_ERRORS as error:
            yield CorpusError(self.name, number + 1 if number else None, reason(error))


class InOneFile:
    """What corpora that lie in one file share: its name, its size, how far it is read."""

    def __init__(self, path: str | Path) -> None:
        self._file = ByteFile(path)

    @property
    def name(self) -> str:
        """The path, or "standard input"."""
        return self._file.name

    @property
    def total_bytes(self) -> int | None:
        """The size of the file on disk; None for a stream."""
        return self._file.total_bytes

    @property
    def bytes_read(self) -> int:
        """How much of the file is read; compressed bytes, if it is compressed."""
        return self._file.bytes_read


class InShares(InOneFile):
    """The same for files that a library reads, of which only the share of the rows is known."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._share = 0.0

    @property
    def bytes_read(self) -> int:
        """The share of the rows, or of the batches, that are read, of the size of the file."""
        return int(self._share * (self.total_bytes or 0))


def suffix(path: str | Path) -> str:
    """The lower-case suffix of a name, with the one before it if that is ".gz"."""
    name = Path(path)
    last = name.suffix.lower()
    return Path(name.stem).suffix.lower() + last if last == ".gz" else last


def or_gzipped(*suffixes: str) -> tuple[str, ...]:
    """These suffixes, and those of the same files gzipped."""
    return (*suffixes, *(f"{each}.gz" for each in suffixes))


def shown(path: str | Path) -> str:
    """A path that can be printed whatever bytes it is made of."""
    return os.fsencode(path).decode(errors="backslashreplace")


def head(stream: Stream) -> bytes:
    """The first bytes of a stream, without taking them from it."""
    return stream.peek(HEAD)[:HEAD]


def strangeness(head: bytes) -> str | None:
    """Say why a file that begins so is no text at all; None if it may be.

    A few NULs don't make a text binary; NULs beside bytes that aren't UTF-8 do, and so does a
    tenth of control characters.
    """
    if head.startswith(_GZIP):
        return "this is gzip data; decompress it, or give the file a name that ends in .gz."
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "this is UTF-16, not UTF-8; convert it, as with `iconv -f UTF-16 -t UTF-8`."
    controls = len(head) - len(head.translate(None, _CONTROL))
    if controls * 10 > len(head) or (b"\0" in head and not _starts_utf8(head)):
        return "this looks like a binary file; a corpus is made of UTF-8 text."
    return None


def not_utf8(error: UnicodeDecodeError) -> str:
    """Word a decoding error, with the place in the line."""
    line_start = error.object.rfind(b"\n", 0, error.start) + 1
    return (
        f"not UTF-8: byte {error.start - line_start + 1} of the line is "
        f"0x{error.object[error.start]:02X}; convert the file, as with "
        "`iconv -f LATIN1 -t UTF-8` if it is Latin-1."
    )


def reason(error: Exception) -> str:
    """Word a reading error."""
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return f"the gzip data is corrupt ({error})."
    if isinstance(error, EOFError):
        return "the gzip data breaks off before its end; was it copied whole?"
    if isinstance(error, FileNotFoundError):
        return "there is no such file."
    return f"can't be read: {(isinstance(error, OSError) and error.strerror) or error}."


def _starts_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def _standard_input() -> Iterator[io.BufferedReader[Any]]:
    """Standard input as a stream that can be peeked at; it stays open."""
    if sys.stdin is None:
        raise OSError("standard input is closed")
    stream: Any = sys.stdin.buffer
    if isinstance(stream, io.BufferedReader):
        yield stream
    else:
        peekable: io.BufferedReader[Any] = io.BufferedReader(stream)
        try:
            yield peekable
        finally:
            peekable.detach()
