"""How a training went, step by step: numbers that are kept, and a picture of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from markupsafe import Markup

from vecsearch.bench.report.svg import (
    Linear,
    axis_below,
    axis_left,
    element,
    group,
    linear_around,
    mark,
    path,
    text,
)
from vecsearch.bench.report.texts import shown


class DevScore(NamedTuple):
    """What the model scored on the dev set once so many steps were done; 0 is before the first."""

    step: int
    score: float


class Point(NamedTuple):
    """A step: the mean loss of its batch, and its learning rate."""

    loss: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The losses, learning rates and dev scores of a training; both lists grow at their ends.

    points: one each step.
    dev: rising by step, and none where nothing was held out.
    """

    points: list[Point] = field(default_factory=list)
    dev: list[DevScore] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How many steps are done."""
        return len(self.points)

    @property
    def best(self) -> DevScore | None:
        """The highest dev score, of equal ones the first; None where there is none.

        What was scored before the first step isn't trained, and counts only as long as it is alone.
        """
        trained = [each for each in self.dev if each.step] or self.dev
        return max(trained, key=lambda each: each.score, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, from which `from_dict` makes the same curve, bit for bit."""
        return {
            "losses": [each.loss for each in self.points],
            "learning_rates": [each.learning_rate for each in self.points],
            "dev": [{"step": step, "score": score} for step, score in self.dev],
        }

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> Curve:
        """Read what `to_dict` made; KeyError, TypeError or ValueError for something else."""
        pairs = zip(stored["losses"], stored["learning_rates"], strict=True)
        points = [Point(float(loss), float(rate)) for loss, rate in pairs]
        dev = [DevScore(int(each["step"]), float(each["score"])) for each in stored["dev"]]
        return Curve(points, dev)


_WIDTH: Final = 480.0
_MARGIN: Final = 8.0
_LEFT: Final = 72.0
_RIGHT: Final = _WIDTH - 30
_HEAD: Final = 28.0
_PANEL: Final = 150.0
"""From the top of one panel to that of the next."""
_TOP: Final = 26.0
_BOTTOM: Final = _PANEL - 14
_FOOT: Final = 30.0
_BINS: Final = 160
"""Stretches of steps whose losses are drawn as one: more isn't seen."""
_STYLE: Final = (
    "text{font:11px sans-serif;fill:#222}.title{font-size:13px;font-weight:bold}"
    ".name{font-weight:bold}.label{paint-order:stroke;stroke:#fff;stroke-width:3px}"
    ".grid{stroke:#ddd}.band{fill:#ccc}.curve{fill:none;stroke:#222;stroke-width:1.5;"
    "stroke-linejoin:round}.mark{fill:#222}.best{fill:#fff;stroke:#222;stroke-width:1.5}"
)


def curve_svg(curve: Curve, name: str) -> str:
    """Draw the loss, the dev score and the learning rate, one below the other, as an SVG file.

    name: of what was trained. Everything is black on white, or grey. A panel without numbers is
    left out.
    """
    x = Linear(0, max(curve.steps, 1), _LEFT, _RIGHT)
    panels = [
        *([_loss_panel(curve, x)] if curve.steps else []),
        *([_dev_panel(curve, curve.best, x)] if curve.best else []),
        *([_rate_panel(curve, x)] if curve.steps else []),
    ]
    bottom = _HEAD + _PANEL * len(panels) - 14
    height = bottom + _FOOT + 12
    picture = element(
        "svg",
        element("title", f"How {shown(name)} was trained"),
        element("desc", _told(curve)),
        element("style", Markup(_STYLE)),
        element("rect", x=-_MARGIN, width=_WIDTH + _MARGIN, height=height, fill="#fff"),
        text(0, 15, shown(name, 40), "title"),
        *(
            group(panel, transform=f"translate(0 {_HEAD + _PANEL * n:g})")
            for n, panel in enumerate(panels)
        ),
        axis_below(x, bottom, bottom, "steps", lambda step: f"{step:,.0f}"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"{-_MARGIN:g} 0 {_WIDTH + _MARGIN:g} {height:g}",
        width=_WIDTH + _MARGIN,
        height=height,
        role="img",
    )
    return f"{picture}\n"


def _loss_panel(curve: Curve, x: Linear) -> Markup:
    """Draw the mean loss of stretches of steps, and how far it goes up and down in each."""
    losses = np.array([each.loss for each in curve.points])
    edges = np.unique(np.linspace(0, len(losses), min(len(losses), _BINS) + 1).astype(int))
    middles = [x((start + end + 1) / 2) for start, end in pairwise(edges.tolist())]
    means = np.add.reduceat(losses, edges[:-1]) / np.diff(edges)
    low, high = (each.reduceat(losses, edges[:-1]).tolist() for each in (np.minimum, np.maximum))
    y = _upward([*low, *high])
    around = [*zip(middles, high, strict=True), *reversed(list(zip(middles, low, strict=True)))]
    return group(
        axis_left(y, _LEFT, _RIGHT, "loss: mean, least and most", _number),
        path([(across, y(value)) for across, value in around], "band", closed=True),
        path([(across, y(v)) for across, v in zip(middles, means.tolist(), strict=True)], "curve"),
    )


def _dev_panel(curve: Curve, best: DevScore, x: Linear) -> Markup:
    """Draw the dev scores, and tell the best of them."""
    y = _upward([each.score for each in curve.dev])
    points = [(x(each.step), y(each.score)) for each in curve.dev]
    at = (x(best.step), y(best.score))
    to_the_left = at[0] > 0.6 * _LEFT + 0.4 * _RIGHT  # where the margin is wider
    return group(
        axis_left(y, _LEFT, _RIGHT, "dev score", _number),
        path(points, "curve"),
        *(mark("circle", *point, 2.5) for point in points),
        mark("circle", *at, 5, "best"),
        text(
            at[0] - 8 if to_the_left else at[0] + 8,
            max(at[1] - 6, _TOP),
            f"best: {best.score:.4g} after step {best.step:,}",
            "label",
            "end" if to_the_left else "start",
        ),
    )


def _rate_panel(curve: Curve, x: Linear) -> Markup:
    """Draw the learning rate of every step, or of as many as are seen."""
    shown_steps = np.unique(np.linspace(0, curve.steps - 1, 2 * _BINS).astype(int)).tolist()
    y = Linear(0, max(each.learning_rate for each in curve.points) * 1.08, _BOTTOM, _TOP)
    points = [(x(step + 1), y(curve.points[step].learning_rate)) for step in shown_steps]
    return group(
        axis_left(y, _LEFT, _RIGHT, "learning rate", _number),
        path(points, "curve"),
    )


def _upward(values: Sequence[float]) -> Linear:
    """Return a scale within a panel for values that may all be equal."""
    size = max(abs(each) for each in values)
    return linear_around(values, _BOTTOM, _TOP, max(size * 1e-2, 1e-6))


def _number(value: float) -> str:
    return f"{value:.4g}"


def _told(curve: Curve) -> str:
    """Say what the picture shows."""
    if not curve.steps:
        return "No step was taken."
    said = (
        f"{curve.steps:,} steps; the loss goes from {curve.points[0].loss:.4g} to "
        f"{curve.points[-1].loss:.4g}"
    )
    if curve.best is None:
        return f"{said}."
    return (
        f"{said}; the dev score from {curve.dev[0].score:.4g} to {curve.dev[-1].score:.4g}, "
        f"at best {curve.best.score:.4g} after step {curve.best.step:,}."
    )
