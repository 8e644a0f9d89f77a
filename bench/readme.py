"""The tables of speed, made of what was measured on each kind of processor.

    python bench/readme.py

MEASUREMENTS.md has all of it, README.md the few rows that are brief. A folder of bench/results for
each processor; what was measured on the one only stands beside a dash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import figures
from figures import Found, Row

ROOT: Final = Path(__file__).resolve().parents[1]
README: Final = ROOT / "README.md"
MEASUREMENTS: Final = ROOT / "MEASUREMENTS.md"
RESULTS: Final = ROOT / "bench" / "results"
PROCESSORS: Final = {
    "xeon": "Intel Xeon (AMX)",
    "zen5": "AMD EPYC (Zen 5)",
    "zen4": "AMD EPYC (Zen 4)",
}
"""By the name of the folder, what stands above the column."""


class Measured(NamedTuple):
    """A file of results, as each folder has one."""

    name: str
    command: str
    rows: Callable[[Found], Iterator[Row]]


TABLES: Final = {
    "lexical": (
        Measured("lexical.json", "bench/lexical/run.py", figures.lexical),
        Measured("tokenizing.json", "bench/tokenizing.py", figures.tokenizing),
    ),
    "embeddings": (
        Measured("encoding.json", "bench/encoding.py", figures.encoding),
        Measured("cold.json", "bench/cold.py", figures.cold),
        Measured("indexing.json", "bench/indexing.py", figures.indexing),
    ),
    "nearest": (Measured("ann.json", "bench/ann/run.py", figures.nearest),),
}
"""By the mark in MEASUREMENTS.md."""

SPEED: Final = "speed"
"""The mark in README.md."""


def table(sources: Iterable[Measured], *, brief: bool = False) -> str:
    """Return the lines of a Markdown table."""
    goals: dict[str, str] = {}
    columns: dict[str, dict[str, str]] = {folder: {} for folder in PROCESSORS}
    for source in sources:
        for folder, column in columns.items():
            found = read(folder, source.name)
            for each in source.rows(found) if found else ():
                if each.brief or not brief:
                    goals[each.what] = each.goal
                    column[each.what] = each.figure
    columns = {folder: column for folder, column in columns.items() if column}
    lines = [row("what", *(PROCESSORS[folder] for folder in columns), "goal")]
    lines.append(row("---", *("---:" for _ in columns), "---:"))
    for what, goal in goals.items():
        lines.append(row(what, *(column.get(what, "-") for column in columns.values()), goal))
    return "\n".join(lines)


def row(*cells: str) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def told(source: Measured) -> str:
    """Say where the results of a command are."""
    links = (
        f"[{folder}/{source.name}](bench/results/{folder}/{source.name})"
        for folder in PROCESSORS
        if (RESULTS / folder / source.name).exists()
    )
    return f"{', '.join(links)} (`python {source.command}`)"


def read(folder: str, name: str) -> Found:
    """Read a file of results; nothing where there is none."""
    path = RESULTS / folder / name
    found: Found = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def placed(document: str, mark: str, text: str) -> str:
    """Return a document with a text between its marks."""
    start, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, _, rest = document.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{text}\n{end}{after}"


def written(readme: str, measurements: str) -> tuple[str, str]:
    """Return both documents with their tables as they follow from the results."""
    for mark, sources in TABLES.items():
        text = f"{table(sources)}\n\nSources: {'; '.join(map(told, sources))}."
        measurements = placed(measurements, mark, text)
    all_ = table(chain.from_iterable(TABLES.values()), brief=True)
    return placed(readme, SPEED, all_), measurements


if __name__ == "__main__":
    paths = README, MEASUREMENTS
    texts = written(*(path.read_text(encoding="utf-8") for path in paths))
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
