"""The tables of a report as values, which the page and the Markdown both write out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vecsearch.bench.report import figures
from vecsearch.bench.report.cast import Cast
from vecsearch.bench.report.cells import (
    Cell,
    Column,
    Part,
    Table,
    figure,
    interval,
    number,
    span,
    words,
)
from vecsearch.bench.report.cost_columns import BRIEF, FULL, Measured
from vecsearch.bench.report.figures import DASH, Figure, Path, at
from vecsearch.bench.results import Comparison
from vecsearch.measures import explained

MISSING: Final = "not measured"
_RAISED: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_BUSY: Final = 0.2
"""Cores taken by other work from which on a reader must know."""


def quality(cast: Cast) -> Table:
    """Set each system's measures beside what it costs."""
    results, corpus = cast.results, cast.corpus
    rows = []
    for system in cast.best_first():
        first, *others = [_score(cast, system, measure) for measure in results["measures"]]
        cost = [_cost(cast, system, each, brief=True) for each in BRIEF]
        rows.append([_name(cast, system), first, *cost, *others])
    # Cost stands beside what systems are ordered by, where a phone shows it too.
    scored = [Column(each, explained(each), "other measures") for each in results["measures"]]
    scored[0] = replace(scored[0], group="quality")
    columns_of_cost = [each.column for each in BRIEF]
    columns = [Column("system", words=True), scored[0], *columns_of_cost, *scored[1:]]
    return Table(f"Quality and cost on {corpus}", columns, rows, (1, "descending"))


def comparisons(cast: Cast) -> Table | None:
    """Set out every comparison with the baseline; None where there is nothing to compare."""
    found = [
        (n, each)
        for n, each in enumerate(cast.results["comparisons"])
        if each["corpus"] == cast.corpus
    ]
    if not found:
        return None
    baseline = cast.label(cast.results["baseline"])
    columns = [
        Column("system", words=True),
        Column("measure", words=True),
        Column("difference", f"Mean over the queries of the system's score less {baseline}'s."),
        Column("95% interval", "Where the mean difference over such queries may well lie."),
        Column("verdict", words=True),
        Column("p", "Chance of so large a difference if the two were equally good."),
        Column("p, Holm", "The same, corrected for how many comparisons are made by the measure."),
        Column("effect", "Mean difference over its standard deviation."),
        Column("W / T / L", "Queries that the system answers better, equally well, worse."),
        Column("detectable", "Smallest difference that so many queries show 4 times out of 5."),
        Column("query time", f"Median time of a warm query, as a multiple of {baseline}'s."),
    ]
    order = {measure: n for n, measure in enumerate(cast.results["measures"])}
    found.sort(key=lambda pair: (order[pair[1]["measure"]], -pair[1]["difference"]))
    rows = [_compared(cast, n, each) for n, each in found]
    return Table(f"Differences from {baseline} on {cast.corpus}", columns, rows)


def costs(cast: Cast) -> Table | None:
    """Set out all costs; None where none were measured."""
    if not cast.costs():
        return None
    columns = [Column("system", words=True), *(each.column for each in FULL)]
    rows = [
        [_name(cast, system), *(_cost(cast, system, each, brief=False) for each in FULL)]
        for system in cast.best_first()
        if system in cast.costs()
    ]
    return Table(f"Costs on {cast.corpus}", columns, rows)


def other_work(cast: Cast) -> Figure | None:
    """Return how many cores other work took while costs were measured, if a reader must know."""
    stamp = cast.results["cost_stamps"].get(cast.corpus)
    if stamp is None or (stamp["others"] or 0.0) < _BUSY:
        return None
    path: Path = ("cost_stamps", cast.corpus, "others")
    return figure(cast, path, lambda value: figures.digits(value, 2))


def agreement(cast: Cast) -> Table | None:
    """Say how far peers give the answers of the systems they stand beside; None without any."""
    found = [
        (n, each)
        for n, each in enumerate(cast.results["agreement"])
        if each["corpus"] == cast.corpus
    ]
    if not found:
        return None
    columns = [
        Column("peer", words=True),
        Column("beside", "The system that does the same work.", words=True),
        Column("common", "Mean share of common documents among the best 10."),
        Column("largest difference", "Of the scores of a document that both found."),
    ]
    rows = []
    for n, each in found:
        shared: Path = ("agreement", n, "overlap")
        apart = each["largest_difference"]
        rows.append(
            [
                _name(cast, each["system"]),
                _name(cast, each["same_as"]),
                number(cast, shared, _percent),
                words("not comparable")
                if apart is None
                else number(cast, ("agreement", n, "largest_difference"), _tiny),
            ]
        )
    return Table(f"Do peers give the same answers on {cast.corpus}?", columns, rows)


def features(cast: Cast, system: str) -> Table | None:
    """Say what goes with a system's gains over the baseline; None where nothing was looked at."""
    found = [
        (n, each)
        for n, each in enumerate(cast.results["features"].get(cast.corpus, []))
        if each["system"] == system
    ]
    if not found:
        return None
    columns = [
        Column("of the query", words=True),
        Column("correlation", "Spearman's, with the difference by query: from −1 to +1."),
        Column("95% interval"),
        Column("p"),
        Column("p, Holm", "Corrected for how many features are looked at."),
        Column("least third", "Mean difference in the third of the queries with least of it."),
        Column("most third", "Mean difference in the third with most of it."),
    ]
    rows = []
    for n, each in found:
        path: Path = ("features", cast.corpus, n)
        rows.append(
            [
                Cell((each["feature"],), (each["about"],), each["feature"]),
                number(cast, (*path, "correlation"), figures.ratio),
                interval(cast, (*path, "interval"), figures.ratio),
                number(cast, (*path, "p"), figures.probability),
                number(cast, (*path, "p_holm"), figures.probability),
                number(cast, (*path, "low_difference"), figures.difference),
                number(cast, (*path, "high_difference"), figures.difference),
            ]
        )
    return Table(f"What goes with gains of {cast.label(system)}", columns, rows)


def compared_with_baseline(cast: Cast, system: str, path: Path) -> Figure | None:
    """Return how many times the baseline's cost a system's is; None unless both are known."""
    costs, baseline = cast.costs(), cast.results["baseline"]
    if system not in costs or baseline not in costs:
        return None
    mine: Path = ("costs", cast.corpus, system, *path)
    theirs: Path = ("costs", cast.corpus, baseline, *path)
    if not at(cast.results, theirs):
        return None
    value = at(cast.results, mine) / at(cast.results, theirs)
    return Figure(figures.times(value), value, mine, theirs)


def _name(cast: Cast, system: str) -> Cell:
    kinds = {"peer": "peer", "run": "run file", "system": ""}
    badge = kinds[cast.results["systems"][system]["kind"]]
    if system == cast.results["baseline"]:
        badge = "baseline"
    label = cast.label(system)
    return Cell((label,), sort=label, look=cast.looks[system], badge=badge)


def _score(cast: Cast, system: str, measure: str) -> Cell:
    path: Path = (cast.corpus, system, measure)
    shown = number(cast, ("scores", *path), figures.score)
    verdict = next(
        (
            each["verdict"]
            for each in cast.results["comparisons"]
            if (each["corpus"], each["system"], each["measure"]) == path
        ),
        "",
    )
    return Cell(
        shown.parts,
        span(cast, ("intervals", *path), figures.score),
        shown.sort,
        badge=verdict if verdict in ("better", "worse") else "",
    )


def _cost(cast: Cast, system: str, measured: Measured, *, brief: bool) -> Cell:
    """Return a cost with its spread, if it has one; of the brief table without."""
    if system not in cast.costs():
        return words(MISSING)
    path: Path = ("costs", cast.corpus, system, *measured.path)
    try:
        value = at(cast.results, path)
    except KeyError:  # a stage that the system hasn't
        return words("none")
    if not isinstance(value, dict):
        return number(cast, path, measured.write)
    shown = number(cast, (*path, "median"), measured.write)
    if brief or value["high"] == 0:
        return shown
    times = figure(cast, (*path, "n"), figures.count)
    low = figure(cast, (*path, "low"), measured.write)
    high = figure(cast, (*path, "high"), measured.write)
    around: tuple[Part, ...] = (_without_unit(low, high), DASH, high, ", ")
    return Cell(shown.parts, (*around, times, "×"), shown.sort)


def _without_unit(low: Figure, high: Figure) -> Figure:
    """Leave a unit out that the other end of a spread shows again."""
    digits, space, unit = low.text.partition(" ")
    if space and high.text.endswith(f" {unit}"):
        return Figure(digits, low.value, low.path)
    return Figure(low.text.removesuffix("/s"), low.value, low.path)


def _compared(cast: Cast, n: int, comparison: Comparison) -> list[Cell]:
    path: Path = ("comparisons", n)
    effect = comparison["effect_size"]
    slower = compared_with_baseline(cast, comparison["system"], ("warm", "p50", "median"))
    return [
        replace(_name(cast, comparison["system"]), badge=""),
        words(comparison["measure"], comparison["measure"]),
        number(cast, (*path, "difference"), figures.difference),
        interval(cast, (*path, "interval"), figures.difference),
        Cell((comparison["verdict"],), sort=comparison["verdict"], badge=comparison["verdict"]),
        number(cast, (*path, "p"), figures.probability),
        number(cast, (*path, "p_holm"), figures.probability),
        words("none") if effect is None else number(cast, (*path, "effect_size"), figures.ratio),
        _record(cast, path, comparison),
        # Where all tie there is no spread to tell it from.
        words("none") if effect is None else number(cast, (*path, "detectable"), figures.score),
        words(MISSING) if slower is None else Cell((slower,), sort=slower.value),
    ]


def _record(cast: Cast, path: Path, comparison: Comparison) -> Cell:
    wins, ties, losses = (
        figure(cast, (*path, each), figures.count) for each in ("wins", "ties", "losses")
    )
    parts = (wins, " / ", ties, " / ", losses)
    return Cell(parts, sort=comparison["wins"] - comparison["losses"])


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def _tiny(value: float) -> str:
    if not 0 < value < 0.001:
        return figures.digits(value)
    mantissa, _, exponent = f"{value:.1e}".partition("e-")
    return f"{mantissa} · 10⁻{exponent.lstrip('0').translate(_RAISED)}"
