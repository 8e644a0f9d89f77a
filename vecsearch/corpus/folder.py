"""A folder of text, Markdown and HTML files, each one document; or a single such file."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vecsearch.corpus.base import Record
from vecsearch.corpus.files import HEAD, not_utf8, reason, shown, strangeness, suffix
from vecsearch.corpus.pages import SUFFIXES, title_and_text
from vecsearch.corpus.walking import walk
from vecsearch.errors import CorpusError
from vecsearch.types import Document


class TextFiles:
    """The .txt, .md, .html and .htm files beneath a folder, by name; or one such file.

    A document's id is its path within the folder, with forward slashes. Hidden files and folders
    and indexes are skipped, links to folders aren't followed, files of other kinds (JSON Lines too)
    are left alone.
    """

    total_bytes: Final = None
    bytes_read: Final = 0

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.name = shown(path)

    def read(self) -> Iterator[Record | CorpusError]:
        """Read from the start; no id can come twice."""
        if not self._path.is_dir():
            yield _read(self._path, self._path.name)
            return
        empty = True
        for found in walk(self._path, SUFFIXES):
            empty = False
            yield found if isinstance(found, CorpusError) else _read(self._path / found, found)
        if empty:
            yield CorpusError(
                self.name,
                None,
                f"the folder holds no {', '.join(SUFFIXES)} file, and neither JSON Lines nor a "
                "corpus.jsonl as a BEIR folder does; give a .csv or .tsv file by its own path.",
            )


def _read(path: Path, id: str) -> Record | CorpusError:
    name = shown(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        return CorpusError(name, None, reason(error))
    problem = strangeness(data[:HEAD])
    if problem:
        return CorpusError(name, None, problem)
    try:
        content = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return CorpusError(name, line, not_utf8(error))
    try:
        id.encode()
    except UnicodeEncodeError:
        return CorpusError(name, None, "the name, which is the id, isn't UTF-8; rename the file.")
    title, text = title_and_text(suffix(path), content)
    return Record(Document(id=id, text=text, title=title), name, None)
