"""Draw recall against queries a second, out of what run.py measured.

    python bench/ann/picture.py ann.json ann.svg

A mark's area is the memory of an index. The best build of each library counts at each recall.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from vecsearch.bench.report.svg import Linear, Log, element, line, mark, path, text

WIDTH, HEIGHT = 720.0, 400.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 560.0, 20.0, 350.0
LOWEST: Final = 0.85
COLOURS: Final = {"vecsearch": "#06c", "hnswlib": "#c50", "usearch": "#282", "faiss": "#808"}


def picture(pareto: dict[str, Any]) -> str:
    """Draw an SVG file."""
    points = [
        (engine["name"], point["recall"], point["per_second"], engine["bytes_per_vector"])
        for engine in pareto["engines"]
        for point in engine["points"]
        if point["recall"] >= LOWEST
    ]
    speeds = [speed for _, _, speed, _ in points]
    x = Linear(LOWEST, 1, LEFT, RIGHT)
    y = Log(min(speeds) / 1.2, max(speeds) * 1.2, BOTTOM, TOP)
    drawn = []
    for tick in x.ticks():
        drawn += [line(x(tick), TOP, x(tick), BOTTOM, "grid")]
        drawn += [text(x(tick), BOTTOM + 16, f"{tick:.2f}", "tick", "middle")]
    for tick in y.ticks():
        drawn += [line(LEFT, y(tick), RIGHT, y(tick), "grid")]
        drawn += [text(LEFT - 6, y(tick) + 4, f"{tick:,.0f}", "tick", "end")]
    drawn += [text((LEFT + RIGHT) / 2, BOTTOM + 36, "recall@10", "tick", "middle")]
    drawn += [text(LEFT, TOP - 6, "queries a second, one thread", "tick")]
    for place, library in enumerate(COLOURS):
        front = _front([each for each in points if each[0].startswith(library)])
        drawn += [path([(x(recall), y(speed)) for _, recall, speed, _ in front], library)]
        for _, recall, speed, size in front:
            drawn.append(mark("circle", x(recall), y(speed), math.sqrt(size) / 5, f"{library} dot"))
        sizes = {size for *_, size in front}
        drawn += [text(RIGHT + 14, TOP + 20 + 40 * place, library, f"{library} name")]
        span = f"{min(sizes):,.0f}" + (f" to {max(sizes):,.0f}" if len(sizes) > 1 else "")
        drawn += [text(RIGHT + 14, TOP + 36 + 40 * place, f"{span} bytes a vector", "tick")]
    style = "text{font:12px sans-serif;fill:#222}.tick{font-size:11px;fill:#555}.grid{stroke:#ddd}"
    style += "path{fill:none;stroke-width:1.5}.dot{fill-opacity:.45}text.name{font-weight:bold}"
    for library, colour in COLOURS.items():
        style += f"path.{library}{{stroke:{colour}}}.{library}.dot,text.{library}{{fill:{colour}}}"
    return f"{_whole(drawn, style, pareto['rows'])}\n"


def _whole(drawn: list[Markup], style: str, rows: int) -> Markup:
    return element(
        "svg",
        element("title", f"Recall against queries a second over {rows:,} vectors"),
        element("style", Markup(style)),
        element("rect", width=WIDTH, height=HEIGHT, fill="#fff"),
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        width=WIDTH,
        height=HEIGHT,
        role="img",
    )


def _front(
    points: list[tuple[str, float, float, float]],
) -> list[tuple[str, float, float, float]]:
    """Keep what nothing else beats in both, by rising recall."""
    front: list[tuple[str, float, float, float]] = []
    for point in sorted(points, key=lambda each: (-each[2], -each[1])):
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(picture(told["pareto"]))
