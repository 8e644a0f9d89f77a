"""When does one system win, and when the other: what queries are like, beside what they gained.

A *feature* is a number that a query has: its length, how rare its terms are, how much it shares
with what is relevant to it. `features` finds them all in one reading of the corpus, and
`explain_differences` says which of them go with a gain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.bench.results import Feature
from vecsearch.bench.spelling import spelling_variants
from vecsearch.bench.statistics import Correlation, correlation, holm
from vecsearch.retrieve.weighting import BM25
from vecsearch.text import analyzer
from vecsearch.types import Document, Qrels, seen_text

_LEVEL: Final = 0.05
_FEWEST: Final = 6
"""Queries below which thirds are no more than single queries, and a correlation says nothing."""


class _Kind(NamedTuple):
    """A feature: what it is, and what it is like where a query has little of it, or much."""

    name: str
    about: str
    low: str
    high: str


_KINDS: Final = (
    _Kind(
        "query length",
        "How many terms the query has; stopwords are none.",
        "the query is short",
        "the query is long",
    ),
    _Kind(
        "rarest term",
        "The highest idf among the query's terms that the corpus has.",
        "even the query's rarest term is common",
        "the query has a rare term",
    ),
    _Kind(
        "mean rarity",
        "The mean idf of the query's distinct terms that the corpus has.",
        "the query's terms are common",
        "the query's terms are rare",
    ),
    _Kind(
        "unknown words",
        "The share of the query's distinct terms that occur nowhere in the corpus.",
        "the corpus has all words of the query",
        "the query has words that the corpus lacks",
    ),
    _Kind(
        "spelling variants",
        "The share of the query's distinct terms that the corpus lacks and has in another "
        "spelling, one edit away.",
        "the query is spelt as the corpus is",
        "the query has words that the corpus spells otherwise",
    ),
    _Kind(
        "term overlap",
        "The share of the query's distinct terms that a relevant document has, of the relevant "
        "one that has most.",
        "the query shares few terms with its relevant documents",
        "the query shares many terms with a relevant document",
    ),
    _Kind(
        "relevant documents",
        "How many documents are judged relevant.",
        "few documents are relevant",
        "many documents are relevant",
    ),
    _Kind(
        "relevant length",
        "How many terms the relevant document has that shares most with the query.",
        "the relevant document is short",
        "the relevant document is long",
    ),
)


class _Met(NamedTuple):
    """What the best relevant document has; the greater value is the better document."""

    overlap: float
    brevity: int  # its terms, negative: of equal overlaps the shorter document is the closer


def features(
    documents: Iterable[Document],
    queries: Mapping[str, str],
    qrels: Qrels,
    language: str = "english",
) -> dict[str, dict[str, float]]:
    """Return feature -> query id -> value, for the judged queries whose text is given.

    A query lacks what it can't have: rarity without a term of the corpus, overlap without a
    relevant document there, any share without a term. Documents are read once, and what is kept
    grows with the vocabulary and the judgments only.

    queries: query id -> text.
    language: the analyzer that makes terms of texts; UnknownName for another.
    """
    rules = analyzer(language)
    asked = {query: rules.terms(queries[query]) for query in qrels if query in queries}
    relevant_to: dict[str, list[str]] = {}
    for query in asked:
        for document_id, grade in qrels[query].items():
            if grade > 0:
                relevant_to.setdefault(document_id, []).append(query)
    frequencies: Counter[str] = Counter()
    count = 0
    best: dict[str, _Met] = {}
    for document in documents:
        terms = rules.terms(seen_text(document.title, document.text))
        distinct = set(terms)
        frequencies.update(distinct)
        count += 1
        for query in relevant_to.get(document.id, ()):
            wanted = set(asked[query])
            overlap = len(wanted & distinct) / len(wanted) if wanted else 0.0
            met = _Met(overlap, -len(terms))
            best[query] = max(met, best.get(query, met))
    found: dict[str, dict[str, float]] = {kind.name: {} for kind in _KINDS}
    unknown = {term for terms in asked.values() for term in terms if term not in frequencies}
    variants = spelling_variants(unknown, frequencies)
    for query, terms in asked.items():
        values = _of_words(terms, frequencies, count, variants)
        values["relevant documents"] = sum(grade > 0 for grade in qrels[query].values())
        if query in best:
            values["relevant length"] = -best[query].brevity
            if terms:
                values["term overlap"] = best[query].overlap
        for name, value in values.items():
            found[name][query] = float(value)
    return found


def explain_differences(
    features: Mapping[str, Mapping[str, float]],
    per_query_baseline: Mapping[str, float],
    per_query_system: Mapping[str, float],
    *,
    baseline: str,
    system: str,
    measure: str,
    seed: int = 0,
) -> list[Feature]:
    """Say of each feature how it goes with the system's gain over the baseline.

    The correlation is Spearman's over the queries that have the feature and both scores; p is
    corrected by Holm over the features told of. Left out is a feature that fewer than 6 queries
    have, or all to the same degree; and there is nothing to tell where all gains are equal.

    features: as `features` gives them.
    per_query_baseline, per_query_system: query id -> score.
    baseline, system, measure: their names, for the sentences.
    """
    told: list[tuple[_Kind, Correlation, float, float]] = []
    for kind in _KINDS:
        values = features.get(kind.name, {})
        shared = sorted(values.keys() & per_query_baseline.keys() & per_query_system.keys())
        x = np.array([values[query] for query in shared], dtype=np.float64)
        gains = np.array([per_query_system[q] - per_query_baseline[q] for q in shared])
        if len(shared) >= _FEWEST and np.ptp(x) and np.ptp(gains):
            told.append((kind, correlation(x, gains, seed=seed), *_thirds(x, gains)))
    corrected = holm([found.p for _, found, _, _ in told]) if told else []
    return [
        {
            "system": system,
            "baseline": baseline,
            "measure": measure,
            "feature": kind.name,
            "about": kind.about,
            "correlation": found.rho,
            "interval": [found.interval.low, found.interval.high],
            "p": found.p,
            "p_holm": p_holm,
            "low_difference": low,
            "high_difference": high,
            "text": _said(kind, found, low, high, baseline, system) if p_holm < _LEVEL else "",
        }
        for (kind, found, low, high), p_holm in zip(told, corrected, strict=True)
    ]


def _of_words(
    terms: list[str], frequencies: Mapping[str, int], count: int, variants: set[str]
) -> dict[str, float]:
    """Return the features that a query has by its words alone."""
    values: dict[str, float] = {"query length": len(terms)}
    distinct = set(terms)
    if distinct:
        values["unknown words"] = sum(t not in frequencies for t in distinct) / len(distinct)
        values["spelling variants"] = len(distinct & variants) / len(distinct)
    known = np.array([frequencies[term] for term in distinct if term in frequencies])
    if len(known):
        rarity = BM25().idf(known, count)
        values["rarest term"] = float(rarity.max())
        values["mean rarity"] = float(rarity.mean())
    return values


def _thirds(x: NDArray[np.float64], gains: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean gain in the third of queries with the least x, and in that with the most.

    Of queries with equal x that a third would divide, each counts in part: which of them belong to
    it is nobody's to say.
    """
    _, groups = np.unique(x, return_inverse=True)
    means = np.bincount(groups, weights=gains) / np.bincount(groups)
    rising = means[np.sort(groups)]
    third = len(x) // 3
    return float(rising[:third].mean()), float(rising[-third:].mean())


def _said(
    kind: _Kind, found: Correlation, low: float, high: float, baseline: str, system: str
) -> str:
    """Say where the system does best against the baseline, and where it does worst."""
    least, most = (kind.low, _short(low, 3)), (kind.high, _short(high, 3))
    best, worst = (least, most) if found.rho < 0 else (most, least)
    if max(low, high) <= 0:
        does, but = f"falls least behind {baseline}", "most"
    elif min(low, high) >= 0:
        does, but = f"gains most on {baseline}", "least"
    else:
        does, but = f"gains on {baseline}", "falls behind"
    return (
        f"{system} {does} where {best[0]} ({best[1]} in that third of the queries), and {but} "
        f"where {worst[0]} ({worst[1]}); correlation {_short(found.rho, 2)}, 95% interval "
        f"{_short(found.interval.low, 2)} to {_short(found.interval.high, 2)}."
    )


def _short(value: float, decimals: int) -> str:
    """Write a number that is mostly below 1 with its sign, and no zero before the point."""
    return f"{value:+.{decimals}f}".replace("+0.", "+.").replace("-0.", "-.")
