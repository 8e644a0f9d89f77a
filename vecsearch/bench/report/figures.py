"""Figures as people read them: no more digits than they deserve, and units that fit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vecsearch.bench.results import Spread

NONE = "not measured"


def score(value: float) -> str:
    """Write a score with three decimals and no zero before them: ".681", "-.020", "1.000"."""
    text = f"{value:.3f}"
    if text in ("-0.000", "0.000"):
        return ".000"
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text


def signed(value: float) -> str:
    """Write a difference of scores with its sign."""
    text = score(value)
    return text if text.startswith("-") or text == ".000" else f"+{text}"


def between(interval: Sequence[float]) -> str:
    """Write an interval of scores."""
    return f"{score(interval[0])} to {score(interval[1])}"


def chance(p: float) -> str:
    """Write a p value: "< .001", ".013", ".25"."""
    if p < 0.001:
        return "< .001"
    text = f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
    return text.removeprefix("0")


def significant(value: float) -> str:
    """Write a figure with three significant digits, and thousands apart."""
    if not value:
        return "0"
    decimals = max(2 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{decimals}f}"


def seconds(value: float) -> str:
    """Write a duration in the unit that fits."""
    if value < 1e-3:
        return f"{significant(value * 1e6)} µs"
    if value < 1:
        return f"{significant(value * 1e3)} ms"
    return f"{significant(value)} s" if value < 120 else f"{significant(value / 60)} min"


def size(value: float) -> str:
    """Write a number of bytes in the unit that fits."""
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} bytes" if unit == "bytes" else f"{significant(value)} {unit}"
        value /= 1000
    return f"{significant(value)} GB"


def rate(value: float) -> str:
    """Write how many a second."""
    return f"{significant(value)}/s"


def whole(value: float) -> str:
    """Write a count."""
    return f"{value:,.0f}"


def spread(value: Spread, shown: object) -> str:
    """Say within which bounds a figure lay: "3 rounds: 1.2 ms to 1.4 ms"."""
    write = {"seconds": seconds, "size": size, "rate": rate}[str(shown)]
    if value["n"] == 1:
        return "measured once"
    return f"{value['n']} rounds: {write(value['low'])} to {write(value['high'])}"
