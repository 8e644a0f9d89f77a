"""Approximate search: short codes are scanned, the best of them are scored exactly.

A random rotation evens out how much each dimension counts; product quantization (Jégou, Douze and
Schmid 2011) makes a code of four bits for every few dimensions, which FAISS scans in registers
("fast scan", after André, Kermarrec and Le Scouarnec 2015). Rows may lie in lists around centroids
(IVF), of which the nearest are visited. What is found is scored from the mapped float32 vectors, so
that scores and order are those of exact search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest.base import Found
from vecsearch.retrieve.nearest.exact import BATCH, Flat, best, inner_products
from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.retrieve.nearest.planner import Costs, Plan, plan
from vecsearch.types import ALL, Mask, Vectors

FEWEST: Final = 1024
"""Rows below which no code is learnt: 16 centroids want some examples each."""

_TRAINING: Final = 1 << 16
_STEP: Final = 1 << 14
_ITERATIONS: Final = 8
_SEED: Final = 1234
_ENOUGH: Final = 0.8
"""Over-fetching is content with this share of the candidates that pass without a filter."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What is built: `lists` around centroids, 1 for none; a code for every `width` dimensions."""

    lists: int
    width: int

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"pq{self.width}" if self.lists == 1 else f"ivf{self.lists}-pq{self.width}"

    def factory(self, dim: int) -> str:
        """Its name in FAISS's words."""
        padded = math.ceil(dim / (2 * self.width)) * 2 * self.width
        return f"RR{padded},IVF{self.lists},PQ{padded // self.width}x4fs"


@dataclass(frozen=True, slots=True)
class Effort:
    """What is spent where `k` rows are wanted: lists visited, and candidates scored exactly."""

    k: int
    probes: int
    candidates: int

    def candidates_for(self, k: int) -> int:
        """Return how many are scored where k rows are wanted."""
        return math.ceil(self.candidates * max(k / self.k, 1.0))

    def to_dict(self) -> dict[str, int]:
        """Return plain numbers, to be kept."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, int]) -> Effort:
        """Read what `to_dict` gave."""
        return cls(**{name: int(kept[name]) for name in cls.__slots__})


def build(vectors: Vectors, structure: Structure) -> Any:  # noqa: ANN401 - FAISS has no types
    """Build a FAISS index of the codes of vectors, (rows, dim) float32.

    Seeds are fixed: the same vectors give the same index with the same number of threads. With
    another number the centroids may differ in their last bits.
    """
    faiss = load_faiss()
    rows, dim = vectors.shape
    index = faiss.index_factory(dim, structure.factory(dim), faiss.METRIC_INNER_PRODUCT)
    lists = faiss.extract_index_ivf(index)
    lists.cp.niter, lists.cp.spherical, lists.cp.seed = _ITERATIONS, True, _SEED
    lists.cp.min_points_per_centroid = 1
    examples = np.unique(np.linspace(0, rows - 1, min(rows, _TRAINING)).astype(np.int64))
    index.train(np.ascontiguousarray(vectors[examples]))
    for first in range(0, rows, _STEP):
        index.add(np.ascontiguousarray(vectors[first : first + _STEP]))
    return index


def to_bytes(index: Any) -> bytes:  # noqa: ANN401
    """Write a FAISS index down."""
    data: bytes = load_faiss().serialize_index(index).tobytes()
    return data


def from_bytes(data: bytes) -> Any:  # noqa: ANN401
    """Read what `to_bytes` gave; raise RuntimeError where that isn't an index."""
    return load_faiss().deserialize_index(np.frombuffer(data, np.uint8))


class Quantized:
    """Searches codes, and scores what it finds from the vectors that they were made of."""

    def __init__(
        self,
        index: Any,  # noqa: ANN401 - a FAISS index
        vectors: Vectors,
        effort: Effort,
        costs: Costs,
    ) -> None:
        if (index.ntotal, index.d) != vectors.shape:
            raise ValueError(f"{index.ntotal} codes of {index.d} numbers for {vectors.shape}")
        self._index = index
        self._lists = load_faiss().extract_index_ivf(index).nlist
        self._vectors = vectors
        self._flat = Flat(vectors)
        self._effort = effort
        self._costs = costs
        self._tuned = _parameters(effort.probes)

    def search(self, queries: Vectors, k: int, allow: Mask) -> Found:
        """See `VectorIndex.search`."""
        queries = np.ascontiguousarray(queries, np.float32)
        passing = None if allow is ALL else int(np.count_nonzero(allow))
        chosen = self._plan(k, passing, len(queries))
        if chosen.way == "exact":
            if allow is ALL:
                return self._flat.search(queries, k, ALL)
            return self._flat.search_rows(queries, k, np.flatnonzero(allow))
        if chosen.way == "over-fetch" and allow is not ALL:
            found = self._over_fetched(queries, k, chosen.candidates, allow)
        else:
            found = self._scanned(queries, k, chosen.candidates, allow)
        wanted = min(k, len(self._vectors) if passing is None else passing)
        short = np.flatnonzero(found[0][:, max(wanted, 1) - 1] < 0)
        if wanted and len(short):
            found[0][short], found[1][short] = self._flat.search(queries[short], k, allow)
        return found

    def describe(self, k: int, allow: Mask) -> str:
        """See `VectorIndex.describe`."""
        passing = None if allow is ALL else int(np.count_nonzero(allow))
        chosen = self._plan(k, passing, 1)
        rows = len(self._vectors)
        what = {
            "tuned": f"{self._effort.probes} of {self._lists} lists are scanned",
            "exact": "",
            "selector": "all codes of those that pass are scanned",
            "over-fetch": f"{self._effort.probes} of {self._lists} lists are scanned for more "
            "candidates than are needed",
        }[chosen.way]
        pass_ = "" if passing is None else f"{passing:,} of {rows:,} rows pass: "
        scored = f"{chosen.candidates:,} are scored exactly"
        estimates = ", ".join(
            f"{way} {cost / 1000:.3g} ms" for way, cost in sorted(chosen.estimates.items())
        )
        return f"{pass_}{f'{what}, ' if what else ''}{scored} (estimates: {estimates})"

    def _plan(self, k: int, passing: int | None, queries: int) -> Plan:
        return plan(
            self._costs,
            len(self._vectors),
            passing,
            self._effort.candidates_for(k),
            in_batch=queries >= BATCH,
        )

    def _scanned(self, queries: Vectors, k: int, candidates: int, allow: Mask) -> Found:
        rows = self._codes(queries, candidates, allow)
        return best(rows, inner_products(queries, self._vectors, rows), k)

    def _over_fetched(
        self, queries: Vectors, k: int, candidates: int, allow: NDArray[np.bool_]
    ) -> Found:
        rows = self._codes(queries, candidates, ALL)
        rows[~allow[rows]] = -1  # row -1, which pads, stays -1 whatever the last row's place says
        needed = self._effort.candidates_for(k)
        few = np.flatnonzero(np.count_nonzero(rows >= 0, axis=1) < _ENOUGH * needed)
        found = best(rows, inner_products(queries, self._vectors, rows), k)
        if len(few):
            found[0][few], found[1][few] = self._scanned(queries[few], k, needed, allow)
        return found

    def _codes(self, queries: Vectors, candidates: int, allow: Mask) -> NDArray[np.int64]:
        """Return the rows whose codes are nearest, (queries, candidates); -1 pads."""
        parameters = self._tuned
        if allow is not ALL:
            faiss = load_faiss()
            bits = np.packbits(allow, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(allow), faiss.swig_ptr(bits))
            parameters = _parameters(self._lists, selector)
        rows: NDArray[np.int64] = self._index.search(
            queries, min(candidates, len(self._vectors)), params=parameters
        )[1]
        return rows


def _parameters(probes: int, selector: Any = None) -> Any:  # noqa: ANN401 - FAISS's own
    """Return what FAISS wants to be told of a search; it keeps the selector alive."""
    faiss = load_faiss()
    lists = faiss.SearchParametersIVF(nprobe=probes)
    if selector is not None:
        lists.sel = selector
    return faiss.SearchParametersPreTransform(index_params=lists)
