"""Completion at the shell's prompt: the script for each shell, and what fits at each place.

The shell asks a new process at every press of TAB, so nothing is opened and no encoder is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias, get_args

import click
from click.shell_completion import CompletionItem, get_completion_class

from vecsearch.encoders import encoder_names
from vecsearch.measures import EXAMPLES
from vecsearch.retrieve.named import Mode
from vecsearch.text import analyzer_names

Fitting: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
"""What `shell_complete=` takes: what has been typed -> what it could become."""


def complete_file(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete a path to a file."""
    return [CompletionItem(incomplete, type="file")]


def complete_folder(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete a path to a folder."""
    return [CompletionItem(incomplete, type="dir")]


def complete_encoder(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of an encoder; where none fits, a folder."""
    names = _fitting([*encoder_names(), "none"], incomplete)
    return names or complete_folder(ctx, param, incomplete)


def one_of(names: Iterable[str]) -> Fitting:
    """Complete one of some names."""
    return lambda ctx, param, incomplete: _fitting(names, incomplete)


def _fitting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    typed = incomplete.lower()
    return [CompletionItem(name) for name in names if name.lower().startswith(typed)]


complete_mode = one_of(get_args(Mode))
complete_analyzer = one_of(analyzer_names())
complete_measure = one_of(EXAMPLES)


@click.command(epilog='Example: eval "$(vecsearch completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options and names at TAB.

    One line in the shell's own file turns it on, from the next shell on:

    \b
    bash, in ~/.bashrc:   eval "$(vecsearch completion bash)"
    zsh, in ~/.zshrc:     eval "$(vecsearch completion zsh)"
    fish, in ~/.config/fish/config.fish:   vecsearch completion fish | source

    For zsh that line comes after the one with compinit.
    """  # noqa: D301 - to click \b means: don't wrap this
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell} here.")
    click.echo(kind(ctx.find_root().command, {}, "vecsearch", "_VECSEARCH_COMPLETE").source())
