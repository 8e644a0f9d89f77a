"""Where the prompt prints: pages on standard output, errors on standard error."""

from __future__ import annotations

import os
import sys

import click
from rich.console import Console, RenderableType
from rich.text import Text

from vecsearch.cli.printable import printable
from vecsearch.cli.shell.view import rendered
from vecsearch.errors import VecsearchError


class Screen:
    """Standard output, as wide as it is and styled as far as it can be."""

    def __init__(self) -> None:
        self._passing = ""

    def show(self, page: RenderableType, *, long: bool = False) -> None:
        """Print a page; one that may be `long` goes through a pager where it doesn't fit."""
        console = Console(highlight=False)
        text = rendered(page, console)
        self.wipe()
        tall = text.count("\n") >= console.height
        if long and tall and console.is_terminal and not console.is_dumb_terminal:
            # less shows styles as such only if it is told so.
            less = os.environ.setdefault("LESS", "-R")
            click.echo_via_pager(text, color="R" in less.upper())
        else:
            click.echo(text, nl=False, color=console.is_terminal or None)

    def error(self, error: Exception) -> None:
        """Say in a sentence what went wrong."""
        self.wipe()
        text = str(error)
        if not isinstance(error, VecsearchError | OSError):
            text = (
                f"That failed ({type(error).__name__}: {text}). If it goes on, `vecsearch verify` "
                "tells whether the index is damaged."
            )
        console = Console(stderr=True, highlight=False)
        console.print(Text(f"Error: {printable(text)}"), soft_wrap=not console.is_terminal)

    def passing(self, text: str) -> None:
        """Print what is true for a moment, until anything else is printed."""
        click.echo(text, nl=False)
        self._passing = text

    def stopped(self) -> None:
        """Say that Ctrl-C stopped what was under way; the terminal has shown ^C by itself."""
        self._passing += "^C"
        self.show(Text("Stopped."))

    def wipe(self) -> None:
        """Remove what was printed in passing, and what the terminal shows of a Ctrl-C."""
        if not sys.stdout.isatty():
            return
        if is_dumb():
            if self._passing:
                click.echo()
        else:
            click.echo("\r\x1b[K", nl=False, color=True)
        self._passing = ""


def is_dumb() -> bool:
    """Say whether the terminal can do nothing but print, such as Emacs's."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")
