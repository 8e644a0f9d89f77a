"""Compiled loops for indexes of four-bit codes, which FAISS scans slowly for one query alone.

They read its index where it lies, and find what FAISS finds but for what is rounded here: the sums
of a code's numbers, and the rotation and the lists' centroids to bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest.base import Found
from vecsearch.retrieve.nearest.exact import best, inner_products
from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.retrieve.nearest.loading import Loading, processor_has
from vecsearch.retrieve.nearest.structure import Effort
from vecsearch.threads import in_threads
from vecsearch.types import ALL, Mask, Vectors

_PATIENCE: Final = 2e10
"""Numbers of codes that FAISS looks up, in half a second, before compiled loops are loaded."""

_TRIED: Final = 300
"""Vectors that are scored to see whether compiled loops do as FAISS does."""

_NO_MASK: Final = np.zeros(0, np.bool_)


def _load() -> ModuleType | None:
    if not processor_has("avx512bw"):
        return None
    try:
        from vecsearch.kernels import codes, tables
    except ImportError:
        return None
    return codes if tables.work() else None


LOADING: Final = Loading(_PATIENCE, _load)
"""That of this process."""


class LookUp:
    """Looks up the codes of a FAISS index of vectors, (rows, dim) float32, which both stay."""

    def __init__(self, index: Any, vectors: Vectors) -> None:  # noqa: ANN401
        self._index = index
        self._vectors = vectors
        self._address = vectors.ctypes.data
        self._parts = _parts(index)
        self._codes: Any = None  # `kernels.codes.Codes`

    def kernels(self, queries: int, probes: int) -> ModuleType | None:
        """Return the compiled loops; None where FAISS shall search for so many queries."""
        if self._parts is None:
            return None
        lists, numbers = self._parts
        return LOADING.kernels(queries * numbers * len(self._vectors) * min(1.0, probes / lists))

    def rows(
        self, kernels: ModuleType, queries: Vectors, effort: Effort, allow: Mask
    ) -> NDArray[np.int64]:
        """Return the rows with the best codes for each query, (queries, candidates); -1 pads."""
        candidates = min(effort.candidates, len(self._vectors))
        found = np.empty((len(queries), candidates), np.int64)
        self._run(kernels.best_rows, kernels, queries, effort, allow, (), (found,))
        return found

    def search(
        self, kernels: ModuleType, queries: Vectors, k: int, effort: Effort, allow: Mask
    ) -> Found:
        """Return the best by their scores of the rows with the best codes, as an index does."""
        if not _exact(queries.shape[1]):
            rows = self.rows(kernels, queries, effort, allow)
            return best(rows, inner_products(queries, self._vectors, rows), k)
        found = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        spent = (self._address,)
        self._run(kernels.best_scored, kernels, queries, effort, allow, spent, found)
        return found

    def _run(
        self,
        loop: Callable[..., None],
        kernels: ModuleType,
        queries: Vectors,
        effort: Effort,
        allow: Mask,
        more: tuple[int, ...],
        found: tuple[NDArray[Any], ...],
    ) -> None:
        """Run a compiled loop over queries, in several threads where there are many."""
        if self._codes is None:
            self._codes = kernels.Codes(*_read(self._index))
        queries = _writable(queries)
        wanted = kernels.Wanted(
            effort.probes,
            -np.inf if effort.nearness is None else effort.nearness,
            min(effort.candidates, len(self._vectors)),
            _NO_MASK if allow is ALL else _writable(np.ascontiguousarray(allow, np.bool_)),
        )
        spent = self._codes, wanted, *more
        step = kernels.TOGETHER
        if len(queries) <= step or (threads := load_faiss().omp_get_max_threads()) == 1:
            loop(queries, *spent, *found)
            return

        def search(part: int) -> None:
            few = slice(part * step, (part + 1) * step)
            loop(queries[few], *spent, *(each[few] for each in found))

        in_threads(search, -(-len(queries) // step), threads)


@cache
def _exact(dim: int) -> bool:
    """Whether compiled loops score to the last bit as this build of FAISS does."""
    from vecsearch.kernels.products import products

    query, *others = np.random.default_rng(0).standard_normal((_TRIED, dim), np.float32)
    vectors = np.array(others)
    theirs = inner_products(query[None], vectors, np.arange(len(vectors))[None])
    return bool(np.array_equal(products(query, vectors), theirs[0]))


def _writable(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that may be written to: of others numba makes another function."""
    return array if array.flags.writeable else array.copy()


def _parts(index: Any) -> tuple[int, int] | None:  # noqa: ANN401
    """Return how many lists an index has, and numbers a code; None where it isn't one of these."""
    faiss = load_faiss()
    if not isinstance(index, faiss.IndexPreTransform) or index.chain.size() != 1:
        return None
    lists = faiss.downcast_index(index.index)
    turning = faiss.downcast_VectorTransform(index.chain.at(0))
    able = (
        isinstance(turning, faiss.LinearTransform)
        and not turning.have_bias
        and isinstance(lists, faiss.IndexIVFPQFastScan)
        and isinstance(faiss.downcast_index(lists.quantizer), faiss.IndexFlat)
        and lists.metric_type == faiss.METRIC_INNER_PRODUCT
        and (lists.bbs, lists.pq.nbits) == (32, 4)
        and lists.M == lists.M2
        and not lists.by_residual
    )
    return (lists.nlist, lists.M) if able else None


def _read(index: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """Return what `kernels.codes.Codes` holds."""
    faiss = load_faiss()
    turning = faiss.downcast_VectorTransform(index.chain.at(0))
    lists = faiss.downcast_index(index.index)
    kept, words = lists.invlists, lists.pq
    places = range(lists.nlist)
    return (
        _narrowed(faiss.vector_to_array(turning.A).reshape(turning.d_out, turning.d_in)),
        _narrowed(faiss.downcast_index(lists.quantizer).reconstruct_n(0, lists.nlist)),
        faiss.vector_to_array(words.centroids).reshape(words.M, words.ksub, words.dsub),
        np.array([int(kept.get_codes(each) or 0) for each in places], np.int64),
        np.array([int(kept.get_ids(each) or 0) for each in places], np.int64),
        np.array([kept.list_size(each) for each in places], np.int64),
    )


def _narrowed(numbers: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round to bfloat16, the upper half of a float32."""
    bits = numbers.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
