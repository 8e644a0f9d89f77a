"""Following a folder: what is new, changed or gone there becomes one commit of an index.

A document is the folder's if its metadata and its id say so: "file" is where it was read from, and
its id, without the name of a part, is the path from the folder to there. It has changed if its
content has; where only the place or the time of its file has, the new one is taken over.
"""

from __future__ import annotations

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from vecsearch.corpus import Corpus, DocumentFiles, documents, stop
from vecsearch.corpus.files import shown
from vecsearch.corpus.formats import SUFFIXES
from vecsearch.corpus.walking import first
from vecsearch.errors import CorpusError, UsageError
from vecsearch.store.documents import Content, encode_document
from vecsearch.types import Document
from vecsearch.writer import Writer


@dataclass(slots=True)
class Changes:
    """The ids of the documents that a folder brought, changed and lost, and how many stayed.

    One of which only the place or the time of its file has changed counts as `unchanged`.
    """

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

    Raise UsageError for another corpus, and where a file would replace or repeat a document of
    another folder; CorpusError for a folder without any document: it may just not be mounted.
    """
    if not isinstance(corpus, DocumentFiles) or not corpus.path.is_dir():
        raise UsageError(
            f"{corpus.name} can't be followed: that takes a folder of files that are documents."
        )
    folder = _absolute(corpus.name)
    known = _Known(writer, folder)
    unread: list[str] = []

    def note(error: CorpusError) -> None:
        if known.held and error.path == corpus.name and first(corpus.path, SUFFIXES) is None:
            error = CorpusError(
                corpus.name,
                None,
                f"the folder holds no document any more, the index {known.held:,} of it. They "
                "stay, since it may just not be mounted; `vecsearch delete INDEX --where "
                f"'file like \"{folder}/%\"'` drops them.",
            )
        on_error(error)
        unread.append(_absolute(error.path))

    changes = Changes()
    writer.update(_different(writer, through(documents(corpus, note)), known, changes))
    changes.removed = [
        name for name, file in known.gone() if not any(_beneath(file, place) for place in unread)
    ]
    writer.delete(changes.removed)
    return changes


def _different(
    writer: Writer, found: Iterable[Document], known: _Known, changes: Changes
) -> Iterator[Document]:
    """Yield what is new or changed, and keep account of everything."""
    for document in found:
        old = writer.get(document.id)
        known.see(document, old)
        if old is None:
            changes.added.append(document.id)
        elif encode_document(old) == encode_document(document):
            changes.unchanged += 1
            continue
        elif _content(old) == _content(document):
            changes.unchanged += 1
        else:
            changes.changed.append(document.id)
        yield document


class _Known:
    """The documents of the index that were read from files: which are the folder's, or were."""

    def __init__(self, writer: Writer, folder: str) -> None:
        self._folder = folder
        self._same: dict[str, bool] = {}
        self._unseen: defaultdict[str, dict[str, str]] = defaultdict(dict)
        """Folder -> id -> file, of documents that haven't been found again yet."""
        self._moved: set[str] = set()
        self._elsewhere: dict[str, str] = {}  # file -> the folder that it was read from
        for document in writer.documents():
            if root := _root(document):
                if self._is_followed(root):
                    root = folder
                elif _beneath(_file(document), folder):
                    self._elsewhere[_file(document)] = root
                self._unseen[root][document.id] = _file(document)
        self._counts = {root: len(found) for root, found in self._unseen.items()}
        self.held = self._counts.get(folder, 0)
        """How many documents of the folder there are."""

    def see(self, document: Document, old: Document | None) -> None:
        """Take note of a document of the folder, and of what the index holds under its id."""
        file = _file(document)
        if old is None:
            if file in self._elsewhere:
                raise UsageError(
                    f"The index holds {file} already, as a document of {self._elsewhere[file]}: "
                    "follow that folder, or make an index of this one."
                )
            return
        root = _root(old)
        if self._is_followed(root):
            root = self._folder
        elif not root or os.path.lexists(root):
            self._refuse(old, file)
        else:
            self._moved.add(root)
        self._unseen[root].pop(old.id, None)

    def gone(self) -> Iterator[tuple[str, str]]:
        """Yield (id, file) of the folder's documents that weren't seen; call it at the end."""
        yield from self._unseen[self._folder].items()
        for root in self._moved:
            # Two folders may both have had a README.md: one that moved has most of its files still.
            left = self._unseen[root]
            if 2 * len(left) > self._counts[root]:
                raise UsageError(
                    f"The index holds documents of {root}, which isn't there any more, with the "
                    f"same ids as files of {self._folder}, but most of them aren't here. Delete "
                    "those documents first, or use an index for each folder."
                )
            yield from left.items()

    def _is_followed(self, root: str) -> bool:
        """Say whether a path leads to the folder, be it through a link."""
        if root not in self._same:
            self._same[root] = root == self._folder or _lead_together(root, self._folder)
        return self._same[root]

    def _refuse(self, old: Document, file: str) -> NoReturn:
        raise UsageError(
            f"The index holds a document {old.id!r} that isn't from {self._folder} "
            f"({_file(old) or 'it came from no file'}), and {file} would replace it. Rename the "
            "file, or use an index for each folder."
        )


def _root(document: Document) -> str:
    """The folder that a document was read from, by its file and its id; "" if it wasn't."""
    file, name = _file(document), document.id
    end = len(name)
    while end > 0:  # a part's name follows a "#", but file names may hold one as well
        if file.endswith("/" + name[:end]):
            return file[: -end - 1] or "/"
        end = name.rfind("#", 0, end)
    return ""


def _file(document: Document) -> str:
    """The file that a document was read from; "" if it wasn't."""
    file = document.meta.get("file")
    return file if isinstance(file, str) else ""


def _absolute(path: object) -> str:
    """A path as documents' "file" has it."""
    return shown(os.path.abspath(str(path)))  # noqa: PTH100 - it doesn't resolve links


def _lead_together(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False


def _beneath(file: str, place: str) -> bool:
    return file == place or file.startswith(place.rstrip("/") + "/")


def _content(document: Document) -> Content:
    """What a document holds, wherever its file lies, also through a link, and whenever written."""
    meta = {key: value for key, value in document.meta.items() if key not in ("file", "modified")}
    return encode_document(dataclasses.replace(document, meta=meta))
