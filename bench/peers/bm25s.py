"""bm25s: BM25 scores worked out when indexing, summed at query time by code that numba compiles."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import bm25s
import numba  # noqa: F401 - bm25s takes it where it is told to; missing, it is to be missed here

from vecsearch import Document
from vecsearch.bench.engine import Stopwatch

common = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("common.py"))))


class Engine:
    """Sums BM25 scores with one of the library's backends, "numba" or "numpy"."""

    same_as = "bm25"

    def __init__(self, backend: str) -> None:
        self.about = f"bm25s {bm25s.__version__}, {backend} backend: BM25 of the same terms"
        self._backend = backend

    def build(self, documents: Iterable[Document], folder: Path, clock: Stopwatch) -> None:
        """See `Engine.build`."""
        ids, terms = common.ids_and_terms(documents, clock)
        index = bm25s.BM25(k1=1.2, b=0.75, method="lucene", backend=self._backend)
        index.index(terms, show_progress=False)
        index.save(folder, show_progress=False)
        common.write_ids(folder, ids)

    def open(self, folder: Path) -> Ranker:
        """See `Engine.open`."""
        return Ranker(bm25s.BM25.load(folder, show_progress=False), common.read_ids(folder))


class Ranker:
    """An opened index."""

    model_bytes = 0

    def __init__(self, index: bm25s.BM25, ids: list[str]) -> None:
        self._index = index
        self._ids = ids
        self._search([[0]], 1)  # numba compiles at the first search

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """See `Ranker.rank`."""
        known = [self._index.get_tokens_ids(common.terms(query)) for query in queries]
        return common.answer(known, lambda asked: self._search(asked, min(k, len(self._ids))))

    def _search(self, queries: list[list[int]], k: int) -> list[list[tuple[str, float]]]:
        found, scores = self._index.retrieve(queries, k=k, show_progress=False)
        # It fills up with documents that share no term with the query.
        return [
            [(self._ids[row], score) for row, score in zip(*each, strict=True) if score > 0]
            for each in zip(found.tolist(), scores.tolist(), strict=True)
        ]


ENGINE = Engine("numba")
