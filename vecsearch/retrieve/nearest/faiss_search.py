"""FAISS's own search for the rows nearest to queries, told of efforts in the words of its class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.retrieve.nearest.structure import Effort
from vecsearch.types import ALL, Mask, Vectors


class FaissSearch:
    """Searches a FAISS index.

    lists: how many it has; None in a graph.
    """

    def __init__(self, index: Any) -> None:  # noqa: ANN401
        faiss = load_faiss()
        self._index = index
        self._rotates = isinstance(index, faiss.IndexPreTransform)
        graph = isinstance(index, faiss.IndexHNSW)
        self._of_lists: Any = None
        self.lists: int | None = None
        if not graph:
            self._of_lists = faiss.downcast_index(faiss.extract_index_ivf(index))
            self.lists = self._of_lists.nlist
        self._unfiltered: dict[int, Any] = {}

    def rows(self, queries: Vectors, effort: Effort, allow: Mask) -> NDArray[np.int64]:
        """Return the rows nearest to queries, (queries, candidates); -1 pads."""
        most = min(effort.candidates, self._index.ntotal)
        if effort.nearness is None:
            return self._search(queries, most, effort.probes, allow)
        probes = self._probes(queries, effort.probes, effort.nearness, most)
        rows = np.full((len(queries), most), -1)
        for each in np.unique(probes).tolist():
            some = probes == each
            rows[some] = self._search(queries[some], most, each, allow)
        return rows

    def nearness(self, queries: Vectors, share: float) -> float:
        """Return the nearness by which such a share of the lists is visited, over some queries."""
        products = self._products(queries, self._of_lists.nlist)[0]
        best = np.maximum(products[:, :1], np.finfo(np.float32).tiny)
        return float(np.quantile(products / best, 1 - share))

    def _products(
        self, queries: Vectors, most: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the greatest products of queries with lists' centroids, falling, and the lists."""
        turned = self._index.chain.at(0).apply(queries) if self._rotates else queries
        found: tuple[NDArray[np.float32], NDArray[np.int64]] = self._of_lists.quantizer.search(
            turned, most
        )
        return found

    def _probes(
        self, queries: Vectors, probes: int, nearness: float, candidates: int
    ) -> NDArray[np.int64]:
        """Return how many lists each query visits, (queries,), rounded up to a power of two.

        FAISS visits as many for all that it is asked together.
        """
        products, lists = self._products(queries, probes)
        kept = self._of_lists.invlists
        sizes = np.array([kept.list_size(each) for each in range(self._of_lists.nlist)])[lists]
        best = products[:, :1]
        visited = (products >= nearness * best) | (best <= 0)
        visited |= np.cumsum(sizes, axis=1) - sizes < candidates
        counts = np.count_nonzero(visited, axis=1)
        rounded: NDArray[np.int64] = 1 << np.ceil(np.log2(counts)).astype(np.int64)
        return np.minimum(rounded, probes)

    def _search(self, queries: Vectors, most: int, probes: int, allow: Mask) -> NDArray[np.int64]:
        if allow is ALL:
            told = self._unfiltered.get(probes)
            if told is None:
                told = self._unfiltered[probes] = self._parameters(probes)
        else:
            faiss = load_faiss()
            bits = np.packbits(allow, bitorder="little")
            told = self._parameters(
                probes, faiss.IDSelectorBitmap(len(allow), faiss.swig_ptr(bits))
            )
        rows: NDArray[np.int64] = self._index.search(queries, most, params=told)[1]
        return rows

    def _parameters(self, probes: int, selector: Any = None) -> Any:  # noqa: ANN401
        """Return what FAISS wants to be told; it keeps the selector alive."""
        faiss = load_faiss()
        if self.lists is None:
            told = faiss.SearchParametersHNSW(efSearch=probes)
        else:
            told = faiss.SearchParametersIVF(nprobe=probes)
        if selector is not None:
            told.sel = selector
        return faiss.SearchParametersPreTransform(index_params=told) if self._rotates else told
