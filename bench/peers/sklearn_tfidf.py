"""scikit-learn: TfidfVectorizer, and the product of sparse matrices for brute force."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import sklearn
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from vecsearch import Document
from vecsearch.bench.engine import Stopwatch

common = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("common.py"))))


class Engine:
    """The matrix is kept term by term, so that a query touches the terms that it has only."""

    about = f"scikit-learn {sklearn.__version__}: TF-IDF cosine of the same terms, brute force"
    same_as = "tfidf"

    def build(self, documents: Iterable[Document], folder: Path, clock: Stopwatch) -> None:
        """See `Engine.build`."""
        ids, terms = common.ids_and_terms(documents, clock)
        vectorizer = TfidfVectorizer(analyzer=list)  # of terms, which are made already
        weights = vectorizer.fit_transform(terms).T.tocsr()
        joblib.dump((vectorizer, weights), folder / "index.joblib")
        common.write_ids(folder, ids)

    def open(self, folder: Path) -> Ranker:
        """See `Engine.open`."""
        return Ranker(*joblib.load(folder / "index.joblib"), common.read_ids(folder))


class Ranker:
    """An opened index: weights, (terms, documents)."""

    model_bytes = 0

    def __init__(self, vectorizer: TfidfVectorizer, weights: csr_matrix, ids: list[str]) -> None:
        self._vectorizer = vectorizer
        self._weights = weights
        self._ids = ids

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """See `Ranker.rank`."""
        terms = [common.terms(query) for query in queries]
        return common.answer(terms, lambda asked: self._search(asked, k))

    def _search(self, queries: list[list[str]], k: int) -> list[list[tuple[str, float]]]:
        products = self._vectorizer.transform(queries) @ self._weights
        return [self._best(products[i], k) for i in range(len(queries))]

    def _best(self, product: csr_matrix, k: int) -> list[tuple[str, float]]:
        rows, scores = product.indices, product.data
        if len(scores) > k:
            best = np.argpartition(scores, -k)[-k:]
            rows, scores = rows[best], scores[best]
        order = np.argsort(-scores)
        found = zip(rows[order].tolist(), scores[order].tolist(), strict=True)
        return [(self._ids[row], score) for row, score in found]


ENGINE = Engine()
