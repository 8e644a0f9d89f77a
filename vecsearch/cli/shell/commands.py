"""The table of what can be typed at the prompt, with its help, and what each line does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from rich.console import RenderableType

from vecsearch.cli.output import counted
from vecsearch.cli.shell import view
from vecsearch.cli.shell.news import difference
from vecsearch.cli.shell.session import Session, passing
from vecsearch.errors import UsageError, nearest


class Outcome(NamedTuple):
    """What a line leads to: the session as it is then, and what to show.

    long: whether the page may be read in a pager; `over` whether the prompt ends.
    """

    session: Session
    page: RenderableType | None = None
    long: bool = False
    over: bool = False


class Command(NamedTuple):
    """Something that a line beginning with a colon asks for."""

    name: str
    argument: str
    help: str
    run: Callable[[Session, str], Outcome]

    @property
    def usage(self) -> str:
        """How the command is typed."""
        return f":{self.name} {self.argument}".strip()


def perform(session: Session, line: str) -> Outcome:
    """Do what a line says: a command where it begins with a colon, else a query.

    Raise UsageError for commands that there aren't, and whatever the library raises.
    """
    if not line.startswith(":"):
        return _query(session, line.strip())
    name, _, argument = line[1:].strip().partition(" ")
    return command_named(name).run(session, argument.strip())


def command_named(name: str) -> Command:
    """Find a command; raise UsageError, which suggests the nearest, where there is none."""
    found = next((each for each in COMMANDS if each.name == name), None)
    if found:
        return found
    near = nearest(name, (each.name for each in COMMANDS))
    hint = "" if near is None else f" Did you mean :{near}?"
    raise UsageError(
        f"There is no command :{name}.{hint} :help lists them; for a query that begins with a "
        "colon, type a space before it."
    )


def _query(session: Session, query: str) -> Outcome:
    if not query:
        return Outcome(session)
    return _listed(session.ask(query))


def _listed(session: Session) -> Outcome:
    found = session.listing
    return Outcome(session, view.listing(found) if found else None)


def _by(session: Session, name: str) -> Outcome:
    if name:
        session = session.ranked_by(name)
    text = f"by {session.by} (of {', '.join(session.retrievers)})"
    return Outcome(session, view.sentence(text))


def _k(session: Session, number: str) -> Outcome:
    if number:
        if not (number.isascii() and number.isdecimal()):
            raise UsageError(f"k is the number of documents to list, such as 20, not {number!r}.")
        session = session.at_most(int(number))
    return Outcome(session, view.sentence(f"k {session.k}"))


def _where(session: Session, expression: str) -> Outcome:
    if expression:
        session = session.filtered(None if expression == "off" else expression)
    if session.where is None:
        text = f"No filter: everything is searched, {counted(len(session.searcher))}."
    else:
        text = (
            f"where {session.where}: {passing(session):,} of {counted(len(session.searcher))} "
            "searched. :where off ends it."
        )
    return Outcome(session, view.sentence(text))


def _syntax(session: Session, choice: str) -> Outcome:
    if choice not in ("", "on", "off"):
        raise UsageError(f"Query syntax is on or off, not {choice!r}.")
    if choice:
        session = session.reading_syntax(choice == "on")
    text = "syntax off: every character of a query is text."
    if session.syntax:
        text = (
            'syntax on: "a phrase", +required, -excluded, prefix* and fuzzy~ words. '
            ":syntax off ends it."
        )
    return Outcome(session, view.sentence(text))


def _compare(session: Session, argument: str) -> Outcome:
    first, _, rest = argument.partition(" ")
    second, _, query = rest.strip().partition(" ")
    names = [name for name in (first, second) if name]
    if len(names) == 1:
        raise UsageError(
            f"Two representations are compared: after {first} comes another of "
            f"{', '.join(session.retrievers)}."
        )
    session, found = session.compare(names, query.strip() or None)
    return Outcome(session, view.comparison(found, session.where))


def _open(session: Session, which: str) -> Outcome:
    return Outcome(session, view.opened(session.open(_needed(which, "open"))), long=True)


def _explain(session: Session, which: str) -> Outcome:
    return Outcome(session, view.explanation(session.explain(_needed(which, "explain"))))


def _like(session: Session, which: str) -> Outcome:
    return _listed(session.like(_needed(which, "like")))


def _why(session: Session, name: str) -> Outcome:
    found = session.why(_needed(name, "why"))
    return Outcome(session, view.reasons(name, str(session.query), found, session.where))


def _needed(argument: str, name: str) -> str:
    if not argument:
        raise UsageError(f"Type {command_named(name).usage}.")
    return argument


def _reload(session: Session, _: str) -> Outcome:
    new = session.reload()
    if new.searcher.generation == session.searcher.generation:
        return Outcome(session, view.sentence("Nothing has changed."))
    change = difference(len(new.searcher) - len(session.searcher))
    text = f"Reloaded: {counted(len(new.searcher))}, {change}."
    if new.by != session.by:
        text += f" There is no {session.by} any more; what ranks is {new.by}."
    return Outcome(new, view.sentence(text))


def _help(session: Session, _: str) -> Outcome:
    return Outcome(session, view.help_page([(each.usage, each.help) for each in COMMANDS]))


def _quit(session: Session, _: str) -> Outcome:
    return Outcome(session, over=True)


COMMANDS: Final = (
    Command("by", "NAME", "rank by hybrid, bm25, tfidf or dense; alone: by what now", _by),
    Command("k", "N", "list N documents; alone: how many now", _k),
    Command(
        "where",
        "EXPR",
        'search only documents whose metadata passes, such as lang = "en" and year >= 2020; '
        "off: all documents again; alone: the filter now",
        _where,
    ),
    Command(
        "syntax",
        "[on|off]",
        'read "a phrase", +required, -excluded, prefix* and fuzzy~ words in queries; off: every '
        "character is text again; alone: which now",
        _syntax,
    ),
    Command(
        "compare",
        "[A B [QUERY]]",
        "the last query, or this one, by two representations side by side (bm25 and dense, or "
        "tfidf where there are no embeddings); the list is then that of the first",
        _compare,
    ),
    Command("open", "N", "the whole document, its best passage marked", _open),
    Command("explain", "N", "what its score consists of", _explain),
    Command("like", "N", "documents like it", _like),
    Command("why", "ID", "why a document isn't in the list: its rank and score parts", _why),
    Command("reload", "", "see what other processes have changed in the index", _reload),
    Command("help", "", "this page", _help),
    Command("quit", "", "leave; so does Ctrl-D", _quit),
)
