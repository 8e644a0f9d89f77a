"""An index on disk: create, open, change, search, check."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vecsearch.encoders import DEFAULT, choose_encoder
from vecsearch.encoders.base import EVEN, Device, Encoder, check_device
from vecsearch.encoding import Encoding, Told
from vecsearch.errors import IndexCorrupt, UsageError, VecsearchError
from vecsearch.index_encoder import IndexEncoder, check_encoder
from vecsearch.recall import asked, check_asked, check_promises, promised, wanted
from vecsearch.retrieve.nearest.contract import Contract
from vecsearch.retrieve.nearest.questions import Checked
from vecsearch.retrieve.nearest.tuning import SECONDS, tune
from vecsearch.searcher import Searcher
from vecsearch.store.encoder import keep_encoder
from vecsearch.store.files import Disk, naming_failure
from vecsearch.store.locking import locked, made
from vecsearch.store.manifest import (
    MANIFEST,
    Manifest,
    Passages,
    begin,
    check_file,
    clear,
    read_manifest,
    succession,
)
from vecsearch.store.place import check_place
from vecsearch.store.snapshot import Snapshot
from vecsearch.text import Analyzer
from vecsearch.text import analyzer as named_analyzer
from vecsearch.types import Document, Query, Vector, Vectors
from vecsearch.writer import Writer
from vecsearch.writer_block import WriterBlock


class Index:
    """A folder with an index. It holds no files open: each searcher and writer does for itself.

    `folder` is absolute: a process that changes its working directory goes on with the same index.
    Sent to another process, it is opened there.
    """

    def __init__(
        self,
        folder: str | Path,
        encoder: Encoder | None = None,
        device: Device = "auto",
        disk: Disk | None = None,
    ) -> None:
        check_device(device)
        self.folder = _path(folder).absolute()
        self._encoder = IndexEncoder(self.folder, encoder, device)
        self._device = device
        self._disk = disk or Disk()
        self._given = encoder

    def __reduce__(self) -> tuple[type[Index], tuple[Path, Encoder | None, Device]]:
        return Index, (self.folder, self._given, self._device)

    def __repr__(self) -> str:
        """The folder and how many documents it holds now, where that can be read."""
        try:
            documents = f", documents={self.manifest().documents}"
        except (VecsearchError, OSError):
            documents = ""
        return f"Index({str(self.folder)!r}{documents})"

    @classmethod
    def create(
        cls,
        folder: str | Path,
        encoder: Encoder | str | None = DEFAULT,
        analyzer: Analyzer | str = "english",
        *,
        documents: object = (),
        passages: Passages | int | None = None,
        overwrite: bool = False,
        device: Device = "auto",
        on_encoded: Told | None = None,
    ) -> Index:
        """Create an index of `documents`, possibly none yet, in one commit.

        encoder: an encoder, a name for `load_encoder`, or None ("none") for bag-of-words only. By
            default small, which vecsearch ships.
        documents: what `Writer.add` takes.
        passages: split documents into passages of at most so many words; None keeps them whole.
        overwrite: replace the index that is in the folder; without it that raises IndexExists.
        on_encoded: as for `writer`.
        """
        check_place(_path(folder), overwrite=overwrite)
        if isinstance(passages, int) and not isinstance(passages, bool):
            passages = Passages.of(passages)
        if isinstance(analyzer, str):
            analyzer = named_analyzer(analyzer)
        if not isinstance(analyzer, Analyzer) or not isinstance(passages, Passages | None):
            raise UsageError(
                "An index wants an analyzer or its name, and a number of words for its passages, "
                f"not {analyzer!r} and {passages!r}."
            )
        index = cls(folder, choose_encoder(encoder, device), device)
        if isinstance(encoder, str):
            index._given = None  # its copy in the folder serves as well
        index._replace(analyzer, passages, documents, on_encoded, overwrite=overwrite)
        return index

    @classmethod
    def open(
        cls, folder: str | Path, encoder: Encoder | None = None, *, device: Device = "auto"
    ) -> Index:
        """Open an index.

        encoder: the encoder that made its vectors, where you have it at hand; by default it is
            loaded when it is first needed. Raise EncoderMismatch for another one.
        """
        index = cls(folder, encoder, device)
        # Read by the path as it was given, which is the one to be named where nothing is there.
        entry = read_manifest(_path(folder)).encoder
        if encoder is not None:
            check_encoder(encoder, entry, index.folder)
        return index

    def manifest(self) -> Manifest:
        """Read the index's current state."""
        return read_manifest(self.folder)

    def searcher(self) -> Searcher:
        """Open the current state for searching."""
        while True:
            manifest = self.manifest()
            try:
                snapshot = Snapshot.open(self.folder, manifest)
                load = self._encoder.loader(manifest.encoder)
                break
            except IndexCorrupt:
                # A writer may have swept these files between our two steps: then there is news.
                if self.manifest() == manifest:
                    raise
        analyzer = Analyzer.from_dict(manifest.analyzer)
        entry = manifest.encoder
        return Searcher(
            snapshot,
            analyzer,
            load,
            manifest.generation,
            embeds_text=entry is not None and entry.embeds_text,
            hybrid_weight=EVEN if entry is None else entry.hybrid_weight,
        )

    def writer(
        self, on_encoded: Told | None = None, *, wait: float = 0
    ) -> contextlib.AbstractContextManager[Writer]:
        """Change the index: all of the block's changes are one commit, or none if it raises.

        on_encoded: is told from time to time how many rows (passages, or whole documents) have
            their vectors, of how many that were taken: (done, taken).
        wait: how many seconds to wait for another writer that is at work; then raise IndexLocked.
        """
        return WriterBlock(self._writing(on_encoded, wait))

    @contextlib.contextmanager
    def _writing(self, on_encoded: Told | None, wait: float) -> Iterator[Writer]:
        self.manifest()
        with locked(self._disk, self.folder, wait):
            base = self.manifest()
            analyzer = Analyzer.from_dict(base.analyzer)
            with contextlib.closing(self._new_writer(base, analyzer, on_encoded)) as writer:
                yield writer
                writer.commit()

    def compact(
        self,
        recall: float | None = None,
        *,
        k: int = 10,
        queries: Sequence[str | Query] | None = None,
        vectors: Vectors | Sequence[Vector] | None = None,
        memory_per_vector: float | None = None,
        seconds: float = SECONDS,
        watch: Callable[[str], None] = lambda step: None,
        wait: float = 0,
    ) -> Contract | None:
        """Make one segment of all living documents, in one commit, and tune how it is searched.

        recall: the share of the k nearest documents that searches by embeddings find at least, on
            average: the fastest way to search is taken that keeps it, by measurement on this
            index, with 95% confidence. None for exact search.
        queries, vectors: what is really asked, as texts or as vectors, (queries, dim); best some
            2,000. Without them vectors of documents ask: questions are harder than documents are,
            so the recall is then one for queries that are like documents.
        memory_per_vector: bytes that a vector's code may take in memory.
        seconds: how long to go on trying.
        watch: is told what is being done.
        wait: as for `writer`.

        Return what is promised, and on which evidence; None without `recall`, or where the index
        holds nothing. Raise UsageError for a recall that can't be kept and for queries that are too
        few, and where the index has no embeddings.
        """
        if recall is None:
            if queries is not None or vectors is not None or memory_per_vector is not None:
                raise UsageError("Queries and a limit of memory are for a recall; name one.")
            with self.writer(wait=wait) as writer:
                writer.compact()
            return None
        request = wanted(recall, k, memory_per_vector, seconds)
        with self.writer(wait=wait) as writer:
            given = self._asked(queries, vectors)
            check_asked(given)
            return writer.tune(lambda part: tune(part, given, request, watch))

    def check_recall(
        self,
        queries: Sequence[str | Query] | None = None,
        vectors: Vectors | Sequence[Vector] | None = None,
    ) -> list[tuple[Contract, Checked]]:
        """Measure again what `compact` promised, by queries as for `compact`.

        The list is empty where nothing was promised.
        """
        return check_promises(self.searcher().snapshot.parts, lambda: self._asked(queries, vectors))

    def _asked(
        self, queries: Sequence[str | Query] | None, vectors: Vectors | Sequence[Vector] | None
    ) -> Vectors | None:
        entry = self.manifest().encoder
        return asked(self.folder, entry, self._encoder.loader(entry), queries, vectors)

    def reencode(
        self,
        encoder: Encoder | str | None,
        *,
        through: Callable[[Iterable[Document]], Iterable[Document]] = iter,
        on_encoded: Told | None = None,
        wait: float = 0,
    ) -> None:
        """Make all vectors anew with another encoder, from the stored documents, in one commit.

        encoder: as for `create`; None drops the embeddings.
        through: what the documents pass on their way, such as a progress bar.
        on_encoded, wait: as for `writer`.
        """
        self._encoder.latest = choose_encoder(encoder, self._device)
        with locked(self._disk, self.folder, wait):
            old = self.manifest()
            documents = Snapshot.open(self.folder, old).documents()
            for file in old.files():
                # What is copied gets new digests, which would hide damage.
                if Path(file.path).name.startswith(("documents.", "alive.")):
                    check_file(self.folder, file)
            analyzer = Analyzer.from_dict(old.analyzer)
            self._rebuild(analyzer, old.passages, through(documents), on_encoded)

    def verify(self) -> list[IndexCorrupt]:
        """Read every file that the index consists of; return what isn't as it was written."""
        while True:
            try:
                manifest = self.manifest()
            except IndexCorrupt as error:
                return [error]
            problems = list(self._damage(manifest))
            if not problems or self.manifest() == manifest:
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
            "deleted": sum(each.documents - each.living for each in manifest.segments),
            "segments": len(manifest.segments),
            "generation": manifest.generation,
            "analyzer": manifest.analyzer["name"],
            "encoder": encoder.name if encoder else None,
            "dim": encoder.dim if encoder else None,
            "fingerprint": encoder.fingerprint if encoder else None,
            "passages": dataclasses.asdict(manifest.passages) if manifest.passages else None,
            "bytes": files + (self.folder / MANIFEST).stat().st_size,
            "nearest": promised(manifest),
        }

    def _damage(self, manifest: Manifest) -> Iterator[IndexCorrupt]:
        for file in manifest.files():
            try:
                check_file(self.folder, file)
            except IndexCorrupt as problem:
                yield problem

    def _new_writer(self, base: Manifest, analyzer: Analyzer, on_encoded: Told | None) -> Writer:
        load = self._encoder.loader(base.encoder)
        embeds_text = base.encoder is not None and base.encoder.embeds_text
        encoding = Encoding(load, on_encoded) if load and embeds_text else None
        return Writer(self._disk, self.folder, base, analyzer, encoding)

    def _replace(
        self,
        analyzer: Analyzer,
        passages: Passages | None,
        documents: object,
        on_encoded: Told | None,
        *,
        overwrite: bool,
    ) -> None:
        with made(self._disk, self.folder), locked(self._disk, self.folder):
            check_place(self.folder, overwrite=overwrite)
            try:
                if not (self.folder / MANIFEST).exists():
                    with naming_failure(self.folder):
                        begin(self._disk, self.folder)
                self._rebuild(analyzer, passages, documents, on_encoded)
            except BaseException:
                if not (self.folder / MANIFEST).exists():
                    clear(self._disk, self.folder)
                raise

    def _rebuild(
        self,
        analyzer: Analyzer,
        passages: Passages | None,
        documents: object,
        on_encoded: Told | None,
    ) -> None:
        """Commit an index of these documents alone, in the place of what there is."""
        generation, next_segment = succession(self.folder)
        entry = None
        encoder = self._encoder.latest
        if encoder is not None:
            name = f"encoder-{generation + 1}"
            with naming_failure(self.folder):
                entry = keep_encoder(self._disk, self.folder, name, encoder)
        base = Manifest(analyzer.to_dict(), entry, passages, generation, next_segment)
        with contextlib.closing(self._new_writer(base, analyzer, on_encoded)) as writer:
            writer.add(documents)
            writer.commit(always=True)


def _path(folder: str | Path) -> Path:
    try:
        return Path(folder)
    except TypeError:
        raise UsageError(f"An index is a folder, named by its path, not by {folder!r}.") from None
