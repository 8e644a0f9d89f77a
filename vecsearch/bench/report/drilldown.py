"""Queries looked into: for each, which documents every system ranked where, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vecsearch.bench.report import figures
from vecsearch.bench.report.cast import Cast
from vecsearch.bench.report.cells import figure
from vecsearch.bench.report.figures import Figure
from vecsearch.bench.report.texts import shown
from vecsearch.bench.results import Detail

BUDGET: Final = 3_000_000
"""Characters that the queries of all corpora may take on the page, or it opens slowly."""

_TITLE: Final = 120
_FURTHER: Final = 20
"""Relevant documents that nobody has among the best 10: how many of them are listed."""
_BEST: Final = 10


@dataclass(frozen=True, slots=True)
class Row:
    """A document: its rank with each system, None where it isn't known."""

    document: str
    title: str
    grade: int | None
    ranks: list[int | None]


@dataclass(frozen=True, slots=True)
class Looked:
    """A query: its scores by system, and its documents.

    unlisted: how many relevant documents more there are.
    """

    query: str
    text: str
    scores: list[Figure | None]
    rows: list[Row]
    unlisted: int


def looked_into(cast: Cast, budget: int) -> list[Looked]:
    """Return queries in the order of `details`, those where systems differ most, within a budget.

    budget: characters on the page.
    """
    found: list[Looked] = []
    for query, detail in cast.results["details"].get(cast.corpus, {}).items():
        each = _look(cast, query, detail)
        budget -= _room(each)
        if budget < 0 and found:
            break
        found.append(each)
    return found


def _look(cast: Cast, query: str, detail: Detail) -> Looked:
    per_query = cast.results["per_query"][cast.corpus]
    scores = [
        figure(cast, ("per_query", cast.corpus, system, cast.measure, query), figures.score)
        if query in per_query[system][cast.measure]
        else None
        for system in cast.systems
    ]
    rows = list(_rows(cast, detail))
    top = [row for row in rows if _best_rank(row) <= _BEST]
    further = [row for row in rows if _best_rank(row) > _BEST]
    return Looked(
        query=query,
        text=cast.results["queries"].get(cast.corpus, {}).get(query, ""),
        scores=scores,
        rows=top + further[:_FURTHER],
        unlisted=len(further[_FURTHER:]),
    )


def _rows(cast: Cast, detail: Detail) -> Iterator[Row]:
    """Yield documents that are relevant or among anybody's best, those ranked highest first."""
    relevant = [document for document, grade in detail["grades"].items() if grade > 0]
    documents = dict.fromkeys(
        [document for best in detail["best"].values() for document in best] + relevant
    )
    ranks = {
        system: {
            **detail["ranks"].get(system, {}),
            **{document: n for n, document in enumerate(detail["best"].get(system, []), start=1)},
        }
        for system in cast.systems
    }
    titles = cast.results["titles"].get(cast.corpus, {})
    rows = [
        Row(
            document,
            shown(titles.get(document, ""), _TITLE),
            detail["grades"].get(document),
            [ranks[system].get(document) for system in cast.systems],
        )
        for document in documents
    ]
    yield from sorted(rows, key=lambda row: (_best_rank(row), -sum(map(_within, row.ranks))))


def _best_rank(row: Row) -> float:
    return min((rank for rank in row.ranks if rank is not None), default=float("inf"))


def _within(rank: int | None) -> float:
    return 0.0 if rank is None else 1.0 / rank


def _room(looked: Looked) -> int:
    """Estimate the characters that a query takes on the page."""
    rows = sum(
        120 + len(row.title) + len(row.document) + 24 * len(row.ranks) for row in looked.rows
    )
    return 900 + len(looked.text) + 200 * len(looked.scores) + rows
