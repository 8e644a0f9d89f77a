"""The pictures of a trade-off: quality against cost, and the best that is to be had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from vecsearch.bench.report import figures
from vecsearch.bench.report.cast import Cast
from vecsearch.bench.report.labels import Box, place
from vecsearch.bench.report.panel import BOTTOM, HEIGHT, LEFT, LETTERS, LONGEST, RIGHT, TOP, WIDTH
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
from vecsearch.bench.results import Cost


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
    strip = RIGHT - 64 if len(measured) < len(points) else RIGHT
    x = log_around([max(each.cost or 0, 1e-9) for each in measured], LEFT, strip)
    y = linear_around(
        [value for each in points for value in (each.low, each.high)], BOTTOM, TOP, 0.05
    )
    places = _places(points, x, y, strip)
    return picture(
        WIDTH,
        HEIGHT,
        f"{cast.measure} against time: {name}",
        _told(cast, points),
        axis_below(x, BOTTOM, TOP, f"{name} (faster is left)", figures.round_seconds),
        axis_left(y, LEFT, RIGHT, f"{cast.measure}, with 95% interval", figures.score),
        _unmeasured_strip(strip) if strip < RIGHT else Markup(),
        _front_line(_front(measured), x, y, strip),
        *(_dot(cast, each, at, y) for each, at in zip(points, places, strict=True)),
        *_names(cast, points, places, y),
    )


def _places(points: Sequence[_Point], x: Log, y: Linear, strip: float) -> list[tuple[float, float]]:
    """Return where points lie; those without costs stand in a strip beside the others."""
    missing = [each for each in points if each.cost is None]
    room = (RIGHT - strip) / (len(missing) + 1)
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
        element("rect", x=strip, y=TOP, width=RIGHT - strip, height=BOTTOM - TOP, class_="strip"),
        text((strip + RIGHT) / 2, BOTTOM + 15, "not measured", "tick", "middle"),
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
    names = [shown(cast.label(each.system), LONGEST) for each in points]
    widths = [width(each, LETTERS) for each in names]
    marks = [Box(px - 7, py - 7, px + 7, py + 7) for px, py in places]
    bars = [
        Box(px - 2, y(each.high), px + 2, y(each.low))
        for each, (px, _) in zip(points, places, strict=True)
    ]
    frame = Box(LEFT + 1, TOP - 8, RIGHT + 6, BOTTOM - 1)
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
