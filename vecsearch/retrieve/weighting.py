"""How much a term's count in a row is worth: TF-IDF and BM25 as pure functions.

A weighting sees a term's raw counts and the collection's living statistics, never an index.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UnknownName, UsageError

Numbers = NDArray[np.floating] | NDArray[np.integer]

_TINY: Final = float(np.finfo(np.float64).tiny)
"""Keeps 0 / 0, a term that isn't there where k1 is 0, at 0."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Living statistics: how many rows there are, and how many terms one holds on average."""

    rows: int
    average_length: float


class Weighting(Protocol):
    """A similarity between a query and rows, summed over the terms that they share.

    score(q, r) = sum over terms t of query(count of t in q) * idf(t) * tf(count of t in r), divided
    by the l2 norms of both sides' weights where `cosine` is true. A row that lacks a term counts
    tf(0), which is 0 but for BM25L and BM25+.

    What the three return is finite and at least 0, and no tf is less than tf(0): only so it is
    known which rows can't be among the best. A search by another weighting raises UsageError.
    """

    @property
    def name(self) -> str:
        """What the weighting is called in tables and runs."""
        ...

    @property
    def cosine(self) -> bool:
        """Whether both sides are divided by their l2 norms."""
        ...

    def tf(self, counts: Numbers, lengths: Numbers, collection: Collection) -> NDArray[np.float64]:
        """Weigh counts of a term in rows of given lengths, (n,) float64, each at least 0."""
        ...

    def idf(self, df: int | NDArray[np.int64], n: int) -> NDArray[np.float64]:
        """Return the inverse document frequency of terms that df of n rows hold, at least 0."""
        ...

    def query(self, count: int, document_frequency: int, collection: Collection) -> float:
        """Weigh a term's count in the query, at least 0."""
        ...


@runtime_checkable
class Formula(Protocol):
    """A weighting that tells how it weighs, for explanations."""

    @property
    def formula(self) -> str:
        """What a term's count tf in a row is worth, with the values of all constants."""
        ...


Variant = Literal["lucene", "robertson", "atire", "bm25+", "bm25l"]


_BM25_FORMULAS: Final[dict[Variant, tuple[str, str]]] = {
    "lucene": ("ln(1 + (N - df + 0.5) / (df + 0.5))", "tf / (tf + k1 * norm)"),
    "robertson": ("max(0, ln((N - df + 0.5) / (df + 0.5)))", "tf / (tf + k1 * norm)"),
    "atire": ("ln(N / df)", "(k1 + 1) * tf / (tf + k1 * norm)"),
    "bm25+": ("ln((N + 1) / df)", "((k1 + 1) * tf / (tf + k1 * norm) + delta)"),
    "bm25l": (
        "ln((N + 1) / (df + 0.5))",
        "(k1 + 1) * (tf / norm + delta) / (k1 + tf / norm + delta)",
    ),
}
"""What a person reads: idf and the worth of tf. The numbers are worked out in `BM25`."""


@dataclass(frozen=True, slots=True)
class BM25:
    """BM25 in five variants, as compared by Kamphuis, de Vries, Boytsov and Lin (ECIR 2020).

    k1 bounds what repetition adds, b is the share of length normalisation, delta (BM25L and BM25+
    only) is what any occurrence is worth at least. "robertson" takes a negative idf as 0.
    """

    k1: float = 1.2
    b: float = 0.75
    variant: Variant = "lucene"
    delta: float = 0.5

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise UnknownName("BM25 variant", self.variant, get_args(Variant))
        try:
            fit = 0 <= self.k1 < math.inf and 0 <= self.b <= 1 and 0 <= self.delta < math.inf
        except (TypeError, ValueError):  # text, or an array
            fit = False
        if not fit:
            raise UsageError(
                f"BM25 wants finite k1 >= 0 and delta >= 0, and b from 0 to 1, not k1={self.k1!r}, "
                f"b={self.b!r}, delta={self.delta!r}."
            )

    @property
    def name(self) -> str:
        """The name of the weighting."""
        return "bm25"

    @property
    def cosine(self) -> bool:
        """See `Weighting.cosine`."""
        return False

    def tf(self, counts: Numbers, lengths: Numbers, collection: Collection) -> NDArray[np.float64]:
        """See `Weighting.tf`."""
        norm = 1 - self.b + self.b * np.asarray(lengths, np.float64) / collection.average_length
        return self._saturate(counts, norm)

    def query(self, count: int, document_frequency: int, collection: Collection) -> float:
        """See `Weighting.query`."""
        return count

    @property
    def formula(self) -> str:
        """See `Formula.formula`."""
        idf, tf = _BM25_FORMULAS[self.variant]
        delta = f", delta = {self.delta:g}" if "delta" in tf else ""
        return (
            f"idf * {tf}, where idf = {idf}, norm = 1 - b + b * length / average length, "
            f"k1 = {self.k1:g}, b = {self.b:g}{delta}"
        )

    def idf(self, df: int | NDArray[np.int64], n: int) -> NDArray[np.float64]:
        """See `Weighting.idf`."""
        match self.variant:
            case "lucene":
                ratio = 1 + (n - df + 0.5) / (df + 0.5)
            case "robertson":
                ratio = np.maximum((n - df + 0.5) / (df + 0.5), 1)
            case "atire":
                ratio = n / df
            case "bm25+":
                ratio = (n + 1) / df
            case "bm25l":
                ratio = (n + 1) / (df + 0.5)
        return np.log(np.asarray(ratio, np.float64))

    def _saturate(self, counts: Numbers, norm: NDArray[np.float64]) -> NDArray[np.float64]:
        k1 = self.k1
        if self.variant == "bm25l":
            shifted = counts / norm + self.delta
            return (k1 + 1) * shifted / np.maximum(k1 + shifted, _TINY)
        saturated = counts / np.maximum(counts + k1 * norm, _TINY)
        if self.variant in ("lucene", "robertson"):
            return saturated
        saturated *= k1 + 1
        return saturated + self.delta if self.variant == "bm25+" else saturated


@dataclass(frozen=True, slots=True)
class TfIdf:
    """TF-IDF with the cosine, as scikit-learn's TfidfVectorizer defines it.

    idf = ln((1 + n) / (1 + df)) + 1 where `smooth`, else ln(n / df) + 1; tf is the count, or
    1 + ln(count) where `sublinear`. Without `l2` the score is the plain inner product.
    """

    sublinear: bool = False
    smooth: bool = True
    l2: bool = True

    @property
    def name(self) -> str:
        """The name of the weighting."""
        return "tfidf"

    @property
    def cosine(self) -> bool:
        """See `Weighting.cosine`."""
        return self.l2

    def tf(self, counts: Numbers, lengths: Numbers, collection: Collection) -> NDArray[np.float64]:
        """See `Weighting.tf`."""
        counts = np.asarray(counts, np.float64)
        if self.sublinear:
            return np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0)
        return counts

    def query(self, count: int, document_frequency: int, collection: Collection) -> float:
        """See `Weighting.query`."""
        tf = 1 + math.log(count) if self.sublinear else count
        return tf * float(self.idf(document_frequency, collection.rows))

    @property
    def formula(self) -> str:
        """See `Formula.formula`."""
        tf = "(1 + ln(tf))" if self.sublinear else "tf"
        return (
            f"idf * {tf}, where idf = ln({'(1 + N) / (1 + df)' if self.smooth else 'N / df'}) + 1"
        )

    def idf(self, df: int | NDArray[np.int64], n: int) -> NDArray[np.float64]:
        """See `Weighting.idf`."""
        ratio = (1 + n) / (1 + df) if self.smooth else n / df
        return np.log(np.asarray(ratio, np.float64)) + 1
