"""Judging by hand: what several systems found put together, and asked for one by one.

A session is blind: what is asked, and in which order, depends on which documents were found, and on
nothing of which system found them where. Where it stands is in the judgments alone, so that one
which was broken off goes on with what has no grade yet.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from vecsearch.bench.judgments import Judgments
from vecsearch.errors import UsageError
from vecsearch.runs import Run, ranked
from vecsearch.types import Query

GRADES: Final = {0: "not relevant", 1: "related", 2: "answers it"}
"""What a person may say of a document; above 0 it is relevant to every measure."""

DEPTH: Final = 10
"""How many of each system's best documents are pooled where nobody says."""


def pool(runs: Iterable[Run], query: str, depth: int = DEPTH, seed: int = 0) -> list[str]:
    """Return the documents among the `depth` best of any run for a query id, in an order by chance.

    The order is that of a digest of seed, query and document: documents that another run or more
    depth adds come between the others, which keep their order. Raise UsageError for a depth below
    1, and as `ranked` does.
    """
    if depth < 1:
        raise UsageError(f"The depth of a pool is at least 1, not {depth}.")
    best = {document for run in runs for document in ranked(query, run.get(query, {}))[:depth]}
    return sorted(best, key=lambda document: (_drawn(seed, query, document), document))


def _drawn(seed: int, query: str, document: str) -> bytes:
    text = f"{seed}\0{query}\0{document}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Task(NamedTuple):
    """A document to be graded for a query."""

    query: Query
    document: str


class Tally(NamedTuple):
    """How much is judged: so many of the pooled documents, and how many of each grade.

    queries: those that have a pool. now: how many grades were given in this session.
    """

    judged: int
    pooled: int
    queries: int
    grades: Mapping[int, int]
    now: int


class Judging:
    """A session: the pooled documents without a grade, query by query.

    queries: in the order in which they are asked about.
    pools: query id -> what `pool` returned.
    judgments: where grades go, at once.

    Raise VecsearchError where the judgments can't hold an id.
    """

    def __init__(
        self,
        queries: Sequence[Query],
        pools: Mapping[str, Sequence[str]],
        judgments: Judgments,
    ) -> None:
        self._pooled = [Task(query, each) for query in queries for each in pools.get(query.id, ())]
        asked = dict.fromkeys(each.query.id for each in self._pooled)
        judgments.check_ids("query", asked)
        judgments.check_ids("document", dict.fromkeys(each.document for each in self._pooled))
        self._numbers = {query: number for number, query in enumerate(asked, start=1)}
        self._judgments = judgments
        self._tasks = [each for each in self._pooled if self._grade_of(each) is None]
        self._place = 0  # what is before it was graded or passed by, nothing from it on has a grade
        self._given: list[int] = []  # the places that were graded

    @property
    def queries(self) -> int:
        """How many queries something was found for."""
        return len(self._numbers)

    @property
    def tasks(self) -> Sequence[Task]:
        """All that this session asks for."""
        return self._tasks

    @property
    def task(self) -> Task | None:
        """What is asked for now; None at the end."""
        return self._tasks[self._place] if self._place < len(self._tasks) else None

    def number(self, query: Query) -> int:
        """Return the number of a query among these, from 1."""
        return self._numbers[query.id]

    def left(self) -> tuple[int, int]:
        """Return how many documents are still to come for the query of the task, and in all."""
        return self._next_query() - self._place, len(self._tasks) - self._place

    def grade(self, grade: int) -> Task:
        """Give what is asked for a grade, on disk when this returns; return it.

        Raise UsageError for a grade that isn't one of GRADES, VecsearchError if it can't be
        written.
        """
        if grade not in GRADES:
            raise UsageError(f"A grade is one of {', '.join(map(str, GRADES))}, not {grade}.")
        task = self._tasks[self._place]
        self._judgments.add(task.query.id, task.document, grade)
        self._given.append(self._place)
        self._place += 1
        return task

    def skip(self) -> None:
        """Pass a document by; the next session asks again."""
        self._place += 1

    def skip_query(self) -> None:
        """Pass by what is left of a query; the next session asks again."""
        self._place = self._next_query()

    def undo(self) -> Task | None:
        """Take back the last grade of this session and ask for it again; None if there is none."""
        if not self._given:
            return None
        task = self._tasks[self._given[-1]]
        self._judgments.remove(task.query.id, task.document)
        self._place = self._given.pop()
        return task

    def tally(self) -> Tally:
        """Count what is judged by now, in this session and before."""
        grades = [grade for each in self._pooled if (grade := self._grade_of(each)) is not None]
        counts = Counter(grades)
        ordered = {grade: counts[grade] for grade in sorted({*GRADES, *counts})}
        return Tally(len(grades), len(self._pooled), self.queries, ordered, len(self._given))

    def _grade_of(self, task: Task) -> int | None:
        return self._judgments.grade(task.query.id, task.document)

    def _next_query(self) -> int:
        """The place where another query begins."""
        queries = itertools.groupby(each.query for each in self._tasks[self._place :])
        return self._place + sum(1 for _ in next(queries)[1])
