"""Commands that give documents back: get, export, like."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from vecsearch.cli.opening import opened
from vecsearch.cli.options import TEXT, by_option, index_argument, json_option, where_option
from vecsearch.cli.output import answered, print_answers, print_document, print_json, progress, say
from vecsearch.errors import CorpusError, UsageError
from vecsearch.index import Index
from vecsearch.replacing import replacing
from vecsearch.searcher import Searcher
from vecsearch.types import Document


@click.command(epilog="Example: vecsearch get notes.index kettle.md")
@index_argument
@click.argument("ids", metavar="ID...", type=TEXT, nargs=-1, required=True)
@json_option
def get(index_folder: Path, ids: tuple[str, ...], as_json: bool) -> None:
    """Print documents of INDEX by their ids."""
    with opened(index_folder) as index:
        searcher = index.searcher()
        for document in [searcher.get(id) for id in ids]:
            if as_json or not sys.stdout.isatty():
                print_json(record_of(document))
            else:
                print_document(document)


@click.command(epilog="Example: vecsearch export notes.index > notes.jsonl")
@index_argument
@click.option("--vectors", "vectors_file", metavar="FILE.npy", help="Write the vectors there too.")
@where_option
def export(index_folder: Path, vectors_file: str | None, where: str | None) -> None:
    """Print all documents of INDEX as JSON lines, which `vecsearch index` reads again."""
    with opened(index_folder) as index:
        searcher = index.searcher()
        count = len(searcher)
        if vectors_file is not None:
            _save_vectors(searcher, index.info()["dim"], where, Path(vectors_file))
        found = searcher.documents(where)
        if not sys.stdout.isatty():  # else the bar would stand within the lines
            found = progress(found, "documents", done=lambda read: read / max(count, 1))
        for document in found:
            print_json(record_of(document))
        say(f"To have the same answers, index it with {_options(index, vectors_file)}.")


@click.command(epilog="Example: vecsearch like notes.index kettle.md -k 5")
@index_argument
@click.argument("id", type=TEXT)
@click.option("-k", type=int, default=10, show_default=True, help="How many documents.")
@by_option
@where_option
@json_option
def like(
    index_folder: Path, id: str, k: int, by: str | None, where: str | None, as_json: bool
) -> None:
    """Print the documents of INDEX that are most like the document ID."""
    with opened(index_folder) as index:
        searcher = index.searcher()
        # What the title says is what the document is about: that is shown, where it is found.
        about = searcher.get(id).title
        answers = answered(searcher, about, searcher.like(id, k, where, by), "bm25")
        print_answers(answers, as_json=as_json)


def _options(index: Index, vectors_file: str | None) -> str:
    """The options with which an index was made, as `vecsearch index` takes them."""
    manifest = index.manifest()
    encoder = f"--encoder {manifest.encoder.name if manifest.encoder else 'none'}"
    if vectors_file is not None:
        encoder = f"--vectors {vectors_file}"
    elif manifest.encoder and not manifest.encoder.embeds_text:
        encoder = "--vectors FILE.npy, which export --vectors FILE.npy saves"
    passages = f" --passages {manifest.passages.words}" if manifest.passages else ""
    return f"--analyzer {manifest.analyzer['name']}{passages} {encoder}"


def record_of(document: Document) -> dict[str, Any]:
    """A document as the JSON line that readers of corpora take."""
    return {
        "_id": document.id,
        "title": document.title,
        "text": document.text,
        "metadata": dict(document.meta),
    }


def _save_vectors(searcher: Searcher, dim: int | None, where: str | None, path: Path) -> None:
    """Write the documents' vectors, in the order of the export."""
    if dim is None:
        raise UsageError("The index has no embeddings, so there are no vectors to export.")

    def rows() -> Iterator[np.ndarray]:
        for document in searcher.documents(where):
            vectors = searcher.vectors(document.id)
            assert vectors is not None
            if len(vectors) != 1:
                raise UsageError(
                    f"Document {document.id!r} has {len(vectors)} passages and as many vectors; "
                    "vectors can be exported where each document has one."
                )
            yield vectors[0]

    matrix = np.fromiter(rows(), np.dtype((np.float32, dim)))
    try:
        with replacing(path) as place, place.open("wb") as file:
            form = np.lib.format  # np.save asks a file where it stands, and a pipe can't say
            form.write_array_header_1_0(file, form.header_data_from_array_1_0(matrix))
            file.write(matrix.tobytes())
    except OSError as error:
        raise CorpusError(path, None, f"can't be written: {error.strerror}.") from None
    say(f"{len(matrix):,} vectors of {dim} numbers in {path}")
