"""Latent semantic analysis of a corpus, by scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from vecsearch.encoders.lsa import KIND, LSA
from vecsearch.errors import EncoderError, UsageError
from vecsearch.text import Analyzer

_FEWEST_TEXTS: Final = 2
"""Texts that a term must be in: one of a single text says nothing of terms of like use."""


def train_lsa(texts: Iterable[str], dim: int, analyzer: Analyzer, seed: int = 0) -> LSA:
    """Find the `dim` directions in which the TF-IDF rows of texts vary most.

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
        analyzer=analyzer.terms, sublinear_tf=True, min_df=_FEWEST_TEXTS, dtype=np.float32
    )
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # no term is left
        raise UsageError(
            f"No term stands in {_FEWEST_TEXTS} of the texts, so there is nothing to analyse."
        ) from None
    most = min(weights.shape)
    if not 1 <= dim <= most:
        raise UsageError(
            f"{weights.shape[0]:,} texts with {weights.shape[1]:,} terms that more than one has "
            f"give 1 to {most:,} dimensions, not {dim:,}."
        )
    svd = TruncatedSVD(dim, algorithm="randomized", random_state=seed).fit(weights)
    return LSA.of(
        KIND,
        analyzer,
        vectorizer.get_feature_names_out().tolist(),
        vectorizer.idf_.astype(np.float32),
        np.ascontiguousarray(svd.components_.T, np.float32),
    )
