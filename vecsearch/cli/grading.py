"""The conversation of a judging session: a document on the screen, a key for an answer.

On a terminal the screen holds one document and keys are read as they are pressed; from a pipe each
line is an answer, and what is asked is printed one below the other.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from rich.console import Console
from rich.text import Text

from vecsearch.bench.judging import GRADES, Judging, Task
from vecsearch.cli.printable import printable
from vecsearch.text import Analyzer
from vecsearch.text import analyzer as named_analyzer
from vecsearch.types import Document

_Ask: TypeAlias = Callable[[], str]
"""Waits for the next answer; "" at the end of input."""

_END: Final = ("", "\x03", "\x04")  # end of input, Ctrl-C, Ctrl-D
_LINES: Final = 15
"""How many lines of a document are shown at a time."""

_LONGEST: Final = 50_000
"""Characters of a document that can be paged through."""

_BLANKS: Final = re.compile(r"\n\s*\n")
_KEYS: Final = (
    "   ".join(f"{grade} {meaning}" for grade, meaning in GRADES.items()),
    "s skip   u undo   n next query   m more   q quit   ? help",
)
_HELP: Final = (
    ("0", "not relevant: nothing here of what the query is about"),
    ("1", "related: about it, and answers a part of it"),
    ("2", "answers it"),
    ("", "A grade above 0 counts as relevant; nDCG counts a 2 twice as much as a 1."),
    ("s", "skip this document; the next session asks again"),
    ("u", "undo the last grade of this session, then the one before"),
    ("n", "next query; the next session asks for the rest of this one"),
    ("m", "more of the document, and after its end its beginning"),
    ("q", "quit, as do Ctrl-C and Ctrl-D; every grade is on disk already"),
    ("", "Nothing tells which system found a document, and the order is one of chance."),
)


def hold_session(judging: Judging, documents: Mapping[str, Document], analyzer: str) -> None:
    """Ask for one grade after another until all are given or the person quits.

    documents: id -> document, of all tasks.
    analyzer: the name of the one by which words of the query are marked.

    Raise VecsearchError where a grade can't be written.
    """
    console = Console(highlight=False)
    single = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    page = _Page(console, judging, documents, named_analyzer(analyzer), whole=single)
    with _keys() if single else _lines() as ask:
        _converse(judging, page, ask)
    if single:
        console.clear()


def _converse(judging: Judging, page: _Page, ask: _Ask) -> None:
    note, part = "", 0
    while judging.task or page.whole:  # a pipe has nobody who would undo the last one
        if judging.task:
            page.show(judging.task, part, note)
        else:
            page.show_end(note)
        key = ask()
        if key in (*_END, "q") or not (judging.task or key == "u"):
            return
        if key == "m":
            note, part = "", part + 1
        elif key == "?":
            page.show_help()
            if page.whole and ask() in _END:
                return
            note = ""
        else:
            note, part = _done(judging, key), 0


def _done(judging: Judging, key: str) -> str:
    """Do what a key asks for; return what to say of it."""
    if key.isascii() and key.isdecimal() and int(key) in GRADES:
        document = judging.grade(int(key)).document
        return f"Graded {document}: {key} {GRADES[int(key)]}. u takes it back."
    if key == "s":
        judging.skip()
        return "Skipped the document."
    if key == "n":
        judging.skip_query()
        return "Skipped the rest of the query."
    if key == "u":
        undone = judging.undo()
        return "Took back its grade." if undone else "There is no grade of this session to undo."
    return f"{_plain(key[:40])} is no answer: 0, 1 or 2 is a grade, ? lists the rest."


class _Layout(NamedTuple):
    """Lines of what is shown: what is asked, the document, and what can be pressed."""

    head: list[Text]
    body: list[Text]
    keys: list[Text]


class _Page:
    """What a person sees. `whole`: it is the whole screen, else it follows what is there."""

    def __init__(
        self,
        console: Console,
        judging: Judging,
        documents: Mapping[str, Document],
        analyzer: Analyzer,
        *,
        whole: bool,
    ) -> None:
        self.whole = whole
        self._console = console
        self._judging = judging
        self._documents = documents
        self._analyzer = analyzer

    def show(self, task: Task, part: int, note: str) -> None:
        """Show a document, from the start or a later part of it, and a note on what was done."""
        head, body, keys = self._layout(task)
        notes = self._fold(Text(note, "dim"))
        room = _LINES + 2  # a title and a blank line
        if self.whole:
            others = len(head) + 1 + len(notes) + len(keys)
            room = max(3, min(room, self._console.height - others - 1))  # one for the cursor
        parts = max(1, -(-len(body) // room))
        first = max(0, min(part % parts * room, len(body) - room))  # the last part is a full one
        seen = body[first : first + room]
        more = f"lines {first + 1}-{first + len(seen)} of {len(body)}, m: more" if parts > 1 else ""
        if self.whole:
            seen += [Text()] * (room - len(seen))  # the keys stay at their place
        self._print([*head, *seen, Text(more, "dim"), *notes, *keys])

    def show_help(self) -> None:
        """Show what can be pressed, and what it means."""
        lines = [Text(f"{key:<3}{told}" if key else told) for key, told in _HELP]
        if self.whole:
            lines += [Text(), Text("Any key goes back.", "dim")]
        self._print([each for line in lines for each in self._fold(line)])

    def show_end(self, note: str) -> None:
        """Say that nothing is left to ask."""
        told = "That was the last document. u takes the last grade back, any other key ends."
        self._print([*self._fold(Text(note, "dim")), *self._fold(Text(told))])

    def _layout(self, task: Task) -> _Layout:
        query, document = task.query, self._documents[task.document]
        terms = frozenset(self._analyzer.terms(query.text))
        here, everywhere = self._judging.left()
        count = f"Query {self._judging.number(query):,} of {self._judging.queries:,}"
        asked = self._fold(Text(_plain(query.text), "bold"))
        most = max(2, self._console.height // 4) if self.whole else len(asked)
        if len(asked) > most:
            asked = [*asked[: most - 1], Text("…", "bold")]
        title = self._marked(document.title, terms, "bold")
        head = Text.assemble(title, "  " if title else "", (printable(document.id), "cyan"))
        text = document.text[:_LONGEST]
        body = [*self._fold(head), *self._fold(self._marked(text, terms, ""))]
        if len(document.text) > _LONGEST:
            body.append(Text(f"… and {len(document.text) - _LONGEST:,} characters more", "dim"))
        left = Text(f"{count}, {here:,} of its documents left, {everywhere:,} in all", "dim")
        return _Layout(
            [*self._fold(left), *asked, Text()],
            body,
            [each for line in _KEYS for each in self._fold(Text(line))],
        )

    def _marked(self, raw: str, terms: frozenset[str], style: str) -> Text:
        """Return a text with the words that match the query marked."""
        text = Text(_BLANKS.sub("\n\n", printable(raw)).strip(), style)
        for token in self._analyzer.tokens(text.plain):
            if token.term in terms:
                text.stylize("bold yellow", token.start, token.end)
        return text

    def _fold(self, text: Text) -> list[Text]:
        lines = text.wrap(self._console, self._console.width, overflow="fold")
        for line in lines:
            line.rstrip()
        return list(lines)

    def _print(self, lines: Sequence[Text]) -> None:
        """Print lines at once, so that a screen changes without flicker."""
        if self.whole:
            self._console.clear()
        self._console.print(Text("\n").join(lines))
        if not self.whole:
            self._console.print()
        sys.stdout.flush()


def _plain(text: str) -> str:
    return " ".join(printable(text).split())


@contextlib.contextmanager
def _keys() -> Iterator[_Ask]:
    """Give what waits for a key on the terminal; none is echoed, and none interrupts."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    changed = termios.tcgetattr(descriptor)
    # Ctrl-C is a key like others: it can't come between a grade and its being on disk.
    changed[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
    # What was pressed while systems were at work was no answer: it is dropped.
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, changed)
    try:
        yield lambda: _key(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _key(descriptor: int) -> str:
    """Read a key; one that sends several bytes, as arrows do, is its first."""
    try:
        key = os.read(descriptor, 1)
    except OSError:  # the terminal is gone
        return ""
    if key == b"\x1b" or key > b"\x7f":
        while select.select([descriptor], [], [], 0.02)[0] and os.read(descriptor, 1):
            pass
        return "that key"
    return key.decode().lower()


@contextlib.contextmanager
def _lines() -> Iterator[_Ask]:
    """Give what reads an answer from a line; Ctrl-C in between ends the block."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # what isn't UTF-8 is no answer, and no error
    with contextlib.suppress(KeyboardInterrupt):
        yield _line


def _line() -> str:
    """Read the next line that isn't blank."""
    while sys.stdin is not None and (line := sys.stdin.readline()):
        if answer := line.strip().lower():
            return answer
    return ""
