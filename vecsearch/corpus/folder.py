"""A folder of documents that people have: text, Markdown, HTML, PDF, Word, books and mail."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from vecsearch.corpus.base import Record
from vecsearch.corpus.files import reason, shown, suffix
from vecsearch.corpus.formats import SUFFIXES, Part, Unreadable, format_of
from vecsearch.corpus.seen import unique
from vecsearch.corpus.walking import tell_of_links, walk
from vecsearch.errors import CorpusError
from vecsearch.types import Document, MetaValue

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class DocumentFiles:
    """The files of the kinds in SUFFIXES beneath a folder, by name; or one such file.

    A document's id is its file's path within the folder, with forward slashes; where a file holds
    several, "#" and the name of its part follow: a heading's anchor, a page, a chapter or the id of
    a message. Each has the metadata `file`, the absolute path, and `modified`, the time of the
    file's last change in UTC. Hidden files and folders and indexes are skipped, links to folders
    aren't followed, which is told, files of other kinds are left alone.

    records: suffixes of files that hold records, which are left alone too, and told of.
    """

    total_bytes: Final = None
    bytes_read: Final = 0

    def __init__(self, path: str | Path, records: Collection[str] = ()) -> None:
        self.path = Path(path)
        self._records_in = frozenset(records)
        self.name = shown(path)

    def read(self) -> Iterator[Record | CorpusError]:
        """Read from the start; the path of an error is that of its file."""
        return unique(self._records())

    def _records(self) -> Iterator[Record | CorpusError]:
        if not self.path.is_dir():
            yield from _read(self.path, self.path.name)
            return
        empty = True
        left: list[str] = []
        links: list[str] = []
        for found in walk(self.path, self._records_in.union(SUFFIXES), links.append):
            if isinstance(found, str) and suffix(found) in self._records_in:
                left.append(found)
                continue
            empty = False
            if isinstance(found, CorpusError):
                yield found
            else:
                yield from _read(self.path / found, found)
        tell_of_links(links, self.name)
        if left and not empty:
            _tell_of(left, self.name)
        if empty:
            yield CorpusError(
                self.name,
                None,
                f"the folder holds no {', '.join(SUFFIXES)} file, and neither JSON Lines nor a "
                "corpus.jsonl as a BEIR folder does; give a .csv or .tsv file by its own path.",
            )


def _tell_of(left: Sequence[str], folder: str) -> None:
    others = f" and {len(left) - 1:,} more" if len(left) > 1 else ""
    logging.getLogger("vecsearch").info(
        "%s holds documents, so files of records in it aren't read: %s%s. Give each by its own "
        "path.",
        folder,
        shown(left[0]),
        others,
    )


def _read(path: Path, id: str) -> Iterator[Record | CorpusError]:
    """Read the documents of a file; all that is wrong with it is told as values."""
    name = shown(path)
    if path.is_symlink() and not path.exists():
        yield CorpusError(name, None, "this is a link that leads nowhere.")
        return
    try:
        id.encode()
    except UnicodeEncodeError:
        yield CorpusError(name, None, "the name, which is the id, isn't UTF-8; rename the file.")
        return
    try:
        place = {"file": shown(os.path.abspath(path)), "modified": _modified(path)}  # noqa: PTH100
        for part in format_of(suffix(path))(path):
            if isinstance(part, Unreadable):
                yield CorpusError(name, part.line, str(part))
            else:
                yield Record(_document(id, part, place), name, part.line)
    except Unreadable as problem:
        yield CorpusError(name, problem.line, str(problem))
    except OSError as error:
        yield CorpusError(name, None, reason(error))


def _modified(path: Path) -> str | None:
    """The time of the last change, in whole seconds; None if no calendar has it."""
    try:
        return (_EPOCH + timedelta(seconds=path.stat().st_mtime_ns // 10**9)).isoformat()
    except OverflowError:
        return None


def _document(id: str, part: Part, place: dict[str, str | None]) -> Document:
    """Make the document; what the file says of itself can't hide where it lies."""
    meta: dict[str, MetaValue] = {_text(name): _value(value) for name, value in part.meta.items()}
    return Document(
        _text(f"{id}#{part.fragment}") if part.fragment else id,
        _text(part.text),
        _text(part.title),
        {**meta, **place},
    )


def _value(value: MetaValue) -> MetaValue:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_text(each) if isinstance(each, str) else each for each in value]
    return value


def _text(text: str) -> str:
    """The text with halves of characters, which no index takes, put together or replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
