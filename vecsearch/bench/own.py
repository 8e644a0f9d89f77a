"""vecsearch itself as an engine of the bench: what a `System` says, built and opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from vecsearch.bench.engine import Stopwatch
from vecsearch.bench.system import System, located_model
from vecsearch.bench.vectors import CachedEncoder, Deferred
from vecsearch.encoders import Encoder, load_encoder
from vecsearch.encoders.base import precision
from vecsearch.index import Index
from vecsearch.retrieve.base import Retriever
from vecsearch.searcher import Searcher
from vecsearch.text import Analyzer, analyzer
from vecsearch.types import Document, Role, Vectors


class OwnEngine:
    """Builds and opens indexes of a system.

    vectors: a file of vectors that were made before, for rankings; None where a cost is measured.
    reading: whether vectors are taken from that file, or only kept there.
    """

    same_as = None

    def __init__(
        self, system: System, vectors: Path | None = None, *, reading: bool = True
    ) -> None:
        self._system = system
        self._vectors = vectors
        self._reading = reading
        self.about = system.about

    def build(self, documents: Iterable[Document], folder: Path, clock: Stopwatch) -> None:
        """See `Engine.build`."""
        encoder: Encoder | None = None
        if self._system.encoder is not None:
            with clock.stage("encode"):
                encoder = load_encoder(self._system.encoder)
            encoder = _TimedEncoder(encoder, clock)
            if self._vectors is not None:
                encoder = CachedEncoder(encoder, self._vectors, reading=self._reading)
        Index.create(
            folder,
            encoder,
            _TimedAnalyzer(analyzer(self._system.analyzer), clock),
            documents=documents,
            passages=self._system.passages,
        )

    def open(self, folder: Path) -> OwnRanker:
        """See `Engine.open`."""
        index = Index.open(folder)
        entry = index.manifest().encoder
        if entry is not None and self._vectors is not None:
            deferred = Deferred(
                entry.name, entry.dim, entry.fingerprint, lambda: load_encoder(self._encoder())
            )
            index = Index.open(folder, CachedEncoder(deferred, self._vectors))
        searcher = index.searcher()
        encoder = self._system.encoder
        size = 0 if encoder is None else located_model(encoder).bytes
        return OwnRanker(searcher, self._system.retriever(searcher), size)

    def _encoder(self) -> str:
        assert self._system.encoder is not None
        return self._system.encoder


class OwnRanker:
    """An opened index of a system."""

    def __init__(self, searcher: Searcher, retriever: Retriever, model_bytes: int) -> None:
        self._searcher = searcher
        self._retriever = retriever
        self.model_bytes = model_bytes

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """See `Ranker.rank`."""
        return self._searcher.rank_many(queries, k, by=self._retriever)


class _TimedAnalyzer(Analyzer):
    """An analyzer whose time is taken."""

    __slots__ = ("_clock",)
    _clock: Stopwatch

    def __init__(self, given: Analyzer, clock: Stopwatch) -> None:
        Analyzer.__init__(self, given.name, given.stopwords)
        object.__setattr__(self, "_clock", clock)

    def terms(self, text: str) -> list[str]:
        with self._clock.stage("tokenize"):
            return Analyzer.terms(self, text)


class _TimedEncoder:
    """An encoder whose time is taken."""

    def __init__(self, encoder: Encoder, clock: Stopwatch) -> None:
        self.name = encoder.name
        self.dim = encoder.dim
        self.fingerprint = encoder.fingerprint
        self.precision = precision(encoder)
        self._encoder = encoder
        self._clock = clock

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        with self._clock.stage("encode"):
            return self._encoder.encode(texts, role)

    def save(self, folder: Path) -> None:
        self._encoder.save(folder)
