"""What could come next on the line that is being typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from vecsearch.cli.shell.commands import COMMANDS
from vecsearch.cli.shell.ids import ids_with_prefix
from vecsearch.cli.shell.session import Session
from vecsearch.cli.shell.view import one_line

MOST: Final = 50
"""How many ids are offered."""

_PLAIN_FIELD: Final = re.compile(r"[\w.-]+")
_LAST_WORD: Final = re.compile(r"""[^\s"'=<>!(),]*\Z""")


class Completions(NamedTuple):
    """The words that could stand where `typed`, the end of the line, stands."""

    typed: str
    words: tuple[str, ...]


def completions(session: Session, line: str) -> Completions:
    """Say what could come next on a line; nothing for a query, which is any text."""
    if not line.startswith(":"):
        return Completions("", ())
    name, space, argument = line.partition(" ")
    if not space:
        return _beginning(name, [f":{each.name}" for each in COMMANDS])
    complete = _ARGUMENTS.get(name[1:])
    return complete(session, argument.lstrip()) if complete else Completions("", ())


def _beginning(typed: str, words: Iterable[str]) -> Completions:
    return Completions(typed, tuple(word for word in words if word.startswith(typed)))


def _retriever(session: Session, argument: str) -> Completions:
    return _beginning(argument, session.retrievers)


def _two_retrievers(session: Session, argument: str) -> Completions:
    first, space, second = argument.partition(" ")
    others = [name for name in session.retrievers if name != first]
    return _beginning(second.lstrip(), others) if space else _retriever(session, first)


def _switch(session: Session, argument: str) -> Completions:
    return _beginning(argument, ["on", "off"])


def _field(session: Session, argument: str) -> Completions:
    last = _LAST_WORD.search(argument)
    word = last[0] if last else ""
    names = [_quoted(name) for name in session.searcher.fields if one_line(name) == name]
    return _beginning(word, [*names, *(["off"] if word == argument else [])])


def _quoted(field: str) -> str:
    return field if _PLAIN_FIELD.fullmatch(field) else f"`{field.replace('`', '``')}`"


def _document(session: Session, argument: str) -> Completions:
    answers = session.listing.answers if session.listing else ()
    numbers = _beginning(argument, map(str, range(1, len(answers) + 1)))
    return numbers if numbers.words else _id(session, argument)


def _id(session: Session, argument: str) -> Completions:
    found = ids_with_prefix(session.searcher, argument, MOST)
    return Completions(argument, tuple(name for name in found if one_line(name) == name))


_ARGUMENTS: Final[Mapping[str, Callable[[Session, str], Completions]]] = {
    "by": _retriever,
    "compare": _two_retrievers,
    "where": _field,
    "syntax": _switch,
    "open": _document,
    "explain": _document,
    "like": _document,
    "why": _id,
}
