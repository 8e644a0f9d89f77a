"""Pictures out of scales, axes and marks, as SVG that lies within the page.

Why not a plotting library: what those write has its colours, fonts and sizes baked in, while these
pictures follow the page. Lines and letters take `currentColor`, systems their colour from CSS
variables, so one picture serves light, dark and print; text is text, and can be read aloud, found
and copied; and a reader of results needs no more than is installed anyway. All that it takes are
two scales and a few shapes, which are here.

Text is escaped by `element`, the only place where markup comes about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from markupsafe import Markup, escape

from vecsearch.bench.report.texts import shown

SHAPES: Final = ("circle", "square", "diamond", "up", "down", "cross", "pentagon", "star")
"""Marks that are told apart without colour."""


class Scale(Protocol):
    """From values to places along an axis, in pixels."""

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        ...

    def ticks(self) -> list[float]:
        """Return round values within the domain, a few."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """Equal differences are equally far apart."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values, seven at most."""
        step = _round_step((self.high - self.low) / 7)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [n * step for n in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Log:
    """Equal ratios are equally far apart; low is above 0."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value above 0."""
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return powers of ten, with steps of 2 and 5 between them where those are few."""
        decades = math.log10(self.high / self.low)
        steps: Sequence[int] = (1,) if decades > 3 else (1, 3) if decades > 1.6 else (1, 2, 5)
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        every = max(1, math.ceil(decades / 6))
        values = [step * 10.0**power for power in powers if power % every == 0 for step in steps]
        return [each for each in values if self.low * 0.999 <= each <= self.high * 1.001]


def linear_around(values: Sequence[float], start: float, end: float, least: float) -> Linear:
    """Return a scale that holds all values with some room, and spans at least so much."""
    low, high = min(values), max(values)
    spare = max((high - low) * 0.08, (least - (high - low)) / 2)
    return Linear(low - spare, high + spare, start, end)


def log_around(values: Sequence[float], start: float, end: float) -> Log:
    """Return a scale that holds all values with some room, and spans at least a factor of 4."""
    low, high = min(values), max(values)
    spare = max((high / low) ** 0.1, 2 / math.sqrt(high / low))
    return Log(low / spare, high * spare, start, end)


def _round_step(rough: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.999)


def element(name: str, *children: Markup | str, **attributes: str | float) -> Markup:
    """Write an element. Children that aren't markup, and all attributes, are escaped.

    An underscore in an attribute's name is a hyphen; `class_` is class.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(_attribute(key), _value(value))
        for key, value in attributes.items()
    )
    inside = Markup("").join(
        each if isinstance(each, Markup) else escape(shown(each)) for each in children
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, inside)


def _attribute(key: str) -> str:
    kept = {"class_": "class", "viewBox": "viewBox"}
    return kept.get(key, key.replace("_", "-"))


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return shown(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")


def picture(width: float, height: float, title: str, about: str, *children: Markup) -> Markup:
    """Write a whole picture with its alternative for those who don't see it."""
    return element(
        "svg",
        element("title", title),
        element("desc", about),
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
    )


def group(*children: Markup, **attributes: str | float) -> Markup:
    """Write a group, of marks that share a class, say."""
    return element("g", *children, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Write a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str, *, closed: bool = False) -> Markup:
    """Write a line through points, or the area within them."""
    steps = " ".join(f"{_value(x)} {_value(y)}" for x, y in points)
    return element("path", d=f"M{steps}{'Z' if closed else ''}", class_=class_)


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> Markup:
    """Write words; the anchor is "start", "middle" or "end"."""
    return element("text", words, x=x, y=y, class_=class_, text_anchor=anchor)


def mark(shape: str, x: float, y: float, radius: float, class_: str = "mark") -> Markup:
    """Write one of SHAPES around a point; all have about the same area."""
    if shape == "circle":
        return element("circle", cx=x, cy=y, r=radius, class_=class_)
    corners = [(x + radius * dx, y + radius * dy) for dx, dy in _CORNERS[shape]]
    return path(corners, class_, closed=True)


def axis_below(
    scale: Scale, y: float, top: float, name: str, write: Callable[[float], str]
) -> Markup:
    """Write a horizontal axis at y, its name under it, and faint lines up to `top`."""
    ends = scale(scale.ticks()[0]), scale(scale.ticks()[-1])
    return group(
        *(line(scale(each), y, scale(each), top, "grid") for each in scale.ticks()),
        *(text(scale(each), y + 15, write(each), "tick", "middle") for each in scale.ticks()),
        text(sum(ends) / 2, y + 32, name, "name", "middle"),
    )


def axis_left(
    scale: Scale, x: float, right: float, name: str, write: Callable[[float], str]
) -> Markup:
    """Write a vertical axis at x, its name above it, and faint lines up to `right`."""
    top = min(scale(each) for each in scale.ticks())
    return group(
        *(line(x, scale(each), right, scale(each), "grid") for each in scale.ticks()),
        *(text(x - 6, scale(each) + 3.5, write(each), "tick", "end") for each in scale.ticks()),
        text(0, min(12, top - 12), name, "name"),
    )


def _polygon(corners: int, size: float, inner: float = 1.0) -> list[tuple[float, float]]:
    """Return a regular polygon's corners, one at the top; every other one may lie further in."""
    turns = [2 * math.pi * n / corners for n in range(corners)]
    sizes = [size if n % 2 == 0 else size * inner for n in range(corners)]
    return [(s * math.sin(turn), -s * math.cos(turn)) for s, turn in zip(sizes, turns, strict=True)]


_TRIANGLE: Final = _polygon(3, 1.35)
_CORNERS: Final = {
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "diamond": _polygon(4, 1.25),
    "up": _TRIANGLE,
    "down": [(dx, -dy) for dx, dy in _TRIANGLE],
    "cross": [
        (dx * 0.5, dy * 0.5)
        for dx, dy in [
            (-1, -2.4), (1, -2.4), (1, -1), (2.4, -1), (2.4, 1), (1, 1),
            (1, 2.4), (-1, 2.4), (-1, 1), (-2.4, 1), (-2.4, -1), (-1, -1),
        ]
    ],
    "pentagon": _polygon(5, 1.15),
    "star": _polygon(10, 1.5, 0.45),
}  # fmt: skip
