"""Following a folder: what is new, changed or gone there becomes one commit of an index.

A document belongs to a folder if its metadata say so: "file" is where it was read from.
It has changed if its content has, not if only the time of its file has.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from vecsearch.corpus import Corpus, TextFiles, documents, stop
from vecsearch.errors import CorpusError, UsageError
from vecsearch.store.documents import encode_document
from vecsearch.types import Document
from vecsearch.writer import Writer


@dataclass(slots=True)
class Changes:
    """The ids of the documents that a folder brought, changed and lost, and how many stayed."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0


def sync(
    writer: Writer,
    corpus: Corpus,
    on_error: Callable[[CorpusError], object] = stop,
    *,
    through: Callable[[Iterable[Document]], Iterable[Document]] = iter,
) -> Changes:
    """Make an index hold of a folder what the folder holds now; other documents stay.

    corpus: a folder of documents, as `open_corpus` gives it.
    on_error: as for `documents`. What can't be read now is left in the index as it was.
    through: what the documents pass on their way, such as a progress bar.

    Raise UsageError for another corpus, and where a file would replace a document of another
    folder; CorpusError for a folder without any document: it may just not be mounted.
    """
    if not isinstance(corpus, TextFiles) or not os.path.isdir(corpus.name):  # noqa: PTH112
        raise UsageError(
            f"{corpus.name} can't be followed: that takes a folder of files that are documents."
        )
    changes = Changes()
    folder = os.path.abspath(corpus.name)  # noqa: PTH100 - it doesn't resolve links
    gone = {
        document.id: file
        for document in writer.documents()
        if (file := _file(document)) and _beneath(file, folder)
    }
    unread: list[str] = []

    def note(error: CorpusError) -> None:
        on_error(error)
        unread.append(os.path.abspath(error.path))  # noqa: PTH100

    def different() -> Iterator[Document]:
        for document in through(documents(corpus, note)):
            old = writer.get(document.id)
            if old is None:
                changes.added.append(document.id)
            elif document.id not in gone and not _moved(old, document):
                raise UsageError(
                    f"The index holds a document {old.id!r} that isn't from {folder} "
                    f"({_file(old) or 'it came from no file'}), and {_file(document)} would "
                    "replace it. Rename the file, or use an index for each folder."
                )
            elif _content(old) == _content(document):
                del gone[document.id]
                changes.unchanged += 1
                continue
            else:
                changes.changed.append(document.id)
            gone.pop(document.id, None)
            yield document

    writer.add(different())
    changes.removed = [
        name for name, file in gone.items() if not any(_beneath(file, place) for place in unread)
    ]
    writer.delete(changes.removed)
    return changes


def _file(document: Document) -> str:
    """The file that a document was read from; the empty text if it wasn't."""
    file = document.meta.get("file")
    return file if isinstance(file, str) else ""


def _beneath(file: str, place: str) -> bool:
    return file == place or file.startswith(place.rstrip(os.sep) + os.sep)


def _moved(old: Document, new: Document) -> bool:
    """Whether the file of a document lies elsewhere now, its whole folder having been moved."""
    return bool(_file(old)) and _file(old) != _file(new) and not os.path.lexists(_file(old))


def _content(document: Document) -> bytes:
    meta = {name: value for name, value in document.meta.items() if name != "modified"}
    return encode_document(dataclasses.replace(document, meta=meta))
