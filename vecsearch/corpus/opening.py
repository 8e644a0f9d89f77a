"""The reader of a corpus, by the name of its source and what lies there."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from vecsearch.corpus.base import DEFAULT_FIELDS, Corpus, Fields
from vecsearch.corpus.beir import BeirFolder, is_beir
from vecsearch.corpus.files import STANDARD_INPUT, reason, shown, suffix
from vecsearch.corpus.folder import TextFiles
from vecsearch.corpus.jsonl import JsonLines
from vecsearch.corpus.pages import SUFFIXES as TEXT_SUFFIXES
from vecsearch.corpus.table import Table
from vecsearch.errors import CorpusError, UsageError

_JSON_SUFFIXES: Final = (".jsonl", ".ndjson")
_TABLE_SUFFIXES: Final = (".csv", ".tsv")


def open_corpus(source: str | Path, fields: Fields = DEFAULT_FIELDS) -> Corpus:
    """Find the reader of a source; it reads nothing yet.

    source: a BEIR folder (it holds corpus.jsonl or corpus.jsonl.gz); any other folder, for the
        .txt, .md and .html files beneath it, or one such file; a .jsonl or .ndjson file, which
        Anserini's are too; a .csv or .tsv file with a header; any of these three gzipped; or
        "-", JSON Lines from standard input.
    fields: what holds the id, title and text; a text, Markdown or HTML file has no fields.

    Raises CorpusError if there is nothing, UsageError for another kind of file.
    """
    path = Path(source)
    if str(source) == STANDARD_INPUT:
        return JsonLines(source, fields)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError | ValueError):  # a NUL can't be in a name
            raise CorpusError(shown(path), None, "there is no such file or folder.") from None
        raise CorpusError(shown(path), None, reason(error)) from None
    if stat.S_ISDIR(mode):
        return BeirFolder(path, fields) if is_beir(path) else _texts(path, fields)
    kind = suffix(path)
    if kind in TEXT_SUFFIXES:
        return _texts(path, fields)
    if kind.removesuffix(".gz") in _JSON_SUFFIXES:
        return JsonLines(path, fields)
    if kind.removesuffix(".gz") in _TABLE_SUFFIXES:
        return Table(path, fields)
    raise UsageError(
        f"{shown(path)}: a file of this name isn't a corpus; a file of JSON Lines ends in "
        f"{_listed(_JSON_SUFFIXES)}, a table in {_listed(_TABLE_SUFFIXES)} (each may be gzipped, "
        f"with .gz after that), a single document in {_listed(TEXT_SUFFIXES)}."
    )


def _texts(path: Path, fields: Fields) -> TextFiles:
    if fields != DEFAULT_FIELDS:
        raise UsageError(
            f"{shown(path)}: {_listed(TEXT_SUFFIXES)} files have no fields to choose from; the id "
            "is the path, the text is the file."
        )
    return TextFiles(path)


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]])
