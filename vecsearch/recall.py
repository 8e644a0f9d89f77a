"""A recall that an index keeps: what is asked to measure it, and what became of the promise."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from vecsearch.encoders.base import Encoder, encode
from vecsearch.encoders.own import checked_vectors
from vecsearch.errors import RecallWarning, UsageError
from vecsearch.retrieve.nearest.contract import Contract
from vecsearch.retrieve.nearest.growth import outgrown, stretches
from vecsearch.retrieve.nearest.opening import contract_of
from vecsearch.retrieve.nearest.questions import Checked, check, check_enough
from vecsearch.retrieve.nearest.tuning import Request
from vecsearch.store.manifest import EncoderEntry, Manifest
from vecsearch.store.snapshot import Part
from vecsearch.types import Query, Vector, Vectors

NO_QUERIES: Final = (
    "No queries were given, so documents ask: what is promised holds for queries that are like "
    "documents. Questions are harder to find neighbours for; give real ones, best some 2,000."
)

Texts = Sequence[str | Query]
"""Queries as texts."""


def wanted(recall: float, k: int, memory: float | None, seconds: float) -> Request:
    """Return what somebody wants, in plain numbers; raise UsageError for what can't be wanted."""
    request = Request(recall, k, memory, seconds)
    request.check()
    return request._replace(target=float(recall), k=int(k))  # numpy's own can't be kept


def asked(
    folder: Path,
    entry: EncoderEntry | None,
    load: Callable[[], Encoder] | None,
    queries: Texts | None,
    vectors: Vectors | Sequence[Vector] | None,
) -> Vectors | None:
    """Return the vectors of queries to measure the recall of an index with, (queries, dim).

    None where neither texts nor vectors are given.

    entry, load: of the index's encoder. Raise UsageError where nothing can be measured with them.
    """
    if entry is None or load is None:
        raise UsageError(
            f"{folder} has no embeddings, and search by words is exact: it has no recall to be "
            "tuned."
        )
    if queries is not None and vectors is not None:
        raise UsageError("Give queries or vectors of queries to measure recall with, not both.")
    if vectors is not None:
        return checked_vectors(vectors, "The vector of a query", entry.dim)
    if queries is None:
        return None
    if isinstance(queries, str):
        raise UsageError(
            f"Queries to measure recall with are a list of texts, not one text ({queries[:40]!r})."
        )
    if not entry.embeds_text:
        raise UsageError(
            f"The vectors of {folder} are its owner's own: give vectors of queries too."
        )
    texts = [each.text if isinstance(each, Query) else each for each in queries]
    return encode(load(), texts, "query")


def check_asked(given: Vectors | None) -> None:
    """Warn where nobody gave queries to promise a recall with; raise UsageError for too few."""
    if given is None:
        warnings.warn(NO_QUERIES, RecallWarning, stacklevel=3)
    else:
        check_enough(given)


def check_promises(
    parts: Sequence[Part], given: Callable[[], Vectors | None]
) -> list[tuple[Contract, Checked]]:
    """Measure again what was promised of the parts of a snapshot.

    given: makes the queries' vectors, as `asked` does, where anything was promised.
    """
    found = [(part, contract_of(part.segment)) for part in parts]
    promises = [(part, contract) for part, contract in found if contract is not None]
    vectors = given() if promises else None
    return [(contract, check(part, vectors, contract)) for part, contract in promises]


def promised(manifest: Manifest) -> dict[str, Any] | None:
    """Describe what was promised, and what has changed since; None for nothing."""
    for segment in manifest.segments:
        if segment.nearest:
            return {**segment.nearest.contract, "outgrown": outgrown(stretches(manifest))}
    return None
