"""The command that compares systems: bench."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from vecsearch.bench.judged import JudgedCorpus, open_judged
from vecsearch.bench.known_items import DEFAULT_KIND, KINDS, Kind
from vecsearch.bench.results import Results
from vecsearch.bench.suite import MEASURES, run
from vecsearch.bench.systems import SHORT_NAMES, default_systems
from vecsearch.bench.unlabelled import open_unlabelled
from vecsearch.cli.completion import complete_file, complete_folder, one_of
from vecsearch.cli.options import measures_option
from vecsearch.cli.output import printable, say, telling


def _named_runs(
    ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    runs: dict[str, str] = {}
    for each in given:
        name, equals, path = each.partition("=")
        if not (name and equals and path):
            raise click.BadParameter(f"{each!r} isn't NAME=PATH, such as anserini=runs/bm25.run.")
        if name in runs:
            raise click.BadParameter(f"two runs are named {name!r}.")
        runs[name] = path
    return runs


@click.command(
    epilog="Example: vecsearch bench corpora/lighthouse --system bm25 --system hybrid --out report",
)
@click.argument(
    "corpora", metavar="CORPUS...", nargs=-1, required=True, shell_complete=complete_folder
)
@click.option(
    "--system",
    "systems",
    metavar="NAME",
    multiple=True,
    shell_complete=one_of(SHORT_NAMES),
    help=f"A system to compare: {', '.join(SHORT_NAMES)}, an encoder's folder or owner/model, "
    "bm25+ENCODER, a file.toml that says every parameter, or the .py file of a peer; may be given "
    "several times.  "
    f"[{', '.join(default_systems())}]",
)
@click.option(
    "--run",
    "runs",
    metavar="NAME=PATH",
    multiple=True,
    callback=_named_runs,
    help="A TREC run file to compare as a system; {corpus} in PATH is the name of the corpus.",
)
@click.option(
    "--baseline",
    metavar="NAME",
    help="The system that the others are compared with.  [bm25, else the first]",
)
@measures_option(MEASURES, " nDCG@10 is always there.")
@click.option(
    "--split", metavar="NAME", default="test", show_default=True, help="Whose judgments to use."
)
@click.option(
    "--queries",
    "queries_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Queries of a CORPUS that isn't in BEIR layout, or other ones: .jsonl or .tsv.",
)
@click.option(
    "--qrels",
    "qrels_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Judgments of a CORPUS that isn't in BEIR layout, or other ones.",
)
@click.option(
    "--no-labels",
    is_flag=True,
    help="Make queries out of the documents themselves, and say how far these can be trusted.",
)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    help=f"What --no-labels makes queries of.  [{DEFAULT_KIND}]",
)
@click.option("--no-costs", is_flag=True, help="Measure quality only, which is quicker.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    shell_complete=complete_folder,
    help="Write report.html, report.md, results.json and runs/ there.",
)
@click.option(
    "--cache",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    shell_complete=complete_folder,
    help="Where rankings and vectors are kept for the next time.  [the user's cache folder]",
)
def bench(
    corpora: tuple[str, ...],
    systems: tuple[str, ...],
    runs: dict[str, str],
    baseline: str | None,
    measures: tuple[str, ...],
    split: str,
    queries_file: str | None,
    qrels_file: str | None,
    no_labels: bool,
    kind: Kind | None,
    no_costs: bool,
    out: Path | None,
    cache: Path | None,
) -> None:
    """Compare systems on judged corpora: how good, at what cost, and how sure that is.

    CORPUS is a folder in BEIR layout: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv. What hasn't
    changed since the last time is taken from the cache.
    """
    _check_usage(corpora, queries_file, qrels_file, no_labels=no_labels)
    if kind is not None and not no_labels:
        raise click.UsageError("--kind goes with --no-labels.")
    with telling() as tell, contextlib.ExitStack() as stack:

        def opened(corpus: str | Path) -> JudgedCorpus:
            if not no_labels:
                return open_judged(corpus, split, queries_file, qrels_file, tell)
            made = stack.enter_context(_folder_for(out, Path(corpus)))
            return open_unlabelled(corpus, made, kind or DEFAULT_KIND, tell)

        results = run(
            corpora,
            systems or None,
            measures=measures or MEASURES,
            baseline=baseline,
            runs=runs,
            costs=not no_costs,
            out=out,
            cache=cache,
            opener=opened,
            tell=tell,
        )
    _print(results)
    if out is not None:
        say(f"The report is {out / 'report.html'}.")


def _check_usage(
    corpora: Sequence[str],
    queries_file: str | None,
    qrels_file: str | None,
    *,
    no_labels: bool,
) -> None:
    """Refuse options that don't go together."""
    given = [name for name, file in (("--queries", queries_file), ("--qrels", qrels_file)) if file]
    if given and len(corpora) > 1:
        raise click.UsageError(f"{given[0]} is for one CORPUS, not for {len(corpora)}.")
    if given and no_labels:
        raise click.UsageError(f"--no-labels makes queries and judgments; {given[0]} gives them.")


@contextlib.contextmanager
def _folder_for(out: Path | None, corpus: Path) -> Iterator[Path]:
    """Give the folder for queries that are made: in the report's, or for now only."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="vecsearch-") as scratch:
            yield Path(scratch) / "made"
    else:
        yield out / "made" / corpus.resolve().name


def _print(results: Results) -> None:
    """Print verdicts and tables: laid out on a terminal, else as Markdown."""
    from vecsearch.bench.report import markdown

    text = printable(markdown(results))
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        click.echo(text)
