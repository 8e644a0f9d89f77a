"""A BEIR folder: corpus.jsonl, queries.jsonl and the judgments of each split in qrels/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vecsearch.corpus.base import DEFAULT_FIELDS, Fields, Record
from vecsearch.corpus.files import shown
from vecsearch.corpus.jsonl import JsonLines
from vecsearch.corpus.judged import read_qrels, read_queries
from vecsearch.errors import CorpusError, UnknownName
from vecsearch.types import Qrels, Query


class BeirFolder:
    """A judged corpus; corpus.jsonl and queries.jsonl may be gzipped, and then end in .gz."""

    def __init__(self, folder: str | Path, fields: Fields = DEFAULT_FIELDS) -> None:
        self._folder = Path(folder)
        self._corpus = JsonLines(_either(self._folder / "corpus.jsonl"), fields)
        self.name = shown(folder)

    @property
    def total_bytes(self) -> int | None:
        """The size of the corpus file on disk."""
        return self._corpus.total_bytes

    @property
    def bytes_read(self) -> int:
        """How much of the corpus file is read; compressed bytes, if it is compressed."""
        return self._corpus.bytes_read

    def read(self) -> Iterator[Record | CorpusError]:
        """Read the documents from the start."""
        return self._corpus.read()

    def queries(self) -> list[Query]:
        """Read the queries of all splits, in the order of the file."""
        return read_queries(_either(self._folder / "queries.jsonl"))

    @property
    def splits(self) -> list[str]:
        """The names of the splits that have judgments."""
        return sorted(path.stem for path in (self._folder / "qrels").glob("*.tsv"))

    def qrels(self, split: str) -> Qrels:
        """Read the judgments of a split; UnknownName says which there are."""
        if split not in self.splits:
            raise UnknownName("split", split, self.splits, f"of {self.name}")
        return read_qrels(self._folder / "qrels" / f"{split}.tsv")


def is_beir(folder: Path) -> bool:
    """Whether a folder holds a corpus in BEIR's layout."""
    return _either(folder / "corpus.jsonl").is_file()


def _either(path: Path) -> Path:
    """The file, or its gzipped form if only that exists."""
    gzipped = path.with_name(path.name + ".gz")
    return gzipped if gzipped.is_file() and not path.is_file() else path
