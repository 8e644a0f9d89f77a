"""The command that asks: search, for one query or for a file of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from vecsearch.cli.completion import complete_file, complete_folder
from vecsearch.cli.opening import opened
from vecsearch.cli.options import (
    TEXT,
    by_option,
    index_argument,
    json_option,
    where_option,
    work_options,
)
from vecsearch.cli.output import answered, counted, print_answers, progress, say
from vecsearch.corpus import read_queries, read_vectors
from vecsearch.encoders import Device
from vecsearch.errors import UsageError
from vecsearch.retrieve.base import Retriever
from vecsearch.retrieve.lexical import Lexical
from vecsearch.runs import check_ids, write_run
from vecsearch.searcher import Searcher
from vecsearch.types import Query, Vectors

_BLOCK = 64
"""Queries of a file that are searched at a time."""


@click.command(epilog='Example: vecsearch search notes.index "descale kettle" -k 5 --by bm25')
@index_argument
@click.argument("query", metavar="[QUERY]", type=TEXT, required=False)
@click.option("-k", type=int, help="How many documents.  [10; 100 for a run]")
@by_option
@where_option
@click.option(
    "--syntax",
    is_flag=True,
    help='Read "a phrase", +required, -excluded, prefix* and fuzzy~ words in queries.',
)
@click.option("--explain", is_flag=True, help="Say for each document why it has its score.")
@click.option(
    "--queries",
    metavar="FILE",
    shell_complete=complete_file,
    help="Queries instead of QUERY: .jsonl, .tsv, or .txt with one a line.",
)
@click.option(
    "--vectors",
    "vectors_file",
    metavar="FILE.npy",
    shell_complete=complete_file,
    help="Vectors of your own, one for QUERY or for each of FILE, to compare with the embeddings: "
    "by dense, or with --by hybrid beside the words.",
)
@click.option(
    "--rerank",
    metavar="MODEL",
    shell_complete=complete_folder,
    help="A cross-encoder or late-interaction model, a folder or owner/model on a hub, that reads "
    "the best documents again and puts them in its own order.",
)
@click.option(
    "--rerank-top",
    "top",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many documents it reads.  [50]",
)
@click.option(
    "--rerank-seconds",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="After how long it begins no more of a query.  [never]",
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
    syntax: bool,
    explain: bool,
    queries: str | None,
    vectors_file: str | None,
    run_file: str | None,
    rerank: str | None,
    top: int | None,
    seconds: float | None,
    as_json: bool,
    device: Device,
) -> None:
    """Search INDEX for QUERY, or for every query of a file.

    A query is plain text: no character of it is syntax, unless --syntax says so.
    """
    _check_usage(query, queries, vectors_file, run_file, as_json=as_json, explain=explain)
    if rerank is None and (top or seconds):
        raise click.UsageError("--rerank-top and --rerank-seconds go with --rerank MODEL.")
    if rerank is not None and vectors_file is not None:
        raise click.UsageError("--rerank reads a text: it doesn't go with --vectors.")
    with opened(index_folder, device) as index:
        searcher = index.searcher()
        asked = None if queries is None else _asked(queries, searcher, where, syntax=syntax)
        vectors = None
        if vectors_file is not None:
            vectors, by = read_vectors(vectors_file), by or "dense"
        ranks: str | Retriever | None = by
        read: list[tuple[int, int]] = []
        if rerank is not None:
            ranks = _reranked(searcher, by, rerank, device, top, seconds, read)
        if asked is not None:
            retriever = searcher.retriever(ranks)
            rankings = _rank(searcher, asked, 100 if k is None else k, where, ranks, vectors)
            write_run(rankings, run_file or "-", retriever.name)
            _say_unread(read, 100 if k is None else k)
        else:
            question: str | Query = Query.parse(query or "") if syntax else query or ""
            hits = searcher.search_many(
                [question], 10 if k is None else k, where, ranks, vectors=vectors
            )
            answers = answered(searcher, question, hits[0], _shown_by(searcher, ranks))
            if read:
                answers = [
                    answer._replace(read=place < read[0][0]) for place, answer in enumerate(answers)
                ]
            if explain:
                ids = [answer.hit.id for answer in answers]
                told = searcher.explain_many(question, ids, where, ranks)
                answers = [
                    answer._replace(explanation=each)
                    for answer, each in zip(answers, told, strict=True)
                ]
            print_answers(answers, as_json=as_json)
            _say_unread(read, len(answers))
        if not len(searcher):
            say(f"{index_folder} holds no document.")


def _check_usage(
    query: str | None,
    queries: str | None,
    vectors_file: str | None,
    run_file: str | None,
    *,
    as_json: bool,
    explain: bool,
) -> None:
    """Refuse options that don't go together."""
    if query is not None and queries is not None:
        raise click.UsageError("Give either QUERY or --queries FILE, not both.")
    if query is None and queries is None and vectors_file is None:
        raise click.UsageError("Give QUERY, or --queries FILE.")
    if run_file is not None and queries is None:
        raise click.UsageError("--run goes with --queries.")
    if queries is not None and as_json:
        raise click.UsageError("--queries writes a TREC run, not JSON.")
    if queries is not None and explain:
        raise click.UsageError("--explain goes with QUERY: a TREC run holds no explanations.")
    if vectors_file is not None and explain:
        raise click.UsageError("--explain goes with a text: there is nothing to say of a vector.")


def _shown_by(searcher: Searcher, ranks: str | Retriever | None) -> str | Retriever | None:
    """Return by what snippets are chosen: by terms where one search would load torch for them."""
    ready = isinstance(searcher.retriever(ranks), Lexical) or "torch" in sys.modules
    return ranks if ready or searcher.encodes_at_once else "bm25"


def _reranked(
    searcher: Searcher,
    by: str | None,
    model: str,
    device: Device,
    top: int | None,
    seconds: float | None,
    read: list[tuple[int, int]],
) -> Retriever:
    """Return what ranks by a model the best documents of `by`.

    read: gets for each query how many documents the model read, and of how many.
    """
    from vecsearch.encoders.rerankers import load_reranker
    from vecsearch.retrieve.rerank import DEPTH, Reranked

    first = searcher.retriever(by)
    reranker = load_reranker(model, device)
    return Reranked(
        searcher.snapshot,
        first,
        reranker,
        top=top or DEPTH,
        seconds=seconds,
        on_read=lambda *counts: read.append(counts),
    )


def _say_unread(read: Sequence[tuple[int, int]], k: int) -> None:
    """Say whose scores are no model's: of documents that are shown, and that it hadn't read."""
    short = [done for done, of in read if done < min(of, k)]
    if short:
        least, most = min(short), max(short)
        count = counted(most) if least == most else f"{least:,} to {counted(most)}"
        where = "" if len(read) == 1 else f" for {len(short):,} of the {len(read):,} queries"
        say(
            f"The re-ranker read {count}{where}; those below keep the order that they had, and "
            "their scores say nothing else."
        )


def _asked(file: str, searcher: Searcher, where: str | None, *, syntax: bool) -> Sequence[Query]:
    """Read queries to make a run for, and refuse ids that it can't hold before any is ranked."""
    asked = read_queries(file)
    check_ids("query", (each.id for each in asked))
    if where is None:  # a filter may leave out those documents
        check_ids("document", searcher.snapshot.ids())
    return [_parsed(each) for each in asked] if syntax else asked


def _parsed(query: Query) -> Query:
    """Read the syntax of a query of a file."""
    try:
        return Query.parse(query.text, query.id)
    except UsageError as error:
        raise UsageError(f"Query {query.id!r}: {error}") from None


def _rank(
    searcher: Searcher,
    queries: Sequence[Query],
    k: int,
    where: str | None,
    by: str | Retriever | None,
    vectors: Vectors | None,
) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    if vectors is not None and len(vectors) != len(queries):
        raise UsageError(
            f"Each query wants one vector; there are {len(vectors):,} for {len(queries):,}."
        )

    def blocks() -> Iterator[tuple[str, list[tuple[str, float]]]]:
        for start in range(0, len(queries), _BLOCK):
            block = queries[start : start + _BLOCK]
            given = None if vectors is None else vectors[start : start + _BLOCK]
            rankings = searcher.rank_many(block, k, where, by, vectors=given)
            yield from zip((each.id for each in block), rankings, strict=True)

    return progress(blocks(), "queries", done=lambda count: count / len(queries))
