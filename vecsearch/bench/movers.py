"""Where two runs differ: the queries that gained and lost most, and the documents that moved there.

Ranks count from 1 in the order of `runs.ranked`, which is trec_eval's. Run A is what run B is set
against: a gain is a query that B answers better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vecsearch.bench.results import Detail
from vecsearch.errors import UnknownName
from vecsearch.measures import Measure, evaluate
from vecsearch.runs import Run, ranked
from vecsearch.types import Qrels

TOP: Final = 10
"""How many of the best documents a person looks at, where the measure doesn't say."""

_TIE: Final = 1e-12
"""Scores nearer to each other than this are equal, but for rounding."""


@dataclass(frozen=True, slots=True)
class Move:
    """A document in two rankings of one query.

    grade: None where nobody judged it.
    rank_a, rank_b: None where the run didn't retrieve it.
    """

    document: str
    grade: int | None
    rank_a: int | None
    rank_b: int | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A query that one run answers better than the other.

    relevant: all documents judged relevant, the best grade first, of equal ones by rank in B.
    entered: documents that aren't relevant, or unjudged, in the top k of B alone, by rank in B.
    left: the same in the top k of A alone, by rank in A.
    """

    query: str
    score_a: float
    score_b: float
    relevant: tuple[Move, ...]
    entered: tuple[Move, ...]
    left: tuple[Move, ...]

    @property
    def difference(self) -> float:
        """By how much B is better."""
        return self.score_b - self.score_a


@dataclass(frozen=True, slots=True)
class Movers:
    """Two runs by one measure: the score of every judged query, and where they differ most.

    gains: queries that B answers better, the largest gain first, of equal ones by id.
    losses: those that A answers better, likewise.
    """

    scores_a: Mapping[str, float]
    scores_b: Mapping[str, float]
    gains: tuple[Changed, ...]
    losses: tuple[Changed, ...]

    @property
    def differences(self) -> dict[str, float]:
        """By how much B is better, query by query."""
        return {query: b - self.scores_a[query] for query, b in self.scores_b.items()}


def movers(run_a: Run, run_b: Run, qrels: Qrels, measure: Measure, most: int = 5) -> Movers:
    """Find the queries with the largest gains and losses, at most so many of each.

    The k of "top k" is the measure's cutoff, or 10. A judged query that a run doesn't answer counts
    0 there. Raises UsageError as `measures.evaluate` does.
    """
    a, b = (evaluate(run, qrels, [measure]).per_query[str(measure)] for run in (run_a, run_b))
    rising = sorted(qrels, key=lambda query: (b[query] - a[query], query))
    falling = sorted(qrels, key=lambda query: (a[query] - b[query], query))
    top = measure.cutoff or TOP

    def look(query: str) -> Changed:
        orders = [ranked(query, run.get(query, {})) for run in (run_a, run_b)]
        return _changed(query, a[query], b[query], orders, qrels[query], top)

    return Movers(
        scores_a=a,
        scores_b=b,
        gains=tuple(look(query) for query in falling[:most] if b[query] - a[query] > _TIE),
        losses=tuple(look(query) for query in rising[:most] if a[query] - b[query] > _TIE),
    )


def detail(query: str, runs: Run, grades: Mapping[str, int]) -> Detail:
    """Look into one query: what each system found best, and where it has what is relevant.

    runs: system -> document id -> score, of this query.
    grades: document id -> grade, of this query.
    """
    orders = {system: ranked(query, scores) for system, scores in runs.items()}
    best = {system: order[:TOP] for system, order in orders.items()}
    shown = {document for documents in best.values() for document in documents}
    return {
        "grades": {
            document: grade for document, grade in grades.items() if grade > 0 or document in shown
        },
        "best": best,
        "ranks": {
            system: {
                document: rank
                for rank, document in enumerate(order, 1)
                if grades.get(document, 0) > 0
            }
            for system, order in orders.items()
        },
    }


def telling_queries(
    per_query: Mapping[str, Mapping[str, float]], baseline: str, most: int = 200
) -> list[str]:
    """Choose the queries where a system differs most from the baseline, the largest first.

    Of equal ones that which the baseline answers worse comes first, then the smaller id.
    per_query: system -> query id -> score; UnknownName if the baseline isn't one of them.
    """
    if baseline not in per_query:
        raise UnknownName("system", baseline, per_query)
    scores = per_query[baseline]

    def spread(query: str) -> float:
        return max(abs(each[query] - scores[query]) for each in per_query.values())

    return sorted(scores, key=lambda query: (-spread(query), scores[query], query))[:most]


def _changed(
    query: str,
    score_a: float,
    score_b: float,
    orders: Sequence[Sequence[str]],
    grades: Mapping[str, int],
    top: int,
) -> Changed:
    """Set two rankings of a query side by side."""
    ranks_a, ranks_b = ({each: rank for rank, each in enumerate(order, 1)} for order in orders)
    best_a, best_b = (order[:top] for order in orders)

    def moves(documents: Sequence[str]) -> tuple[Move, ...]:
        return tuple(
            Move(each, grades.get(each), ranks_a.get(each), ranks_b.get(each)) for each in documents
        )

    def others(documents: Sequence[str], but: Sequence[str]) -> tuple[Move, ...]:
        without = set(but)
        return moves([d for d in documents if grades.get(d, 0) <= 0 and d not in without])

    last = 1 + max(map(len, orders))
    relevant = sorted(
        (document for document, grade in grades.items() if grade > 0),
        key=lambda each: (-grades[each], ranks_b.get(each, last), ranks_a.get(each, last), each),
    )
    return Changed(
        query=query,
        score_a=score_a,
        score_b=score_b,
        relevant=moves(relevant),
        entered=others(best_b, best_a),
        left=others(best_a, best_b),
    )
