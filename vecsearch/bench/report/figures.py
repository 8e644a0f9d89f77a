"""Numbers as a person reads them: no more precise than they deserve, each knowing where it is from.

A `Figure` is a number on the page together with the place in results.json that it was taken from,
so that whoever doubts a page can set the two side by side; a test does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from markupsafe import Markup

Path: TypeAlias = tuple[str | int, ...]
"""Keys that lead from the top of results.json to a value."""

MINUS: Final = "\u2212"
DASH: Final = "\u2013"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is shown.

    over: where the number is a ratio, the path of what the value at `path` was divided by.
    """

    text: str
    value: float
    path: Path
    over: Path | None = None

    @property
    def path_json(self) -> Markup:
        """The path as a JSON array, safe within an attribute in single quotes."""
        return _attribute(self.path)

    @property
    def over_json(self) -> Markup:
        """The path of the divisor likewise; "" where there is none."""
        return Markup() if self.over is None else _attribute(self.over)


def at(results: Mapping[str, Any], path: Path) -> Any:  # noqa: ANN401 - whatever is there
    """Return the value that a path leads to; KeyError or IndexError where there is none."""
    value: Any = results
    for key in path:
        value = value[key]
    return value


def _attribute(path: Path) -> Markup:
    encoded = json.dumps(path, separators=(",", ":"))
    for character in "&<>'":
        encoded = encoded.replace(character, f"\\u{ord(character):04x}")
    return Markup(encoded)  # no character is left that means anything there


def score(value: float) -> str:
    """Write a value between 0 and 1 with three decimals and no zero before them: ".681"."""
    return _bare(f"{value:.3f}").replace("-", MINUS)


def difference(value: float) -> str:
    """Write a difference of scores with its sign: "+.045"."""
    shown = score(value)
    return shown if value < 0 or shown == ".000" else f"+{shown}"


def ratio(value: float) -> str:
    """Write a number of any size with two decimals and its sign: "+.45", "−1.20"."""
    shown = _bare(f"{value:.2f}").replace("-", MINUS)
    return shown if value < 0 or shown == ".00" else f"+{shown}"


def probability(value: float) -> str:
    """Write a p: "<.001", ".012", ".61"."""
    if value < 0.001:
        return "<.001"
    return _bare(f"{value:.3f}" if value < 0.1 else f"{value:.2f}")


def seconds(value: float) -> str:
    """Write a duration with three digits and its unit: "12.3 ms", "4.56 s", "3.2 min"."""
    if value >= 5400:
        return f"{digits(value / 3600)} h"
    if value >= 90:
        return f"{digits(value / 60)} min"
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if value >= size * 0.9995:
            return f"{digits(value / size)} {unit}"
    return f"{digits(value / 1e-6)} µs" if value else "0 s"


def round_seconds(value: float) -> str:
    """Write a duration that is a round number, on an axis: "3 ms", "100 s"."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if value >= unit * 0.9995:
            return f"{value / unit:,.6g} {name}"
    return f"{value / 1e-6:,.6g} µs"


def size(value: float) -> str:
    """Write a number of bytes with three digits and its unit: "3.12 kB" is 3,120 bytes."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= unit * 0.9995:
            return f"{digits(value / unit)} {name}"
    return f"{digits(value)} B"


def rate(value: float) -> str:
    """Write how many of something a second."""
    return f"{digits(value)}/s"


def count(value: float) -> str:
    """Write a whole number: "12,345"."""
    return f"{round(value):,}"


def times(value: float) -> str:
    """Write how many times as much something is: "12×", "1.3×", ".25×"."""
    return f"{digits(value, 2)}×"


def share(value: float) -> str:
    """Write a share as a percentage: "87%"."""
    return f"{digits(100 * value, 2)}%" if value < 0.0995 else f"{100 * value:.0f}%"


def digits(value: float, significant: int = 3) -> str:
    """Write a number with so many digits, whole ones grouped: "1.20", "12.3", "12,300", ".12"."""
    if not value:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    rounded = round(value, significant - 1 - magnitude)
    magnitude = math.floor(math.log10(abs(rounded)))  # 9.996 has become 10.0
    return _bare(f"{rounded:,.{max(0, significant - 1 - magnitude)}f}")


def _bare(text: str) -> str:
    """Leave the zero before the point out, and the sign of what was rounded to nothing."""
    bare = text.removeprefix("-")
    bare = bare[1:] if bare.startswith("0.") else bare
    return (
        f"-{bare}" if text.startswith("-") and any(each in "123456789" for each in bare) else bare
    )


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does: "a", "a and b", "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
