"""How answers look: text for any width, in which styles only repeat what the letters say.

Everything that comes from documents is made printable here, character for character, so that places
within a text stay right.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vecsearch.cli.explaining import explanation_lines
from vecsearch.cli.output import Answer, counted
from vecsearch.cli.printable import printable
from vecsearch.cli.shell.comparison import Comparison, Place
from vecsearch.cli.shell.session import Listing, Opened, Reason
from vecsearch.retrieve.explanation import ArmPart, Explanation
from vecsearch.types import Document, Span

MATCH: Final = "bold yellow"
_INSIDE: Final = "none"
"""A style that shows as nothing and tells, after wrapping, which lines are of the passage."""


def one_line(text: str) -> str:
    """Make a text safe to print on one line, as long as it was."""
    return printable(text).replace("\n", " ")


def rendered(page: RenderableType, console: Console) -> str:
    """Lay a page out as the console's text, styles included where it has any."""
    with console.capture() as capture:
        console.print(page)
    text = capture.get()
    if console.is_terminal and not console.is_dumb_terminal:
        return text
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def plain(page: RenderableType, width: int = 80) -> str:
    """Lay a page out as text without styles."""
    return rendered(page, Console(file=StringIO(), width=width, highlight=False))


def sentence(text: str) -> RenderableType:
    """Lay out what the prompt itself says."""
    return Text(printable(text))


def listing(found: Listing) -> RenderableType:
    """Lay out the answers to a query, numbered, and how they were found."""
    rows = _grid()
    rows.add_column(justify="right", style="bold", no_wrap=True)
    rows.add_column(justify="right", style="dim", no_wrap=True)
    rows.add_column(overflow="fold", ratio=1)
    for rank, answer in enumerate(found.answers, start=1):
        rows.add_row(str(rank), f"{answer.hit.score:.4f}", _answer(answer))
    like = f" like {one_line(found.like)}" if found.like is not None else ""
    how = f"{like}, by {found.by}{_filter(found.where)}"
    if not found.answers:
        return sentence(f"No document matches{how}.")
    return Group(rows, Text(printable(f"{counted(len(found.answers))}{how}"), "dim"))


def comparison(found: Comparison, where: str | None) -> RenderableType:
    """Lay out two rankings side by side, with what moved."""
    columns = _grid()
    for _ in range(2):
        columns.add_column(justify="right", style="bold", no_wrap=True)
        columns.add_column(no_wrap=True)
        columns.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    first, second = found.names
    columns.add_row("", "", Text(first, "bold"), "", "", Text(second, "bold"))
    places = found.places
    shown = {place.hit.id for place in places[1]}
    for i in range(max(map(len, places))):
        left = places[0][i : i + 1]
        # What both columns show is marked on the right only.
        moved = bool(left) and (left[0].hit.id not in shown)
        columns.add_row(*_cells(left, marked=moved), *_cells(places[1][i : i + 1], marked=True))
    legend = (
        f"▲ ▼ how many places {second} has it above or below {first}, = the same place, "
        f"only: not among the other's first {found.depth}."
    )
    query = Text(printable(f"“{one_line(found.query)}” by {first} and {second}{_filter(where)}"))
    if not any(places):
        return sentence(f"No document matches, by {first} or by {second}{_filter(where)}.")
    return Group(query, columns, Text(legend, "dim"))


def opened(found: Opened) -> RenderableType:
    """Lay out a whole document; a bar in the margin marks its best passage."""
    return Group(_head(found.document), Text(""), _Body(found))


def explanation(found: Explanation) -> RenderableType:
    """Lay out an explanation."""
    return _Explanation(found)


def reasons(name: str, query: str, found: Sequence[Reason], where: str | None) -> RenderableType:
    """Lay out where each ranking has a document, and why."""
    table = _grid()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for by, reason in found:
        place = reason.note or "not ranked"
        if reason.score is not None:
            place = f"rank {reason.rank:,}, score {reason.score:.4f}"
        table.add_row(by, Text(printable(place)))
    title = Text(printable(f"{name} for “{one_line(query)}”{_filter(where)}"))
    # A fusion tells about its arms, so they needn't be told once more.
    told = {part.name for _, fused in found for part in fused.parts if isinstance(part, ArmPart)}
    parts = [
        _Explanation(reason) for by, reason in found if reason.score is not None and by not in told
    ]
    return Group(title, table, *(each for part in parts for each in (Text(""), part)))


def help_page(commands: Iterable[tuple[str, str]]) -> RenderableType:
    """Lay out what can be typed."""
    table = _grid()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(ratio=1)
    table.add_row("words", Text("search for them: no character is syntax, unless :syntax is on"))
    for usage, text in commands:
        table.add_row(Text(usage), Text(text))
    notes = Text(
        "N is a number of the list that was shown last, or a document's id. A line that begins "
        "with a colon is a command; a space before it makes it a query. Ctrl-C stops a query, "
        "Tab completes, the arrow up brings earlier lines back."
    )
    return Group(table, notes)


def _grid() -> Table:
    return Table(box=None, padding=(0, 1, 0, 0), show_header=False, expand=True, pad_edge=False)


def _filter(where: str | None) -> str:
    return f", where {where}" if where else ""


def _answer(answer: Answer) -> Text:
    head, body = (
        _marked(snippet.text, snippet.highlights) for snippet in (answer.title, answer.snippet)
    )
    head.stylize("bold")
    gap = "  " if answer.title.text else ""
    head = Text.assemble(head, gap, (one_line(answer.hit.id), "cyan"))
    return Text.assemble(head, "\n", body) if body.plain else head


def _marked(text: str, marks: Iterable[Span]) -> Text:
    marked = Text(printable(text))
    for start, end in marks:
        marked.stylize(MATCH, start, end)
    return marked


def _cells(places: Sequence[Place], *, marked: bool) -> tuple[RenderableType, ...]:
    if not places:
        return "", "", ""
    [(rank, hit, move)] = places
    title = one_line(hit.document.title)
    text = Text.assemble((one_line(hit.id), "cyan"), "  " if title else "", title)
    return str(rank), _mark(move) if marked else "", text


def _mark(move: int | None) -> Text:
    if move is None:
        return Text("only", "bold")
    if move == 0:
        return Text("=")
    return Text(f"▲{move}", "green") if move > 0 else Text(f"▼{-move}", "red")


def _head(document: Document) -> RenderableType:
    table = _grid()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    table.add_row("id", Text(one_line(document.id), "cyan"))
    for name, value in document.meta.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        table.add_row(Text(one_line(name)), Text(one_line(shown)))
    title = Text(one_line(document.title), "bold")
    return Group(title, table) if document.title else table


@dataclass(frozen=True, slots=True)
class _Explanation:
    """An explanation, laid out for the width that there is."""

    explanation: Explanation

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in explanation_lines(self.explanation, options.max_width):
            yield Text(printable(line))


@dataclass(frozen=True, slots=True)
class _Body:
    """The text of a document, wrapped, with a margin of two columns."""

    opened: Opened

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        text = _marked(self.opened.document.text, self.opened.marks)
        if self.opened.passage:
            text.stylize(_INSIDE, *self.opened.passage)
        for line in text.wrap(console, max(options.max_width - 2, 1)):
            inside = any(span.style == _INSIDE for span in line.spans)
            yield Text.assemble(("▌ ", MATCH) if inside else "  ", line)
