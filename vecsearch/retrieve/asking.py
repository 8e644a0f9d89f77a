"""Asks a retriever, and looks at what one gives that isn't of the package.

A row that isn't there would be an error of numpy far from its cause, a row below 0 a document that
nobody has found, and a score that is no number an order that means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from vecsearch.errors import UsageError
from vecsearch.retrieve.base import Retriever
from vecsearch.store.snapshot import Snapshot
from vecsearch.types import Mask, TopK

_OURS: Final = __name__.partition(".")[0] + "."


def ask(
    retriever: Retriever, snapshot: Snapshot, queries: Sequence[str], k: int, allow: Mask
) -> TopK:
    """Return what a retriever finds; see `Retriever.retrieve`.

    Raise UsageError where one of somebody's own gives what can't be k rows of the snapshot.
    """
    found = retriever.retrieve(queries, k, allow)
    if not type(retriever).__module__.startswith(_OURS):
        problem = _problem(found, snapshot.rows, len(queries), k)
        if problem:
            raise UsageError(
                f"The retriever {retriever.name!r} gives {problem}; see `TopK` for what it must be."
            )
    return found


def _problem(found: object, rows: int, queries: int, k: int) -> str | None:
    """Say what is wrong with rankings; None for nothing."""
    if not isinstance(found, TopK):
        return f"something of the type {type(found).__name__}, not a TopK"
    for name, values, kind in (
        ("rows", found.rows, np.integer),
        ("scores", found.scores, np.floating),
    ):
        if not isinstance(values, np.ndarray) or not np.issubdtype(values.dtype, kind):
            told = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
            return f"{name} that are no array of {kind.__name__} numbers, but {told}"
        if values.ndim != 2 or len(values) != queries or values.shape[1] > k:
            return f"{name} of the shape {values.shape} for {queries} queries and k = {k}"
    if found.rows.shape != found.scores.shape:
        return f"rows of the shape {found.rows.shape} with scores of {found.scores.shape}"
    there = found.rows != -1
    wrong = found.rows[there & ((found.rows < 0) | (found.rows >= rows))]
    if len(wrong):
        return f"the row {wrong[0]}, where there are {rows:,} rows, from 0"
    if np.any(there[:, 1:] & ~there[:, :-1]):
        return "a row behind the padding (-1)"
    odd = found.scores[there & ~np.isfinite(found.scores)]
    return f"the score {odd[0]}, which isn't finite" if len(odd) else None
