"""How a training went, step by step: numbers that are kept, and a picture of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from vecsearch.bench.report import figures
from vecsearch.bench.report.svg import (
    Linear,
    axis_below,
    axis_left,
    element,
    line,
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


@dataclass(frozen=True, slots=True)
class Curve:
    """The losses, learning rates and dev scores of a training; it grows at its end.

    losses, learning_rates: one each step.
    dev: rising by step, and none where nothing was held out.
    """

    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    dev: list[DevScore] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How many steps are done."""
        return len(self.losses)

    @property
    def best(self) -> DevScore | None:
        """The highest dev score, of equal ones the first; None where there is none."""
        return max(self.dev, key=lambda each: each.score, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, from which `from_dict` makes the same curve, bit for bit."""
        return {
            "losses": list(self.losses),
            "learning_rates": list(self.learning_rates),
            "dev": [{"step": step, "score": score} for step, score in self.dev],
        }

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> Curve:
        """Read what `to_dict` made; KeyError, TypeError or ValueError for something else."""
        losses = [float(each) for each in stored["losses"]]
        rates = [float(each) for each in stored["learning_rates"]]
        if len(losses) != len(rates):
            raise ValueError("a curve has a learning rate for each loss")
        dev = [DevScore(int(each["step"]), float(each["score"])) for each in stored["dev"]]
        return Curve(losses, rates, dev)


_WIDTH: Final = 480.0
_LEFT: Final = 56.0
_RIGHT: Final = _WIDTH - 14
_PANEL: Final = 150.0
"""From the top of one panel to that of the next."""
_FOOT: Final = 46.0
_BINS: Final = 160
"""Stretches of steps whose losses are drawn as one: more isn't seen."""
_STYLE: Final = (
    "text{font:11px sans-serif;fill:#222}.name{font-weight:bold}"
    ".grid{stroke:#ddd}.band{fill:#ccc}.curve{fill:none;stroke:#222;stroke-width:1.5;"
    "stroke-linejoin:round}.mark{fill:#222}.best{fill:#fff;stroke:#222;stroke-width:1.5}"
    ".mean{stroke:#222;stroke-dasharray:4 3}"
)


def curve_svg(curve: Curve, name: str) -> str:
    """Draw the loss, the dev score and the learning rate, one below the other, as an SVG file.

    name: of what was trained. The picture is black on white, and what it says in shades of grey is
    said by shapes too. A panel without numbers is left out.
    """
    x = Linear(0, max(curve.steps, 1), _LEFT, _RIGHT)
    panels: list[Callable[[float], list[Markup]]] = []
    if curve.losses:
        panels.append(lambda top: _loss_panel(curve.losses, x, top))
    if curve.dev:
        panels.append(lambda top: _dev_panel(curve.dev, x, top))
    if curve.learning_rates:
        panels.append(lambda top: _rate_panel(curve.learning_rates, x, top))
    bottom = 24 + _PANEL * len(panels)
    height = bottom + _FOOT - 24
    return str(
        element(
            "svg",
            element("title", f"How {shown(name)} was trained"),
            element("desc", _told(curve)),
            element("style", Markup(_STYLE)),
            element("rect", width=_WIDTH, height=height, fill="#fff"),
            text(8, 16, shown(name, 48), "name"),
            *(each for n, panel in enumerate(panels) for each in panel(24 + _PANEL * n)),
            axis_below(x, bottom - 12, bottom - 12, "step", _step_label),
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {_WIDTH:g} {height:g}",
            width=_WIDTH,
            height=height,
            role="img",
        )
    )
