"""The pictures of a report beside the trade-off: differences by query, recall, latencies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from vecsearch.bench.report import figures
from vecsearch.bench.report.cast import Cast
from vecsearch.bench.report.labels import spread
from vecsearch.bench.report.panel import BOTTOM, HEIGHT, LEFT, LETTERS, LONGEST, RIGHT, TOP, WIDTH
from vecsearch.bench.report.svg import (
    Linear,
    Log,
    axis_below,
    axis_left,
    group,
    line,
    log_around,
    mark,
    path,
    picture,
    text,
)
from vecsearch.bench.report.texts import shown, width
from vecsearch.bench.results import Comparison

_STEPS: Final = 240
"""Points along a curve at most: more than a screen shows of one."""


def differences(cast: Cast) -> list[Markup]:
    """Draw for each system by how much every query is answered better or worse, best first."""
    results, baseline = cast.results, cast.results["baseline"]
    per_query = results["per_query"][cast.corpus]
    if baseline not in per_query:
        return []
    base = per_query[baseline][cast.measure]
    found = {
        each["system"]: each
        for each in results["comparisons"]
        if each["corpus"] == cast.corpus and each["measure"] == cast.measure
    }
    falling = {
        system: sorted(
            (per_query[system][cast.measure][query] - base[query] for query in base), reverse=True
        )
        for system in cast.best_first()
        if system in found
    }
    most = max((abs(each) for values in falling.values() for each in values), default=0) or 1.0
    return [
        _stairs(cast, system, values, most, found[system]) for system, values in falling.items()
    ]


def _stairs(
    cast: Cast, system: str, values: Sequence[float], most: float, comparison: Comparison
) -> Markup:
    height, bottom = 190.0, 168.0
    x = Linear(0, len(values), LEFT, RIGHT)
    y = Linear(-most, most, bottom, 44)
    upper = [(x(at), y(max(value, 0))) for at, value in _steps(values)]
    lower = [(x(at), y(min(value, 0))) for at, value in _steps(values)]
    name = shown(cast.label(system), 28)
    baseline = shown(cast.label(comparison["baseline"]), LONGEST)
    counts = (
        f"{comparison['wins']:,} better, {comparison['ties']:,} equal, "
        f"{comparison['losses']:,} worse"
    )
    about = (
        f"{comparison['queries']:,} queries, sorted by {cast.measure} of {name} less that of "
        f"{baseline}: {counts}; the mean difference is "
        f"{figures.difference(comparison['difference'])}, the largest gain "
        f"{figures.difference(values[0])}, the median "
        f"{figures.difference(values[len(values) // 2])}, the largest loss "
        f"{figures.difference(values[-1])}."
    )
    mean = y(comparison["difference"])
    return picture(
        WIDTH,
        height,
        f"{name} less {baseline}, query by query",
        about,
        group(text(0, 12, name, "label"), class_=cast.looks[system].class_),
        text(RIGHT, 12, f"mean {figures.difference(comparison['difference'])}", "tick", "end"),
        text(RIGHT, 28, counts, "tick", "end"),
        axis_left(y, LEFT, RIGHT, "", figures.difference),
        group(
            path([(x(0), y(0)), *upper, (x(len(values)), y(0))], "area", closed=True),
            class_=cast.looks[system].class_,
        ),
        path([(x(0), y(0)), *lower, (x(len(values)), y(0))], "area against", closed=True),
        line(LEFT, y(0), RIGHT, y(0), "axis"),
        line(LEFT, mean, RIGHT, mean, "mean"),
        text((LEFT + RIGHT) / 2, height - 4, f"{len(values):,} queries", "name", "middle"),
    )


def _steps(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return a falling sequence as stairs, two corners for each run of equal values.

    Of many values as many are taken as a screen shows, evenly.
    """
    count = len(values)
    edges = [round(n * count / _STEPS) for n in range(_STEPS + 1)] if count > _STEPS else None
    bounds = edges or list(range(count + 1))
    corners: list[tuple[float, float]] = []
    for start, end in pairwise(bounds):
        value = values[(start + end) // 2]
        if corners and corners[-1][1] == value:
            corners[-1] = (end, value)
        else:
            corners += [(start, value), (end, value)]
    return corners


def recall(cast: Cast) -> list[Markup]:
    """Draw how much of what is relevant is among the best k; empty where nothing is known."""
    curves = {
        system: curve
        for system, curve in cast.results["recall"].get(cast.corpus, {}).items()
        if curve and system in cast.looks
    }
    if not curves:
        return []
    ends = [shown(cast.label(each), LONGEST) for each in curves]
    right = RIGHT - max(width(each, LETTERS) for each in ends) - 8
    last = max(curve[-1][0] for curve in curves.values())
    x = Log(1, max(last, 2), LEFT + 6, right)
    highest = max(value for curve in curves.values() for _, value in curve)
    y = Linear(0, max(highest, 0.05), BOTTOM, TOP)
    at_ends = spread([y(curve[-1][1]) for curve in curves.values()], TOP, BOTTOM - 2, 13)
    drawn = []
    for (system, curve), name, down in zip(curves.items(), ends, at_ends, strict=True):
        points = [(x(k), y(value)) for k, value in curve]
        drawn.append(
            group(
                path(points, "curve"),
                *(mark(cast.looks[system].shape, *point, 2.6) for point in points),
                line(points[-1][0] + 4, points[-1][1], right + 8, down, "leader"),
                text(right + 10, down + 4, name, "label"),
                class_=cast.looks[system].class_,
            )
        )
    told = [
        f"{name}: "
        + ", ".join(f"{figures.score(value)} at {k:,.0f}" for k, value in _few(curves[system]))
        for system, name in zip(curves, ends, strict=True)
    ]
    return [
        picture(
            WIDTH,
            HEIGHT,
            "Recall among the best k",
            "Mean recall. " + "; ".join(told) + ".",
            axis_below(x, BOTTOM, TOP, "best k documents", lambda k: f"{k:,.0f}"),
            axis_left(y, LEFT, right, "recall at k", figures.score),
            *drawn,
        )
    ]


def _few(curve: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """Return the points of a curve that are worth reading out: its powers of ten, and its end."""
    kept = [point for point in curve if point[0] in (1, 10, 100, 1000)]
    return kept if curve[-1] in kept else [*kept, curve[-1]]


def latencies(cast: Cast) -> list[Markup]:
    """Draw how the times of warm queries are distributed; empty where they weren't measured."""
    curves = {
        system: [max(each, 1e-9) for each in cost["warm_latencies"]]
        for system, cost in cast.costs().items()
        if cost["warm_latencies"]
    }
    if not curves:
        return []
    x = log_around(
        [value for each in curves.values() for value in (each[0], each[-1])], LEFT, RIGHT
    )
    y = Linear(0, 1, BOTTOM, TOP)
    drawn = []
    for system, values in curves.items():
        points = _cumulative(values)
        look = cast.looks[system]
        half = values[(len(values) - 1) // 2]
        drawn.append(
            group(
                path([(x(at), y(part)) for at, part in points], "curve"),
                mark(look.shape, x(half), y(0.5), 4.5),
                class_=look.class_,
            )
        )
    told = [
        f"{cast.label(system)}: half within {figures.seconds(values[(len(values) - 1) // 2])}, "
        f"all within {figures.seconds(values[-1])}"
        for system, values in curves.items()
    ]
    return [
        picture(
            WIDTH,
            HEIGHT,
            "Latencies of warm queries",
            "Share of queries answered within a time. " + "; ".join(told) + ".",
            axis_below(x, BOTTOM, TOP, "time of one query, warm", figures.round_seconds),
            axis_left(y, LEFT, RIGHT, "queries answered within", figures.share),
            *drawn,
        )
    ]


def _cumulative(rising: Sequence[float]) -> list[tuple[float, float]]:
    """Return (value, share of values up to it), stairs of at most `_STEPS` steps."""
    count = len(rising)
    steps = min(count, _STEPS)
    corners = [(rising[0], 0.0)]
    for n in range(1, steps + 1):
        upto = round(n * count / steps)
        corners += [(rising[upto - 1], corners[-1][1]), (rising[upto - 1], upto / count)]
    return corners
