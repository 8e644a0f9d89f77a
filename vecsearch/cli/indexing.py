"""Commands that change an index: index, add, reencode, delete, compact. Each is one commit."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from vecsearch.cli.completion import complete_analyzer, complete_encoder, complete_file
from vecsearch.cli.opening import opened
from vecsearch.cli.options import (
    TEXT,
    corpus_options,
    index_argument,
    recall_queries_options,
    vectors_option,
    wait_option,
    where_option,
    work_options,
)
from vecsearch.cli.output import Passing, counted, say, size, telling
from vecsearch.cli.recall import promised
from vecsearch.cli.vectors import check_row, read_query_vectors
from vecsearch.corpus import Fields, documents, open_corpus, read_queries, read_vectors, stop
from vecsearch.encoders import DEFAULT, Device, Encoder, OwnVectors
from vecsearch.errors import CorpusError
from vecsearch.index import Index
from vecsearch.retrieve.nearest.tuning import SECONDS
from vecsearch.store.place import check_place
from vecsearch.syncing import sync
from vecsearch.text import analyzer_names
from vecsearch.types import Document, Vectors


@click.command(
    epilog="Example: vecsearch index notes/ notes.index --passages 200",
)
@click.argument("corpus_source", metavar="CORPUS", shell_complete=complete_file)
@index_argument
@click.option(
    "--encoder",
    metavar="NAME_OR_PATH",
    shell_complete=complete_encoder,
    help="Encoder of the embeddings: a name that `vecsearch encoders` lists, a model's folder, "
    "owner/model on a hub, or none.  [small, or what --vectors needs]",
)
@click.option(
    "--analyzer",
    metavar="NAME",
    default="english",
    show_default=True,
    shell_complete=complete_analyzer,
    help=f"How text becomes words: one of {', '.join(analyzer_names())}.",
)
@corpus_options
@click.option(
    "--passages",
    metavar="N",
    type=click.IntRange(min=1),
    help="Split documents into passages of at most N words.  [whole documents]",
)
@vectors_option
@click.option("--overwrite", is_flag=True, help="Replace the index that INDEX holds.")
@work_options
def index(
    corpus_source: str,
    index_folder: Path,
    encoder: str | None,
    analyzer: str,
    on_error: str,
    id_field: str | None,
    title_field: str | None,
    text_field: str | None,
    passages: int | None,
    vectors_file: str | None,
    overwrite: bool,
    device: Device,
) -> None:
    """Index a corpus into the new folder INDEX.

    CORPUS is a folder of documents (text, Markdown, HTML, PDF, Word, EPUB, mail), a file of records
    (.jsonl, .csv, .tsv, .parquet, .arrow), a folder in BEIR layout, a table of a database
    (sqlite:notes.db?table=notes), a data set (hf:NAME, ir:NAME), or - for JSON lines from standard
    input.
    """
    check_place(index_folder, overwrite=overwrite)
    reading = _Reading(corpus_source, Fields(id_field, title_field, text_field), on_error)
    found: Iterable[Document] = reading
    chosen: Encoder | str = encoder or DEFAULT
    if vectors_file is not None:
        vectors = _read_vectors(vectors_file, on_error)
        found = _with_vectors(reading, vectors, vectors_file)
        chosen = encoder or OwnVectors(vectors.shape[1])
    with reading:
        Index.create(
            index_folder,
            chosen,
            analyzer,
            documents=found,
            passages=passages,
            overwrite=overwrite,
            device=device,
            on_encoded=reading.passing.on_encoded,
        )
    reading.report("Indexed", index_folder)


@click.command(epilog="Example: vecsearch add notes.index new-notes/")
@index_argument
@click.argument("corpus_source", metavar="CORPUS", shell_complete=complete_file)
@click.option(
    "--sync",
    "following",
    is_flag=True,
    help="Follow the folder CORPUS: add what is new there, replace what has changed, delete what "
    "is gone, in one commit. Only what changed is encoded.",
)
@corpus_options
@vectors_option
@wait_option
@work_options
def add(
    index_folder: Path,
    corpus_source: str,
    following: bool,
    on_error: str,
    id_field: str | None,
    title_field: str | None,
    text_field: str | None,
    vectors_file: str | None,
    wait: float,
    device: Device,
) -> None:
    """Add a corpus to INDEX; a document whose id exists is replaced.

    What a changed file doesn't hold any more, such as a section, stays, but for --sync.
    """
    if following and vectors_file is not None:
        raise click.UsageError("--sync encodes what changed itself; it doesn't go with --vectors.")
    vectors = None if vectors_file is None else _read_vectors(vectors_file, on_error)
    with opened(index_folder, device) as index:
        reading = _Reading(corpus_source, Fields(id_field, title_field, text_field), on_error)
        with reading, index.writer(reading.passing.on_encoded, wait=wait) as writer:
            before = index.manifest().documents
            if following:
                changes = sync(writer, reading.corpus, reading.on_error, through=reading.watched)
            elif vectors is not None and vectors_file is not None:
                writer.add(_with_vectors(reading, vectors, vectors_file))
            else:
                writer.add(reading)
    if following:
        click.echo(
            f"Synced {corpus_source}: {len(changes.added):,} new, {len(changes.changed):,} "
            f"changed, {len(changes.removed):,} gone, {changes.unchanged:,} as they were."
        )
    reading.report("Read" if following else "Added", index_folder, None if following else before)


@click.command(epilog="Example: vecsearch reencode notes.index --encoder minilm")
@index_argument
@click.option(
    "--encoder",
    metavar="NAME_OR_PATH",
    required=True,
    help="A name that `vecsearch encoders` lists, a model's folder, owner/model on a hub, or none.",
)
@wait_option
@work_options
def reencode(index_folder: Path, encoder: str, wait: float, device: Device) -> None:
    """Make the embeddings of INDEX anew, with another encoder, from its own documents."""
    with opened(index_folder, device) as index:
        count = index.manifest().documents
        passing = Passing()
        with passing.shown(lambda taken: taken / max(count, 1)):
            index.reencode(encoder, through=passing, on_encoded=passing.on_encoded, wait=wait)
        info = index.info()
    by = f"the embeddings are those of {info['encoder']}" if info["encoder"] else "no embeddings"
    click.echo(f"{index_folder}: {counted(info['documents'])}, {by}, {size(info['bytes'])}.")


@click.command(epilog="Example: vecsearch delete notes.index kettle.md kitchen/toaster.md")
@index_argument
@click.argument("ids", metavar="[ID]...", type=TEXT, nargs=-1)
@where_option
@wait_option
def delete(index_folder: Path, ids: tuple[str, ...], where: str | None, wait: float) -> None:
    """Delete documents from INDEX, by id or by metadata."""
    if ids and where is not None:
        raise click.UsageError("Give either the ids of the documents or --where, not both.")
    if not ids and where is None:
        raise click.UsageError("Give the ids of the documents, or --where.")
    with opened(index_folder) as index, index.writer(wait=wait) as writer:
        deleted = writer.delete(ids) if where is None else writer.delete_where(where)
    click.echo(f"Deleted {counted(deleted)} from {index_folder}.")


@click.command(
    epilog="Example: vecsearch compact notes.index --recall 0.95 --queries questions.jsonl"
)
@index_argument
@click.option(
    "--recall",
    type=float,
    metavar="SHARE",
    help="Tune search by embeddings: the fastest way, by measurement, that finds at least this "
    "share of the -k nearest documents, such as 0.95.  [exact search]",
)
@click.option("-k", "--k", type=int, metavar="N", help="See --recall.  [10]")
@recall_queries_options
@click.option(
    "--memory-per-vector",
    type=float,
    metavar="BYTES",
    help="The most memory that --recall may take; the vectors themselves are mapped.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    help=f"How long --recall tries further ways.  [{SECONDS:g}]",
)
@wait_option
@work_options
def compact(
    index_folder: Path,
    recall: float | None,
    k: int | None,
    queries: str | None,
    vectors_file: str | None,
    memory_per_vector: float | None,
    seconds: float | None,
    wait: float,
    device: Device,
) -> None:
    """Rewrite INDEX as one segment without what was deleted; with --recall, tune its search.

    What --recall promises is proved with queries that took no part in the choice: give some 2,000
    real ones. Documents that are added later are searched exactly, until the next compact. Without
    --recall all search is exact again.
    """
    tuned_by = (k, queries, vectors_file, memory_per_vector, seconds)
    if recall is None and any(each is not None for each in tuned_by):
        raise click.UsageError("What the search is tuned by goes with --recall.")
    with opened(index_folder, device) as index, telling() as tell:
        before = index.info()
        contract = index.compact(
            recall,
            k=10 if k is None else k,
            queries=read_queries(queries) if queries else None,
            vectors=read_query_vectors(vectors_file) if vectors_file else None,
            memory_per_vector=memory_per_vector,
            seconds=SECONDS if seconds is None else seconds,
            watch=lambda step: tell(step, 0),
            wait=wait,
        )
        after = index.info()
    click.echo(
        f"{index_folder}: {counted(after['documents'])} in {after['segments']} segment(s), "
        f"{size(before['bytes'])} before, {size(after['bytes'])} now."
    )
    if recall is None and (lost := before["nearest"]):
        click.echo(
            f"Search by embeddings is exact now, no longer tuned: --recall {lost['target']:g} "
            "tunes it again."
        )
    if contract is not None:
        click.echo(f"{promised(contract)}.")


class _Reading:
    """The documents of a corpus with progress, and an account of what was skipped."""

    def __init__(self, source: str, fields: Fields, on_error: str) -> None:
        self.corpus = open_corpus(source, fields)
        self._skipped: list[CorpusError] = []
        self.on_error = self._skipped.append if on_error == "skip" else stop
        self._read = 0
        self._shown = contextlib.ExitStack()
        self.passing = Passing()

    def __iter__(self) -> Iterator[Document]:
        return self.watched(documents(self.corpus, self.on_error))

    def watched(self, found: Iterable[Document]) -> Iterator[Document]:
        """Count documents and show progress as they pass."""
        for document in self.passing(found):
            self._read += 1
            yield document

    def __enter__(self) -> None:
        """Begin to show progress."""
        total = self.corpus.total_bytes
        done = (lambda _: self.corpus.bytes_read / total) if total else None
        self._shown.enter_context(self.passing.shown(done))

    def __exit__(self, *_: object) -> None:
        """List what was skipped, whether the work came to its end or not."""
        self._shown.close()
        for error in self._skipped:
            say(f"Skipped: {error}")

    def report(self, verb: str, folder: Path, before: int | None = None) -> None:
        """Say what was read and what was skipped.

        before: how many documents there were, if what was read may have replaced some of them.
        """
        info = Index.open(folder).info()
        again = 0 if before is None else self._read - (info["documents"] - before)
        replaced = f", {again:,} in the place of earlier ones" if again > 0 else ""
        skipped = f", {len(self._skipped):,} skipped" if self._skipped else ""
        by = f"bm25, tfidf, dense ({info['encoder']})" if info["encoder"] else "bm25, tfidf"
        click.echo(
            f"{verb} {counted(self._read)}{replaced}{skipped}. {folder} holds "
            f"{counted(info['documents'])}, {size(info['bytes'])}, searchable by {by}."
        )


def _read_vectors(path: str, on_error: str) -> Vectors:
    """Map a file of vectors, (documents, dim)."""
    if on_error == "skip":
        raise click.UsageError(
            "--vectors pairs rows with documents in order, so --on-error skip doesn't go with it."
        )
    return read_vectors(path)


def _with_vectors(found: Iterable[Document], vectors: Vectors, path: str) -> Iterator[Document]:
    """Give each document its row, in order."""
    count = 0
    for count, document in enumerate(found, start=1):
        if count <= len(vectors):
            vector = vectors[count - 1]
            check_row(path, count, vector, f", of document {document.id!r},")
            yield dataclasses.replace(document, vector=vector)
    if count != len(vectors):
        raise CorpusError(
            path,
            None,
            f"it holds {counted(len(vectors), 'vector')} for {counted(count)}; it takes one for "
            "each.",
        )
