"""What a stronger encoder makes of texts, for a smaller one to learn; no text is encoded twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from vecsearch.bench.progress import Tell, silent
from vecsearch.bench.vectors import CachedEncoder
from vecsearch.encoders.base import Encoder
from vecsearch.types import Role, Vectors

_AT_ONCE: Final = 2048
"""Texts between two writes: what an interruption may cost."""


def teacher_vectors(
    teacher: Encoder, texts: Sequence[str], role: Role, cache: Path, tell: Tell = silent
) -> Vectors:
    """Encode texts, in order, as `Encoder.encode` does, remembering all in a SQLite file.

    The file may hold the vectors of other teachers too; several processes may share it. What was
    done before an interruption needn't be done again. Raise VecsearchError where the file can't be
    used.
    """
    remembering = CachedEncoder(teacher, cache)
    places: dict[str, int] = {}
    order = [places.setdefault(text, len(places)) for text in texts]
    distinct = list(places)
    vectors = np.zeros((len(distinct), teacher.dim), np.float32)
    for start in range(0, len(distinct), _AT_ONCE):
        tell(f"{teacher.name}: encoding", start)
        block = distinct[start : start + _AT_ONCE]
        vectors[start : start + len(block)] = remembering.encode(block, role)
    return vectors[order]
