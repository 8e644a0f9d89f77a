"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from vecsearch.cli.completion import (
    complete_file,
    complete_folder,
    complete_measure,
    complete_mode,
)
from vecsearch.measures import EXAMPLES

_F = TypeVar("_F", bound=Callable[..., Any])


class _Folder(click.Path):
    """A folder's path. An empty one, as an unset variable gives, doesn't mean this folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own signature
        if value == "":
            self.fail("The path is empty.", param, ctx)
        return super().convert(value, param, ctx)


class _Text(click.types.StringParamType):
    """Text in UTF-8, whatever the locale is: what isn't would be looked for as other characters."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's own signature
        try:
            return os.fsencode(value).decode()
        except UnicodeDecodeError as error:
            self.fail(
                f"{value!r} isn't UTF-8 text: its byte {error.start + 1} is "
                f"0x{error.object[error.start]:02x}.",
                param,
                ctx,
            )


TEXT: Final = _Text()
"""Of queries, ids and filters; the names of files are bytes."""


def index_argument(function: _F) -> _F:
    """Take the folder of an index."""
    return click.argument(
        "index_folder",
        metavar="INDEX",
        type=_Folder(path_type=Path),
        shell_complete=complete_folder,
    )(function)


def json_option(function: _F) -> _F:
    """Take --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def by_option(function: _F) -> _F:
    """Take --by."""
    return click.option(
        "--by",
        metavar="[hybrid|bm25|tfidf|dense]",
        shell_complete=complete_mode,
        help="What ranks the documents.  [hybrid where INDEX has embeddings, else bm25]",
    )(function)


def _one_filter(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> str | None:
    """Take the one filter that is given; of several the last would win, without a word."""
    if len(given) > 1:
        raise click.UsageError("Give --where once, and join its conditions by and.")
    return given[0] if given else None


def where_option(function: _F) -> _F:
    """Take --where."""
    return click.option(
        "--where",
        multiple=True,
        type=TEXT,
        callback=_one_filter,
        metavar="EXPR",
        help="Only documents whose metadata passes, such as 'lang = \"en\" and year >= 2020'.",
    )(function)


def measures_option(default: Sequence[str], more: str = "") -> Callable[[_F], _F]:
    """Take --measure; `more` is said of it after what holds for every command."""
    return click.option(
        "--measure",
        "measures",
        metavar="NAME",
        multiple=True,
        shell_complete=complete_measure,
        help=f"A measure such as {', '.join(EXAMPLES)}; may be given several times.{more}  "
        f"[{', '.join(default)}]",
    )


def corpus_options(function: _F) -> _F:
    """Take what reading a corpus needs to be told."""
    for option in (
        click.option(
            "--on-error",
            type=click.Choice(["stop", "skip"]),
            default="stop",
            show_default=True,
            help="Stop at what can't be read, with nothing changed; or skip it and list it.",
        ),
        click.option("--text-field", metavar="NAME", help="Field of the text.  [text, contents]"),
        click.option("--title-field", metavar="NAME", help="Field of the title.  [title]"),
        click.option("--id-field", metavar="NAME", help="Field of the id.  [_id, id]"),
    ):
        function = option(function)
    return function


def vectors_option(function: _F) -> _F:
    """Take --vectors."""
    return click.option(
        "--vectors",
        "vectors_file",
        metavar="FILE.npy",
        shell_complete=complete_file,
        help="Vectors of your own instead of an encoder's: a row for each document, in order.",
    )(function)


def recall_queries_options(function: _F) -> _F:
    """Take what is asked when recall is measured."""
    for option in (
        click.option(
            "--vectors",
            "vectors_file",
            metavar="FILE.npy",
            shell_complete=complete_file,
            help="Vectors of queries, instead of --queries, to measure recall with.",
        ),
        click.option(
            "--queries",
            metavar="FILE",
            shell_complete=complete_file,
            help="Real queries to measure recall with: .jsonl, .tsv, or .txt with one a line.  "
            "[documents ask]",
        ),
    ):
        function = option(function)
    return function


def wait_option(function: _F) -> _F:
    """Take --wait."""
    return click.option(
        "--wait",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        default=0.0,
        help="How long to wait where another process is writing to INDEX.  [not at all]",
    )(function)


def work_options(function: _F) -> _F:
    """Take --threads and --device."""
    threads = click.option(
        "--threads",
        type=click.IntRange(min=1),
        callback=_limit_threads,
        expose_value=False,
        help="Threads for encoders and FAISS.  [all cores]",
    )
    device = click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="Where encoders run; auto takes CUDA where there is a device.",
    )
    return threads(device(function))


def _limit_threads(ctx: click.Context, param: click.Parameter, value: int | None) -> None:
    # Read when torch, FAISS and tokenizers are first imported: after the command line.
    if value is not None:
        os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(value)
