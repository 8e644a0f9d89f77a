"""One batch of documents on disk, written once: contents, metadata, postings, vectors.

A segment is a folder with one file of arrays per room. Deleting writes a bitmap beside them,
under a new name for every generation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import IndexCorrupt, IndexUnreadable
from vecsearch.store.arrays import Array, Stream, open_arrays, write_arrays
from vecsearch.store.columns import Columns, build_columns
from vecsearch.store.damage import Damage
from vecsearch.store.documents import Documents
from vecsearch.store.documents_merge import merge_documents
from vecsearch.store.files import Disk
from vecsearch.store.manifest import SEGMENTS, FileEntry, NearestEntry, SegmentEntry
from vecsearch.store.nearest import Nearest
from vecsearch.store.postings import Postings
from vecsearch.store.postings_merge import merge_postings
from vecsearch.types import Vectors

Arrays: TypeAlias = Mapping[str, Array | Stream]
Rooms: TypeAlias = Iterable[tuple[str, Arrays | Future[Arrays]]]
"""What a segment consists of: documents, columns, postings and, with an encoder, vectors. One that
is still being made comes before those that can be written meanwhile."""

_SUFFIX: Final = ".safetensors"


@dataclass(frozen=True, slots=True)
class Segment:
    """An opened segment; every file is mapped, nothing is read again later.

    alive: (documents,) bool, False where a document was deleted; None while none is.
    vectors: (rows, dim) float32; None without an encoder.
    nearest: how they are searched; None for exactly, since nobody asked for a recall.
    """

    name: str
    documents: Documents
    columns: Columns
    postings: Postings
    vectors: Vectors | None
    alive: NDArray[np.bool_] | None
    nearest: Nearest | None = None

    def living(self) -> NDArray[np.bool_]:
        """Return which documents live, (documents,) bool."""
        return np.ones(len(self.documents), np.bool_) if self.alive is None else self.alive

    def rows_of(self, documents: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Spread a mask over documents, (documents,) bool, to their rows, (rows,) bool."""
        if len(self.documents) == self.documents.rows:
            return documents
        return np.repeat(documents, np.diff(self.documents.row_starts))


def write_segment(disk: Disk, folder: Path, name: str, rooms: Rooms) -> tuple[FileEntry, ...]:
    """Write a new segment below an index folder; return its files. Durable when it returns."""
    place = folder / SEGMENTS / name
    disk.make_folder(place)

    def write(room: str, arrays: Arrays) -> FileEntry:
        path = f"{SEGMENTS}/{name}/{room}{_SUFFIX}"
        return FileEntry(path, *write_arrays(disk, folder / path, arrays))

    def write_made(room: str, making: Future[Arrays]) -> FileEntry:
        return write(room, making.result())

    files, later = [], []
    with ThreadPoolExecutor(1) as beside:  # without a thread where nothing is still being made
        for room, arrays in rooms:
            if isinstance(arrays, Future):
                later.append(beside.submit(write_made, room, arrays))
            else:
                files.append(write(room, arrays))
    files += [each.result() for each in later]
    disk.sync_folder(place)
    return tuple(files)


def write_alive(
    disk: Disk, folder: Path, name: str, generation: int, alive: NDArray[np.bool_]
) -> FileEntry:
    """Write the bitmap of a segment's living documents for a generation to come."""
    path = f"{SEGMENTS}/{name}/alive.{generation}{_SUFFIX}"
    # A writer that died before its commit may have left one for the same generation.
    disk.remove(folder / path)
    entry = FileEntry(path, *write_arrays(disk, folder / path, {"alive": alive}))
    disk.sync_folder((folder / path).parent)
    return entry


def write_nearest(
    disk: Disk,
    folder: Path,
    name: str,
    generation: int,
    contract: Mapping[str, Any],
    codes: bytes | None,
) -> NearestEntry:
    """Write the codes of a segment's vectors for a generation to come; None for exact search."""
    if codes is None:
        return NearestEntry(contract, None)
    path = f"{SEGMENTS}/{name}/nearest.{generation}.faiss"
    # A writer that died before its commit may have left one for the same generation.
    disk.remove(folder / path)
    entry = NearestEntry(contract, FileEntry(path, *disk.create(folder / path, (codes,))))
    disk.sync_folder((folder / path).parent)
    return entry


def open_segment(folder: Path, entry: SegmentEntry) -> Segment:
    """Open the segment that a manifest names; raise IndexCorrupt where its files aren't whole."""
    rooms = {}
    for file in entry.files:
        path = folder / file.path
        rooms[path.name.removesuffix(_SUFFIX)] = open_file(folder, file)
    alive = open_file(folder, entry.alive)["alive"] if entry.alive else None
    try:
        with Damage(folder, entry.files):
            documents = Documents(rooms["documents"])
            vectors = rooms["vectors"]["vectors"] if "vectors" in rooms else None
            postings = Postings(rooms["postings"])
            columns = Columns(rooms["columns"], len(documents))
    except (KeyError, ValueError) as error:
        place = folder / SEGMENTS / entry.name
        raise IndexCorrupt(place, f"an array is missing or misshapen ({error}).") from None
    nearest = Nearest.open(folder, entry.nearest) if entry.nearest else None
    return Segment(entry.name, documents, columns, postings, vectors, alive, nearest)


def open_file(folder: Path, file: FileEntry) -> dict[str, Array]:
    """Map the arrays of a file that a manifest names, once its size is as the manifest says."""
    path = folder / file.path
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise IndexCorrupt(path, "the manifest names it, but it is missing.") from None
    except OSError as error:
        raise IndexUnreadable(path, error) from None
    if size != file.size:
        raise IndexCorrupt(path, f"it has {size} bytes where the manifest says {file.size}.")
    return open_arrays(path)


def merge_segments(segments: Sequence[Segment]) -> Iterator[tuple[str, Arrays]]:
    """Lay out the living documents of several segments as one, in their order.

    Nothing is analysed or encoded anew, and memory is needed for a block of entries at a time.
    """
    documents = [(each, each.living()) for each in segments]
    yield "documents", merge_documents([(each.documents, living) for each, living in documents])
    yield (
        "columns",
        build_columns(meta for each, living in documents for meta in each.documents.metas(living)),
    )
    rows = [(each, each.rows_of(living)) for each, living in documents]
    yield "postings", merge_postings([(each.postings, living) for each, living in rows])
    vectors = [(each.vectors, living) for each, living in rows if each.vectors is not None]
    if vectors:
        count = sum(int(np.count_nonzero(living)) for _, living in vectors)
        shape = (count, vectors[0][0].shape[1])
        yield "vectors", {"vectors": Stream(np.dtype(np.float32), shape, _kept_blocks(vectors))}


def _kept_blocks(vectors: Sequence[tuple[Vectors, NDArray[np.bool_]]]) -> Iterator[Vectors]:
    step = 1 << 14
    for matrix, kept in vectors:
        for start in range(0, len(matrix), step):
            yield matrix[start : start + step][kept[start : start + step]]
