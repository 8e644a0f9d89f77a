"""The reader of a corpus, by the name of its source and what lies there."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from vecsearch.corpus.base import DEFAULT_FIELDS, Corpus, Fields
from vecsearch.corpus.beir import BeirFolder, is_beir
from vecsearch.corpus.files import STANDARD_INPUT, or_gzipped, reason, shown, suffix
from vecsearch.corpus.folder import TextFiles
from vecsearch.corpus.formats import SUFFIXES as TEXT_SUFFIXES
from vecsearch.corpus.jsonl import SUFFIXES as JSON_SUFFIXES
from vecsearch.corpus.jsonl import JsonLines
from vecsearch.corpus.jsonl_folder import JsonLinesFolder
from vecsearch.corpus.table import Table
from vecsearch.corpus.walking import first, is_index
from vecsearch.errors import CorpusError, UsageError

_TABLE_SUFFIXES: Final = or_gzipped(".csv", ".tsv")


def open_corpus(source: str | Path, fields: Fields = DEFAULT_FIELDS) -> Corpus:
    """Find the reader of a source; it reads nothing yet.

    source: a file or a folder, or "-", JSON Lines from standard input. A file is a .txt, .md or
        .html document, JSON Lines in a .jsonl, .ndjson or .json file, or a .csv or .tsv table with
        a header; all but documents may be gzipped. A folder is BEIR's if it holds corpus.jsonl
        (or corpus.jsonl.gz). Any other is the .txt, .md and .html files beneath it; only where
        there is none, the .jsonl, .ndjson and .json files beneath it, as Anserini's are.
    fields: what holds the id, title and text; a text, Markdown or HTML file has no fields.

    Raises CorpusError if there is nothing, or an index; UsageError for another kind of file.
    Indexes further down in a folder are passed by.
    """
    path = Path(source)
    if source == "":
        raise UsageError("The path of the corpus is empty; a dot stands for this folder.")
    if str(source) == STANDARD_INPUT:
        return JsonLines(source, fields)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError | ValueError):  # a NUL can't be in a name
            raise CorpusError(shown(path), None, "there is no such file or folder.") from None
        raise CorpusError(shown(path), None, reason(error)) from None
    if stat.S_ISDIR(mode):
        return _folder(path, fields)
    kind = suffix(path)
    if kind in TEXT_SUFFIXES:
        return _texts(path, fields)
    if kind in JSON_SUFFIXES:
        return JsonLines(path, fields)
    if kind in _TABLE_SUFFIXES:
        return Table(path, fields)
    raise UsageError(
        f"{shown(path)}: a file of this name isn't a corpus; a file of JSON Lines ends in "
        f"{_listed(JSON_SUFFIXES)}, a table in {_listed(_TABLE_SUFFIXES)}, a single document in "
        f"{_listed(TEXT_SUFFIXES)}; {STANDARD_INPUT!r} stands for JSON Lines from standard input."
    )


def _folder(path: Path, fields: Fields) -> Corpus:
    try:
        if is_index(path):
            raise CorpusError(
                shown(path), None, "this is an index, not a corpus; name what holds the documents."
            )
        if is_beir(path):
            return BeirFolder(path, fields)
    except OSError as error:
        raise CorpusError(shown(path), None, reason(error)) from None
    if not first(path, TEXT_SUFFIXES) and first(path, JSON_SUFFIXES):
        return JsonLinesFolder(path, fields)
    return _texts(path, fields)


def _texts(path: Path, fields: Fields) -> TextFiles:
    if fields != DEFAULT_FIELDS:
        raise UsageError(
            f"{shown(path)}: {_listed(TEXT_SUFFIXES)} files have no fields to choose from; the id "
            "is the path, the text is the file."
        )
    return TextFiles(path)


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]])
