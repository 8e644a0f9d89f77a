"""What was found on a corpus, in words: who is best, whether that is shown, and at what cost."""

from __future__ import annotations

from vecsearch.bench.report import figures
from vecsearch.bench.report.cast import Cast
from vecsearch.bench.report.cells import Part, figure
from vecsearch.bench.report.tables import compared_with_baseline
from vecsearch.bench.results import Comparison


def verdict(cast: Cast) -> list[Part]:
    """Return the verdict as text and the figures in it, in the order of reading."""
    best, *rest = cast.best_first()
    return [*_first(cast, best, rest), *_cost(cast, best), *_others(cast, best)]


def _first(cast: Cast, best: str, rest: list[str]) -> list[Part]:
    """Say who is best by the first measure, and against the baseline."""
    baseline = cast.results["baseline"]
    if not rest:
        return [f"Only {cast.label(best)} was measured: {cast.measure} ", _score(cast, best), "."]
    if best == baseline:
        opening = f"No system has a higher {cast.measure} than the baseline {cast.label(best)}, "
        return [opening, _score(cast, best), "."]
    n, found = _comparison(cast, best)
    high: list[Part] = [
        f"{cast.label(best)} has the highest {cast.measure}, ",
        _score(cast, best),
    ]
    if found is None:
        return [*high, f"; it wasn't compared with {cast.label(baseline)}."]
    p = figure(cast, ("comparisons", n, "p_holm"), figures.probability)
    name = "corrected p" if found["family"] > 1 else "p"
    chance: list[Part] = [f" ({name} {'' if p.text.startswith('<') else '= '}", p, ")"]
    against: list[Part] = [f" {cast.label(baseline)}, ", _score(cast, baseline)]
    if found["verdict"] == "better":
        return [*high, ", and is shown to be better than", *against, *chance, "."]
    return [*high, ", but that isn't shown to be better than", *against, *chance, "."]


def _cost(cast: Cast, best: str) -> list[Part]:
    """Say what the best system costs, beside the baseline if it is another."""
    if best not in cast.costs():
        return [" What it costs wasn't measured."] if cast.systems else []
    path = ("costs", cast.corpus, best)
    took = figure(cast, (*path, "warm", "p50", "median"), figures.seconds)
    size = figure(cast, (*path, "bytes_per_document"), figures.size)
    built = figure(cast, (*path, "build", "seconds", "median"), figures.seconds)
    ratios = [
        compared_with_baseline(cast, best, each)
        for each in (
            ("warm", "p50", "median"),
            ("bytes_per_document",),
            ("build", "seconds", "median"),
        )
    ]
    beside = best != cast.results["baseline"] and None not in ratios

    def versus(n: int) -> list[Part]:
        ratio = ratios[n]
        return [" (", ratio, ")"] if beside and ratio is not None else []

    return [
        " It answers a query in ",
        took,
        *versus(0),
        ", takes ",
        size,
        " a document on disk",
        *versus(1),
        " and is built in ",
        built,
        *versus(2),
        f"; in brackets as a multiple of what {cast.label(cast.results['baseline'])} takes."
        if beside
        else ".",
    ]


def _others(cast: Cast, best: str) -> list[Part]:
    """Say how the remaining systems stand to the baseline."""
    by_verdict: dict[str, list[str]] = {"better": [], "worse": [], "no difference shown": []}
    for each in cast.results["comparisons"]:
        here = each["corpus"] == cast.corpus and each["measure"] == cast.measure
        if here and each["system"] != best:
            by_verdict[each["verdict"]].append(cast.label(each["system"]))
    baseline = cast.label(cast.results["baseline"])
    said: list[Part] = []
    if by_verdict["better"]:
        said.append(
            f" Shown to be better than {baseline} as well: {figures.listed(by_verdict['better'])}."
        )
    if by_verdict["worse"]:
        said.append(f" Shown to be worse than {baseline}: {figures.listed(by_verdict['worse'])}.")
    if by_verdict["no difference shown"]:
        said.append(
            f" No difference from {baseline} shown: "
            f"{figures.listed(by_verdict['no difference shown'])}."
        )
    return said


def _score(cast: Cast, system: str) -> Part:
    return figure(cast, ("scores", cast.corpus, system, cast.measure), figures.score)


def _comparison(cast: Cast, system: str) -> tuple[int, Comparison | None]:
    for n, each in enumerate(cast.results["comparisons"]):
        if (each["corpus"], each["system"], each["measure"]) == (
            cast.corpus,
            system,
            cast.measure,
        ):
            return n, each
    return -1, None
