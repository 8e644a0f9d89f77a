"""What a corpus is judged by, from files: queries, and qrels, the grades of their documents."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from vecsearch.corpus.files import ByteFile, suffix
from vecsearch.corpus.jsonl import JsonLines
from vecsearch.errors import CorpusError
from vecsearch.types import Qrels, Query

_GRADE: Final = re.compile(r"-?[0-9]{1,9}")
_BLANK: Final = " \t\n\r\v\f"  # white space of ASCII, as in a run: an id may hold U+00A0
_BLANKS: Final = re.compile(f"[{_BLANK}]+")
_A_GRADE: Final = "a whole number of at most 9 digits, such as 1"
_ID_HEADERS: Final = frozenset({"query-id", "query_id", "_id", "id", "qid"})


def read_queries(path: str | Path) -> list[Query]:
    """Read queries: JSON Lines with "_id" and "text" as in BEIR, unless the suffix says otherwise.

    A .tsv has id<TAB>text and no quotes, and may begin with a header, such as query-id<TAB>text. A
    .txt has a query on each line, whose id is the line's number; blank lines are skipped. "-" is
    JSON Lines from standard input; a file named *.gz is gzipped. An id that comes twice, and a file
    without any query, are CorpusErrors, as is whatever can't be read.
    """
    read = _READERS.get(suffix(path).removesuffix(".gz"), _from_jsonl)
    queries = list(read(path))
    if not queries:
        raise CorpusError(ByteFile(path).name, None, "the file holds no query.")
    return queries


def read_qrels(path: str | Path) -> Qrels:
    """Read judgments: query id -> document id -> grade, a whole number.

    Either BEIR's tab-separated table (query-id, corpus-id, score, with or without that header) or
    TREC's four columns (query, 0, document, grade, separated by spaces and tabs; by a single tab
    each where ids hold white space); gzipped if named *.gz. A pair judged twice with different
    grades, and a file without any judgment, are CorpusErrors, as is whatever can't be read.
    """
    name = ByteFile(path).name
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        query, document, grade = _judgment(line, name, number)
        if number == 1 and query.lower() in _ID_HEADERS and not _GRADE.fullmatch(grade):
            continue
        if not _GRADE.fullmatch(grade):
            raise CorpusError(name, number, f"the grade {grade!r} isn't {_A_GRADE}.")
        # One id stands in many judgments: intern it, so that large qrels hold it once.
        known = qrels.setdefault(query, {}).setdefault(sys.intern(document), int(grade))
        if known != int(grade):
            raise CorpusError(
                name,
                number,
                f"document {document!r} has the grade {grade} for query {query!r} here, and had "
                f"{known} before; a pair has one grade.",
            )
    if not qrels:
        raise CorpusError(name, None, "the file holds no judgment.")
    return qrels


def _from_jsonl(path: str | Path) -> Iterator[Query]:
    for record in JsonLines(path).read():
        if isinstance(record, CorpusError):
            raise record
        yield Query(record.document.id, record.document.text)


def _from_tsv(path: str | Path) -> Iterator[Query]:
    name = ByteFile(path).name
    seen: set[str] = set()
    for number, line in _lines(path):
        columns = line.split("\t")
        if len(columns) != 2 or not columns[0]:
            raise CorpusError(
                name,
                number,
                f"a line of queries is id<TAB>text, two columns; this one has {len(columns)}"
                f"{', the first empty' if not columns[0] else ''}.",
            )
        id, text = columns
        if number == 1 and id.lower() in _ID_HEADERS:
            continue
        if id in seen:
            raise CorpusError(name, number, f"the query id {id!r} comes a second time.")
        seen.add(id)
        yield Query(id, text)


def _from_txt(path: str | Path) -> Iterator[Query]:
    # Lines are numbered as editors do, so that a run's ids lead back to the file.
    for number, line in _lines(path):
        yield Query(str(number), line.strip())


_READERS: Final[Mapping[str, Callable[[str | Path], Iterator[Query]]]] = {
    ".tsv": _from_tsv,
    ".txt": _from_txt,
}
"""By suffix; any other is JSON Lines."""


def _judgment(line: str, name: str, number: int) -> tuple[str, str, str]:
    """Split a line into query, document and grade."""
    columns = line.split("\t")
    if len(columns) not in (3, 4) or not all(columns):
        columns = _BLANKS.split(line.strip(_BLANK))
        if len(columns) != 4:
            more = "; where an id holds spaces, a single tab stands between the columns"
            raise CorpusError(
                name,
                number,
                "a judgment is query<TAB>document<TAB>grade (BEIR) or query 0 document grade "
                f"(TREC); this line has {len(columns)} column{'' if len(columns) == 1 else 's'}"
                f"{more if len(columns) > 4 else ''}.",
            )
    return columns[0], columns[-2], columns[-1].strip()


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Read the lines that aren't blank, without their ends; raises the first error."""
    for line in ByteFile(path).lines():
        if isinstance(line, CorpusError):
            raise line
        number, text = line
        if text and not text.isspace():
            yield number, text.rstrip("\r\n")
