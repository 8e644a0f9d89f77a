"""The pictures of a report: quality against cost, differences by query, recall, latencies.

Each is a panel that is as wide as a phone's screen, so that letters keep their size there; wider
windows set panels side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from markupsafe import Markup

from vecsearch.bench.report import figures
from vecsearch.bench.report.cast import Cast
from vecsearch.bench.report.labels import Box, place, spread
from vecsearch.bench.report.svg import (
    Linear,
    Log,
    axis_below,
    axis_left,
    element,
    group,
    line,
    linear_around,
    log_around,
    mark,
    path,
    picture,
    text,
)
from vecsearch.bench.report.texts import shown, width
from vecsearch.bench.results import Comparison, Cost

WIDTH: Final = 400.0
HEIGHT: Final = 300.0
_LEFT, _TOP, _BOTTOM = 36.0, 26.0, HEIGHT - 42
_RIGHT: Final = WIDTH - 8
_STEPS: Final = 240
"""Points along a curve at most: more than a screen shows of one."""
_LONGEST: Final = 20
_LETTERS: Final = 11.5


class _Point(NamedTuple):
    """A system in a plane of cost and quality."""

    system: str
    cost: float | None
    quality: float
    low: float
    high: float


def pareto(cast: Cast) -> list[Markup]:
    """Draw quality against the latency of a query, and against the time to build an index.

    Empty where no costs were measured.
    """
    if not cast.costs():
        return []
    return [
        _tradeoff(cast, "warm query, median", lambda cost: cost["warm"]["p50"]["median"]),
        _tradeoff(cast, "building the index", lambda cost: cost["build"]["seconds"]["median"]),
    ]


def _tradeoff(cast: Cast, name: str, cost_of: Callable[[Cost], float]) -> Markup:
    costs = {system: cost_of(cost) for system, cost in cast.costs().items()}
    points = []
    for system in cast.best_first():
        quality = cast.results["scores"][cast.corpus][system][cast.measure]
        low, high = cast.results["intervals"][cast.corpus][system][cast.measure]
        points.append(_Point(system, costs.get(system), quality, low, high))
    measured = [each for each in points if each.cost is not None]
    strip = _RIGHT - 64 if len(measured) < len(points) else _RIGHT
    x = log_around([max(each.cost or 0, 1e-9) for each in measured], _LEFT, strip)
    y = linear_around(
        [value for each in points for value in (each.low, each.high)], _BOTTOM, _TOP, 0.05
    )
    places = _places(points, x, y, strip)
    return picture(
        WIDTH,
        HEIGHT,
        f"{cast.measure} against time: {name}",
        _told(cast, points),
        axis_below(x, _BOTTOM, _TOP, f"{name} (faster is left)", figures.round_seconds),
        axis_left(y, _LEFT, _RIGHT, f"{cast.measure}, with 95% interval", figures.score),
        _unmeasured_strip(strip) if strip < _RIGHT else Markup(),
        _front_line(_front(measured), x, y, strip),
        *(_dot(cast, each, at, y) for each, at in zip(points, places, strict=True)),
        *_names(cast, points, places, y),
    )


def _places(points: Sequence[_Point], x: Log, y: Linear, strip: float) -> list[tuple[float, float]]:
    """Return where points lie; those without costs stand in a strip beside the others."""
    missing = [each for each in points if each.cost is None]
    room = (_RIGHT - strip) / (len(missing) + 1)
    found = []
    for each in points:
        if each.cost is None:
            across = strip + room * (missing.index(each) + 1)
        else:
            across = x(max(each.cost, 1e-9))
        found.append((across, y(each.quality)))
    return found


def _unmeasured_strip(strip: float) -> Markup:
    return group(
        element(
            "rect", x=strip, y=_TOP, width=_RIGHT - strip, height=_BOTTOM - _TOP, class_="strip"
        ),
        text((strip + _RIGHT) / 2, _BOTTOM + 15, "not measured", "tick", "middle"),
    )


def _front(points: Sequence[_Point]) -> list[_Point]:
    """Return the points that no other beats in both, cheapest first."""
    best: list[_Point] = []
    for each in sorted(points, key=lambda point: (point.cost or 0, -point.quality)):
        if not best or each.quality > best[-1].quality:
            best.append(each)
    return best


def _front_line(front: Sequence[_Point], x: Log, y: Linear, end: float) -> Markup:
    """Draw the best quality that is to be had for a cost, as stairs."""
    corners: list[tuple[float, float]] = []
    for each in front:
        across = x(max(each.cost or 0, 1e-9))
        corners.append((across, corners[-1][1] if corners else y(each.quality)))
        corners.append((across, y(each.quality)))
    return path([*corners, (end, corners[-1][1])], "front")


def _dot(cast: Cast, point: _Point, at: tuple[float, float], y: Linear) -> Markup:
    look = cast.looks[point.system]
    path_ = figures.Figure("", point.quality, ("scores", cast.corpus, point.system, cast.measure))
    return group(
        line(at[0], y(point.low), at[0], y(point.high), "error"),
        mark(look.shape, *at, 5),
        class_=look.class_,
        data_value=repr(point.quality),
        data_path=path_.path_json,
    )


def _names(
    cast: Cast, points: Sequence[_Point], places: Sequence[tuple[float, float]], y: Linear
) -> list[Markup]:
    names = [shown(cast.label(each.system), _LONGEST) for each in points]
    widths = [width(each, _LETTERS) for each in names]
    marks = [Box(px - 7, py - 7, px + 7, py + 7) for px, py in places]
    bars = [
        Box(px - 2, y(each.high), px + 2, y(each.low))
        for each, (px, _) in zip(points, places, strict=True)
    ]
    frame = Box(_LEFT + 1, _TOP - 8, _RIGHT + 6, _BOTTOM - 1)
    boxes = place(places, widths, frame, marks, bars)
    return [
        group(
            _leader(at, box),
            text(box.left, box.bottom - 2.5, name, "label"),
            class_=cast.looks[each.system].class_,
        )
        for each, name, at, box in zip(points, names, places, boxes, strict=True)
    ]


def _leader(at: tuple[float, float], box: Box) -> Markup:
    """Draw a thin line to a name that stands away from its point."""
    x = min(max(at[0], box.left), box.right)
    y = min(max(at[1], box.top), box.bottom)
    if abs(x - at[0]) + abs(y - at[1]) < 14:
        return Markup()
    return line(*at, x, y, "leader")


def _told(cast: Cast, points: Sequence[_Point]) -> str:
    """Say what the picture of a trade-off shows."""
    front = {each.system for each in _front([each for each in points if each.cost is not None])}
    parts = []
    for each in points:
        cost = "cost not measured" if each.cost is None else figures.seconds(each.cost)
        parts.append(
            f"{cast.label(each.system)}: {figures.score(each.quality)} "
            f"({figures.score(each.low)} to {figures.score(each.high)}), {cost}"
            + (", on the Pareto front" if each.system in front else "")
        )
    return "; ".join(parts) + "."


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
    x = Linear(0, len(values), _LEFT, _RIGHT)
    y = Linear(-most, most, bottom, 44)
    upper = [(x(at), y(max(value, 0))) for at, value in _steps(values)]
    lower = [(x(at), y(min(value, 0))) for at, value in _steps(values)]
    name = shown(cast.label(system), 28)
    baseline = shown(cast.label(comparison["baseline"]), _LONGEST)
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
        text(_RIGHT, 12, f"mean {figures.difference(comparison['difference'])}", "tick", "end"),
        text(_RIGHT, 28, counts, "tick", "end"),
        axis_left(y, _LEFT, _RIGHT, "", figures.difference),
        group(
            path([(x(0), y(0)), *upper, (x(len(values)), y(0))], "area", closed=True),
            class_=cast.looks[system].class_,
        ),
        path([(x(0), y(0)), *lower, (x(len(values)), y(0))], "area against", closed=True),
        line(_LEFT, y(0), _RIGHT, y(0), "axis"),
        line(_LEFT, mean, _RIGHT, mean, "mean"),
        text((_LEFT + _RIGHT) / 2, height - 4, f"{len(values):,} queries", "name", "middle"),
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
    ends = [shown(cast.label(each), _LONGEST) for each in curves]
    right = _RIGHT - max(width(each, _LETTERS) for each in ends) - 8
    last = max(curve[-1][0] for curve in curves.values())
    x = Log(1, max(last, 2), _LEFT + 6, right)
    highest = max(value for curve in curves.values() for _, value in curve)
    y = Linear(0, max(highest, 0.05), _BOTTOM, _TOP)
    at_ends = spread([y(curve[-1][1]) for curve in curves.values()], _TOP, _BOTTOM - 2, 13)
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
            axis_below(x, _BOTTOM, _TOP, "best k documents", lambda k: f"{k:,.0f}"),
            axis_left(y, _LEFT, right, "recall at k", figures.score),
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
        [value for each in curves.values() for value in (each[0], each[-1])], _LEFT, _RIGHT
    )
    y = Linear(0, 1, _BOTTOM, _TOP)
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
            axis_below(x, _BOTTOM, _TOP, "time of one query, warm", figures.round_seconds),
            axis_left(y, _LEFT, _RIGHT, "queries answered within", figures.share),
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
