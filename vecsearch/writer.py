"""Changing an index: documents in, documents out, one commit at the end or none.

Everything that a writer does before its commit is invisible, and swept if the commit never comes.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vecsearch.batch import Batch, Threads
from vecsearch.corpus import documents_of
from vecsearch.encoding import Encoding, Rows
from vecsearch.errors import IndexProblem, UnknownDocument, did_you_mean
from vecsearch.filters import parse_filter
from vecsearch.merging import Size, plan_merges
from vecsearch.retrieve.nearest.contract import Contract
from vecsearch.retrieve.nearest.tuning import Tuned
from vecsearch.store.damage import Damage
from vecsearch.store.documents import hash_ids, id_text
from vecsearch.store.files import Disk, naming_failure
from vecsearch.store.manifest import (
    FileEntry,
    Manifest,
    SegmentEntry,
    check_file,
    commit,
    sweep,
)
from vecsearch.store.segment import (
    Rooms,
    Segment,
    merge_segments,
    open_segment,
    write_alive,
    write_nearest,
    write_segment,
)
from vecsearch.store.snapshot import Part
from vecsearch.text import Analyzer
from vecsearch.tokenizing import Tokenizer
from vecsearch.types import Document, Vectors


@dataclasses.dataclass(slots=True)
class _Held:
    """A segment that the commit will name: as written, and opened with what lives of it now."""

    entry: SegmentEntry
    segment: Segment
    changed: bool = False

    def living(self) -> int:
        return int(self.segment.living().sum())

    def kill(self, positions: NDArray[np.int64]) -> None:
        alive = self.segment.living().copy()
        alive[positions] = False
        self.segment = dataclasses.replace(self.segment, alive=alive)
        self.changed = True


class Writer:
    """The one writer of an index, as `Index.writer()` gives it; use it within its `with` block.

    It is for one thread; another that uses it gets an IndexProblem.
    An id that exists already is replaced, in the index or earlier in the same block.
    """

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        base: Manifest,
        analyzer: Analyzer,
        encoding: Encoding | None,
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._base = base
        self._damage = Damage(folder, tuple(base.files()))
        self._next_segment = base.next_segment
        self._user: tuple[int, int] | None = _this_thread()
        self._held = [_Held(entry, open_segment(folder, entry)) for entry in base.segments]
        self._threads = Threads(Tokenizer(analyzer))
        self._encoding = encoding
        self._batch = self._new_batch()
        self._changed = False
        self._whole: set[str] = set()  # segments whose vectors were checked

    def get(self, id: str | int) -> Document | None:
        """Return the living document of an id, what this block added included; None for none."""
        self._check_use()
        id = id_text(id)
        if id in self._batch.positions:
            self._flush()
        found = self._find([id])[0]
        with self._damage:
            return found[0].segment.documents.document(found[1]) if found else None

    def documents(self) -> Iterator[Document]:
        """Yield the living documents as they are at the start, what this block added included."""
        self._check_use()
        self._flush()
        with self._damage:
            for segment in [held.segment for held in self._held]:
                for position in np.flatnonzero(segment.living()).tolist():
                    yield segment.documents.document(position)

    def add(self, documents: object) -> int:
        """Add documents, replacing those whose id exists; return how many were added.

        documents: a Document or a mapping of its fields, an iterable of those, or a frame of
            pandas, polars or Arrow; see `vecsearch.corpus.documents_of`.

        Memory stays bounded: a batch that is full is written, though not yet committed. So where an
        iterable has a document that can't be taken, what came before it is added: an error that
        leaves the block undoes all of it, but one that is caught within the block doesn't.
        """
        return self._add(documents, None)

    def update(self, documents: object) -> int:
        """Add documents as `add` does, but encode only those whose title or text is new.

        What replaces a document of the same title and text keeps its vectors, whether an encoder or
        a caller made them.
        """
        return self._add(documents, self._known_vectors)

    def delete(self, ids: str | int | Iterable[str | int]) -> int:
        """Delete documents by id; return how many.

        Raise UnknownDocument, and delete nothing, where the index doesn't hold one of them.
        """
        self._check_use()
        if isinstance(ids, str) or not isinstance(ids, Iterable):
            ids = [ids]
        names = list(dict.fromkeys(map(id_text, ids)))
        self._flush()
        found = self._find(names)
        lost = [name for name, where in zip(names, found, strict=True) if where is None]
        if lost:
            listing = ", ".join(repr(name) for name in lost[:10])
            more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
            hint = did_you_mean(lost[0], self._ids()) if len(lost) == 1 else ""
            raise UnknownDocument(
                f"The index holds no document {listing}{more}; none was deleted.{hint}"
            )
        self._kill([where for where in found if where])
        return len(names)

    def delete_where(self, where: str) -> int:
        """Delete the documents that pass a metadata filter; return how many."""
        self._check_use()
        condition = parse_filter(where)
        self._flush()
        with self._damage:
            masks = condition.mask([held.segment.columns for held in self._held])
        deleted = 0
        for held, mask in zip(self._held, masks, strict=True):
            doomed = np.flatnonzero(mask & held.segment.living())
            if len(doomed):
                held.kill(doomed)
                deleted += len(doomed)
        self._changed |= deleted > 0
        return deleted

    def compact(self) -> None:
        """Make all segments one, of the living documents alone, searched exactly."""
        self._check_use()
        self._flush()
        alone = len(self._held) == 1 and self._held[0].segment.alive is None
        if self._held and not alone:
            self._merge([range(len(self._held))])
            self._changed = True
        for held in self._held:
            if held.entry.nearest is not None:
                held.entry = dataclasses.replace(held.entry, nearest=None)
                self._changed = True

    def tune(self, search: Callable[[Part], Tuned]) -> Contract | None:
        """Make all segments one and let its search be tuned; None where nothing is to be tuned.

        search: gets the segment, all of whose documents live; see `retrieve.nearest.tuning.tune`.
        """
        self.compact()
        if not self._held or self._held[0].segment.vectors is None:
            return None
        held = self._held[0]
        self._check(file for file in held.entry.files if "/vectors." in file.path)
        contract, codes = search(Part(held.segment, 0, 0))
        with naming_failure(self._folder):
            entry = write_nearest(
                self._disk,
                self._folder,
                held.entry.name,
                self._base.generation + 1,
                contract.to_dict(),
                codes,
            )
        held.entry = dataclasses.replace(held.entry, nearest=entry)
        self._changed = True
        return contract

    def commit(self, *, always: bool = False) -> Manifest:
        """Make the changes the index's state; without any, only where `always`.

        Called by the `with` block of `Index.writer()`.
        """
        self._check_use()
        self._flush()
        if not (self._changed or always):
            return self._base
        self._held = [held for held in self._held if held.living()]
        sizes = [
            Size(len(held.segment.documents), held.living(), held.entry.nearest is not None)
            for held in self._held
        ]
        self._merge(plan_merges(sizes))
        generation = self._base.generation + 1
        with naming_failure(self._folder):
            manifest = dataclasses.replace(
                self._base,
                generation=generation,
                next_segment=self._next_segment,
                segments=tuple(self._finish(held, generation) for held in self._held),
            )
            # Were this to fail and be tried again, it would be as another generation.
            self._base = manifest
            commit(self._disk, self._folder, manifest)
            self._changed = False
            sweep(self._disk, self._folder, manifest)
        return manifest

    def close(self) -> None:
        """End the writer's life; what it didn't commit is swept by the next one."""
        self._user = None
        self._threads.close()
        if self._encoding:
            self._encoding.close()

    def _add(self, documents: object, known: Callable[[Document], Vectors | None] | None) -> int:
        self._check_use()
        added = 0
        for document in documents_of(documents):
            self._batch.add(document, known(document) if known else None)
            added += 1
            if self._batch.full:
                self._flush()
        return added

    def _check_use(self) -> None:
        if self._user != _this_thread():
            raise IndexProblem(
                "A writer is used within its `with` block, and only by the process and the thread "
                "that opened it."
            )

    def _new_batch(self) -> Batch:
        self._threads.tokenizer.forget()
        encoder = self._base.encoder
        vectors = Rows(encoder.dim, self._encoding) if encoder else None
        return Batch(self._threads, vectors, self._base.passages)

    def _known_vectors(self, document: Document) -> Vectors | None:
        """Return the vectors of the document that this one replaces, if they are its own too."""
        if self._base.encoder is None or document.vector is not None:
            return None
        if not isinstance(document.id, str):
            return None  # which the batch refuses
        if document.id in self._batch.positions:
            return self._batch.given(document)
        found = self._find([document.id])[0]
        if found is None:
            return None
        held, position = found
        documents = held.segment.documents
        with self._damage:
            old = documents.document(position)
        if held.segment.vectors is None or (old.title, old.text) != (document.title, document.text):
            return None
        if held.entry.name not in self._whole:
            # A copy gets a new digest, which would hide damage.
            self._check(file for file in held.entry.files if "/vectors." in file.path)
            self._whole.add(held.entry.name)
        return held.segment.vectors[documents.rows_of(position)]

    def _flush(self) -> None:
        """Write the batch as a segment; what it replaces dies, earlier in the batch as well."""
        if not len(self._batch):
            return
        # What can fail comes first: a caller who survives the error has lost nothing.
        held = self._write(self._batch.rooms())
        documents = held.segment.documents
        ids, wanted = self._batch.wanted()
        if self._held:
            earlier = self._find(ids, documents.hashes()[wanted])
            self._kill([where for where in earlier if where])
        if len(wanted) < len(documents):
            replaced = np.ones(len(documents), np.bool_)
            replaced[wanted] = False
            held.kill(np.flatnonzero(replaced))
        self._held.append(held)
        self._batch = self._new_batch()
        self._changed = True

    def _find(
        self, ids: Sequence[str], hashes: NDArray[np.uint64] | None = None
    ) -> list[tuple[_Held, int] | None]:
        """Find living documents: the segment and the position of each id, or None.

        hashes: of the ids, where they are known.
        """
        found: list[tuple[_Held, int] | None] = [None] * len(ids)
        hashes = hash_ids(ids) if hashes is None else hashes
        with self._damage:
            for held in self._held:
                positions = held.segment.documents.find(ids, hashes)
                alive = held.segment.alive
                for i in np.flatnonzero(positions >= 0).tolist():
                    if alive is None or alive[positions[i]]:
                        found[i] = held, int(positions[i])
        return found

    def _ids(self) -> Iterator[str]:
        """Yield the ids of the living documents."""
        with self._damage:
            for held in self._held:
                living = np.flatnonzero(held.segment.living()).tolist()
                yield from map(held.segment.documents.id, living)

    def _kill(self, doomed: Sequence[tuple[_Held, int]]) -> None:
        for held in self._held:
            positions = [position for owner, position in doomed if owner is held]
            if positions:
                held.kill(np.array(positions, np.int64))
        self._changed |= bool(doomed)

    def _write(self, rooms: Rooms) -> _Held:
        name = f"{self._next_segment:06d}"
        self._next_segment += 1
        with naming_failure(self._folder):
            files = write_segment(self._disk, self._folder, name, rooms)
        entry = SegmentEntry(name, 0, 0, 0, files)
        segment = open_segment(self._folder, entry)
        documents = segment.documents
        entry = dataclasses.replace(
            entry, documents=len(documents), rows=documents.rows, living=len(documents)
        )
        return _Held(entry, segment)

    def _merge(self, runs: Sequence[range]) -> None:
        for run in sorted(runs, key=lambda run: run.start, reverse=True):
            sources = self._held[run.start : run.stop]
            for held in sources:
                self._check((*held.entry.files, held.entry.alive))
            alive = [held.segment for held in sources if held.living()]
            merged = [self._write(merge_segments(alive))] if alive else []
            self._held[run.start : run.stop] = merged

    def _check(self, files: Iterable[FileEntry | None]) -> None:
        # What is made from these files gets new digests, which would hide damage for ever.
        for file in files:
            if file:
                check_file(self._folder, file)

    def _finish(self, held: _Held, generation: int) -> SegmentEntry:
        if not held.changed:
            return held.entry
        self._check([held.entry.alive])
        alive = held.segment.living()
        file = write_alive(self._disk, self._folder, held.entry.name, generation, alive)
        held.entry = dataclasses.replace(held.entry, living=int(alive.sum()), alive=file)
        held.changed = False
        return held.entry


def _this_thread() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()
