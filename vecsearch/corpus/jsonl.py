"""JSON Lines: a JSON object a line, which BEIR and Anserini corpora are too.

Of a name that comes twice in an object the last counts: to see that, Python would have to take each
object as pairs, which lengthens the parsing of a line by a third.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from vecsearch.corpus.base import DEFAULT_FIELDS, Fields, Record
from vecsearch.corpus.files import ByteFile, InOneFile, or_gzipped
from vecsearch.corpus.record import BadRecord, document_of, quoted
from vecsearch.corpus.seen import unique
from vecsearch.errors import CorpusError
from vecsearch.types import Document

SUFFIXES: Final = or_gzipped(".jsonl", ".ndjson", ".json")
"""Those of files that may hold JSON Lines."""


class JsonLines(InOneFile):
    """A file of JSON Lines, gzipped or not, or standard input for "-"; blank lines are skipped."""

    def __init__(self, path: str | Path, fields: Fields = DEFAULT_FIELDS) -> None:
        super().__init__(path)
        self._fields = fields

    def read(self) -> Iterator[Record | CorpusError]:
        """Read from the start."""
        return unique(records(self._file, self._fields))


def records(file: ByteFile, fields: Fields) -> Iterator[Record | CorpusError]:
    """Read the documents of a file from the start; ids that come twice aren't looked for."""
    path = file.name
    for line in file.lines():
        if isinstance(line, CorpusError):
            yield line
            continue
        number, text = line
        if not text or text.isspace():
            continue
        try:
            document = _document(text, fields)
        except BadRecord as problem:
            yield CorpusError(path, number, str(problem))
        else:
            yield Record(document, path, number)


def _document(line: str, fields: Fields) -> Document:
    try:
        record = _parsed(line)
        if type(record) is list:
            raise BadRecord(_ARRAY)
        if type(record) is not dict:
            raise BadRecord(
                f"each line must be a JSON object, such as a document's, not {quoted(record)}."
            )
        if "\\" in line and ("\\ud" in line or "\\uD" in line):
            _refuse_lone_surrogates(record)
        return document_of(record, fields)
    except json.JSONDecodeError as error:
        if line.lstrip().startswith("["):  # an array over several lines
            raise BadRecord(_ARRAY) from None
        raise BadRecord(
            f"invalid JSON at column {error.pos + 1}: {error.msg}; "
            "each line must be one whole JSON object."
        ) from None
    except ValueError:  # Python's limit on the digits of an integer
        raise BadRecord("invalid JSON: an integer of thousands of digits.") from None
    except RecursionError:
        raise BadRecord("the JSON is nested too deeply.") from None


def _parsed(line: str) -> object:
    """Parse a line of JSON; the usual one, an object and the line's end, without a regex."""
    if line[0] == "{":
        record, end = _DECODER.raw_decode(line)
        if line[end:] in ("\n", "\r\n", ""):
            return record
    return _DECODER.decode(line)


def _refuse_lone_surrogates(record: object) -> None:
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BadRecord(
            f"the JSON holds half a character, the lone surrogate "
            f"\\u{ord(error.object[error.start]):04x}, which no text may hold."
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    raise BadRecord(f"invalid JSON: {name} isn't JSON; a missing number is null.")


_ARRAY: Final = (
    "each line must be a JSON object, such as a document's, and here a JSON array begins; "
    "`jq -c '.[]'` makes JSON Lines of an array."
)
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
