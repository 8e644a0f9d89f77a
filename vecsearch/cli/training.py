"""The command that trains encoders: train."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from vecsearch.cli.completion import complete_encoder, complete_file, complete_folder
from vecsearch.cli.output import printable, say
from vecsearch.training import TrainingSettings, train
from vecsearch.training.folders import best_folder, work_folder
from vecsearch.training.progress import Progress, Show
from vecsearch.training.settings import KINDS, SUPERVISIONS, Kind

_INTERRUPTED: Final = 130
"""The exit code of a process that Ctrl-C ended, as shells have it."""

_QUIET_SECONDS: Final = 10
"""How often a line of progress comes when standard error isn't a terminal."""


def _kinds_of_supervision(
    ctx: click.Context, param: click.Parameter, given: str | None
) -> tuple[str, ...]:
    return () if given is None else tuple(each.strip() for each in given.split(","))


@click.command(
    "train",
    epilog="Example: vecsearch train notes/ my-encoder --kind contrastive-bag --minutes 10, then "
    "vecsearch index notes/ notes.index --encoder ./my-encoder",
)
@click.argument("corpus_source", metavar="CORPUS", shell_complete=complete_file)
@click.argument(
    "out", metavar="OUT", type=click.Path(path_type=Path), shell_complete=complete_folder
)
@click.option(
    "--kind", type=click.Choice(KINDS), required=True, help="What the encoder is made of."
)
@click.option(
    "--base",
    metavar="MODEL",
    default="minilm",
    show_default=True,
    shell_complete=complete_encoder,
    help="The model that finetune goes on from: a name, a model's folder, owner/model on a hub.",
)
@click.option("--lora", is_flag=True, help="Let finetune train adapters, not the whole model.")
@click.option(
    "--supervision",
    metavar="KIND,...",
    callback=_kinds_of_supervision,
    help=f"What examples are made of: {', '.join(SUPERVISIONS)}.  [judged where there are "
    "judgments to learn from, else title_body,neighbours,inverse_cloze]",
)
@click.option(
    "--pairs",
    metavar="FILE",
    shell_complete=complete_file,
    help='Examples to learn from: lines of {"query", "document", "negatives"} in a .jsonl, or '
    "query<TAB>document in a .tsv.  [CORPUS/qrels/train.tsv]",
)
@click.option("--dim", metavar="N", type=int, help="Numbers of a vector.  [256, or 512]")
@click.option(
    "--vocabulary", metavar="N", type=int, default=20_000, show_default=True, help="Most subwords."
)
@click.option("--batch", metavar="N", type=int, help="Examples of a step.  [by kind]")
@click.option("--steps", metavar="N", type=int, help="How many steps.  [by examples and kind]")
@click.option(
    "--minutes", metavar="N", type=float, help="How long it may last, not how many steps."
)
@click.option("--learning-rate", metavar="RATE", type=float, help="At its highest.  [by kind]")
@click.option(
    "--negatives",
    metavar="N",
    type=int,
    default=0,
    show_default=True,
    help="Documents a query that look like answers and aren't, found by BM25 and by the base.",
)
@click.option(
    "--teacher",
    metavar="MODEL",
    shell_complete=complete_encoder,
    help="A stronger encoder that is learnt from too.",
)
@click.option(
    "--distill",
    type=click.Choice(["vectors", "scores"]),
    default="vectors",
    show_default=True,
    help="What of the teacher is learnt: its vectors, or its scores of a batch's documents.",
)
@click.option(
    "--pretrain-steps",
    metavar="N",
    type=int,
    default=0,
    show_default=True,
    help="Steps in which a transformer learns to guess masked words first.",
)
@click.option(
    "--dev-split",
    metavar="NAME",
    help="The split that progress is measured on.  [dev, else queries cut from train]",
)
@click.option("--seed", metavar="N", type=int, default=0, show_default=True, help="Of all chance.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where it is trained; auto takes CUDA where there is a device.",
)
@click.option("--resume", is_flag=True, help="Go on with a training that was interrupted.")
@click.option("--overwrite", is_flag=True, help="Replace the encoder, or the training, at OUT.")
@click.option(
    "--keep-anyway",
    is_flag=True,
    help="Write a finetuned model even if it isn't shown to be better.",
)
def train_command(
    corpus_source: str,
    out: Path,
    kind: Kind,
    resume: bool,
    overwrite: bool,
    keep_anyway: bool,
    **chosen: Any,  # noqa: ANN401 - each an option that has the name of a setting
) -> None:
    """Train an encoder on CORPUS and write it into the new folder OUT.

    CORPUS is whatever `vecsearch index` reads. The documents alone are enough to learn from; in
    BEIR layout the judgments in qrels/train.tsv are. How good the encoder becomes is measured on
    queries that it doesn't learn from, and told at the end, in OUT/CARD.md too.
    """
    settings = TrainingSettings(**chosen)
    try:
        with _showing() as show:
            report = train(
                corpus_source,
                out,
                kind,
                settings,
                resume=resume,
                overwrite=overwrite,
                keep_anyway=keep_anyway,
                show=show,
            )
    except KeyboardInterrupt:
        say(_interrupted(out))
        sys.exit(_INTERRUPTED)
    for line in report.sentences():
        click.echo(printable(line))
    if not report.saved:
        say(
            f"Error: {out} isn't written, since the model isn't shown to be better than "
            f"{settings.base}. Its training is in {work_folder(out)}; to have it all the same, run "
            "this again with --resume --keep-anyway."
        )
        sys.exit(1)
    click.echo(printable(f"Use it: vecsearch index CORPUS INDEX --encoder {_path(out)}"))


def _interrupted(out: Path) -> str:
    best = best_folder(out)
    if not work_folder(out).exists():
        return "Interrupted, before anything was done."
    usable = f" The best of what was trained so far is {best}." if best.exists() else ""
    return f"Interrupted.{usable} Run this again with --resume to go on."


def _path(out: Path) -> str:
    """Write a folder so that it can't be taken for the name of an encoder."""
    return str(out) if out.is_absolute() or len(out.parts) > 1 else f"./{out}"


def worded(progress: Progress) -> str:
    """Word how far a training is."""
    parts = [progress.what]
    if progress.total is not None:
        parts.append(f"{progress.done:,} of {progress.total:,}")
    elif progress.done:
        parts.append(f"{progress.done:,}")
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f}")
    if progress.per_second is not None:
        parts.append(f"{progress.per_second:,.0f}/s")
    if progress.dev is not None:
        parts.append(f"dev nDCG@10 {progress.dev:.4f}")
    return "  ".join(parts)


@contextlib.contextmanager
def _showing() -> Iterator[Show]:
    """Give what shows progress: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        with _bar() as show:
            yield show
        return
    last, said = 0.0, ""

    def tell(progress: Progress) -> None:
        nonlocal last, said
        if progress.what != said or time.monotonic() - last >= _QUIET_SECONDS:
            last, said = time.monotonic(), progress.what
            say(worded(progress))

    yield tell


@contextlib.contextmanager
def _bar() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    # A bar that is wider than the terminal would leave a trail of lines.
    wide = shutil.get_terminal_size().columns >= 100
    columns: list[Any] = [BarColumn(bar_width=20), TimeElapsedColumn()] if wide else []
    columns.append(TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=printable(worded(progress)),
                completed=progress.done,
                total=progress.total,
            )

        yield show
