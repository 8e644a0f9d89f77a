"""The command that lets a person grade what systems found: judge."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import click

from vecsearch.bench.judging import DEPTH, GRADES, Judging, Tally, pool
from vecsearch.bench.judgments import Judgments, open_judgments
from vecsearch.bench.progress import counted as counted_items
from vecsearch.bench.systems import SHORT_NAMES, default_systems
from vecsearch.cli.completion import complete_file, one_of
from vecsearch.cli.output import counted, say, telling
from vecsearch.corpus import (
    BeirFolder,
    Corpus,
    IrDataset,
    documents,
    open_corpus,
    read_queries,
)
from vecsearch.corpus.files import STANDARD_INPUT, shown, suffix
from vecsearch.errors import CorpusError, UsageError
from vecsearch.runs import Run
from vecsearch.types import Document, Query

_Tell = Callable[[str, int], None]


@click.command(
    epilog="Example: vecsearch judge corpora/lighthouse --system bm25 --system tfidf",
)
@click.argument("source", metavar="CORPUS", shell_complete=complete_file)
@click.option(
    "--queries",
    "queries_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="What is asked: .jsonl or .tsv.  [queries.jsonl of a folder in BEIR layout]",
)
@click.option(
    "--system",
    "systems",
    metavar="NAME",
    multiple=True,
    shell_complete=one_of(SHORT_NAMES),
    help="A system whose best documents are graded, as for `vecsearch bench`; may be given several "
    f"times.  [{', '.join(default_systems())}]",
)
@click.option(
    "--depth",
    type=click.IntRange(min=1),
    default=DEPTH,
    show_default=True,
    help="How many of each system's best documents.",
)
@click.option(
    "--qrels",
    "qrels_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Where the grades go.  [qrels/judged.tsv of a folder in BEIR layout]",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of the order of the documents of a query.",
)
def judge(
    source: str,
    queries_file: str | None,
    systems: tuple[str, ...],
    depth: int,
    qrels_file: str | None,
    seed: int,
) -> None:
    """Grade what several systems find in CORPUS, without seeing which of them found it.

    Documents are shown one at a time; a key grades one: 0 not relevant, 1 related, 2 answers it; ?
    lists the others. Each grade is on disk at once, and the next session goes on where one ended:
    what has a grade isn't asked again. From a pipe, a line is an answer.
    """
    from vecsearch.cli.grading import hold_session  # here, so that other commands don't wait

    if STANDARD_INPUT in (source, queries_file):
        raise UsageError("Answers are read from standard input, so nothing else can be.")
    corpus = open_corpus(source)
    qrels = _qrels_file(corpus, source, qrels_file)
    queries = _queries(corpus, source, queries_file)
    wanted = list(systems) or default_systems()
    analyzer = _analyzer(wanted)
    with open_judgments(qrels, {query.id for query in queries}) as judgments:
        with telling() as tell:
            _check_known(corpus, judgments, qrels, tell)
            runs = _ranked(source, queries, wanted, depth, tell)
            pools = {query.id: pool(runs, query.id, depth, seed) for query in queries}
            judging = Judging(queries, pools, judgments)
            texts = _texts(corpus, {task.document for task in judging.tasks}, tell)
        if judging.tasks:
            hold_session(judging, texts, analyzer)
        if judgments.repaired:
            say(f"{shown(qrels)}: removed an incomplete last line, {judgments.repaired!r}.")
        for line in _summary(judging.tally(), _next_command(source, corpus, queries_file, qrels)):
            click.echo(line)


def _qrels_file(corpus: Corpus, source: str, given: str | None) -> Path:
    """Return the file of the grades."""
    if given is not None:
        if not given:
            raise UsageError("The path of the judgments is empty.")
        return Path(given)
    if not isinstance(corpus, BeirFolder):
        raise UsageError(
            f"{corpus.name} isn't a folder in BEIR layout, which has a place for judgments; say "
            "with --qrels FILE where they go."
        )
    return Path(source) / "qrels" / "judged.tsv"


def _queries(corpus: Corpus, source: str, given: str | None) -> list[Query]:
    """Read the queries, each with a text."""
    if given is not None and suffix(given).startswith(".txt"):
        raise UsageError(
            f"{given}: queries have an id each, so that grades can name them; write them to a .tsv "
            "as id<TAB>text, one a line, or to a .jsonl."
        )
    if given is not None:
        queries, place = read_queries(given), given
    elif isinstance(corpus, BeirFolder | IrDataset):
        queries, place = corpus.queries(), corpus.name
    else:
        raise UsageError(f"{corpus.name} comes without queries; give some with --queries FILE.")
    for query in queries:
        if not query.text.strip():
            raise CorpusError(
                shown(place),
                None,
                f"the query {query.id!r} is blank, so no document can be judged for it; give it a "
                "text, or remove it.",
            )
    return queries


def _analyzer(systems: Sequence[str]) -> str:
    """Find the systems, and return the analyzer of the first that has one, to mark words by."""
    from vecsearch.bench.contestants import contestants

    every = contestants(systems).values()
    return next((each.system.analyzer for each in every if each.system), "english")


def _check_known(corpus: Corpus, judgments: Judgments, qrels: Path, tell: _Tell) -> None:
    """Raise CorpusError where documents have grades that the corpus doesn't hold."""
    unknown = judgments.documents()
    if not unknown:
        return
    for document in counted_items(documents(corpus), f"{corpus.name}: reading", tell):
        unknown.discard(document.id)
    if unknown:
        raise CorpusError(
            shown(qrels),
            None,
            f"{counted(len(unknown))} with a grade there ({min(unknown)!r}, for one) "
            f"{'is' if len(unknown) == 1 else 'are'} not in {corpus.name}; are these the judgments "
            "of another corpus?",
        )


def _ranked(
    source: str, queries: Sequence[Query], systems: Sequence[str], depth: int, tell: _Tell
) -> list[Run]:
    """Return what each system finds."""
    from vecsearch.bench.suite import rankings

    asked = {query.id: query.text for query in queries}
    return list(rankings(source, asked, systems, depth, tell=tell).values())


def _texts(corpus: Corpus, wanted: Collection[str], tell: _Tell) -> dict[str, Document]:
    """Read the documents that are asked about, and keep no other."""
    if not wanted:
        return {}
    every = counted_items(documents(corpus), f"{corpus.name}: reading", tell)
    found = {each.id: each for each in every if each.id in wanted}
    for name in wanted:
        if name not in found:
            raise CorpusError(
                corpus.name,
                None,
                f"the document {name!r} was found in it, and now it isn't there: the corpus was "
                "changed meanwhile. Start again.",
            )
    return found


def _next_command(source: str, corpus: Corpus, queries_file: str | None, qrels: Path) -> str:
    """Return the command that compares systems by the grades."""
    words = ["vecsearch", "bench", source]
    if queries_file is not None:
        words += ["--queries", queries_file]
    beside = isinstance(corpus, BeirFolder) and qrels.parent == Path(source) / "qrels"
    if beside and qrels.suffix == ".tsv":
        words += ["--split", qrels.stem]
    else:
        words += ["--qrels", str(qrels)]
    return shlex.join(words)


def _summary(tally: Tally, next_command: str) -> list[str]:
    """Say how far the judging is, and what comes next."""
    if not tally.pooled:
        return ["No system found any document, so there is nothing to judge."]
    queries = f"{tally.queries:,} {'query' if tally.queries == 1 else 'queries'}"
    lines = [
        f"Judged {tally.judged:,} of {counted(tally.pooled)} for {queries}, {tally.now:,} now.",
        "  ".join(_counts(tally.grades)),
    ]
    if tally.judged < tally.pooled:
        lines.append("The same command goes on with the rest.")
    if tally.judged:
        lines.append(f"Next: {next_command}")
    return lines


def _counts(grades: Mapping[int, int]) -> list[str]:
    return [
        f"{grade} {GRADES[grade]}: {count:,}" if grade in GRADES else f"grade {grade}: {count:,}"
        for grade, count in grades.items()
    ]
