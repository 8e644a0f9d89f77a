"""--version: vecsearch, Python, and the packages that figures and files depend on."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Any)
_PACKAGES = ("vecsearch", "faiss-cpu", "numpy", "torch", "sentence-transformers")


def version_option(function: _F) -> _F:
    """Take --version."""
    return click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show,
        help="Show the versions of vecsearch and of what it runs on, and exit.",
    )(function)


def _show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        for line in _versions():
            click.echo(line)
        ctx.exit()


def _versions() -> Iterator[str]:
    """Read what is installed; importing it would take seconds."""
    from importlib.metadata import PackageNotFoundError, version  # here: no other command waits

    ours, *others = _PACKAGES
    yield f"{ours} {version(ours)}"
    yield f"Python {platform.python_version()}"
    for name in others:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} not installed"
