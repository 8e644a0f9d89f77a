"""From runs to results: scores, comparisons, curves, features, and queries looked into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Final, NamedTuple

import numpy as np

from vecsearch.bench.agreement import agreements
from vecsearch.bench.comparisons import compare
from vecsearch.bench.contestants import Contestant
from vecsearch.bench.costs import Costs
from vecsearch.bench.environment import environment
from vecsearch.bench.features import explain_differences, features
from vecsearch.bench.judged import JudgedCorpus
from vecsearch.bench.movers import detail, telling_queries
from vecsearch.bench.progress import Tell, counted
from vecsearch.bench.results import VERSION, Detail, Feature, Results, SystemEntry
from vecsearch.bench.statistics import bootstrap_interval
from vecsearch.measures import Measure, Scores, evaluate
from vecsearch.runs import Run

_CURVE: Final = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000)
_TITLE: Final = 100
"""Characters of a text that stand for a title."""


class Found(NamedTuple):
    """What a bench found on one corpus."""

    corpus: JudgedCorpus
    runs: Mapping[str, Run]
    notes: Sequence[str]
    costs: Costs | None


def assemble(
    found: Sequence[Found],
    systems: Mapping[str, Contestant],
    entries: Mapping[str, SystemEntry],
    baseline: str,
    measures: Sequence[Measure],
    depth: int,
    tell: Tell,
) -> Results:
    """Work out all that follows from runs and costs."""
    results = _of_no_corpus(found, entries, baseline, measures, depth)
    every: dict[str, dict[str, Scores]] = {}
    for each in found:
        name = each.corpus.name
        tell(f"{name}: comparing", 0)
        scores = every[name] = {
            system: evaluate(run, each.corpus.qrels, measures) for system, run in each.runs.items()
        }
        results["per_query"][name] = {
            system: {measure: dict(values) for measure, values in per.per_query.items()}
            for system, per in scores.items()
        }
        results["scores"][name] = {
            system: {str(measure): per.mean(measure) for measure in measures}
            for system, per in scores.items()
        }
        results["intervals"][name] = {
            system: {measure: _interval(values) for measure, values in per.per_query.items()}
            for system, per in scores.items()
        }
        results["recall"][name] = _recall(each, depth)
        results["features"][name] = _features(each, scores, baseline, str(measures[0]), tell)
        results["details"][name] = _details(each, scores, baseline, str(measures[0]))
        results["titles"][name] = _titles(each.corpus, results["details"][name], tell)
        results["agreement"] += agreements(
            name, systems.values(), each.runs, list(each.corpus.queries)
        )
        if each.costs is not None:
            results["costs"][name], results["cost_stamps"][name] = each.costs
    # How much of a ranking was judged says how far to trust the rest; it is no merit.
    compared = [str(measure) for measure in measures if measure.name != "Judged"]
    results["comparisons"] = compare(every, baseline, compared)
    return results


def _of_no_corpus(
    found: Sequence[Found],
    entries: Mapping[str, SystemEntry],
    baseline: str,
    measures: Sequence[Measure],
    depth: int,
) -> Results:
    """Return what is known before anything is compared."""
    return {
        "schema": VERSION,
        "vecsearch": version("vecsearch"),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "baseline": baseline,
        "measures": [str(each) for each in measures],
        "depth": depth,
        "corpora": {each.corpus.name: each.corpus.entry(each.notes) for each in found},
        "systems": dict(entries),
        "scores": {},
        "intervals": {},
        "per_query": {},
        "comparisons": [],
        "recall": {},
        "features": {},
        "costs": {},
        "cost_stamps": {},
        "agreement": [],
        "queries": {each.corpus.name: dict(each.corpus.queries) for each in found},
        "details": {},
        "titles": {},
        "environment": environment(),
    }


def _interval(values: Mapping[str, float]) -> list[float]:
    return list(
        bootstrap_interval(np.array(list(values.values()), dtype=np.float64), bounds=(0.0, 1.0))
    )


def _recall(found: Found, depth: int) -> dict[str, list[list[float]]]:
    cutoffs = [Measure("R", k) for k in _CURVE if k <= depth]
    curves = {}
    for system, run in found.runs.items():
        scores = evaluate(run, found.corpus.qrels, cutoffs)
        curves[system] = [[float(each.cutoff or 0), scores.mean(each)] for each in cutoffs]
    return curves


def _features(
    found: Found, scores: Mapping[str, Scores], baseline: str, measure: str, tell: Tell
) -> list[Feature]:
    corpus = found.corpus
    documents = counted(corpus.documents(), f"{corpus.name}: looking inside", tell)
    known = features(documents, corpus.queries, corpus.qrels)
    told: list[Feature] = []
    for system, per in scores.items():
        if system != baseline:
            told += explain_differences(
                known,
                scores[baseline].per_query[measure],
                per.per_query[measure],
                system=system,
                baseline=baseline,
                measure=measure,
            )
    return told


def _details(
    found: Found, scores: Mapping[str, Scores], baseline: str, measure: str
) -> dict[str, Detail]:
    per_query = {system: per.per_query[measure] for system, per in scores.items()}
    return {
        query: detail(
            query,
            {system: run.get(query, {}) for system, run in found.runs.items()},
            found.corpus.qrels[query],
        )
        for query in telling_queries(per_query, baseline)
    }


def _titles(corpus: JudgedCorpus, details: Mapping[str, Detail], tell: Tell) -> dict[str, str]:
    """Return what to show of each document that details name."""
    shown = {
        document
        for each in details.values()
        for documents in (each["grades"], *each["best"].values())
        for document in documents
    }
    if not shown:
        return {}
    return {
        document.id: document.title or " ".join(document.text[: 2 * _TITLE].split())[:_TITLE]
        for document in counted(corpus.documents(), f"{corpus.name}: titles", tell)
        if document.id in shown
    }
