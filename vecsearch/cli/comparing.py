"""The command that sets one run against another, query by query: compare."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import NamedTuple

import click

from vecsearch.bench.comparisons import compare
from vecsearch.bench.features import explain_differences, features
from vecsearch.bench.movers import Movers, movers
from vecsearch.bench.results import Comparison
from vecsearch.cli.comparison_page import Page, page_json, print_page
from vecsearch.cli.completion import complete_file, complete_measure
from vecsearch.cli.options import json_option
from vecsearch.cli.output import counted, print_json, progress
from vecsearch.cli.runs import read_answering
from vecsearch.corpus import (
    BeirFolder,
    Corpus,
    IrDataset,
    documents,
    open_corpus,
    read_qrels,
)
from vecsearch.errors import CorpusError
from vecsearch.measures import Scores, parse_measure
from vecsearch.runs import Run
from vecsearch.snippets import ELLIPSIS
from vecsearch.types import Document, Qrels

_LONGEST_START = 100
"""Characters of a document without a title that stand for one."""

_SUFFIXES = (".gz", ".run", ".trec", ".txt")


@click.command(
    "compare",
    epilog="Example: vecsearch compare bm25.run dense.run qrels.tsv --corpus notes.jsonl",
)
@click.argument("file_a", metavar="RUN_A", shell_complete=complete_file)
@click.argument("file_b", metavar="RUN_B", shell_complete=complete_file)
@click.argument("qrels_file", metavar="QRELS", shell_complete=complete_file)
@click.option(
    "--measure",
    "measure_name",
    metavar="NAME",
    default="nDCG@10",
    show_default=True,
    shell_complete=complete_measure,
    help="What to compare by, such as nDCG@10, R@100, RR@10 or AP.",
)
@click.option(
    "-k",
    "--show",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How many of the queries with the largest gains, and losses.",
)
@click.option(
    "--corpus",
    "source",
    metavar="CORPUS",
    shell_complete=complete_file,
    help="What was searched: shows titles and, where it has queries as BEIR's folders do, their "
    "texts and what they are like where either run wins.",
)
@json_option
def compare_runs(
    file_a: str,
    file_b: str,
    qrels_file: str,
    measure_name: str,
    show: int,
    source: str | None,
    as_json: bool,
) -> None:
    """Compare two TREC runs query by query: which is better, how sure is that, and where.

    QRELS are judgments, BEIR's .tsv or TREC's four columns. A gain is a query that RUN_B answers
    better. A judged query that a run doesn't answer counts 0.
    """
    measure = parse_measure(measure_name)
    qrels = read_qrels(qrels_file)
    run_a, run_b = read_answering(file_a, qrels), read_answering(file_b, qrels)
    found = movers(run_a, run_b, qrels, measure, show)
    notes = [*_unanswered(file_a, run_a, qrels), *_unanswered(file_b, run_b, qrels)]
    notes += _without_relevant(qrels)
    looked = _look(source, found, qrels) if source is not None else _Looked({}, {}, {}, [])
    name_a, name_b = _names(file_a, file_b)
    page = Page(
        files=(file_a, file_b),
        comparison=_compared(found, str(measure), name_a, name_b),
        movers=found,
        features=explain_differences(
            looked.features,
            found.scores_a,
            found.scores_b,
            baseline=name_a,
            system=name_b,
            measure=str(measure),
        ),
        titles=looked.titles,
        queries=looked.queries,
        notes=(*notes, *looked.notes),
    )
    if as_json:
        print_json(page_json(page))
    else:
        print_page(page)


class _Looked(NamedTuple):
    """What a corpus tells of two runs on it.

    titles: document id -> what to show of it, of the documents that are shown.
    queries: query id -> text.
    features: feature -> query id -> value.
    notes: sentences on what it lacks.
    """

    titles: Mapping[str, str]
    queries: Mapping[str, str]
    features: Mapping[str, Mapping[str, float]]
    notes: list[str]


def _unanswered(path: str, run: Run, qrels: Qrels) -> Iterator[str]:
    answered = sum(bool(run.get(query)) for query in qrels)
    if answered < len(qrels):
        yield (
            f"{path} answers {answered:,} of {counted(len(qrels), 'judged query')}; "
            "the others count 0."
        )


def _without_relevant(qrels: Qrels) -> Iterator[str]:
    without = sum(all(grade <= 0 for grade in grades.values()) for grades in qrels.values())
    if without:
        yield (
            f"No document is relevant to {without:,} of {counted(len(qrels), 'judged query')}; "
            "they count 0 for both."
        )


def _look(source: str, found: Movers, qrels: Qrels) -> _Looked:
    """Read a corpus once, for titles and for the features of its queries, if it has any."""
    corpus = open_corpus(source)
    wanted = {
        move.document
        for changed in (*found.gains, *found.losses)
        for move in (*changed.relevant, *changed.entered, *changed.left)
    }
    judged = {document for grades in qrels.values() for document in grades}
    unseen = set(judged)
    titles: dict[str, str] = {}

    def share(_: int) -> float:
        return corpus.bytes_read / (corpus.total_bytes or 1)

    def passing() -> Iterator[Document]:
        known = share if corpus.total_bytes else None
        for document in progress(documents(corpus), "documents", done=known):
            unseen.discard(document.id)
            if document.id in wanted:
                titles[document.id] = _headline(document)
            yield document

    queries = _queries(corpus, source)
    values: dict[str, dict[str, float]] = {}
    if queries is None:
        notes = [f"{source} has no queries, so what they are like isn't looked at."]
        deque(passing(), maxlen=0)
    else:
        notes = _lacks(source, "judged query", qrels.keys() - queries.keys(), len(qrels))
        values = features(passing(), queries, qrels)
    notes += _lacks(source, "judged document", unseen, len(judged))
    return _Looked(titles, queries or {}, values, notes)


def _queries(corpus: Corpus, source: str) -> dict[str, str] | None:
    """Read query id -> text; None for a corpus without queries."""
    files = (Path(source, name) for name in ("queries.jsonl", "queries.jsonl.gz"))
    if isinstance(corpus, IrDataset) or (
        isinstance(corpus, BeirFolder) and any(map(Path.is_file, files))
    ):
        return {query.id: query.text for query in corpus.queries()}
    return None


def _lacks(source: str, what: str, lacking: Set[str], total: int) -> list[str]:
    """Say what a corpus lacks; CorpusError if that is all, as it is another corpus then."""
    if not lacking:
        return []
    such = f"such as {min(lacking)!r}"
    if len(lacking) == total:
        problem = f"it has none of the {counted(total, what)}, {such}; was another corpus searched?"
        raise CorpusError(source, None, problem)
    return [
        f"{source} lacks {len(lacking):,} of {counted(total, what)}, {such}: "
        "they count in the scores, and are left out of what is said of words and lengths."
    ]


def _headline(document: Document) -> str:
    """Return what to show of a document in a line: its title, or the start of its text."""
    title = " ".join(document.title.split())
    if title:
        return title
    text = " ".join(document.text[: 4 * _LONGEST_START].split())
    return text if len(text) <= _LONGEST_START else text[:_LONGEST_START].rstrip() + ELLIPSIS


def _names(file_a: str, file_b: str) -> tuple[str, str]:
    """Name the runs by their files, or A and B where that doesn't tell them apart."""
    names = []
    for file in (file_a, file_b):
        name = Path(file).name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        names.append(name)
    same = names[0] == names[1] or not all(names) or "-" in names
    return ("A", "B") if same else (names[0], names[1])


def _compared(found: Movers, measure: str, name_a: str, name_b: str) -> Comparison:
    """Compare the scores of all judged queries."""
    systems = {name_a: found.scores_a, name_b: found.scores_b}
    scores = {name: Scores({measure: each}) for name, each in systems.items()}
    (comparison,) = compare({"": scores}, name_a, [measure])
    return comparison
