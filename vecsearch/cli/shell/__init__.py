"""The prompt: ask an index one thing after another.

`session` is what is asked and how, without any terminal; `commands` the table of what can be typed;
`comparison` sets two rankings beside each other; `view` lays everything out; `completion` says what
could come next; `prompt` and `piped` are the two loops, for a person and for a pipe; `tasks` runs
work so that Ctrl-C stops it; `news` tells what other processes commit. prompt-toolkit and rich are
loaded when the prompt starts, not before.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click

from vecsearch.cli.options import index_argument, work_options
from vecsearch.encoders import Device


@click.command(epilog="Example: vecsearch shell notes.index")
@index_argument
@work_options
def shell(index_folder: Path, device: Device) -> None:
    """Ask INDEX one thing after another at a prompt; :help lists its commands.

    Lines from a pipe are answered one by one.
    """
    from vecsearch.cli.shell.session import Session
    from vecsearch.index import Index

    session = Session.start(Index.open(index_folder, device=device))
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        from vecsearch.cli.shell.prompt import interact

        interact(session)
        return
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a query needn't be valid UTF-8
    from vecsearch.cli.shell.piped import answer_lines

    answer_lines(session, sys.stdin or ())


__all__ = ["shell"]
