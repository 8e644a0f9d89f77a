"""What a person sees: tables on a terminal, JSON lines in a pipe, progress on standard error."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import click

from vecsearch.cli.explaining import (
    explanation_json,
    explanation_lines,
    method_lines,
    shared_methods,
    single,
)
from vecsearch.cli.printable import CONTROLS
from vecsearch.cli.printable import printable as printable  # taken from here by other rooms
from vecsearch.errors import VecsearchWarning
from vecsearch.retrieve.base import Retriever
from vecsearch.retrieve.clauses import query_terms, query_text
from vecsearch.retrieve.explanation import Explanation
from vecsearch.searcher import Searcher
from vecsearch.snippets import Snippet, marked_title
from vecsearch.types import Document, Hit, Query

_T = TypeVar("_T")
_QUIET_SECONDS: Final = 10
"""How often a line of progress comes when standard error isn't a terminal."""


class Answer(NamedTuple):
    """A hit with what to show of its title and of its best passage, explained if asked for.

    read: whether a re-ranker read it, since otherwise its score only keeps its place; None where
        there is no re-ranker.
    """

    hit: Hit
    title: Snippet
    snippet: Snippet
    explanation: Explanation | None = None
    read: bool | None = None

    @property
    def score(self) -> str:
        """The score for a person; a dash for one that isn't any."""
        return "-" if self.read is False else f"{self.hit.score:.4f}"


def answered(
    searcher: Searcher,
    query: str | Query,
    hits: Sequence[Hit],
    by: str | Retriever | None,
    width: int = 240,
) -> list[Answer]:
    """Say what to show of the hits of a query; see `Searcher.snippets`."""
    text = query_text(searcher.snapshot, searcher.analyzer, query)
    terms = set(query_terms(searcher.analyzer, text))
    return [
        Answer(hit, marked_title(hit.document.title, terms, searcher.analyzer), shown)
        for hit, shown in zip(hits, searcher.snippets(query, hits, by, width), strict=True)
    ]


def print_json(value: object) -> None:
    """Print one line of JSON."""
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    line = json.dumps(value, ensure_ascii=plain)
    # JSON escapes only the controls below a space; these steer terminals and split lines too.
    click.echo(CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", line))


def print_answers(answers: Sequence[Answer], *, as_json: bool, query: str | None = None) -> None:
    """Print hits: a table for a terminal, a line of JSON each otherwise.

    query: the id of their query, for JSON, where there are several.
    """
    if as_json or not sys.stdout.isatty():
        for rank, answer in enumerate(answers, start=1):
            hit, _, snippet, explanation, read = answer
            told: dict[str, Any] = {} if read is None else {"read": read}
            if explanation is not None:
                told["explanation"] = explanation_json(explanation)
            print_json(
                {
                    **({} if query is None else {"query": query}),
                    "rank": rank,
                    "id": hit.id,
                    "score": single(hit.score),
                    "title": hit.document.title,
                    "snippet": snippet.text,
                    "metadata": dict(hit.document.meta),
                    **told,
                }
            )
    elif answers:
        _print_table(answers)
    else:
        click.echo("No document matches.")


def _print_table(answers: Sequence[Answer]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1), show_header=False, expand=False)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    console = Console(highlight=False)
    score_width = max(len(answer.score) for answer in answers)
    room = console.width - len(str(len(answers))) - score_width - 6  # what padding takes
    methods = shared_methods([each.explanation for each in answers if each.explanation])
    for rank, answer in enumerate(answers, start=1):
        hit, title, snippet, explanation, _ = answer
        head, body = Text(printable(title.text), style="bold"), Text(printable(snippet.text))
        for text, highlights in ((head, title.highlights), (body, snippet.highlights)):
            for start, end in highlights:
                text.stylize("bold yellow", start, end)
        gap = "  " if title.text else ""
        shown = Text.assemble(head, gap, (printable(hit.id), "cyan"), "\n", body, "\n")
        if explanation is not None:
            lines = explanation_lines(explanation, max(room, 30), methods)
            shown.append("".join(f"{line}\n" for line in ("", *lines)))
        table.add_row(str(rank), answer.score, shown)
    console.print(table)
    for line in method_lines(methods, console.width):
        console.print(line, markup=False)


def print_document(document: Document) -> None:
    """Print a whole document for a person: title, id and metadata, then the text."""
    if document.title:
        click.secho(printable(document.title), bold=True)
    meta = {name: json.dumps(value, ensure_ascii=False) for name, value in document.meta.items()}
    print_pairs({"id": document.id, **meta})
    click.echo(f"\n{printable(document.text)}\n")


def print_pairs(pairs: Mapping[str, object]) -> None:
    """Print names and values in two columns."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        click.echo(printable(f"{name:<{width}}  {value}"))


def say(message: str) -> None:
    """Tell a person something that isn't the command's output."""
    click.echo(printable(message), err=True)


class _Saying(logging.Handler):
    """Tells a person what the library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


@contextlib.contextmanager
def saying_notices() -> Iterator[None]:
    """Within the block, tell our warnings and our log as sentences, not as Python does."""
    logger, saying = logging.getLogger("vecsearch"), _Saying()
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        logger.addHandler(saying)
        stack.callback(logger.removeHandler, saying)
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.INFO)
        warnings.simplefilter("always", VecsearchWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, *rest: Any) -> None:  # noqa: ANN401
            if isinstance(message, VecsearchWarning):
                say(f"Warning: {message}")
            else:
                usual(message, *rest)

        warnings.showwarning = show  # type: ignore[assignment]
        yield


def counted(count: int, what: str = "document") -> str:
    """Write a number of things for a person; their plural ends in s, or in ies for y."""
    several = f"{what.removesuffix('y')}ies" if what.endswith("y") else f"{what}s"
    return f"{count:,} {what if count == 1 else several}"


def size(count: float) -> str:
    """Write a number of bytes for a person."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def progress(
    items: Iterable[_T],
    what: str,
    *,
    done: Callable[[int], float] | None = None,
) -> Iterator[_T]:
    """Yield `items`, showing how many have passed: a bar on a terminal, quiet lines otherwise.

    done: tells from the number of items which share of the whole is done, 0 to 1, where known.
    """
    with _shown(what, done) as step:
        for count, item in enumerate(items, start=1):
            yield item
            step(count)


class Passing:
    """Documents that are taken first and encoded later; those that were are shown as progress."""

    def __init__(self) -> None:
        self._taken = 0
        self._share = 1.0
        self._step: Callable[[int], None] = lambda count: None

    def __call__(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield items, counting them."""
        for item in items:
            yield item
            self._taken += 1
            self._show()

    def on_encoded(self, done: int, taken: int) -> None:
        """Be told how many rows were encoded, of how many that were taken."""
        self._share = done / max(taken, 1)
        self._show()

    @contextlib.contextmanager
    def shown(self, done: Callable[[int], float] | None) -> Iterator[None]:
        """Show progress within the block; `done` as for `progress`, of those that were taken."""
        share = None if done is None else lambda _: done(self._taken) * self._share
        with _shown("documents", share) as self._step:
            yield

    def _show(self) -> None:
        self._step(int(self._taken * self._share))


@contextlib.contextmanager
def telling() -> Iterator[Callable[[str, int], None]]:
    """Give a function that shows what is being done and a count of how much of it is.

    A line that changes on a terminal, else a new line now and then.
    """
    if not sys.stderr.isatty():
        last = 0.0

        def tell(what: str, count: int) -> None:
            nonlocal last
            if time.monotonic() - last >= _QUIET_SECONDS:
                last = time.monotonic()
                say(f"{what}: {count:,}" if count else what)

        yield tell
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("") as status:
        yield lambda what, count: status.update(
            Text(printable(f"{what} {count:,}" if count else what))
        )


def _shown(
    what: str, done: Callable[[int], float] | None
) -> contextlib.AbstractContextManager[Callable[[int], None]]:
    return _bar(what, done) if sys.stderr.isatty() else _lines(what)


@contextlib.contextmanager
def _lines(what: str) -> Iterator[Callable[[int], None]]:
    last = time.monotonic()

    def step(count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _QUIET_SECONDS:
            last = time.monotonic()
            say(f"{what}: {count:,}")

    yield step


@contextlib.contextmanager
def _bar(what: str, done: Callable[[int], float] | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    # A bar that is wider than the terminal would leave a trail of lines.
    narrow = shutil.get_terminal_size().columns < 60
    columns: list[Any] = [TextColumn("{task.fields[count]:>9,} {task.description}")]
    if not narrow:
        columns += [BarColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0 if done else None, count=0)
        shown = 0

        def step(count: int) -> None:
            nonlocal shown
            if count // 16 != shown:
                shown = count // 16
                bar.update(task, count=count, completed=done(count) if done else 0)

        yield step
