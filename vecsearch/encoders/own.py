"""Vectors that a caller brings: an index of them, and a query's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from vecsearch.errors import EncoderError, UsageError
from vecsearch.types import Role, Vectors

SAVED: Final = "vectors.json"

LARGEST: Final = 1e15
"""Beyond it inner products of float32 could become infinite."""


@dataclass(frozen=True, slots=True)
class OwnVectors:
    """The encoder of an index whose documents come with vectors of `dim` numbers.

    It can't encode: every document needs its `vector`, and a search by embeddings takes a vector.
    Vectors are kept as they are and ranked by the inner product; give unit vectors for the cosine.
    """

    dim: int
    name: str = "own vectors"

    def __post_init__(self) -> None:
        if not isinstance(self.dim, int) or isinstance(self.dim, bool) or self.dim < 1:
            raise UsageError(f"A vector has a whole number of numbers, not {self.dim!r}.")

    @property
    def fingerprint(self) -> str:
        """The same for all vectors of one length: only their owner knows what made them."""
        return f"own vectors of {self.dim} numbers"

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Raise UsageError."""
        raise UsageError(
            f"This index holds vectors that its owner made, of {self.dim} numbers, and can't make "
            "one of a text: search by a vector, or by words (bm25, tfidf)."
        )

    def save(self, folder: Path) -> None:
        """See `Encoder.save`."""
        (folder / SAVED).write_text(json.dumps({"dim": self.dim}), encoding="utf-8")


class QueryVectors:
    """Stands in for the encoder of a search whose queries come with vectors, (queries, dim)."""

    name: Final = "given vectors"
    fingerprint: Final = "given vectors"

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self.dim = int(vectors.shape[1])

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return the vectors, whatever the texts."""
        return self._vectors

    def save(self, folder: Path) -> None:
        """Raise EncoderError: it belongs to one search."""
        raise EncoderError("The vectors of queries are no encoder that could be kept.")


def read_own(folder: Path) -> OwnVectors | None:
    """Read what `OwnVectors.save` wrote; None for any other folder."""
    path = folder / SAVED
    if not path.is_file():
        return None
    try:
        return OwnVectors(json.loads(path.read_bytes())["dim"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"{path} can't be read ({error}).") from None


def checked_vectors(given: object, what: str, dim: int | None = None) -> Vectors:
    """Make float32 vectors, (n, dim), of what a caller gave, or raise UsageError.

    what: what they are called in an error. dim: how many numbers each must have, where it is known.
    """
    try:
        numbers = np.asarray(given)
        if np.iscomplexobj(numbers):
            raise TypeError("they are complex")
        with np.errstate(over="ignore"):  # an infinity is told below
            vectors = np.array(numbers, np.float32, order="C", ndmin=2)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{what} must be numbers ({error}).") from None
    if vectors.ndim != 2 or (dim is not None and vectors.shape[1] != dim):
        wanted = "numbers" if dim is None else f"{dim} numbers"
        raise UsageError(f"{what} must have {wanted}, not the shape {np.shape(vectors)}.")
    if not (np.abs(vectors) <= LARGEST).all():
        raise UsageError(
            f"{what} must be numbers from -{LARGEST:.0e} to {LARGEST:.0e}; there is a greater "
            "one, or a NaN."
        )
    return vectors
