"""One state of an index, seen as one range of rows over all its segments.

A snapshot opens every file at its start and never goes back to the disk's names: a writer that
commits, merges or overwrites beside it changes nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.groups import groups
from vecsearch.store.damage import Damage
from vecsearch.store.documents import hash_ids
from vecsearch.store.manifest import Manifest
from vecsearch.store.segment import Segment, open_segment
from vecsearch.types import ALL, Document, Hit, Mask, Vectors

_REMEMBERED: Final = 1 << 20
"""Of at most so many rows the documents' ids are remembered, since rankings often name the same
ones. Of more, a query takes so long that reading them is no matter."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment's place in the snapshot: its rows and documents are numbered on from here."""

    segment: Segment
    first_row: int
    first_document: int

    @property
    def rows(self) -> slice:
        """The stretch of the snapshot's rows that are this segment's."""
        return slice(self.first_row, self.first_row + self.segment.documents.rows)

    def rows_of(self, position: int) -> slice:
        """Return the stretch of the snapshot's rows that the document at a position fills."""
        rows = self.segment.documents.rows_of(position)
        return slice(self.first_row + rows.start, self.first_row + rows.stop)

    def vectors_of(self, position: int) -> Vectors | None:
        """Return a copy of the vectors of the document at a position, (its rows, dim)."""
        matrix = self.segment.vectors
        return (
            None if matrix is None else np.array(matrix[self.segment.documents.rows_of(position)])
        )


class Snapshot:
    """The segments of one generation. Immutable but for what was told; safe to share."""

    def __init__(self, segments: Sequence[Segment], damage: Damage) -> None:
        self.parts = tuple(_number(segments))
        self.rows = sum(segment.documents.rows for segment in segments)
        """How many rows there are, deleted ones included."""
        self.damage = damage
        """What explains an error of reading this state."""
        self.noticed = False
        """Whether somebody who searches was told what there is to tell of this state."""
        self._first_rows = np.array([part.first_row for part in self.parts], np.int64)

    @classmethod
    def open(cls, folder: Path, manifest: Manifest) -> Snapshot:
        """Map every file of the segments that `manifest` names."""
        segments = [open_segment(folder, entry) for entry in manifest.segments]
        return cls(segments, Damage(folder, tuple(manifest.files())))

    def same(self, other: Snapshot) -> bool:
        """Whether both are one state of one index, so that a row of either is the other's too."""
        mine, theirs = self.damage, other.damage
        return self is other or (mine.folder, mine.files) == (theirs.folder, theirs.files)

    @cached_property
    def living(self) -> int:
        """How many documents live."""
        return sum(int(part.segment.living().sum()) for part in self.parts)

    @cached_property
    def alive(self) -> Mask:
        """The rows of living documents: ALL while nothing is deleted."""
        if all(part.segment.alive is None for part in self.parts):
            return ALL
        return self.mask([part.segment.living() for part in self.parts])

    def mask(self, documents: Sequence[NDArray[np.bool_]]) -> Mask:
        """Turn masks over each segment's documents into one over rows that is also alive."""
        rows = [
            part.segment.rows_of(passing & part.segment.living())
            for part, passing in zip(self.parts, documents, strict=True)
        ]
        return np.concatenate(rows) if rows else np.zeros(0, np.bool_)

    def documents(self, mask: Mask = ALL) -> Iterator[Document]:
        """Yield the living documents that have a row which the mask lets pass, oldest first."""
        for part in self.parts:
            documents = part.segment.documents
            kept = part.segment.living()
            if mask is not ALL:
                passing = documents.position_of(np.flatnonzero(mask[part.rows]))
                kept = kept & np.isin(np.arange(len(documents)), passing)
            for position in np.flatnonzero(kept).tolist():
                yield documents.document(position)

    def part_of(self, row: int) -> Part:
        """Return the segment that holds a row."""
        return self.parts[int(np.searchsorted(self._first_rows, row, side="right")) - 1]

    def chunks(self, term: str) -> tuple[slice, ...]:
        """Return the chunks of a term in each segment's postings."""
        return tuple(part.segment.postings.chunks(term) for part in self.parts)

    def held(self, chunks: Sequence[slice]) -> int:
        """Count the living rows that hold a term, given by its chunks."""
        alive, rows = self.alive, 0
        for part, each in zip(self.parts, chunks, strict=True):
            postings = part.segment.postings
            if alive is ALL:
                rows += int(postings.chunk_starts[each.stop]) - int(
                    postings.chunk_starts[each.start]
                )
            elif each.start < each.stop:
                rows += int(alive[part.first_row + postings.entries_in(each).rows].sum())
        return rows

    def frequency(self, term: str) -> int:
        """Count the living rows that hold a term."""
        return self.held(self.chunks(term))

    def document_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number, within the snapshot, of the document that each row belongs to."""
        documents = np.empty(len(rows), np.int64)
        owners = np.searchsorted(self._first_rows, rows, side="right") - 1
        for number in groups(owners).values.tolist():
            part, mine = self.parts[number], owners == number
            local = part.segment.documents.position_of(rows[mine] - part.first_row)
            documents[mine] = local + part.first_document
        return documents

    def locate(self, id: str) -> tuple[Part, int] | None:
        """Return where a living document is: its segment, and its position there; else None."""
        hashes = hash_ids([id])
        for part in self.parts:
            position = int(part.segment.documents.find([id], hashes)[0])
            if position >= 0 and (part.segment.alive is None or part.segment.alive[position]):
                return part, position
        return None

    def ids(self) -> Iterator[str]:
        """Yield the ids of the living documents, oldest first."""
        for part in self.parts:
            living = np.flatnonzero(part.segment.living()).tolist()
            yield from map(part.segment.documents.id, living)

    def id_of(self, row: int) -> str:
        """Return the id of the document that a row belongs to."""
        part = self.part_of(row)
        return part.segment.documents.id(self._position(part, row))

    def ids_of(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the ids of the documents that rows belong to."""
        known = self._known_ids
        if not len(known):
            return self._read_ids(rows)
        found: list[str] = known[rows].tolist()
        if not all(found):  # no id is empty
            found = self._read_ids(rows)
            known[rows] = found
        return found

    @cached_property
    def _known_ids(self) -> NDArray[np.object_]:
        """The ids that were read, by row, "" for others; nothing where there are too many.

        numpy takes ids out of an array without waiting for the memory of each in turn.
        """
        return np.full(self.rows if self.rows <= _REMEMBERED else 0, "", np.object_)

    def _read_ids(self, rows: NDArray[np.int64]) -> list[str]:
        if len(self.parts) == 1:
            documents = self.parts[0].segment.documents
            return documents.ids(documents.position_of(rows))
        ids = [""] * len(rows)
        owners = (np.searchsorted(self._first_rows, rows, side="right") - 1).tolist()
        for number in set(owners):
            part = self.parts[number]
            documents = part.segment.documents
            mine = [i for i, owner in enumerate(owners) if owner == number]
            found = documents.ids(documents.position_of(rows[mine] - part.first_row))
            for i, name in zip(mine, found, strict=True):
                ids[i] = name
        return ids

    def document(self, row: int) -> Document:
        """Return the document that a row belongs to."""
        part = self.part_of(row)
        return part.segment.documents.document(self._position(part, row))

    def hit(self, row: int, score: float) -> Hit:
        """Return what a person gets for a row."""
        part = self.part_of(row)
        document = part.segment.documents.document(self._position(part, row))
        span = part.segment.documents.span(row - part.first_row)
        return Hit(document.id, score, document, span)

    @staticmethod
    def _position(part: Part, row: int) -> int:
        local = np.array([row - part.first_row], np.int64)
        return int(part.segment.documents.position_of(local)[0])


def _number(segments: Sequence[Segment]) -> Iterator[Part]:
    row = document = 0
    for segment in segments:
        yield Part(segment, row, document)
        row += segment.documents.rows
        document += len(segment.documents)
