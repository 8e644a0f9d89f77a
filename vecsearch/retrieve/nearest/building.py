"""FAISS indexes of vectors: built in steps, within a time, and written down."""

from __future__ import annotations

import contextlib
import math
import mmap
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.retrieve.nearest.structure import Structure
from vecsearch.types import Vectors

FEWEST: Final = 1024
"""Rows below which no code is learnt: 16 centroids want some examples each."""

_TRAINING: Final = 1 << 16
_STEP: Final = 1 << 13
_ITERATIONS: Final = 8
_SEED: Final = 1234
_CONSTRUCTION: Final = 64
"""Rows that are kept in sight while a graph is built (efConstruction)."""

_GRAPH_POWER: Final = 1.3
"""By which power of the rows a graph's time to build grows: 1.31 from 8,192 to 204,800 rows of 256
numbers, more than the n log n of its steps since memory gets slower too."""


class TooLong(Exception):
    """Building would take longer than there is time for: about so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"about {seconds:.0f} s")
        self.seconds = seconds


class Built(NamedTuple):
    """A FAISS index, and the seconds that it took."""

    index: Any
    seconds: float


def offered(structure: Structure) -> bool:
    """Say whether the FAISS that is installed can build it."""
    return structure.codes != "rabitq" or hasattr(load_faiss(), "IndexIVFRaBitQFastScan")


class Builder:
    """Builds FAISS indexes of the same vectors, (rows, dim) float32.

    Seeds are fixed: the same vectors give the same index with the same number of threads. With
    another number centroids may differ in their last bits. A graph doesn't depend on the number of
    threads where FAISS builds it step by step; an older FAISS gets one thread for it.
    """

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self._graphs: dict[int, Built] = {}
        self._too_long: dict[int, TooLong] = {}

    def build(self, structure: Structure, most: float = math.inf) -> Built:
        """Build an index; raise TooLong as soon as it is seen to take more than `most` seconds."""
        start = time.monotonic()
        if structure.links:
            graph = self._graph(structure.links, most)
            index = self._with_codes(graph.index, structure)
            return Built(index, graph.seconds + time.monotonic() - start)
        index = self._new(structure)
        lists = load_faiss().extract_index_ivf(index)
        lists.cp.niter, lists.cp.spherical, lists.cp.seed = _ITERATIONS, True, _SEED
        lists.cp.min_points_per_centroid = 1
        index.train(self._examples())
        self._fill(index, start, most, lambda rows: rows)
        return Built(index, time.monotonic() - start)

    def _graph(self, links: int, most: float) -> Built:
        """Build a graph over the vectors themselves, once for whatever codes its rows get.

        Its seconds are those that were spent before this call.
        """
        known = self._too_long.get(links)
        if known is not None and known.seconds > most:
            raise known
        if links in self._graphs:
            return self._graphs[links]
        start = time.monotonic()
        index = self._new(Structure("float32", links=links))
        index.hnsw.efConstruction = _CONSTRUCTION
        try:
            with _threads_that_agree():
                self._fill(index, start, most, lambda rows: rows**_GRAPH_POWER)
        except TooLong as too_long:
            self._too_long[links] = too_long
            raise
        self._graphs[links] = Built(index, time.monotonic() - start)
        return Built(index, 0.0)

    def _with_codes(self, graph: Any, structure: Structure) -> Any:  # noqa: ANN401
        """Give the rows of a graph other codes than the vectors themselves."""
        if structure.codes == "float32":
            return graph
        index = self._new(structure)
        index.train(self._examples())
        storage = load_faiss().downcast_index(index.storage)
        for _, step in self._steps():
            storage.add(step)
        index.hnsw = graph.hnsw
        index.ntotal = graph.ntotal
        return index

    def _new(self, structure: Structure) -> Any:  # noqa: ANN401
        faiss = load_faiss()
        dim = self._vectors.shape[1]
        return faiss.index_factory(dim, structure.factory(dim), faiss.METRIC_INNER_PRODUCT)

    def _fill(
        self,
        index: Any,  # noqa: ANN401
        start: float,
        most: float,
        work: Callable[[int], float],
    ) -> None:
        """Add all rows to an index whose building began at `start`.

        work: says how much it is to add so many rows.
        """
        began = time.monotonic()
        for last, step in self._steps():
            index.add(step)
            all_steps = (time.monotonic() - began) * work(len(self._vectors)) / work(last)
            if began - start + all_steps > most:
                raise TooLong(began - start + all_steps)

    def _steps(self) -> Iterator[tuple[int, Vectors]]:
        """Yield the rows step by step, each with how many there were by then."""
        for first in range(0, len(self._vectors), _STEP):
            step = np.ascontiguousarray(self._vectors[first : first + _STEP])
            yield first + len(step), step

    def _examples(self) -> Vectors:
        rows = len(self._vectors)
        some = np.unique(np.linspace(0, rows - 1, min(rows, _TRAINING)).astype(np.int64))
        return np.ascontiguousarray(self._vectors[some])


@contextlib.contextmanager
def _threads_that_agree() -> Iterator[None]:
    """Let FAISS build a graph with as many threads as give the same one."""
    faiss = load_faiss()
    threads = faiss.omp_get_max_threads()
    if not hasattr(faiss, "hnsw_add_vertices_deterministic"):
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def to_bytes(index: Any) -> bytes:  # noqa: ANN401
    """Write a FAISS index down, without the vectors themselves where it holds those."""
    faiss = load_faiss()
    flags = faiss.IO_FLAG_SKIP_STORAGE if _holds_vectors(index) else 0
    data: bytes = faiss.serialize_index(index, flags).tobytes()
    return data


def from_bytes(data: bytes | mmap.mmap, vectors: Vectors) -> Any:  # noqa: ANN401
    """Read what `to_bytes` gave of an index of vectors, (rows, dim) float32.

    Raise RuntimeError or ValueError where it isn't one.
    """
    faiss = load_faiss()
    index = faiss.deserialize_index(np.frombuffer(data, np.uint8))
    if _holds_vectors(index):
        # The graph's vectors are those that are mapped: FAISS looks at them, and copies nothing.
        view = faiss.MaybeOwnedVectorUInt8()
        view.is_owned, view.view_size = False, vectors.nbytes
        view.view_data = faiss.cast_integer_to_uint8_ptr(vectors.ctypes.data)
        storage = faiss.IndexFlat(vectors.shape[1], faiss.METRIC_INNER_PRODUCT)
        storage.codes, storage.ntotal = view, len(vectors)
        index.storage, index.own_fields = storage, True
    return index


def memory_of(index: Any) -> int:  # noqa: ANN401
    """Return the bytes that an index takes, the vectors too where it searches them."""
    size = len(to_bytes(index))
    return size + 4 * index.ntotal * index.d if _holds_vectors(index) else size


def _holds_vectors(index: Any) -> bool:  # noqa: ANN401
    return isinstance(index, load_faiss().IndexHNSWFlat)
