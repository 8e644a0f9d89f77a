"""The command that asks: search, for one query or for a file of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from vecsearch.cli.completion import complete_file, complete_mode
from vecsearch.cli.opening import opened
from vecsearch.cli.options import index_argument, json_option, where_option, work_options
from vecsearch.cli.output import Answer, print_answers, progress, say
from vecsearch.corpus import read_queries
from vecsearch.encoders import Device
from vecsearch.runs import write_run
from vecsearch.searcher import Searcher
from vecsearch.snippets import Snippet, snippet
from vecsearch.types import Query, Span

_BLOCK = 64
"""Queries of a file that are searched at a time."""


@click.command(epilog='Example: vecsearch search notes.index "descale kettle" -k 5 --by bm25')
@index_argument
@click.argument("query", metavar="[QUERY]", required=False)
@click.option("-k", type=int, help="How many documents.  [10; 100 for a run]")
@click.option(
    "--by",
    metavar="[hybrid|bm25|tfidf|dense]",
    shell_complete=complete_mode,
    help="What ranks the documents.  [hybrid where INDEX has embeddings, else bm25]",
)
@where_option
@click.option(
    "--queries",
    metavar="FILE",
    shell_complete=complete_file,
    help="Queries instead of QUERY: .jsonl or .tsv.",
)
@click.option(
    "--run",
    "run_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Where the TREC run goes.  [-]",
)
@json_option
@work_options
def search(
    index_folder: Path,
    query: str | None,
    k: int | None,
    by: str | None,
    where: str | None,
    queries: str | None,
    run_file: str | None,
    as_json: bool,
    device: Device,
) -> None:
    """Search INDEX for QUERY, or for every query of a file.

    A query is plain text: no character of it is syntax.
    """
    if (query is None) == (queries is None):
        raise click.UsageError("Give either QUERY or --queries FILE.")
    if run_file is not None and queries is None:
        raise click.UsageError("--run goes with --queries.")
    if queries is not None and as_json:
        raise click.UsageError("--queries writes a TREC run, not JSON.")
    with opened(index_folder, device) as index:
        searcher = index.searcher()
        if queries is not None:
            asked = read_queries(queries)
            retriever = searcher.retriever(by)
            rankings = _rank(searcher, asked, 100 if k is None else k, where, by)
            write_run(rankings, run_file or "-", retriever.name)
        elif query is not None:
            answers = _answer(searcher, query, 10 if k is None else k, where, by)
            print_answers(answers, as_json=as_json)
        if not len(searcher):
            say(f"{index_folder} holds no document.")


def _answer(
    searcher: Searcher, query: str, k: int, where: str | None, by: str | None
) -> list[Answer]:
    terms = set(searcher.analyzer.terms(query))

    def show(text: str, span: Span) -> Snippet:
        return snippet(text, span, terms, searcher.analyzer)

    return [
        Answer(
            hit,
            show(hit.document.title, Span(0, len(hit.document.title))),
            show(hit.document.text, hit.span),
        )
        for hit in searcher.search(query, k, where, by)
    ]


def _rank(
    searcher: Searcher, queries: Sequence[Query], k: int, where: str | None, by: str | None
) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    def blocks() -> Iterator[tuple[str, list[tuple[str, float]]]]:
        for start in range(0, len(queries), _BLOCK):
            block = queries[start : start + _BLOCK]
            rankings = searcher.rank_many([each.text for each in block], k, where, by)
            yield from zip((each.id for each in block), rankings, strict=True)

    return progress(blocks(), "queries", done=lambda count: count / len(queries))
