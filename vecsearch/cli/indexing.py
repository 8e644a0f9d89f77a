"""Commands that change an index: index, add, delete, compact. Each is one commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from vecsearch.cli.completion import complete_analyzer, complete_encoder, complete_file
from vecsearch.cli.opening import opened
from vecsearch.cli.options import (
    corpus_options,
    index_argument,
    where_option,
    work_options,
)
from vecsearch.cli.output import progress, say, size
from vecsearch.corpus import Corpus, Fields, documents, open_corpus, stop
from vecsearch.encoders import Device
from vecsearch.errors import CorpusError
from vecsearch.index import Index, check_place
from vecsearch.text import analyzer_names
from vecsearch.types import Document


@click.command(
    epilog="Example: vecsearch index notes/ notes.index --passages 200",
)
@click.argument("corpus_source", metavar="CORPUS", shell_complete=complete_file)
@index_argument
@click.option(
    "--encoder",
    metavar="NAME_OR_PATH",
    default="default",
    shell_complete=complete_encoder,
    help="Encoder of the embeddings: a name that `vecsearch encoders` lists, a model's folder, "
    "owner/model on a hub, or none.  [minilm where it is installed]",
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
@click.option("--overwrite", is_flag=True, help="Replace the index that INDEX holds.")
@work_options
def index(
    corpus_source: str,
    index_folder: Path,
    encoder: str,
    analyzer: str,
    on_error: str,
    id_field: str | None,
    title_field: str | None,
    text_field: str | None,
    passages: int | None,
    overwrite: bool,
    device: Device,
) -> None:
    """Index a corpus into the new folder INDEX.

    CORPUS is a folder of .txt, .md or .html files, a .jsonl, .jsonl.gz, .csv or .tsv file, a
    folder in BEIR layout, or - for JSON lines from standard input.
    """
    check_place(index_folder, overwrite=overwrite)
    corpus = open_corpus(corpus_source, Fields(id_field, title_field, text_field))
    reading = _Reading(corpus, on_error)
    with reading:
        Index.create(
            index_folder,
            encoder,
            analyzer,
            documents=reading,
            passages=passages,
            overwrite=overwrite,
            device=device,
        )
    reading.report("Indexed", index_folder)


@click.command(epilog="Example: vecsearch add notes.index new-notes/")
@index_argument
@click.argument("corpus_source", metavar="CORPUS", shell_complete=complete_file)
@corpus_options
@work_options
def add(
    index_folder: Path,
    corpus_source: str,
    on_error: str,
    id_field: str | None,
    title_field: str | None,
    text_field: str | None,
    device: Device,
) -> None:
    """Add a corpus to INDEX; a document whose id exists is replaced."""
    with opened(index_folder, device) as index:
        corpus = open_corpus(corpus_source, Fields(id_field, title_field, text_field))
        reading = _Reading(corpus, on_error)
        with reading, index.writer() as writer:
            writer.add(reading)
    reading.report("Added", index_folder)


@click.command(epilog="Example: vecsearch delete notes.index kettle.md kitchen/toaster.md")
@index_argument
@click.argument("ids", metavar="[ID]...", nargs=-1)
@where_option
def delete(index_folder: Path, ids: tuple[str, ...], where: str | None) -> None:
    """Delete documents from INDEX, by id or by metadata."""
    if ids and where is not None:
        raise click.UsageError("Give either the ids of the documents or --where, not both.")
    if not ids and where is None:
        raise click.UsageError("Give the ids of the documents, or --where.")
    with opened(index_folder) as index, index.writer() as writer:
        deleted = writer.delete(ids) if where is None else writer.delete_where(where)
    click.echo(f"Deleted {_documents(deleted)} from {index_folder}.")


@click.command(epilog="Example: vecsearch compact notes.index")
@index_argument
def compact(index_folder: Path) -> None:
    """Rewrite INDEX as one segment without what was deleted."""
    with opened(index_folder) as index:
        before = index.info()["bytes"]
        index.compact()
        after = index.info()
    click.echo(
        f"{index_folder}: {_documents(after['documents'])} in {after['segments']} segment(s), "
        f"{size(before)} before, {size(after['bytes'])} now."
    )


class _Reading:
    """The documents of a corpus with progress, and an account of what was skipped."""

    def __init__(self, corpus: Corpus, on_error: str) -> None:
        self._corpus = corpus
        self._skipped: list[CorpusError] = []
        self._on_error = self._skipped.append if on_error == "skip" else stop
        self._read = 0

    def __iter__(self) -> Iterator[Document]:
        total = self._corpus.total_bytes

        def share(count: int) -> float:
            return self._corpus.bytes_read / total if total else 0.0

        found = documents(self._corpus, self._on_error)
        for document in progress(found, "documents", done=share if total else None):
            self._read += 1
            yield document

    def __enter__(self) -> None:
        """Begin the work on the documents."""

    def __exit__(self, *_: object) -> None:
        """List what was skipped, whether the work came to its end or not."""
        for error in self._skipped:
            say(f"Skipped: {error}")

    def report(self, verb: str, folder: Path) -> None:
        """Say what was read and what was skipped."""
        info = Index.open(folder).info()
        skipped = f", {len(self._skipped):,} skipped" if self._skipped else ""
        by = f"bm25, tfidf, dense ({info['encoder']})" if info["encoder"] else "bm25, tfidf"
        click.echo(
            f"{verb} {_documents(self._read)}{skipped}. {folder} holds "
            f"{_documents(info['documents'])}, {size(info['bytes'])}, searchable by {by}."
        )


def _documents(count: int) -> str:
    return f"{count:,} document{'' if count == 1 else 's'}"
