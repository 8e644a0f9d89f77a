"""The reader of a corpus, by the name of its source and what lies there."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from vecsearch.corpus.base import DEFAULT_FIELDS, Corpus, Fields
from vecsearch.corpus.beir import BeirFolder, is_beir
from vecsearch.corpus.files import STANDARD_INPUT, or_gzipped, reason, shown, suffix
from vecsearch.corpus.folder import DocumentFiles
from vecsearch.corpus.formats import SUFFIXES as TEXT_SUFFIXES
from vecsearch.corpus.huggingface import HuggingFaceDataset
from vecsearch.corpus.irds import IrDataset
from vecsearch.corpus.jsonl import SUFFIXES as JSON_SUFFIXES
from vecsearch.corpus.jsonl import JsonLines
from vecsearch.corpus.jsonl_folder import JsonLinesFolder
from vecsearch.corpus.parquet import SUFFIXES as COLUMN_SUFFIXES
from vecsearch.corpus.parquet import ParquetFile
from vecsearch.corpus.sources import parse_source
from vecsearch.corpus.sqlite import SUFFIXES as SQLITE_SUFFIXES
from vecsearch.corpus.sqlite import SqliteTable
from vecsearch.corpus.table import Table
from vecsearch.corpus.walking import first, is_index
from vecsearch.errors import CorpusError, UsageError, folder_beside, nearest

_TABLE_SUFFIXES: Final = or_gzipped(".csv", ".tsv")
_RECORD_SUFFIXES: Final = (*JSON_SUFFIXES, *_TABLE_SUFFIXES, *COLUMN_SUFFIXES, *SQLITE_SUFFIXES)
_SCHEMES: Final = ("sqlite", "hf", "ir")


def open_corpus(source: str | Path, fields: Fields = DEFAULT_FIELDS) -> Corpus:
    """Find the reader of a source; it reads nothing yet.

    source: a file or a folder, or "-", JSON Lines from standard input. A file is a document of one
        of the suffixes in `vecsearch.corpus.formats.SUFFIXES` (text, Markdown, HTML, PDF, Word,
        books and mail), JSON Lines in a .jsonl, .ndjson or .json file, or a .csv or .tsv table with
        a header; all but documents may be gzipped. It may also be columns, in a .parquet, .arrow,
        .ipc or .feather file, or a .db, .sqlite or .sqlite3 database. A folder is BEIR's if it
        holds corpus.jsonl (or corpus.jsonl.gz). Any other is the documents beneath it; only where
        there is none, the .jsonl, .ndjson and .json files beneath it, as Anserini's are. A text
        with a scheme names a table of a database, `sqlite:notes.db?table=notes`, a data set of
        Hugging Face's, `hf:owner/name?split=train&config=en` or `hf:./folder`, or one of
        ir_datasets', `ir:beir/scifact/test`. The first two may choose fields as well
        (`&text=body&id=key&title=head`), and are percent-encoded as URLs are.
    fields: what holds the id, title and text; a file that is a document has no fields.

    Raises CorpusError if there is nothing, or an index; UsageError for another kind of file.
    Indexes further down in a folder are passed by.
    """
    path = Path(source)
    if source == "":
        raise UsageError("The path of the corpus is empty; a dot stands for this folder.")
    if str(source) == STANDARD_INPUT:
        return JsonLines(source, fields)
    scheme, colon, rest = source.partition(":") if isinstance(source, str) else ("", "", "")
    if colon and scheme in _SCHEMES:
        return _named(scheme, str(source), rest, fields)
    if stat.S_ISDIR(_mode(path)):
        return _folder(path, fields)
    kind = suffix(path)
    if kind in TEXT_SUFFIXES:
        return _texts(path, fields)
    if kind in JSON_SUFFIXES:
        return JsonLines(path, fields)
    if kind in _TABLE_SUFFIXES:
        return Table(path, fields)
    if kind in COLUMN_SUFFIXES:
        return ParquetFile(path, fields)
    if kind in SQLITE_SUFFIXES:
        return SqliteTable(path, None, fields)
    raise UsageError(
        f"{shown(path)}: a file of this name isn't a corpus; a file of JSON Lines ends in "
        f"{_listed(JSON_SUFFIXES)}, a table in {_listed(_TABLE_SUFFIXES)}, columns in "
        f"{_listed(COLUMN_SUFFIXES)}, a database in {_listed(SQLITE_SUFFIXES)}, a single document "
        f"in {_listed(TEXT_SUFFIXES)}; {STANDARD_INPUT!r} stands for JSON Lines from standard "
        "input."
    )


def _named(scheme: str, whole: str, rest: str, fields: Fields) -> Corpus:
    """Find the reader of a source that has a scheme."""
    if scheme == "ir":
        if not rest:
            raise UsageError(f"{whole!r} names nothing after its colon.")
        return IrDataset(rest, fields)
    if scheme == "hf":
        found = parse_source(whole, rest, ["split", "config"], fields)
        options = found.options
        return HuggingFaceDataset(
            found.name, options.get("split"), options.get("config"), found.fields
        )
    found = parse_source(whole, rest.removeprefix("//"), ["table"], fields)
    path = Path(found.name)
    if stat.S_ISDIR(_mode(path)):
        raise CorpusError(shown(path), None, "this is a folder, not an SQLite database.")
    return SqliteTable(path, found.options.get("table"), found.fields)


def _mode(path: Path) -> int:
    """What lies at a path; CorpusError, with the nearest name, if nothing does."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError | ValueError):  # a NUL can't be in a name
            problem = f"there is no such file or folder.{_nearest(path)}"
            raise CorpusError(shown(path), None, problem) from None
        raise CorpusError(shown(path), None, reason(error)) from None


def _nearest(path: Path) -> str:
    """Suggest what a path that leads nowhere may have meant: another scheme, or another name."""
    scheme, colon, rest = str(path).partition(":")
    near = nearest(scheme, _SCHEMES) if colon else None
    return f" Did you mean {f'{near}:{rest}'!r}?" if near else folder_beside(path, Path.exists)


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


def _texts(path: Path, fields: Fields) -> DocumentFiles:
    if fields != DEFAULT_FIELDS:
        raise UsageError(
            f"{shown(path)}: {_listed(TEXT_SUFFIXES)} files have no fields to choose from; "
            "an id is a path, with the name of a part where a file has several, and a text is what "
            "a reader sees of it."
        )
    return DocumentFiles(path, _RECORD_SUFFIXES)


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]])
