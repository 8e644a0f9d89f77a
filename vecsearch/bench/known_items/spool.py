"""The documents of a corpus, written to a file as they are read, to be read several times.

So a source is read once, whatever that costs, and may be a stream; memory holds one document.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from vecsearch.types import Document


class Spool:
    """A file of JSON Lines, a document each, in the order they came."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.length = 0

    def write(self, source: Iterable[Document]) -> str:
        """Write documents; return the SHA-256 of the file."""
        digest = hashlib.sha256()
        with self._path.open("wb") as file:
            for document in source:
                line = _line(document)
                file.write(line)
                digest.update(line)
                self.length += 1
        return digest.hexdigest()

    def documents(self) -> Iterator[Document]:
        """Read the documents."""
        for line in self._lines():
            record = json.loads(line)
            meta = record.get("metadata", {})
            yield Document(record["_id"], record["text"], record["title"], meta)

    def copy(self, path: Path, instead: Mapping[int, Document]) -> None:
        """Write the file to another path with other documents in some places, from 0."""
        with path.open("wb") as file:
            for place, line in enumerate(self._lines()):
                file.write(_line(instead[place]) if place in instead else line)

    def remove(self) -> None:
        """Remove the file."""
        self._path.unlink()

    def _lines(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            yield from file


def json_line(record: Mapping[str, object]) -> bytes:
    """Write a record as a line of JSON, in UTF-8; half a character becomes a question mark."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _line(document: Document) -> bytes:
    record: dict[str, object] = {"_id": document.id, "title": document.title, "text": document.text}
    if document.meta:
        record["metadata"] = dict(document.meta)
    return json_line(record)
