"""A folder of JSON Lines files, read as one corpus, as Anserini lays corpora out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from vecsearch.corpus.base import DEFAULT_FIELDS, Fields, Record
from vecsearch.corpus.files import ByteFile, shown
from vecsearch.corpus.jsonl import SUFFIXES, records
from vecsearch.corpus.seen import unique
from vecsearch.corpus.walking import tell_of_links, walk
from vecsearch.errors import CorpusError


class JsonLinesFolder:
    """The .jsonl, .ndjson and .json files beneath a folder, gzipped or not, by name.

    Each holds JSON Lines; an id may come once in all of them. Hidden files and folders and
    indexes are skipped, links to folders aren't followed, which is told, files of other kinds are
    left alone.
    """

    def __init__(self, folder: str | Path, fields: Fields = DEFAULT_FIELDS) -> None:
        self._folder = Path(folder)
        self._fields = fields
        self._file: ByteFile | None = None  # the one that is being read
        self._before = 0  # bytes of the files before it
        self.name = shown(folder)

    @property
    def total_bytes(self) -> int:
        """The size of all files on disk."""
        sizes = (ByteFile(file).total_bytes for file in self._files() if isinstance(file, Path))
        return sum(size or 0 for size in sizes)

    @property
    def bytes_read(self) -> int:
        """How much of the files is read; compressed bytes of those that are compressed."""
        return self._before + (self._file.bytes_read if self._file else 0)

    def read(self) -> Iterator[Record | CorpusError]:
        """Read file after file from the start."""
        return unique(self._records())

    def _records(self) -> Iterator[Record | CorpusError]:
        self._file, self._before = None, 0
        links: list[str] = []
        for file in self._files(links.append):
            if isinstance(file, CorpusError):
                yield file
                continue
            self._before = self.bytes_read
            self._file = ByteFile(file)
            yield from records(self._file, self._fields)
        tell_of_links(links, self.name)

    def _files(
        self, on_link: Callable[[str], object] = lambda _: None
    ) -> Iterator[Path | CorpusError]:
        for found in walk(self._folder, SUFFIXES, on_link):
            yield found if isinstance(found, CorpusError) else self._folder / found
