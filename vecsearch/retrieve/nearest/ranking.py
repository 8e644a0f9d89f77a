"""The documents of one segment in order, by whatever finds rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vecsearch.retrieve.base import NOTHING, Ranking, best_documents
from vecsearch.retrieve.nearest.base import VectorIndex
from vecsearch.store.snapshot import Part
from vecsearch.types import ALL, Mask, Vectors


def rank_documents(
    part: Part, matrix: Vectors, index: VectorIndex, queries: Vectors, k: int, allow: Mask
) -> list[Ranking]:
    """Rank one segment's documents for each query by its vectors, `matrix`, (rows, dim).

    An index counts rows and breaks ties as it likes. So one row more is asked for than is needed,
    and twice as many again while a query lacks documents or its last place is a tie.
    """
    most = len(matrix) if allow is ALL else int(np.count_nonzero(allow))
    rankings: list[Ranking] = [NOTHING] * len(queries)
    open_queries = np.arange(len(queries))
    asked = min(k + 1, most)
    while len(open_queries) and asked:
        rows, scores = index.search(queries[open_queries], asked, allow)
        settled = np.ones(len(open_queries), np.bool_)
        for i, query in enumerate(open_queries.tolist()):
            found = rows[i] >= 0
            last = scores[i][found][-1:]
            found &= ~_are_zero(matrix, rows[i], scores[i])
            ranking = best_documents(part, rows[i][found], scores[i][found], k)
            rankings[query] = ranking
            settled[i] = asked == most or (len(ranking[0]) == k and ranking[1][-1] > last[0])
        open_queries = open_queries[~settled]
        asked = min(2 * asked, most)
    return rankings


def _are_zero(
    matrix: Vectors, rows: NDArray[np.int64], scores: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Say which of the rows found, (k,), are zero: of blank texts, which are near to nothing."""
    zero: NDArray[np.bool_] = scores == 0
    if zero.any():
        zero[zero] = ~np.any(matrix[rows[zero]], axis=1)
    return zero
