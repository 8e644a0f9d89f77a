"""Files of vectors that a caller made: numpy's .npy, a row for each document or query."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vecsearch.corpus.files import reason, shown
from vecsearch.errors import CorpusError
from vecsearch.types import Vectors


def read_vectors(path: str | Path) -> Vectors:
    """Map the matrix in a .npy file, (n, dim) of numbers of any width; one vector is (1, dim).

    Raise CorpusError for what isn't such a file. Nothing pickled is ever loaded.
    """
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, TypeError):
        # What numpy says would have people load pickled objects, which may run anything.
        raise CorpusError(
            shown(path), None, "this isn't a whole .npy file of numbers, as numpy.save writes one."
        ) from None
    except OSError as error:
        raise CorpusError(shown(path), None, reason(error)) from None
    if not isinstance(matrix, np.ndarray):
        matrix.close()
        raise CorpusError(shown(path), None, "this is an archive; it must be one array (.npy).")
    if not any(np.issubdtype(matrix.dtype, kind) for kind in (np.floating, np.integer)):
        problem = f"it must hold floats or whole numbers, not {matrix.dtype}."
        raise CorpusError(shown(path), None, problem)
    if matrix.ndim not in (1, 2) or not matrix.shape[-1]:
        raise CorpusError(
            shown(path), None, f"it must hold rows of numbers, not the shape {matrix.shape}."
        )
    vectors: Vectors = matrix[None, :] if matrix.ndim == 1 else matrix
    return vectors
