"""The group of all commands, and the one place where errors become a sentence and an exit code."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from vecsearch.cli.output import printable, saying_notices
from vecsearch.cli.version import version_option
from vecsearch.errors import VecsearchError, did_you_mean, shortened

_INTERRUPTED = 130
"""The exit code of a process that Ctrl-C ended, as shells have it."""


_UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

_ROOMS: Final = {
    "index": ("indexing", "index"),
    "add": ("indexing", "add"),
    "delete": ("indexing", "delete"),
    "search": ("searching", "search"),
    "shell": ("shell", "shell"),
    "like": ("browsing", "like"),
    "get": ("browsing", "get"),
    "export": ("browsing", "export"),
    "train": ("training", "train_command"),
    "bench": ("benching", "bench"),
    "eval": ("evaluating", "evaluate_run"),
    "compare": ("comparing", "compare_runs"),
    "judge": ("judging", "judge"),
    "info": ("inspecting", "info"),
    "verify": ("inspecting", "verify"),
    "compact": ("indexing", "compact"),
    "reencode": ("indexing", "reencode"),
    "encoders": ("inspecting", "encoders"),
    "cache": ("caching", "cache"),
    "completion": ("completion", "completion"),
}
"""Where each command is, in the order in which people meet them. A room is loaded when it is asked
for: a search needn't wait for what trains and compares."""


class _Group(click.Group):
    """Commands in the order in which people meet them, errors without tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_ROOMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ROOMS:
            return None
        room, name = _ROOMS[cmd_name]
        command: click.Command = getattr(import_module(f"vecsearch.cli.{room}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _ROOMS and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command '{name}'.{did_you_mean(name, _ROOMS)}", ctx)
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's own signature
        _open_closed()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # of what --help and --version print, before any command
            _stop(_worded(error), 1)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            with saying_notices():
                result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except VecsearchError as error:
            _stop(str(error), error.exit_code)
        except KeyboardInterrupt:
            _stop("Interrupted. What was committed before stays as it was.", _INTERRUPTED)
        except BrokenPipeError:
            _end_output()  # the reader has seen enough
        except (OSError, MemoryError) as error:
            _stop(_worded(error), 1)
        return None


def _worded(error: OSError | MemoryError) -> str:
    """Word what the system says."""
    if isinstance(error, MemoryError):
        return "There isn't enough memory."
    place = f"{error.filename}: " if error.filename else ""
    if not place and error.errno in _UNWRITABLE:
        place = "Standard output, or a file, can't be written to; what was done before stands. "
    return f"{place}{error.strerror or error}."


def _open_closed() -> None:
    """Let what was closed at the start lead nowhere; writing to standard output is an error then.

    Else the next file to be opened, one of an index, would be standard output or error.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - it stays open


def _end_output() -> None:
    """Write what was printed; what can't be goes nowhere, else Python would try again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(message: str, code: int) -> NoReturn:
    _end_output()
    click.echo(f"Error: {printable(shortened(message))}", err=True)
    sys.exit(code)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: vecsearch index notes/ notes.index, then "
    'vecsearch search notes.index "how to descale the kettle"',
)
@version_option
def main() -> None:
    """Index documents and search them by words, by meaning, or both."""
    # At the end the system frees all memory at once: Python needn't look for what could be freed.
    atexit.register(gc.freeze)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that can't show a character shows another; that is no error.
        sys.stdout.reconfigure(errors="replace")
