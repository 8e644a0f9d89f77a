"""A run: the scores a search gave its answers, their one order, and TREC run files in and out.

A run file has six columns, `query Q0 document rank score tag`. Evaluators order by the scores and
never by the ranks, so the order of a run is the order that trec_eval makes of it: see `ranked`.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import math
import re
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, TextIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import CorpusError, UsageError, VecsearchError
from vecsearch.replacing import replacing

Run: TypeAlias = Mapping[str, Mapping[str, float]]
"""Query id -> document id -> score; a higher score is better."""

_COLUMNS: Final = ("query", "Q0", "document", "rank", "score", "tag")
_COLUMN: Final = re.compile(r"[^\s\x00\ud800-\udfff]+")
_REMEDIES: Final = {
    "query id": " Give the query another id, or have a search print its hits as JSON, whatever the "
    "ids (--json).",
    "document id": " Rename its file, or name another field of its record by --id-field, and index "
    "it again; or have a search print its hits as JSON, whatever the ids (--json).",
}
_MOST_DIGITS: Final = 18  # an int64 holds any number of so many
_RIGHT_RANKS: Final = "ranks of a query are distinct whole numbers, 0 or 1 upward"


def ranked(query: str, scores: Mapping[str, float]) -> list[str]:
    """Order the documents of a query, best first, as trec_eval does.

    It compares scores as float32, and puts the greater of two ids with equal scores first. Ids are
    compared by code point, which is the order of their UTF-8 bytes too. A NaN score is a UsageError
    that names `query`.
    """
    documents = sorted(scores, reverse=True)
    values = _float32([scores[document] for document in documents])
    if np.isnan(values).any():
        document = documents[int(np.isnan(values).argmax())]
        raise UsageError(f"Query {query!r} gives document {document!r} a score that is NaN.")
    return [documents[i] for i in np.argsort(-values, kind="stable").tolist()]


def write_run(
    rankings: Iterable[tuple[str, Sequence[tuple[str, float]]]],
    file: TextIO | Path | str,
    tag: str,
) -> None:
    """Write (query id, [(document id, score), ...]) pairs as a TREC run, gzipped if named *.gz.

    Documents are written in the order of `ranked`, whatever the order they come in. Scores are
    float32, in the shortest decimal text that reads back as the same float32. A path is replaced
    once the whole run is written and keeps what it held if that fails; "-" is standard output.

    Raises UsageError for what the format can't hold: an id or tag that is empty or has whitespace,
    a score that isn't finite in float32, a query or a document of a query that comes twice; and
    VecsearchError if the path can't be written.
    """
    lines = _lines(rankings, tag)
    if file == "-":
        sys.stdout.flush()
        sys.stdout.buffer.writelines(line.encode() for line in lines)
    elif isinstance(file, str | Path):
        with _writing(Path(file)) as out:
            out.writelines(lines)
    else:
        file.writelines(lines)


def read_run(path: Path | str) -> dict[str, dict[str, float]]:
    """Read a TREC run, gzipped if named *.gz, or "-": query id -> document id -> score.

    Columns are separated by spaces or tabs; blank lines are skipped. Ranks order nothing, but they
    are checked: where they are wrong, the scores may well be those of another query or system.
    Raises CorpusError with the line for what isn't a run: a line without six columns, a score that
    isn't a finite number, a rank that isn't a whole number, a document or a rank that comes twice
    for a query, bytes that aren't UTF-8.
    """
    path = Path(path)
    run: dict[str, dict[str, float]] = {}
    places: dict[str, _Places] = {}
    try:
        with _open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                # Bytes split at ASCII whitespace only, as in trec_eval: an id may hold U+00A0.
                columns = line.removeprefix(codecs.BOM_UTF8 if number == 1 else b"").split()
                if columns:
                    _add(run, places, columns, path, number)
    except (OSError, EOFError, zlib.error) as problem:
        raise CorpusError(path, None, f"the run can't be read: {_reason(problem)}.") from problem
    _check_ranks(run, places, path)
    return run


def check_ids(what: Literal["query", "document"], ids: Iterable[str]) -> None:
    """Raise UsageError for the first id that a TREC run can't hold, and say what helps."""
    for id in ids:
        _check_column(f"{what} id", id)


def _float32(scores: Sequence[float]) -> NDArray[np.float32]:
    """Scores as they are compared; one beyond float32 is infinite, as it is in C."""
    with np.errstate(over="ignore"):
        return np.array(scores, dtype=np.float32)


def _lines(rankings: Iterable[tuple[str, Sequence[tuple[str, float]]]], tag: str) -> Iterator[str]:
    _check_column("tag", tag)
    seen: set[str] = set()
    for query, hits in rankings:
        _check_column("query id", query)
        if query in seen:
            raise UsageError(f"Query {query!r} comes twice in the run to write.")
        seen.add(query)
        scores = dict(hits)
        if len(scores) < len(hits):
            raise UsageError(f"Query {query!r} has the same document twice in the run to write.")
        documents = ranked(query, scores)
        printed = _float32([scores[document] for document in documents])
        if not np.isfinite(printed).all():
            document = documents[int(np.isfinite(printed).argmin())]
            raise UsageError(
                f"Query {query!r} gives document {document!r} the score {scores[document]}; "
                "a run holds finite float32 scores only."
            )
        for rank, (document, score) in enumerate(zip(documents, printed, strict=True), 1):
            _check_column("document id", document)
            # str, as format would print the float64 that the score also is.
            yield f"{query} Q0 {document} {rank} {score!s} {tag}\n"


def _check_column(what: str, text: str) -> None:
    if not _COLUMN.fullmatch(text):
        raise UsageError(
            f"The {what} {text!r} can't be written in a TREC run: "
            "whitespace separates its columns, so each must be UTF-8 text without any."
            f"{_REMEDIES.get(what, '')}"
        )


class _Places(NamedTuple):
    """Where the documents of a query stood in a file, in its order; 16 bytes for each.

    ranks: as they are written, int64.
    lines: the number of each line, from 1, int64.
    """

    ranks: array[int]
    lines: array[int]


def _add(
    run: dict[str, dict[str, float]],
    places: dict[str, _Places],
    columns: list[bytes],
    path: Path,
    number: int,
) -> None:
    """Put one line of a run file into `run`, and its place into `places`."""
    if len(columns) != len(_COLUMNS):
        raise CorpusError(
            path,
            number,
            f"a line of a run has {len(_COLUMNS)} columns ({' '.join(_COLUMNS)}), "
            f"this one has {len(columns)}.",
        )
    try:
        query, document = columns[0].decode(), columns[2].decode()
    except UnicodeDecodeError:
        raise CorpusError(path, number, "the ids aren't UTF-8 text.") from None
    scores = run.setdefault(query, {})
    if document in scores:
        raise CorpusError(path, number, f"document {document!r} comes twice for query {query!r}.")
    # One id stands in many rankings: intern it, so that a large run holds it once.
    scores[sys.intern(document)] = _score(columns[4], path, number)
    place = places.get(query)
    if place is None:
        place = places[query] = _Places(array("q"), array("q"))
    place.ranks.append(_rank(columns[3], path, number))
    place.lines.append(number)


def _check_ranks(run: Run, places: Mapping[str, _Places], path: Path) -> None:
    """Raise CorpusError for the first rank of a query that another document has already."""
    for query, (ranks, lines) in places.items():
        if len(set(ranks)) == len(ranks):
            continue
        first: dict[int, str] = {}
        for document, rank, number in zip(run[query], ranks, lines, strict=True):
            if rank in first:
                raise CorpusError(
                    path,
                    number,
                    f"document {document!r} has the rank {rank} for query {query!r}, which "
                    f"document {first[rank]!r} has too; {_RIGHT_RANKS}.",
                )
            first[rank] = document


def _rank(column: bytes, path: Path, number: int) -> int:
    if not column.isdigit() or len(column) > _MOST_DIGITS:  # digits of ASCII: these are bytes
        shown = column.decode(errors="replace")
        raise CorpusError(path, number, f"the rank {shown!r} isn't a whole number; {_RIGHT_RANKS}.")
    return int(column)


def _score(column: bytes, path: Path, number: int) -> float:
    try:
        score = float(column)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        shown = column.decode(errors="replace")
        raise CorpusError(path, number, f"the score {shown!r} isn't a finite number.")
    return score


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[TextIO]:
    """Open a file that takes the place of `path` once it is whole, and else is removed."""
    try:
        with replacing(path) as place, _open(place, "wt") as out:
            yield out
    except OSError as problem:
        reason = _reason(problem)
        raise VecsearchError(f"{path}: the run can't be written: {reason}.") from problem


def _open(path: Path, mode: Literal["rb", "wt"]) -> Any:  # noqa: ANN401 - bytes or text
    """Open a file, gzipped if its name ends in .gz, or standard input; text is UTF-8."""
    if str(path) == "-" and mode == "rb":
        return contextlib.nullcontext(sys.stdin.buffer)
    encoding = "utf-8" if mode == "wt" else None
    if path.suffix == ".gz":
        return cast(IO[Any], gzip.open(path, mode, encoding=encoding))
    return path.open(mode, encoding=encoding)


def _reason(problem: Exception) -> str:
    """What the system says of a failure, without its number and path."""
    return (isinstance(problem, OSError) and problem.strerror) or str(problem)
