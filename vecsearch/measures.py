"""How good a run is: measures as values ("nDCG@10"), and their scores for every judged query.

Definitions are those of trec_eval, so that the figures can be set beside published ones. Documents
are taken in the order of `runs.ranked`; a grade of 1 or more is relevant; a document without a
judgment isn't; every judged query counts in a mean, with 0 if nothing answered it or nothing is
relevant to it. Queries of the run that nobody judged are left out. RR@k and Judged@k, which
trec_eval doesn't have, are defined as in ir_measures, but of the same ranking as all others:
ir_measures has the smaller of two ids with equal scores first there, so its figures differ where
scores are equal (as float32).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UnknownName, UsageError
from vecsearch.runs import Run, ranked
from vecsearch.types import Qrels


@dataclass(frozen=True, slots=True)
class Measure:
    """What to compute: `str(Measure("nDCG", 10))` is "nDCG@10", which ir_measures reads too.

    name: AP, Bpref, Judged, nDCG, P, R, RR or Success, written so; else UnknownName.
    cutoff: how many of the best documents are looked at, 1 or more; None for all of them. P, R
        and Success need one, Bpref takes none; else UsageError.
    """

    name: str
    cutoff: int | None = None

    def __post_init__(self) -> None:
        if self.name not in _FORMULAS:
            raise UnknownName("measure", self.name, _FORMULAS)
        rule = _FORMULAS[self.name].cutoff
        if self.cutoff is None and rule == "needed":
            raise UsageError(f"The measure {self.name} needs a cutoff, as in {self.name}@10.")
        if self.cutoff is not None and rule == "none":
            raise UsageError(
                f"The measure {self.name} takes no cutoff; it looks at whole rankings."
            )
        if self.cutoff is not None and self.cutoff < 1:
            raise UsageError(f"The cutoff of {self} must be 1 or more.")

    def __str__(self) -> str:
        return self.name if self.cutoff is None else f"{self.name}@{self.cutoff}"


@dataclass(frozen=True, slots=True, repr=False)
class Scores:
    """What a run scored: `per_query["nDCG@10"]["q7"]`, for every judged query."""

    per_query: Mapping[str, Mapping[str, float]]

    def __repr__(self) -> str:
        """How many queries were judged, and the means; what each scored is in `per_query`."""
        queries = max(map(len, self.per_query.values()), default=0)
        means = {name: round(self.mean(name), 4) for name in self.per_query if queries}
        return f"Scores(queries={queries}, means={means})"

    def mean(self, measure: Measure | str) -> float:
        """The arithmetic mean over all judged queries; UnknownName if it wasn't computed."""
        measure = parse_measure(measure) if isinstance(measure, str) else measure
        if str(measure) not in self.per_query:
            raise UnknownName("score for the measure", str(measure), self.per_query)
        values = self.per_query[str(measure)].values()
        return sum(values) / len(values)


def parse_measure(text: str) -> Measure:
    """Read a measure such as "nDCG@10", "ap", "MRR@10" (which is RR@10) or "recall@100".

    Case doesn't matter. Raises UnknownName or UsageError, saying what would be right.
    """
    name, at, cutoff = text.strip().partition("@")
    name = _SPELLINGS.get(name.lower(), name)
    if not at or name not in _FORMULAS:
        return Measure(name)
    if not re.fullmatch("[0-9]{1,9}", cutoff):
        raise UsageError(
            f"The cutoff of {text!r} must be a whole number of at most 9 digits, as in {name}@10."
        )
    return Measure(name, int(cutoff))


def explained(measure: str) -> str:
    """Say in a sentence what a measure is; "" of a name that is none."""
    name, _, cutoff = measure.partition("@")
    best = f"the best {cutoff}" if cutoff else "all documents found"
    return _FORMULAS[name].about.format(best=best) if name in _FORMULAS else ""


def evaluate(run: Run, qrels: Qrels, measures: Sequence[Measure | str]) -> Scores:
    """Score every judged query of `qrels` by each measure, a value or its name ("nDCG@10").

    Raises UsageError if there are no judgments, if the run answers none of the judged queries, or
    if a score in it is NaN.
    """
    _check_common(run, qrels)
    given = [parse_measure(each) if isinstance(each, str) else each for each in measures]
    per_query: dict[Measure, dict[str, float]] = {measure: {} for measure in given}
    for query, grades in qrels.items():
        ranking = _judge(ranked(query, run.get(query, {})), grades)
        for measure, scores in per_query.items():
            scores[query] = _FORMULAS[measure.name].score(ranking, measure.cutoff)
    return Scores({str(measure): scores for measure, scores in per_query.items()})


def _check_common(run: Run, qrels: Qrels) -> None:
    if not qrels:
        raise UsageError("There are no judgments to evaluate the run against.")
    if not run:
        raise UsageError("The run answers no query, so there is nothing to evaluate.")
    if run.keys().isdisjoint(qrels):
        raise UsageError(
            "The run and the judgments have no query in common: the run has queries such as "
            f"{next(iter(run))!r}, the judgments have queries such as {next(iter(qrels))!r}."
        )


class _Ranking(NamedTuple):
    """A judged ranking of n documents, best first, and what an ideal one would hold.

    gains: (n,) float64, the grade of each document; 0 where that is negative or missing.
    judged: (n,) bool, whether the document has a grade, of whatever sign.
    nonrelevant: (n,) bool, whether its grade is 0; trec_eval takes a negative one as unjudged here.
    ideal: (relevant,) float64, the gains of all relevant documents, retrieved or not, falling.
    nonrelevant_total: how many documents have grade 0, retrieved or not.
    """

    gains: NDArray[np.float64]
    judged: NDArray[np.bool_]
    nonrelevant: NDArray[np.bool_]
    ideal: NDArray[np.float64]
    nonrelevant_total: int

    def relevant_ranks(self, cutoff: int | None) -> NDArray[np.int64]:
        """The ranks, from 1, of the relevant documents down to the cutoff."""
        return np.flatnonzero(self.gains[:cutoff]) + 1


def _judge(documents: Sequence[str], judgments: Mapping[str, int]) -> _Ranking:
    """Look up the grades of ranked documents."""
    grades = np.array([judgments.get(document, np.nan) for document in documents], dtype=np.float64)
    known = np.array(list(judgments.values()), dtype=np.float64)
    return _Ranking(
        gains=np.fmax(grades, 0.0),
        judged=~np.isnan(grades),
        nonrelevant=grades == 0,
        ideal=np.sort(known[known > 0])[::-1],
        nonrelevant_total=int(np.count_nonzero(known == 0)),
    )


def _dcg(gains: NDArray[np.float64]) -> float:
    """Discounted cumulated gain: the sum of gain / log2(rank + 1)."""
    return float(np.sum(gains / np.log2(np.arange(2, len(gains) + 2))))


def _ndcg(ranking: _Ranking, cutoff: int | None) -> float:
    """DCG over the DCG of an ideal ranking, gains being the grades.

    Järvelin & Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 20(4), 2002; with
    the discount log2(rank + 1) at every rank, as trec_eval has it.
    """
    ideal = _dcg(ranking.ideal[:cutoff])
    return _dcg(ranking.gains[:cutoff]) / ideal if ideal else 0.0


def _precision(ranking: _Ranking, cutoff: int | None) -> float:
    """Relevant documents in the first k, over k, even if fewer were retrieved.

    van Rijsbergen, Information Retrieval, 2nd edition, chapter 7, 1979.
    """
    assert cutoff is not None  # Measure saw to it
    return len(ranking.relevant_ranks(cutoff)) / cutoff


def _recall(ranking: _Ranking, cutoff: int | None) -> float:
    """Relevant documents in the first k, over all relevant ones (van Rijsbergen 1979)."""
    total = len(ranking.ideal)
    return len(ranking.relevant_ranks(cutoff)) / total if total else 0.0


def _success(ranking: _Ranking, cutoff: int | None) -> float:
    """1 if any of the first k is relevant, else 0."""
    return float(len(ranking.relevant_ranks(cutoff)) > 0)


def _reciprocal_rank(ranking: _Ranking, cutoff: int | None) -> float:
    """1 / the rank of the first relevant document (Voorhees, The TREC-8 QA Track Report, 1999)."""
    ranks = ranking.relevant_ranks(cutoff)
    return 1.0 / float(ranks[0]) if len(ranks) else 0.0


def _average_precision(ranking: _Ranking, cutoff: int | None) -> float:
    """The precision at each relevant document, 0 for one not retrieved, averaged over all relevant.

    Buckley & Voorhees, Evaluating evaluation measure stability, SIGIR 2000.
    """
    total = len(ranking.ideal)
    ranks = ranking.relevant_ranks(cutoff)
    return float(np.sum(np.arange(1, len(ranks) + 1) / ranks)) / total if total else 0.0


def _bpref(ranking: _Ranking, cutoff: int | None) -> float:
    """How rarely judged nonrelevant documents stand above relevant ones.

    With R relevant and N judged nonrelevant documents, the mean over all relevant ones of
    1 - min(nonrelevant above, R) / min(N, R), and 0 for one not retrieved. Buckley & Voorhees,
    Retrieval evaluation with incomplete information, SIGIR 2004; with min(N, R), as trec_eval.
    """
    total = len(ranking.ideal)
    if not total:
        return 0.0
    above = np.cumsum(ranking.nonrelevant)[ranking.relevant_ranks(cutoff) - 1]
    most = max(min(ranking.nonrelevant_total, total), 1)
    return float(np.sum(1.0 - np.minimum(above, total) / most)) / total


def _judged(ranking: _Ranking, cutoff: int | None) -> float:
    """The part of the first k that has a grade; of as many as there are, if fewer than k."""
    judged = ranking.judged[:cutoff]
    return float(judged.mean()) if len(judged) else 0.0


class _Formula(NamedTuple):
    """How a measure is computed, and what is said of it.

    cutoff: whether it needs, may have, or can't have one.
    example: of the measure as a person types it.
    about: a sentence on what it is; {best} stands for the documents that are looked at.
    """

    score: Callable[[_Ranking, int | None], float]
    cutoff: Literal["needed", "optional", "none"]
    example: str
    about: str


_FORMULAS: Final[Mapping[str, _Formula]] = {
    "nDCG": _Formula(
        _ndcg,
        "optional",
        "nDCG@10",
        "How much of what is relevant stands how high among {best}; 1 is an ideal order.",
    ),
    "R": _Formula(
        _recall, "needed", "R@100", "The share of the relevant documents that is among {best}."
    ),
    "RR": _Formula(
        _reciprocal_rank,
        "optional",
        "RR@10",
        "1 over the rank of the first relevant document among {best}; 0 without one.",
    ),
    "AP": _Formula(
        _average_precision,
        "optional",
        "AP",
        "The mean of precision at each relevant document: the whole ranking in one number.",
    ),
    "P": _Formula(_precision, "needed", "P@10", "The share of {best} that is relevant."),
    "Success": _Formula(
        _success, "needed", "Success@1", "1 if anything relevant is among {best}, else 0."
    ),
    "Judged": _Formula(
        _judged,
        "optional",
        "Judged@10",
        "The share of {best} that anybody judged: no merit, but it says how far to trust the "
        "others.",
    ),
    "Bpref": _Formula(
        _bpref,
        "none",
        "bpref",
        "How rarely judged irrelevant documents stand above relevant ones.",
    ),
}
EXAMPLES: Final = tuple(formula.example for formula in _FORMULAS.values())
"""A measure of each kind, as a person types it."""

_SPELLINGS: Final[Mapping[str, str]] = {
    **{name.lower(): name for name in _FORMULAS},
    **{"map": "AP", "mrr": "RR", "precision": "P", "recall": "R"},
}
