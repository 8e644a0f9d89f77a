"""The rows that can be among the nearest of many queries, by products of tiles of bfloat16.

Where the processor multiplies whole tiles that is an order of magnitude faster than products of
float32, where it multiplies pairs of numbers four times as fast; and the error has a bound. Let q'
and x' be what query q and row x are in bfloat16. By the Cauchy-Schwarz inequality

    |q x - q' x'| = |(q - q') x + q' (x - x')| <= |q - q'| |x| + |q'| |x - x'|,

where all four lengths are measured, not estimated: in unit vectors it comes to some 0.004. Sums of
dim products in float32, in whatever order, are each off by at most dim u |q| |x| beyond that, u
being 2**-24 (Higham, "Accuracy and Stability of Numerical Algorithms", 3.5). Two products are
compared: so twice all this is the room that a row has below the k-th best, plus a fiftieth for the
rounding of lengths, and for q' and x', which are up to 1 + 2**-8 times as long as q and x. What is
too small for bfloat16 counts as 0, and what is too great isn't searched for in this way.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.nearest.loading import Loading, processor_has
from vecsearch.threads import in_threads
from vecsearch.types import Vectors

_QUERIES: Final = 1024
"""Queries at a time: as bfloat16 they fit the cache of a core, beside a block of rows."""

_HELD: Final = 1 << 21
"""Candidates for which there is room at most, of all queries at a time."""

_PATIENCE: Final = 2e10
"""Multiplications that numpy does, in half a second, before compiled loops are loaded."""

_UNIT_ROUNDOFF: Final = 2.0**-24  # of float32
_SPARE: Final = 1.02
_LOST: Final = 2.0**-50
"""More than any number loses that is too small for bfloat16, or whose square is for float32."""

_GREAT: Final = 1e37
"""Products of lengths below this, and their sums, are float32."""

_FEWEST: Final = 128
"""Candidates of a query for which there is room; for at least four times as many as wanted."""

_OF_A_THREAD: Final = 4096
"""Rows for which another thread is worth it."""

_LINE: Final = 64
"""Bytes of a line of the cache; a tile's row is one."""


def _load() -> ModuleType | None:
    if not processor_has("avx512_bf16"):
        return None
    try:
        from vecsearch.kernels import nearest
    except ImportError:
        return None
    return nearest if nearest.work() else None


LOADING: Final = Loading(_PATIENCE, _load)
"""That of this process."""


def queries_at_once(k: int) -> int:
    """Return for how many queries candidates are sought together."""
    return max(1, min(_QUERIES, _HELD // _most(k)))


def candidates(
    kernels: ModuleType,
    queries: Vectors,
    vectors: Vectors,
    rows: NDArray[np.int64] | None,
    k: int,
    threads: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the rows that can be among each query's k best, (queries, most), padded with -1.

    And for which queries that holds, (queries,): rounding can leave too many, as of rows that are
    all equal, and numbers can be too great.

    kernels: `vecsearch.kernels.nearest`. rows: those that pass, None for all; at least k.
    """
    total = len(vectors) if rows is None else len(rows)
    asked, lengths = _narrowed(kernels, queries)
    # Each thread has rows of its own; any number of them leaves the same rows in the end.
    threads = max(1, min(threads, total // _OF_A_THREAD))
    bounds = np.linspace(0, total, threads + 1).astype(np.int64).tolist()
    parts = [_room(kernels, len(queries), len(asked.near), k) for _ in range(threads)]
    passing = np.zeros(0, np.int64) if rows is None else np.ascontiguousarray(rows)

    def collect(part: int) -> None:
        kernels.collect(
            vectors.ctypes.data,
            *vectors.shape,
            passing,
            bounds[part],
            bounds[part + 1],
            asked,
            parts[part],
            kernels.Work(
                _aligned((kernels.BLOCK, kernels.width(queries.shape[1])), np.uint16),
                _aligned((2, 2, 16, 16), np.float32),
            ),
        )

    in_threads(collect, threads, threads)
    longest, worst = np.max([part.lengths for part in parts], axis=0)
    best = np.concatenate([part.heap for part in parts], axis=1)
    able = np.all([part.taken[: len(queries)] >= 0 for part in parts], axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # what is infinite isn't able
        floors = np.partition(best, -k, axis=1)[:, -k] - (asked.near * longest + asked.far * worst)
        able &= np.maximum(lengths, 1) * max(longest, np.float32(1)) < _GREAT
    places = np.concatenate([_left(part, floors)[: len(queries)] for part in parts], axis=1)
    return places if rows is None else np.append(rows, -1)[places], able


def _most(k: int) -> int:
    return max(_FEWEST, 4 * k)


def _narrowed(kernels: ModuleType, queries: Vectors) -> tuple[Any, NDArray[np.float32]]:
    """Lay queries out as `kernels.Queries`, with what room each has; and say how long they are."""
    count, dim = queries.shape
    wide = math.ceil(count / kernels.SIDE) * kernels.SIDE
    tiles = _aligned((wide // 16, math.ceil(dim / kernels.DEPTH), 16, 16, 2), np.uint16)
    lengths, lost = measured = np.empty((2, count), np.float32)
    kernels.lay_out(queries, tiles, measured)
    near, far = np.zeros((2, wide), np.float32)
    of_sums = 2 * (dim + 1) * _UNIT_ROUNDOFF * lengths
    near[:count] = 2 * _SPARE * (lost + of_sums + _LOST)
    far[:count] = 2 * _SPARE * (lengths + lost)
    return kernels.Queries(tiles[: math.ceil(count / 16)], near, far), lengths


def _aligned(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Return zeros that begin at a multiple of _LINE bytes."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + _LINE, np.uint8)
    first = -memory.ctypes.data % _LINE
    return memory[first : first + size].view(dtype).reshape(shape)


def _room(kernels: ModuleType, queries: int, wide: int, k: int) -> Any:  # noqa: ANN401
    """Return `kernels.Candidates` of so many queries, filled up to so many; none as yet."""
    most = _most(k)
    taken = np.full(wide, -1)
    taken[:queries] = 0
    return kernels.Candidates(
        heap=np.full((wide, k), -np.inf, np.float32),
        heaped=np.zeros(wide, np.int64),
        places=np.empty((wide, most), np.int32),
        products=np.empty((wide, most), np.float32),
        taken=taken,
        lengths=np.array([0.0, _LOST], np.float32),
    )


def _left(part: Any, floors: NDArray[np.float32]) -> NDArray[np.int64]:  # noqa: ANN401
    """Return the places whose products aren't below the floors, (queries, most), padded with -1."""
    most = max(int(part.taken.max()), 0)
    there = np.arange(most) < part.taken[:, None]
    there &= part.products[:, :most] >= floors[:, None]
    places: NDArray[np.int64] = np.where(there, part.places[:, :most], np.int64(-1))
    return places
