"""What every corpus is to its readers: records and errors in a stream, under one policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn, Protocol

from vecsearch.errors import CorpusError
from vecsearch.types import Document


@dataclass(frozen=True, slots=True)
class Fields:
    """Which fields of a record hold what; None is the default.

    id: else "_id", or "id".
    title: else "title"; a record without it has the empty title.
    text: else "text", or "contents".
    """

    id: str | None = None
    title: str | None = None
    text: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are given."""
        return tuple(name for name in (self.id, self.title, self.text) if name)


DEFAULT_FIELDS: Final = Fields()


class Record(NamedTuple):
    """A document with the place it was read from.

    line: where it begins, from 1; None for a file that is one document.
    """

    document: Document
    path: str
    line: int | None


class Corpus(Protocol):
    """A source of documents, each id once; it can be read again unless it is standard input."""

    @property
    def name(self) -> str:
        """What errors call it: its path, or "standard input"."""

    @property
    def total_bytes(self) -> int | None:
        """How many bytes a whole reading takes in, as they lie on disk; None if unknown."""

    @property
    def bytes_read(self) -> int:
        """How many of `total_bytes` the latest reading has taken in so far."""

    def read(self) -> Iterator[Record | CorpusError]:
        """Read from the start; an error is a value, after which the reading may go on."""


def stop(error: CorpusError) -> NoReturn:
    """Raise the error: the policy that lets none pass."""
    raise error


def documents(
    corpus: Corpus, on_error: Callable[[CorpusError], object] = stop
) -> Iterator[Document]:
    """Read the documents of a corpus; `on_error` is called with each error in its turn.

    By default the first error is raised. `errors.append` skips what can't be read and keeps
    account of it. A corpus without any document that can be read is a CorpusError in any case,
    raised at the end.
    """
    empty = True
    for record in corpus.read():
        if isinstance(record, CorpusError):
            on_error(record)
        else:
            empty = False
            yield record.document
    if empty:
        raise CorpusError(corpus.name, None, "the corpus holds no document that can be read.")
