"""What a stronger encoder makes of texts, for a smaller one to learn; no text is encoded twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from vecsearch.bench.vectors import CachedEncoder
from vecsearch.encoders.base import Encoder
from vecsearch.types import Vectors

_AT_ONCE: Final = 2048
"""Texts between two writes: what an interruption may cost."""


class RememberingTeacher:
    """A stronger encoder whose vectors are kept in a SQLite file, by its fingerprint and the text.

    The file may hold those of other teachers too, and several processes may share it. What was
    encoded before an interruption needn't be again.
    """

    def __init__(self, encoder: Encoder, cache: Path) -> None:
        self._encoder = CachedEncoder(encoder, cache)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, in order: (texts, the teacher's dim) float32.

        All are encoded as documents: a text has one vector that is to be learnt. Raise
        VecsearchError where the file can't be used.
        """
        places: dict[str, int] = {}
        order = [places.setdefault(text, len(places)) for text in texts]
        distinct = list(places)
        vectors = np.zeros((len(distinct), self._encoder.dim), np.float32)
        for start in range(0, len(distinct), _AT_ONCE):
            block = distinct[start : start + _AT_ONCE]
            vectors[start : start + len(block)] = self._encoder.encode(block, "document")
        return vectors[order]
