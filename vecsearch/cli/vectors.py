"""Files of vectors that a command is given, with errors that name the file and the row."""

from __future__ import annotations

import numpy as np

from vecsearch.corpus import read_vectors
from vecsearch.encoders.own import LARGEST
from vecsearch.errors import CorpusError
from vecsearch.types import Vectors


def read_query_vectors(path: str) -> Vectors:
    """Read vectors of queries, (queries, dim); raise CorpusError for what can't be searched by."""
    vectors = read_vectors(path)
    for row, vector in enumerate(vectors, start=1):
        check_row(path, row, vector)
    return vectors


def check_row(path: str, row: int, vector: Vectors, whose: str = "") -> None:
    """Raise CorpusError where the vector in a row of a file, (dim,), can't be compared.

    row: counts from 1. whose: ", of document 'x'," where it is a document's.
    """
    if not (np.abs(vector.astype(np.float64)) <= LARGEST).all():
        between = f"numbers from -{LARGEST:.0e} to {LARGEST:.0e}"
        raise CorpusError(path, None, f"row {row:,}{whose} isn't all {between}.")
