"""Retrieval as the formulas say it, slowly and plainly; the tests compare vecsearch with it.

Nothing here uses vecsearch. A collection is a list of rows, (document id, terms) or (document id,
vector): a document may have several rows and is scored by its best one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Rows = Sequence[tuple[str, Sequence[str]]]
Scores = dict[str, float]
Ranking = list[tuple[str, float]]


def in_order(scores: Mapping[str, float]) -> Ranking:
    """Rank as trec_eval does: scores as 32-bit floats, falling; equal ones by id, falling."""
    singles = [(float(np.float32(score)), name) for name, score in scores.items()]
    return [(name, score) for score, name in sorted(singles, reverse=True)]


def without_ties(run: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return a run with the same rankings and no equal scores, which anybody orders as we do."""
    return {
        query: {name: -float(rank) for rank, (name, _) in enumerate(in_order(scores))}
        for query, scores in run.items()
    }


def bm25(
    rows: Rows, query: Sequence[str], variant: str, k1: float, b: float, delta: float
) -> Scores:
    """Score the documents that share a term with the query."""
    average = sum(len(terms) for _, terms in rows) / len(rows)
    best: Scores = {}
    for name, terms in rows:
        if not set(terms) & set(query):
            continue
        score = 0.0
        for term in query:  # a repeated term counts as often as it is there
            df = sum(term in others for _, others in rows)
            if df:
                norm = 1 - b + b * len(terms) / average
                score += _idf(variant, df, len(rows)) * _tf(
                    variant, terms.count(term), norm, k1, delta
                )
        best[name] = max(best.get(name, -math.inf), score)
    return best


def _idf(variant: str, df: int, n: int) -> float:
    return {
        "lucene": math.log(1 + (n - df + 0.5) / (df + 0.5)),
        "robertson": max(0.0, math.log((n - df + 0.5) / (df + 0.5))),
        "atire": math.log(n / df),
        "bm25+": math.log((n + 1) / df),
        "bm25l": math.log((n + 1) / (df + 0.5)),
    }[variant]


def _tf(variant: str, count: int, norm: float, k1: float, delta: float) -> float:
    if variant == "bm25l":
        shifted = count / norm + delta
        return (k1 + 1) * shifted / (k1 + shifted) if shifted else 0.0
    plain = count / (count + k1 * norm) if count else 0.0
    if variant in ("lucene", "robertson"):
        return plain
    return (k1 + 1) * plain + (delta if variant == "bm25+" else 0.0)


def tfidf(
    rows: Rows,
    query: Sequence[str],
    *,
    sublinear: bool = False,
    smooth: bool = True,
    l2: bool = True,
) -> Scores:
    """Score the documents that share a term with the query, by the cosine where `l2`."""
    n = len(rows)
    frequencies = Counter(term for _, terms in rows for term in set(terms))

    def vector(terms: Sequence[str]) -> dict[str, float]:
        weights = {}
        for term, count in Counter(terms).items():
            if df := frequencies[term]:
                tf = 1 + math.log(count) if sublinear else count
                weights[term] = tf * (1 + math.log((1 + n) / (1 + df) if smooth else n / df))
        length = math.sqrt(sum(weight**2 for weight in weights.values())) if l2 else 1.0
        return {term: weight / length for term, weight in weights.items()}

    wanted = vector(query)
    best: Scores = {}
    for name, terms in rows:
        if set(terms) & set(wanted):
            held = vector(terms)
            score = sum(weight * held.get(term, 0.0) for term, weight in wanted.items())
            best[name] = max(best.get(name, -math.inf), score)
    return best


def nearest(names: Sequence[str], vectors: np.ndarray, query: np.ndarray) -> Scores:
    """Score every document by its best row's inner product, (dim,) with (rows, dim)."""
    best: Scores = {}
    for name, score in zip(
        names, vectors.astype(np.float64) @ query.astype(np.float64), strict=True
    ):
        best[name] = max(best.get(name, -math.inf), float(score))
    return best


def min_max(ranking: Ranking) -> Scores:
    """Scale the scores of a ranking to 0..1; where all are equal, to 1."""
    scores = [score for _, score in ranking]
    if not scores or min(scores) == max(scores):
        return {name: 1.0 for name, _ in ranking}
    low, high = min(scores), max(scores)
    return {name: (score - low) / (high - low) for name, score in ranking}


def reciprocal(ranking: Ranking, constant: float) -> Scores:
    """Give the document at rank r (from 1) the score 1 / (constant + r)."""
    return {name: 1 / (constant + rank) for rank, (name, _) in enumerate(ranking, 1)}


def weighted_sum(arms: Sequence[tuple[Scores, float]]) -> Scores:
    """Add up weight times score over the arms; an arm without the document adds nothing."""
    fused: Scores = {}
    for scores, weight in arms:
        for name, score in scores.items():
            fused[name] = fused.get(name, 0.0) + weight * score
    return fused


def by_level(
    arms: Sequence[tuple[Ranking, float]], scale: Callable[[Ranking], Scores], depth: int, k: int
) -> Ranking:
    """Fuse whole rankings, with weights: at the depth, then the rest at twice the depth, ...

    Each level's scores are lowered once more by what a document gets that comes first everywhere,
    and where that isn't enough, to just below the level before and 0.
    """
    most = scale([("first", 1.0)])["first"] * sum(weight for _, weight in arms)
    listed: Ranking = []
    level = 0
    while len(listed) < k:
        fused = weighted_sum([(scale(ranking[:depth]), weight) for ranking, weight in arms])
        new = {name: fused[name] - level * most for name in fused.keys() - dict(listed).keys()}
        if level:
            lowest = np.float32(min(0.0, listed[-1][1]) if listed else 0.0)
            below = float(np.nextafter(lowest, np.float32(-math.inf)))
            new = {name: min(score, below) for name, score in new.items()}
        listed += in_order(new)
        if all(len(ranking) <= depth for ranking, _ in arms):
            break
        depth, level = 2 * depth, level + 1
    return listed[:k]


def assert_ranks(
    found: Ranking, expected: Scores, k: int, *, rel: float = 1e-5, abs_: float = 1e-9
) -> None:
    """Assert that `found` is the k best of `expected`, which holds every document that matches.

    Scores may differ by rounding, and documents whose scores differ by less than that may change
    places; equal scores must be in trec_eval's order.
    """
    names = [name for name, _ in found]
    assert len(set(names)) == len(names) == min(k, len(expected))
    assert found == in_order(dict(found))
    for name, score in found:
        assert math.isclose(score, expected[name], rel_tol=rel, abs_tol=abs_), (
            name,
            score,
            expected[name],
        )
    if found and len(found) < len(expected):
        last = found[-1][1]
        others = max(score for name, score in expected.items() if name not in set(names))
        assert others <= last + max(rel * abs(last), abs_)
