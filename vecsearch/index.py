"""An index on disk: create, open, change, search, check."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vecsearch.encoders import default_encoder, load_encoder
from vecsearch.encoders.base import Encoder
from vecsearch.errors import (
    EncoderMismatch,
    IndexCorrupt,
    IndexExists,
    IndexNotFound,
    IndexProblem,
    UsageError,
)
from vecsearch.searcher import Searcher
from vecsearch.store.files import BLOCK, Disk, WriterLock, digest_file
from vecsearch.store.manifest import (
    MANIFEST,
    EncoderEntry,
    FileEntry,
    Manifest,
    Passages,
    read_manifest,
    sweep,
)
from vecsearch.store.snapshot import Snapshot
from vecsearch.text import Analyzer, analyzer as named_analyzer
from vecsearch.types import Document
from vecsearch.writer import Writer

_log = logging.getLogger("vecsearch")


class Index:
    """A folder with an index. It holds no files open: each searcher and writer does for itself."""

    def __init__(self, folder: Path, encoder: Encoder | None, disk: Disk) -> None:
        self.folder = folder
        self._encoder = encoder
        self._disk = disk

    @classmethod
    def create(
        cls,
        folder: str | Path,
        encoder: Encoder | str | None = "default",
        analyzer: Analyzer | str = "english",
        *,
        documents: Iterable[Document] = (),
        passages: Passages | int | None = None,
        overwrite: bool = False,
    ) -> Index:
        """Create an index of `documents`, possibly none yet, in one commit.

        encoder: an encoder, a name for `load_encoder`, or None for bag-of-words only. By default
            minilm where it is installed, else none.
        passages: split documents into passages of at most so many words; None keeps them whole.
        overwrite: replace the index that is in the folder; without it that raises IndexExists.
        """
        place = Path(folder)
        index = cls(place, _resolve(encoder), Disk())
        chosen = named_analyzer(analyzer) if isinstance(analyzer, str) else analyzer
        index._replace(chosen, _resolve_passages(passages), documents, overwrite=overwrite)
        return index

    @classmethod
    def open(cls, folder: str | Path, encoder: Encoder | None = None) -> Index:
        """Open an index.

        encoder: the encoder that made its vectors, where you have it at hand; by default it is
            loaded when it is first needed. Raise EncoderMismatch for another one.
        """
        index = cls(Path(folder), encoder, Disk())
        entry = index.manifest().encoder
        if encoder is not None:
            if entry is None:
                raise EncoderMismatch(
                    f"{folder} has no embeddings, so it can't be opened with {encoder.name!r}."
                )
            _check_encoder(encoder, entry, index.folder)
        return index

    def manifest(self) -> Manifest:
        """Read the index's current state."""
        return read_manifest(self.folder)

    def searcher(self) -> Searcher:
        """Open the current state for searching."""
        manifest, snapshot = self._snapshot()
        analyzer = Analyzer.from_dict(manifest.analyzer)
        entry = manifest.encoder
        load = None if entry is None else lambda: self._load_encoder(entry)
        return Searcher(snapshot, analyzer, load, manifest.generation)

    @contextlib.contextmanager
    def writer(self) -> Iterator[Writer]:
        """Change the index: all of the block's changes are one commit, or none if it raises.

        Raise IndexLocked at once where another writer is at work.
        """
        with self._locked():
            manifest = self.manifest()
            entry = manifest.encoder
            encoder = None if entry is None else _Lazy(entry, self)
            analyzer = Analyzer.from_dict(manifest.analyzer)
            writer = Writer(self._disk, self.folder, manifest, analyzer, encoder)
            yield writer
            writer.commit()

    def compact(self) -> None:
        """Make one segment of all living documents, in one commit."""
        with self.writer() as writer:
            writer.compact()

    def verify(self) -> list[IndexCorrupt]:
        """Read every file that the index consists of; return what isn't as it was written."""
        while True:
            try:
                manifest = self.manifest()
            except IndexCorrupt as error:
                return [error]
            problems = [found for file in manifest.files() if (found := self._damage(file))]
            if not problems or self.manifest().generation == manifest.generation:
                return problems

    def info(self) -> dict[str, Any]:
        """Describe the current state in plain values; sizes in bytes."""
        manifest = self.manifest()
        encoder = manifest.encoder
        files = sum(file.size for file in manifest.files())
        return {
            "folder": str(self.folder),
            "documents": manifest.documents,
            "rows": sum(segment.rows for segment in manifest.segments),
            "segments": len(manifest.segments),
            "generation": manifest.generation,
            "analyzer": manifest.analyzer["name"],
            "encoder": encoder.name if encoder else None,
            "dim": encoder.dim if encoder else None,
            "fingerprint": encoder.fingerprint if encoder else None,
            "passages": dataclasses.asdict(manifest.passages) if manifest.passages else None,
            "bytes": files + (self.folder / MANIFEST).stat().st_size,
        }

    def _snapshot(self) -> tuple[Manifest, Snapshot]:
        """Open the current state; again where a writer swept it between the two steps."""
        while True:
            manifest = self.manifest()
            try:
                return manifest, Snapshot.open(self.folder, manifest)
            except IndexCorrupt:
                if self.manifest().generation == manifest.generation:
                    raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the writer's lock; on any failure leave exactly what was committed."""
        if not (self.folder / MANIFEST).exists():
            self.manifest()  # raises IndexNotFound
        lock = WriterLock(self.folder)
        lock.acquire()
        try:
            sweep(self._disk, self.folder, self.manifest())
            yield
        except OSError as error:
            raise IndexProblem(
                f"Writing to {self.folder} failed: {error.strerror or error}. "
                "The index is as it was last committed."
            ) from error
        finally:
            with contextlib.suppress(OSError, IndexProblem):
                sweep(self._disk, self.folder, self.manifest())
            lock.release()

    def _replace(
        self,
        analyzer: Analyzer,
        passages: Passages | None,
        documents: Iterable[Document],
        *,
        overwrite: bool,
    ) -> None:
        ...

    def _damage(self, file: FileEntry) -> IndexCorrupt | None:
        path = self.folder / file.path
        try:
            if path.stat().st_size != file.size:
                return IndexCorrupt(path, f"it should have {file.size} bytes.")
            if digest_file(path) != file.digest:
                return IndexCorrupt(path, "its content isn't what was written.")
        except OSError as error:
            return IndexCorrupt(path, f"it can't be read ({error.strerror}).")
        return None
