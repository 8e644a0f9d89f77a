"""Latent semantic analysis: TF-IDF, then the directions in which a corpus varies most.

Deerwester, Dumais, Furnas, Landauer and Harshman, "Indexing by latent semantic analysis" (1990).
A text is a row of TF-IDF weights of terms, with 1 + ln(count) for tf and
ln((1 + n) / (1 + df)) + 1 for idf. Multiplied by the components, the right singular vectors of the
corpus's rows, it becomes a few numbers that terms of like use share. Any text can be folded in so;
a term that the corpus lacks adds nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vecsearch.encoders.artefact import Artefact, Tensors
from vecsearch.encoders.bags import Bag, BagEncoder
from vecsearch.encoders.base import require_list, require_text
from vecsearch.encoders.subwords import Tokens
from vecsearch.errors import EncoderError, VecsearchError
from vecsearch.text import Analyzer
from vecsearch.types import Vectors

KIND = "lsa"


class Terms:
    """The terms of a corpus, numbered from 0 in the order given; other terms are skipped."""

    def __init__(self, analyzer: Analyzer, terms: Sequence[str]) -> None:
        self.analyzer = analyzer
        self._ids = {term: id for id, term in enumerate(terms)}

    def encode(self, texts: Sequence[str]) -> Tokens:
        """See `Tokenizer.encode`."""
        ids: list[int] = []
        offsets = [0]
        for place, text in enumerate(require_list(texts)):
            terms = self.analyzer.terms(require_text(text, place))
            ids += (self._ids[term] for term in terms if term in self._ids)
            offsets.append(len(ids))
        return Tokens(np.array(ids, np.int32), np.array(offsets, np.int64))

    def ids(self, term: str) -> tuple[int, ...]:
        """See `Tokenizer.ids`."""
        return (self._ids[term],) if term in self._ids else ()


class LSA(BagEncoder):
    """An encoder by latent semantic analysis.

    artefact: its tensors are "components", (terms, dim) float32, "idf", (terms,) float32, and
        "terms", the terms in UTF-8 with a line feed between them, uint8; config says by which
        "analyzer" they came about. Raise EncoderError for another.
    """

    def __init__(self, artefact: Artefact) -> None:
        coded = artefact.tensor("terms", (np.uint8,), None).tobytes()
        terms = coded.decode("utf-8", "replace").split("\n")
        components = artefact.tensor("components", (np.float32,), len(terms), artefact.dim)
        idf = artefact.tensor("idf", (np.float32,), len(terms))
        rules = artefact.config.get("analyzer")
        try:
            analyzer = Analyzer.from_dict(rules if isinstance(rules, dict) else {})
        except VecsearchError as error:
            raise EncoderError(f"{artefact.place} can't be used. {error}") from None
        super().__init__(artefact, Terms(analyzer, terms), Bag(components, idf, sublinear=True))

    @staticmethod
    def of(
        name: str,
        analyzer: Analyzer,
        terms: Sequence[str],
        idf: NDArray[np.float32],
        components: Vectors,
    ) -> LSA:
        """Make an encoder of terms, their idf, (terms,), and components, (terms, dim)."""
        config = {"dim": int(components.shape[1]), "analyzer": analyzer.to_dict()}
        coded = np.frombuffer("\n".join(terms).encode(), np.uint8)
        tensors: Tensors = {"components": components, "idf": idf, "terms": coded}
        return LSA(Artefact(KIND, name, config, tensors))

    def untrained(self, seed: int = 0) -> LSA:
        """Return what it would be without analysis: TF-IDF of the same terms in random directions.

        Such a projection keeps inner products nearly, the better the more dimensions there are
        (Johnson and Lindenstrauss, 1984).
        """
        shape = self._artefact.tensors["components"].shape
        random = np.random.default_rng(seed).standard_normal(shape, np.float32)
        tensors = {**self._artefact.tensors, "components": random}
        return LSA(dataclasses.replace(self._artefact, tensors=tensors))
