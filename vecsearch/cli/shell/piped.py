"""The prompt without a terminal: each line of a pipe is answered, below itself as a heading."""

from __future__ import annotations

from collections.abc import Iterable

import click

from vecsearch.cli.shell import view
from vecsearch.cli.shell.commands import perform
from vecsearch.cli.shell.news import News
from vecsearch.cli.shell.screen import Screen
from vecsearch.cli.shell.session import Session


def answer_lines(session: Session, lines: Iterable[str]) -> None:
    """Do what each line says; what fails is said on standard error, and the next line is done."""
    screen, news = Screen(), News()
    for line in lines:
        line = line.rstrip("\n")
        if not line.strip():
            continue
        click.echo(f"> {view.one_line(line)}")
        try:
            outcome = perform(session, line)
            if outcome.over:
                return
            session = outcome.session
            if outcome.page is not None:
                screen.show(outcome.page)
        except BrokenPipeError:
            raise  # the reader has seen enough
        except Exception as error:
            screen.error(error)
        if text := news.since(session):
            screen.show(view.sentence(text))
        click.echo()
