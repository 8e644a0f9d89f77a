"""What a retriever is, and the one order in which everything here ranks.

The order is trec_eval's: score falling, then document id falling. Within a segment ids have stored
ranks, so that a tie is settled without reading ids; across segments the few ids are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError
from vecsearch.groups import groups
from vecsearch.store.snapshot import Part, Snapshot
from vecsearch.types import ALL, Mask, TopK


@runtime_checkable
class Retriever(Protocol):
    """Ranks the documents of one snapshot for queries.

    A retriever may have an attribute `snapshot`, as all of the package have: what it ranks is then
    never taken for documents of another snapshot.
    """

    @property
    def name(self) -> str:
        """What the retriever is called in tables and runs."""
        ...

    def retrieve(self, queries: Sequence[str], k: int, allow: Mask) -> TopK:
        """Return the k best documents for each query, of those with a row that `allow` lets pass.

        A document is scored by its best row. Fewer than k come back only where fewer match.
        """
        ...


Ranking = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows (n,) int64, the best of each document, and their scores (n,) float32, best first."""


NOTHING: Final[Ranking] = (np.zeros(0, np.int64), np.zeros(0, np.float32))


def check_k(k: int) -> None:
    """Raise UsageError unless k is a whole number of at least 1."""
    if type(k) is int and k >= 1:
        return
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise UsageError(f"k is the number of documents to return, at least 1; it can't be {k!r}.")


def check_snapshot(retriever: Retriever, snapshot: Snapshot) -> None:
    """Raise UsageError where a retriever says that it ranks another snapshot."""
    theirs = getattr(retriever, "snapshot", snapshot)
    if isinstance(theirs, Snapshot) and not snapshot.same(theirs):
        raise UsageError(
            f"The retriever {retriever.name!r} was made over another state of the index, or over "
            "another index, whose rows are other documents; make it anew over `searcher.snapshot`."
        )


def check_request(snapshot: Snapshot, k: int, allow: Mask) -> None:
    """Raise UsageError unless k is at least 1 and a mask has one boolean for each row.

    Compiled loops read a mask without looking at where it ends.
    """
    check_k(k)
    if allow is ALL:
        return
    if not isinstance(allow, np.ndarray) or allow.dtype != bool or allow.shape != (snapshot.rows,):
        raise UsageError(
            "A mask is ALL or an array of one boolean for each row, here "
            f"{snapshot.rows:,}; it can't be {_told(allow)}."
        )


def _told(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"one of {value.dtype}, {value.shape}"
    return f"of the type {type(value).__name__}"


def as_good_as(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return where the scores are that are as good as the k-th best of more than k, rising.

    These may be more than k; but they are few, and only they need be sorted.
    """
    worst = np.partition(scores, len(scores) - k)[len(scores) - k]
    return np.flatnonzero(scores >= worst)


def best_documents(
    part: Part, rows: NDArray[np.int64], scores: NDArray[np.float32], k: int
) -> Ranking:
    """Rank rows of one segment and keep the k best documents.

    rows: (n,) int64, rows of the segment (from 0), rising or not.
    scores: (n,) float32, any finite numbers.
    Return rows of the snapshot. Of a document's equally good rows the first one stays.
    """
    documents = part.segment.documents
    positions = documents.position_of(rows)
    whole = len(documents) == documents.rows
    if whole and len(scores) > k:
        kept = as_good_as(scores, k)
        rows, positions, scores = rows[kept], positions[kept], scores[kept]
    # The last key counts most: score, then id, both falling; then the row, rising.
    order = np.lexsort((rows, -documents.id_ranks[positions], -scores))
    if not whole:
        order = order[np.sort(groups(positions[order]).first)]
    order = order[:k]
    return rows[order] + part.first_row, scores[order]


def merge_rankings(snapshot: Snapshot, rankings: Sequence[Ranking], k: int) -> Ranking:
    """Merge the rankings of several segments, which share no document, into the k best."""
    if not rankings:
        return NOTHING
    if len(rankings) == 1:
        rows, scores = rankings[0]
        return rows[:k], scores[:k]
    rows = np.concatenate([rows for rows, _ in rankings])
    scores = np.concatenate([scores for _, scores in rankings])
    return rank(snapshot, rows, scores, k)


def rank(
    snapshot: Snapshot, rows: NDArray[np.int64], scores: NDArray[np.float32], k: int
) -> Ranking:
    """Put rows of distinct documents into the one order and keep the k best.

    rows, scores: both (n,).
    """
    if len(scores) > k:
        kept = as_good_as(scores, k)
        rows, scores = rows[kept], scores[kept]
    order = np.argsort(-scores, kind="stable")
    equal = np.diff(scores[order]) == 0
    tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
    if len(tied):  # only of these the ids are read
        those = order[tied]
        keys = list(zip(scores[those].tolist(), snapshot.ids_of(rows[those]), strict=True))
        order[tied] = those[sorted(range(len(keys)), key=keys.__getitem__, reverse=True)]
    order = order[:k]
    return rows[order], scores[order]


def top_k(rankings: Iterable[Ranking], k: int) -> TopK:
    """Set rankings of several queries beside each other, padded to k."""
    rankings = list(rankings)
    if len(rankings) == 1 and len(rankings[0][0]) == k:  # as most are: what follows takes longer
        return TopK(rankings[0][0][None], rankings[0][1][None])
    rows = np.empty((len(rankings), k), np.int64)
    scores = np.empty((len(rankings), k), np.float32)
    for i, (found, values) in enumerate(rankings):
        rows[i, : len(found)] = found
        rows[i, len(found) :] = -1
        scores[i, : len(values)] = values
        scores[i, len(values) :] = -np.inf
    return TopK(rows, scores)


def ranking_of(found: TopK, query: int) -> Ranking:
    """Return one query's ranking out of several, without the padding."""
    rows, scores = found.rows[query], found.scores[query]
    if len(rows) and rows[-1] < 0:
        filled = rows >= 0
        rows, scores = rows[filled], scores[filled]
    return rows, scores
