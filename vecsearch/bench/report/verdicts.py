"""What results say, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from vecsearch.bench.report.figures import between, score, seconds, significant
from vecsearch.bench.results import Comparison, Results


def label(results: Results, system: str) -> str:
    """Return what a system is called where people read."""
    return results["systems"][system]["label"]


def told(results: Results, comparison: Comparison) -> str:
    """Return a comparison's sentence, with the names that people read."""
    text = comparison["text"]
    for system in (comparison["system"], comparison["baseline"]):
        shown = label(results, system)
        text = text if shown == system else text.replace(system, shown)
    return text


def by_quality(results: Results, corpus: str) -> list[str]:
    """Return the systems of a corpus, the best by the first measure first."""
    measure = results["measures"][0]
    scores = results["scores"][corpus]
    return sorted(scores, key=lambda system: -scores[system][measure])


def comparisons_of(results: Results, corpus: str, measure: str | None = None) -> list[Comparison]:
    """Return the comparisons on a corpus, of one measure or all."""
    return [
        each
        for each in results["comparisons"]
        if each["corpus"] == corpus and measure in (None, each["measure"])
    ]


def verdict(results: Results, corpus: str) -> Iterator[str]:
    """Say who is best on a corpus, whether that is shown, and at what cost."""
    measure, baseline = results["measures"][0], results["baseline"]
    best = by_quality(results, corpus)[0]
    mean = results["scores"][corpus][best][measure]
    interval = results["intervals"][corpus][best][measure]
    name = label(results, best)
    yield (
        f"{name} has the highest {measure}: {score(mean)} (95% interval {between(interval)}, "
        f"{results['corpora'][corpus]['queries']:,} queries)."
    )
    compared = comparisons_of(results, corpus, measure)
    for each in compared:
        if each["system"] == best:
            yield told(results, each)
    shown = [each for each in compared if each["verdict"] == "better"]
    if best == baseline and compared:
        if any(each["verdict"] == "worse" for each in compared):
            worse = [label(results, c["system"]) for c in compared if c["verdict"] == "worse"]
            yield f"It is shown to be better than {_listed(worse)}."
        else:
            yield "It is not shown to be better than any other."
    elif len(shown) > 1:
        others = [label(results, each["system"]) for each in shown if each["system"] != best]
        if others:
            yield f"{_listed(others)} {'is' if len(others) == 1 else 'are'} better than it as well."
    yield from _price(results, corpus, best)


def _price(results: Results, corpus: str, best: str) -> Iterator[str]:
    """Say what the best costs beside the baseline."""
    costs, baseline = results["costs"].get(corpus, {}), results["baseline"]
    if best not in costs:
        return
    mine = costs[best]["warm"]["p50"]["median"]
    if best == baseline or baseline not in costs:
        yield f"It answers a query in {seconds(mine)}."
        return
    other = costs[baseline]
    yield (
        f"It answers a query in {seconds(mine)} where {label(results, baseline)} takes "
        f"{seconds(other['warm']['p50']['median'])}, takes "
        f"{_times(costs[best]['build']['seconds']['median'], other['build']['seconds']['median'])} "
        f"as long to build and {_times(costs[best]['bytes'], other['bytes'])} the bytes."
    )


def _times(mine: float, other: float) -> str:
    ratio = mine / other if other else float("inf")
    return "about" if 0.95 < ratio < 1.05 else f"{significant(ratio)} times"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
