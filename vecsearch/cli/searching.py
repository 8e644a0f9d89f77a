"""The command that asks: search, for one query or for a file of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

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
from vecsearch.cli.output import Answer, answered, counted, print_answers, progress, say
from vecsearch.cli.vectors import read_query_vectors
from vecsearch.corpus import read_queries
from vecsearch.encoders import Device
from vecsearch.errors import UsageError
from vecsearch.retrieve.base import Retriever
from vecsearch.retrieve.lexical import Lexical
from vecsearch.runs import TABS_NEEDED, check_ids, write_run
from vecsearch.searcher import Searcher
from vecsearch.types import Query, Vectors

_BLOCK = 64
"""Queries of a file that are searched at a time."""

Ranked: TypeAlias = tuple[str, list[tuple[str, float]]]
"""A query's id, and its documents' ids with their scores."""


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
    "queries_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Queries instead of QUERY: .jsonl, .tsv, or .txt with one a line. Their hits are a TREC "
    "run, or JSON lines with --json.",
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
    queries_file: str | None,
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
    _check_usage(query, queries_file, vectors_file, run_file, as_json=as_json, explain=explain)
    if rerank is None and (top or seconds):
        raise click.UsageError("--rerank-top and --rerank-seconds go with --rerank MODEL.")
    if rerank is not None and vectors_file is not None:
        raise click.UsageError("--rerank reads a text: it doesn't go with --vectors.")
    with opened(index_folder, device) as index:
        searcher = index.searcher()
        queries, tabs, vectors = None, False, None
        if queries_file is not None:
            queries, tabs = _read(queries_file, searcher, where, syntax=syntax, as_json=as_json)
        if vectors_file is not None:
            vectors, by = read_query_vectors(vectors_file), by or "dense"
        ranks: str | Retriever | None = by
        read: list[tuple[int, int]] = []  # of each query: so many, of so many
        if rerank is not None:
            from vecsearch.encoders.rerankers import load_reranker
            from vecsearch.retrieve.rerank import DEPTH, Reranked

            ranks = Reranked(
                searcher.snapshot,
                searcher.retriever(by),
                load_reranker(rerank, device),
                top=top or DEPTH,
                seconds=seconds,
                on_read=lambda *counts: read.append(counts),
            )
        asking = _Asking(searcher, where, ranks, vectors, read)
        if queries is not None and as_json:
            shown = 10 if k is None else k
            for query_id, answers in asking.all_answers(queries, shown, explain=explain):
                print_answers(answers, as_json=True, query=query_id)
        elif queries is not None:
            shown, name = 100 if k is None else k, searcher.retriever(ranks).name
            _write(asking.rankings(queries, shown), run_file or "-", name, tabs=tabs)
        else:
            question: str | Query = Query.parse(query or "") if syntax else query or ""
            answers = asking.answers(question, 10 if k is None else k, vectors, explain=explain)
            shown = len(answers)
            print_answers(answers, as_json=as_json)
            _say_wordless(asking, query or "", answers)
        _say_unread(read, shown)
        if not len(searcher):
            say(f"{index_folder} holds no document.")


class _Asking(NamedTuple):
    """What all queries of a command are asked with."""

    searcher: Searcher
    where: str | None
    by: str | Retriever | None
    vectors: Vectors | None
    read: list[tuple[int, int]]
    """What a re-ranker read for each query that it was asked: so many, of so many."""

    def answers(
        self, question: str | Query, k: int, vectors: Vectors | None, *, explain: bool
    ) -> list[Answer]:
        """Return what to show of the best documents for one query; vectors: (1, dim), its own."""
        before = len(self.read)
        [hits] = self.searcher.search_many([question], k, self.where, self.by, vectors=vectors)
        answers = answered(self.searcher, question, hits, self._snippets_by())
        for done, _ in self.read[before:]:
            answers = [each._replace(read=at < done) for at, each in enumerate(answers)]
        if not explain:
            return answers
        ids = [hit.id for hit in hits]
        told = self.searcher.explain_many(question, ids, self.where, self.by)
        return [
            answer._replace(explanation=each) for answer, each in zip(answers, told, strict=True)
        ]

    def rankings(self, queries: Sequence[Query], k: int) -> Iterator[Ranked]:
        """Rank for each query of a file, and show how far that is."""
        self._check_vectors(queries)
        return progress(
            self._ranked(queries, k), "queries", done=lambda count: count / len(queries)
        )

    def all_answers(
        self, queries: Sequence[Query], k: int, *, explain: bool
    ) -> Iterator[tuple[str, list[Answer]]]:
        """Give the id of each query of a file, and what to show for it."""
        self._check_vectors(queries)
        for place, query in enumerate(queries):
            given = None if self.vectors is None else self.vectors[place : place + 1]
            yield query.id, self.answers(query, k, given, explain=explain)

    def _check_vectors(self, queries: Sequence[Query]) -> None:
        if self.vectors is not None and len(self.vectors) != len(queries):
            raise UsageError(
                f"Each query wants one vector; there are {len(self.vectors):,} for "
                f"{len(queries):,}."
            )

    def _ranked(self, queries: Sequence[Query], k: int) -> Iterator[Ranked]:
        for start in range(0, len(queries), _BLOCK):
            block = queries[start : start + _BLOCK]
            given = None if self.vectors is None else self.vectors[start : start + _BLOCK]
            rankings = self.searcher.rank_many(block, k, self.where, self.by, vectors=given)
            yield from zip((each.id for each in block), rankings, strict=True)

    def _snippets_by(self) -> str | Retriever | None:
        """Return what snippets are chosen by: terms where one search would load torch for them."""
        ready = isinstance(self.searcher.retriever(self.by), Lexical) or "torch" in sys.modules
        return self.by if ready or self.searcher.encodes_at_once else "bm25"


def _check_usage(
    query: str | None,
    queries_file: str | None,
    vectors_file: str | None,
    run_file: str | None,
    *,
    as_json: bool,
    explain: bool,
) -> None:
    """Refuse options that don't go together."""
    if query is not None and queries_file is not None:
        raise click.UsageError("Give either QUERY or --queries FILE, not both.")
    if query is None and queries_file is None and vectors_file is None:
        raise click.UsageError("Give QUERY, or --queries FILE.")
    if run_file is not None and queries_file is None:
        raise click.UsageError("--run goes with --queries.")
    if run_file is not None and as_json:
        raise click.UsageError("--run writes a TREC run, --json prints the hits: give one of them.")
    if queries_file is not None and explain and not as_json:
        raise click.UsageError(
            "--explain goes with QUERY, or with --json: a TREC run holds no explanations."
        )
    if vectors_file is not None and explain:
        raise click.UsageError("--explain goes with a text: there is nothing to say of a vector.")


def _say_wordless(asking: _Asking, query: str, answers: Sequence[Answer]) -> None:
    """Say why nothing was found where the query is blank, or nothing but punctuation."""
    searcher = asking.searcher
    nothing = not answers and asking.vectors is None and len(searcher)
    if nothing and not searcher.analyzer.terms(query):
        say("The query has no word to search for.")


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


def _read(
    file: str, searcher: Searcher, where: str | None, *, syntax: bool, as_json: bool
) -> tuple[Sequence[Query], bool]:
    """Read queries; refuse ids that a run, which isn't JSON, can't hold, before any is ranked.

    Return whether the run wants tabs between its columns, too.
    """
    queries = read_queries(file)
    tabs = False
    if not as_json:
        tabs = check_ids("query", (each.id for each in queries))
        if where is None:  # a filter may leave out those documents
            tabs = check_ids("document", searcher.snapshot.ids()) or tabs
    return [_parsed(each) for each in queries] if syntax else queries, tabs


def _write(rankings: Iterator[Ranked], file: str, tag: str, *, tabs: bool) -> None:
    """Write a run, and say who can't read it."""
    if write_run(rankings, file, tag, tabs=tabs):
        say(f"In this run {TABS_NEEDED}.")


def _parsed(query: Query) -> Query:
    """Read the syntax of a query of a file."""
    try:
        return Query.parse(query.text, query.id)
    except UsageError as error:
        raise UsageError(f"Query {query.id!r}: {error}") from None
