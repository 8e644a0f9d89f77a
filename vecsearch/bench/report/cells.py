"""What tables are made of, and cells that show what stands somewhere in the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vecsearch.bench.report.cast import Cast
from vecsearch.bench.report.figures import Figure, Path, at
from vecsearch.bench.report.palette import Look

Part = Figure | str


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a row under a column.

    under: what is set small below: an interval, a spread.
    sort: what the cell is ordered by; None comes last.
    look: a system's, where the cell names one; badge says what is particular about it.
    """

    parts: tuple[Part, ...]
    under: tuple[Part, ...] = ()
    sort: float | str | None = None
    look: Look | None = None
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `about` says in a sentence what is in it, `group` stands above its neighbours."""

    title: str
    about: str = ""
    group: str = ""
    words: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, of which the first names the row.

    ordered: the column by which rows stand, and how: "ascending" or "descending".
    """

    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    ordered: tuple[int, str] | None = None

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The headings above columns, each with how many it spans; none if no column has one."""
        found: list[tuple[str, int]] = []
        for each in self.columns:
            if found and found[-1][0] == each.group:
                found[-1] = (each.group, found[-1][1] + 1)
            else:
                found.append((each.group, 1))
        return found if any(name for name, _ in found) else []


def figure(cast: Cast, path: Path, write: Callable[[float], str]) -> Figure:
    """Return the number at a path as it is to be shown."""
    value = at(cast.results, path)
    return Figure(write(value), value, path)


def number(cast: Cast, path: Path, write: Callable[[float], str]) -> Cell:
    """Return a cell with the number at a path."""
    found = figure(cast, path, write)
    return Cell((found,), sort=found.value)


def interval(cast: Cast, path: Path, write: Callable[[float], str]) -> Cell:
    """Return a cell with the interval at a path, ordered by its lower end."""
    low: float = at(cast.results, (*path, 0))
    return Cell(span(cast, path, write), sort=low)


def span(cast: Cast, path: Path, write: Callable[[float], str]) -> tuple[Part, ...]:
    """Return the two ends of the interval at a path."""
    return (figure(cast, (*path, 0), write), " to ", figure(cast, (*path, 1), write))


def words(text: str, sort: str | None = None) -> Cell:
    """Return a cell without a number."""
    return Cell((text,), sort=sort)
