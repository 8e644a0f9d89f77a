"""Indexes of vectors to be compared: each builds once, is kept, and searches at any effort."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import faiss
import hnswlib
import numpy as np
from common import K
from usearch.index import Index as USearch

from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.building import Builder, from_bytes, memory_of, to_bytes
from vecsearch.retrieve.nearest.lookup import LOADING
from vecsearch.retrieve.nearest.measuring import NEVER_EXACT
from vecsearch.retrieve.nearest.structure import Effort, Structure
from vecsearch.retrieve.nearest.trials import efforts, structures
from vecsearch.types import ALL, Vectors

Search = Callable[[Vectors, int], np.ndarray]
"""Queries and k in, rows (queries, k) out."""


class Built(NamedTuple):
    """An index, the CPU seconds that it took, and its bytes."""

    index: Any
    seconds: float
    bytes: int


class Engine(Protocol):
    """One library with the settings of its build, and its efforts once it is built."""

    name: str
    efforts: Sequence[Any]

    def built(self, vectors: Vectors, folder: Path) -> Built:
        """Build, or load what was built before."""
        ...

    def search(self, built: Built, vectors: Vectors, effort: Any) -> Search:  # noqa: ANN401
        """Return what searches at an effort."""
        ...


def _kept(path: Path, make: Callable[[], None]) -> float:
    """Build unless it was, and say how many CPU seconds that took."""
    note = path.with_suffix(".json")
    if not note.exists():
        start = time.process_time()
        make()
        note.write_text(json.dumps(time.process_time() - start))
    seconds: float = json.loads(note.read_text())
    return seconds


EFS: Final = (
    *(16, 24, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 224, 256),
    *(320, 384, 448, 512, 640, 768),
)


class HNSWLib:
    """hnswlib, float32."""

    efforts = EFS

    def __init__(self, m: int, ef_construction: int) -> None:
        self.name = f"hnswlib M{m} ef{ef_construction}"
        self._m, self._ef = m, ef_construction

    def built(self, vectors: Vectors, folder: Path) -> Built:
        """See `Engine`."""
        path = folder / f"hnswlib-{self._m}-{self._ef}.bin"

        def make() -> None:
            index = hnswlib.Index("ip", vectors.shape[1])
            index.init_index(len(vectors), M=self._m, ef_construction=self._ef)
            index.set_num_threads(1)
            index.add_items(vectors, num_threads=1)
            index.save_index(str(path))

        seconds = _kept(path, make)
        index = hnswlib.Index("ip", vectors.shape[1])
        index.load_index(str(path))
        index.set_num_threads(1)
        return Built(index, seconds, path.stat().st_size)

    def search(self, built: Built, vectors: Vectors, effort: int) -> Search:
        """See `Engine`."""

        def search(queries: Vectors, k: int) -> np.ndarray:
            built.index.set_ef(effort)
            return built.index.knn_query(queries, k, num_threads=1)[0].astype(np.int64)

        return search


class USearchHNSW:
    """usearch, of any number format."""

    efforts = EFS

    def __init__(self, dtype: str, connectivity: int, expansion: int) -> None:
        self.name = f"usearch {dtype} M{connectivity} ef{expansion}"
        self._of = (dtype, connectivity, expansion)

    def built(self, vectors: Vectors, folder: Path) -> Built:
        """See `Engine`."""
        dtype, connectivity, expansion = self._of
        path = folder / f"usearch-{dtype}-{connectivity}-{expansion}.bin"

        def make() -> None:
            index = USearch(
                ndim=vectors.shape[1],
                metric="ip",
                dtype=dtype,
                connectivity=connectivity,
                expansion_add=expansion,
            )
            index.add(np.arange(len(vectors)), np.asarray(vectors), threads=1)
            index.save(path)

        seconds = _kept(path, make)
        return Built(USearch.restore(path), seconds, path.stat().st_size)

    def search(self, built: Built, vectors: Vectors, effort: int) -> Search:
        """See `Engine`."""

        def search(queries: Vectors, k: int) -> np.ndarray:
            built.index.expansion_search = effort
            found = built.index.search(queries, k, threads=1)
            return np.asarray(found.keys).reshape(len(queries), k).astype(np.int64)

        return search


class FaissHNSW:
    """FAISS's HNSW, float32."""

    efforts = EFS

    def __init__(self, m: int, ef_construction: int) -> None:
        self.name = f"faiss HNSW{m} ef{ef_construction}"
        self._of = (m, ef_construction)

    def built(self, vectors: Vectors, folder: Path) -> Built:
        """See `Engine`."""
        m, ef = self._of
        path = folder / f"faiss-{m}-{ef}.bin"

        def make() -> None:
            index = faiss.IndexHNSWFlat(vectors.shape[1], m, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = ef
            index.add(np.ascontiguousarray(vectors))
            faiss.write_index(index, str(path))

        seconds = _kept(path, make)
        return Built(faiss.read_index(str(path)), seconds, path.stat().st_size)

    def search(self, built: Built, vectors: Vectors, effort: int) -> Search:
        """See `Engine`."""

        def search(queries: Vectors, k: int) -> np.ndarray:
            built.index.hnsw.efSearch = effort
            return built.index.search(queries, k)[1]

        return search


class Ours:
    """vecsearch: codes, and exact scores of what they find from the mapped vectors."""

    efforts: Sequence[Effort] = ()

    def __init__(self, structure: Structure, asked: Vectors) -> None:
        """Efforts are those that tuning tries with some queries, `asked`."""
        self.name = f"vecsearch {structure.name}"
        self.structure = structure
        self._asked = asked

    def built(self, vectors: Vectors, folder: Path) -> Built:
        """See `Engine`."""
        path = folder / f"{self.structure.name}.faiss"
        seconds = _kept(
            path, lambda: path.write_bytes(to_bytes(Builder(vectors).build(self.structure).index))
        )
        index = from_bytes(path.read_bytes(), vectors)
        rows = efforts(self.structure, K, index, self._asked)
        self.efforts = [effort for row in rows for effort in row]
        return Built(index, seconds, memory_of(index))

    def search(self, built: Built, vectors: Vectors, effort: Effort) -> Search:
        """See `Engine`."""
        index = Approximate(built.index, vectors, effort, NEVER_EXACT)
        return lambda queries, k: index.search(queries, k, ALL)[0]


def ours(vectors: Vectors, asked: Vectors, *, graph: bool = False) -> list[Ours]:
    """Return what tuning considers for some vectors, (rows, dim), with one graph or with none.

    asked: queries to tune with.
    """
    tried = structures(*vectors.shape, None)
    return [
        Ours(each, asked) for each in tried if not each.links or (graph and each.codes == "bf16")
    ]


def peers() -> list[Engine]:
    """Return the other libraries, each with several builds, of which the best counts."""
    return [
        HNSWLib(16, 200),
        HNSWLib(32, 200),
        *(USearchHNSW(dtype, m, 128) for dtype in ("bf16", "f32") for m in (16, 32)),
        FaissHNSW(32, 40),
        FaissHNSW(32, 200),
    ]


def prepare() -> None:
    """Keep every library to one thread, and load compiled loops, as tuning does.

    The environment is set by run.py before it imports them.
    """
    assert os.environ["OMP_NUM_THREADS"] == "1"
    faiss.omp_set_num_threads(1)
    LOADING.at_once()
