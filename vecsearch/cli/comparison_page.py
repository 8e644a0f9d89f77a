"""Two runs set against each other as a page for a person, and as JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Final

import click

from vecsearch.bench.movers import Changed, Move, Movers
from vecsearch.bench.results import Comparison, Feature
from vecsearch.cli.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_MOST_RELEVANT: Final = 5
_MOST_OTHERS: Final = 3
"""Documents that are shown one by one; the others are counted."""

_RANK_WIDTH: Final = 3  # of most, so that the tables of several queries align

_FIGURES_WIDTH: Final = 66
"""Columns below which the table of features goes without intervals."""

_ENDLESS: Final = 100_000
"""Columns of what isn't a terminal: nothing is cut or broken there."""

_COMPARED: Final = (
    "queries", "difference", "interval", "p", "exact", "effect_size",
    "wins", "ties", "losses", "detectable", "verdict", "text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """All that is told of run B against run A.

    titles: document id -> what to show of it, where the corpus is at hand.
    queries: query id -> text, likewise.
    notes: sentences that a reader of the figures must know.
    """

    files: tuple[str, str]
    comparison: Comparison
    movers: Movers
    features: Sequence[Feature]
    titles: Mapping[str, str]
    queries: Mapping[str, str]
    notes: Sequence[str]

    @property
    def names(self) -> tuple[str, str]:
        """What the runs are called in sentences and at the head of columns."""
        return self.comparison["baseline"], self.comparison["system"]

    @property
    def means(self) -> tuple[float, float]:
        """The mean score of each run over all judged queries."""
        a, b = self.movers.scores_a.values(), self.movers.scores_b.values()
        return sum(a) / len(a), sum(b) / len(b)


def page_json(page: Page) -> dict[str, object]:
    """Return a page in JSON types, with every document that moved."""
    runs = zip("ab", page.files, page.names, page.means, strict=True)
    comparison: Mapping[str, object] = page.comparison
    return {
        "measure": page.comparison["measure"],
        "runs": {
            side: {"file": file, "name": name, "mean": mean} for side, file, name, mean in runs
        },
        **{key: comparison[key] for key in _COMPARED},
        "largest_gains": [_changed_json(page, changed) for changed in page.movers.gains],
        "largest_losses": [_changed_json(page, changed) for changed in page.movers.losses],
        "features": list(page.features),
        "notes": list(page.notes),
    }


def print_page(page: Page) -> None:
    """Print a page: as wide as the terminal and in colour, or plain and uncut otherwise."""
    from rich.console import Console

    if sys.stdout.isatty():
        console = Console(highlight=False)
        for part in _parts(page, console.width):
            console.print(part)
        return
    plain = Console(file=StringIO(), width=_ENDLESS, color_system=None, highlight=False)
    with plain.capture() as captured:
        for part in _parts(page, plain.width):
            plain.print(part)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _changed_json(page: Page, changed: Changed) -> dict[str, object]:
    return {
        "query": changed.query,
        "text": page.queries.get(changed.query),
        "a": changed.score_a,
        "b": changed.score_b,
        "difference": changed.difference,
        "relevant": [_move_json(page, move) for move in changed.relevant],
        "entered": [_move_json(page, move) for move in changed.entered],
        "left": [_move_json(page, move) for move in changed.left],
    }


def _move_json(page: Page, move: Move) -> dict[str, object]:
    return {
        "id": move.document,
        "title": page.titles.get(move.document),
        "grade": move.grade,
        "rank_a": move.rank_a,
        "rank_b": move.rank_b,
    }


def _parts(page: Page, width: int) -> Iterator[RenderableType]:
    """Yield what a page is made of, from top to bottom."""
    name_a, name_b = page.names
    yield _means(page)
    yield ""
    yield _text(page.comparison["text"], "bold")
    for note in page.notes:
        yield _text(note, "yellow")
    for does, changes in (
        ("gains most on", page.movers.gains),
        ("loses most to", page.movers.losses),
    ):
        if changes:
            yield ""
            yield _text(f"Where {name_b} {does} {name_a}", "bold underline")
            yield _text(f"rank by {name_a} -> rank by {name_b}, - where not retrieved", "dim")
        for changed in changes:
            yield ""
            yield from _changed(page, changed, width)
    if page.features:
        yield ""
        yield _text(f"When {name_b} wins, and when {name_a}", "bold underline")
        yield ""
        yield from _features(page, width)


def _means(page: Page) -> RenderableType:
    table = _grid()
    table.add_column(style="bold", overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    table.add_row(_text(page.comparison["measure"]), "", "")
    for name, mean, file in zip(page.names, page.means, page.files, strict=True):
        table.add_row(_text(name), f"{mean:.4f}", _text(file))
    found = page.comparison
    counts = (
        f"over {found['queries']:,} judged queries: {page.names[1]} wins {found['wins']:,}, "
        f"ties {found['ties']:,}, loses {found['losses']:,}"
    )
    table.add_row("difference", f"{found['difference']:+.4f}", _text(counts))
    return table


def _changed(page: Page, changed: Changed, width: int) -> Iterator[RenderableType]:
    """Lay out a query: its scores, its text, and the documents that moved."""
    from rich.padding import Padding
    from rich.text import Text

    colour = "green" if changed.difference > 0 else "red"
    yield Text.assemble(
        (f"{changed.difference:+.4f}", f"bold {colour}"),
        (f"  {changed.score_a:.4f} -> {changed.score_b:.4f}  ", "dim"),
        (printable(changed.query), "cyan"),
    )
    if changed.query in page.queries:
        asked = " ".join(page.queries[changed.query].split())
        yield Padding(_text(asked, "bold"), (0, 0, 0, 2), expand=False)
    table = _grid(expand=width < _ENDLESS)
    table.add_column(style="dim", no_wrap=True, min_width=len("unjudged"))
    table.add_column(justify="right", no_wrap=True, min_width=_RANK_WIDTH)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True, min_width=_RANK_WIDTH)
    table.add_column(style="cyan", overflow="fold", max_width=max(width // 3, 12))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)  # what the others leave
    left_out = []
    for moves, most, what in (
        (_telling(changed.relevant), _MOST_RELEVANT, "relevant"),
        (changed.entered, _MOST_OTHERS, "that came in"),
        (changed.left, _MOST_OTHERS, "that fell out"),
    ):
        for move in moves[:most]:
            table.add_row(*_row(page, move))
        if len(moves) > most:
            left_out.append(f"{len(moves) - most:,} more {what}")
    yield Padding(table, (0, 0, 0, 2))
    if left_out:
        yield _text(f"  and {', '.join(left_out)}", "dim")


def _telling(moves: Sequence[Move]) -> Sequence[Move]:
    """Put those first that either run ranks highest, and last what neither has."""
    return sorted(moves, key=lambda move: min(_number(move.rank_a), _number(move.rank_b)))


def _number(rank: int | None) -> float:
    return math.inf if rank is None else rank


def _row(page: Page, move: Move) -> list[RenderableType]:
    grade = "unjudged" if move.grade is None else f"grade {move.grade}"
    before, after = _number(move.rank_a), _number(move.rank_b)
    colour = "" if before == after else "green" if after < before else "red"
    ranks = ["-" if rank is None else f"{rank:,}" for rank in (move.rank_a, move.rank_b)]
    relevant = move.grade is not None and move.grade > 0
    return [
        _text(grade, "bold" if relevant else ""),
        _text(ranks[0]),
        "->",
        _text(ranks[1], colour if relevant else ""),
        _text(move.document),
        _text(page.titles.get(move.document, "")),
    ]


def _features(page: Page, width: int) -> Iterator[RenderableType]:
    """Lay out how features of queries go with the gain: sentences, then all figures."""
    name_a, name_b = page.names
    told = [feature["text"] for feature in page.features if feature["text"]]
    for sentence in told:
        yield _text(sentence)
    if not told:
        yield _text(
            f"No feature of the queries is shown to go with what {name_b} gains on {name_a}."
        )
    yield ""
    table = _grid()
    table.add_column(min_width=len("documents"))
    interval = ["interval"] if width >= _FIGURES_WIDTH else []
    figures = ["corr.", *interval, "p", "low", "high"]
    for _ in figures:
        table.add_column(justify="right", no_wrap=True)
    table.add_row("", *(_text(head, "dim") for head in figures))
    for feature in page.features:
        low, high = feature["interval"]
        cells = {
            "corr.": f"{feature['correlation']:+.2f}",
            "interval": f"{low:+.2f} to {high:+.2f}",
            "p": f"{feature['p_holm']:.3f}",
            "low": f"{feature['low_difference']:+.3f}",
            "high": f"{feature['high_difference']:+.3f}",
        }
        name = _text(feature["feature"], "bold" if feature["text"] else "")
        table.add_row(name, *(cells[head] for head in figures))
    yield table
    yield _text(
        "Spearman's correlation of a feature with the difference, its 95% interval, and p, "
        f"corrected by Holm for {len(page.features)} features; low and high are the mean "
        "difference in the third of the queries that has least of it, and in that which has most.",
        "dim",
    )


def _grid(*, expand: bool = False) -> Table:
    from rich.table import Table

    return Table.grid(padding=(0, 2, 0, 0), expand=expand)


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(text), style)
