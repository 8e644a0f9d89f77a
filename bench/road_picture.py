"""The road as a picture: each representation alone and fused with BM25, a panel a collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from markupsafe import Markup
from road import COLLECTIONS

from vecsearch.bench.report.svg import (
    Linear,
    axis_left,
    element,
    group,
    line,
    linear_around,
    mark,
    path,
    text,
)
from vecsearch.bench.systems import FUSED

_LEFT, _RIGHT, _WIDTH = 60.0, 700.0, 720.0
_HEAD, _PANEL, _FOOT = 34.0, 118.0, 54.0
_TOP, _BOTTOM = 22.0, 104.0
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#222}.tick{font-size:11px;fill:#555}"
    ".name{font-weight:bold}.grid{stroke:#ddd}.curve{fill:none;stroke:#06c;stroke-width:1.5}"
    ".alone{fill:#06c}.fused{fill:#fff;stroke:#c50;stroke-width:2}"
    ".words{stroke:#222;stroke-dasharray:4 3}"
)


def picture(results: dict[str, Any], road: Sequence[str]) -> str:
    """Draw nDCG@10 along the road as an SVG file; the dashed line is bm25."""
    places = Linear(0, len(road) - 1, _LEFT + 30, _RIGHT - 30)
    height = _HEAD + _PANEL * len(COLLECTIONS) + _FOOT
    panels = [
        group(
            _panel(results["scores"][name], name, road, places),
            transform=f"translate(0 {_HEAD + n * _PANEL:g})",
        )
        for n, name in enumerate(COLLECTIONS)
    ]
    bottom = height - _FOOT + 18
    drawn = element(
        "svg",
        element("title", "nDCG@10 along the road"),
        element("desc", "The figures are those of the tables beside the picture."),
        element("style", Markup(_STYLE)),
        element("rect", width=_WIDTH, height=height, fill="#fff"),
        mark("circle", _LEFT, 14, 4, "alone"),
        text(_LEFT + 10, 18, "alone"),
        mark("circle", _LEFT + 70, 14, 4, "fused"),
        text(_LEFT + 80, 18, "fused with bm25"),
        line(_LEFT + 200, 14, _LEFT + 226, 14, "words"),
        text(_LEFT + 232, 18, "bm25"),
        *panels,
        *(text(places(n), bottom, name, "tick", "middle") for n, name in enumerate(road)),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH:g} {height:g}",
        width=_WIDTH,
        height=height,
        role="img",
    )
    return f"{drawn}\n"


def _panel(scores: dict[str, Any], name: str, road: Sequence[str], places: Linear) -> Markup:
    alone = [scores[each]["nDCG@10"] for each in road]
    fused = [scores[FUSED + each]["nDCG@10"] for each in road if FUSED + each in scores]
    y = linear_around([*alone, *fused], _BOTTOM, _TOP, 0.1)
    words = y(scores["bm25"]["nDCG@10"])
    points = [(places(n), y(score)) for n, score in enumerate(alone)]
    first = len(road) - len(fused)
    return group(
        axis_left(y, _LEFT, _RIGHT, name, lambda score: f"{score:.2f}".lstrip("0")),
        line(_LEFT, words, _RIGHT, words, "words"),
        path(points, "curve"),
        *(mark("circle", *point, 4, "alone") for point in points),
        *(mark("circle", places(first + n), y(score), 4, "fused") for n, score in enumerate(fused)),
    )
