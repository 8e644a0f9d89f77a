"""Latent semantic analysis of a corpus, by scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from vecsearch.encoders.lsa import KIND, LSA
from vecsearch.errors import EncoderError, UsageError
from vecsearch.text import Analyzer

_FEWEST_TERMS: Final = 2
_MOST_TERMS: Final = 100_000
"""The most frequent terms are kept: at 256 dimensions their components take 100 MB."""


_USUAL: Final = 256
"""Dimensions where nobody says."""


def train_lsa(texts: Iterable[str], dim: int | None, analyzer: Analyzer, seed: int = 0) -> LSA:
    """Find the `dim` directions in which the TF-IDF rows of texts vary most.

    dim: None for 256, or as many as there are where those are fewer.

    By the randomized algorithm of Halko, Martinsson and Tropp (2011). The same texts and seed give
    the same encoder. Raise UsageError where the texts haven't as many directions, EncoderError
    where scikit-learn isn't installed.
    """
    try:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError:
        raise EncoderError(
            "Latent semantic analysis is done by scikit-learn. Install it with "
            "pip install scikit-learn."
        ) from None
    vectorizer = TfidfVectorizer(
        analyzer=analyzer.terms, sublinear_tf=True, max_features=_MOST_TERMS, dtype=np.float32
    )
    try:
        weights = vectorizer.fit_transform(texts)
    except UsageError:
        raise
    except ValueError:
        raise UsageError("There is no term in the texts that are to be analysed.") from None
    if weights.shape[1] < _FEWEST_TERMS:
        raise UsageError("There is but one term in the texts that are to be analysed.")
    most = min(weights.shape)
    dim = min(_USUAL, most) if dim is None else dim
    if not 1 <= dim <= most:
        raise UsageError(
            f"{weights.shape[0]:,} texts of {weights.shape[1]:,} terms give 1 to {most:,} "
            f"dimensions, not {dim:,}."
        )
    svd = TruncatedSVD(dim, algorithm="randomized", random_state=seed)
    with np.errstate(invalid="ignore"):  # a share of the variance, which equal texts have none of
        svd.fit(weights)
    return LSA.of(
        KIND,
        analyzer,
        vectorizer.get_feature_names_out().tolist(),
        vectorizer.idf_.astype(np.float32),
        np.ascontiguousarray(svd.components_.T, np.float32),
    )
