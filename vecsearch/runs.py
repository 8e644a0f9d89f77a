"""A run: the scores a search gave its answers, their one order, and TREC run files in and out.

A run file has six columns, `query Q0 document rank score tag`, with spaces between them, or with
tabs where an id holds white space. Evaluators order by the scores and never by the ranks, so the
order of a run is the order that trec_eval makes of it: see `ranked`.
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
_PLAIN: Final = re.compile(r"[^\s\x00\ud800-\udfff]+")
_BETWEEN_TABS: Final = re.compile(r"[^\t\n\r\x00\ud800-\udfff]+")
TABS_NEEDED: Final = (
    "tabs stand between columns, since ids hold white space: vecsearch reads that, trec_eval and "
    "others that split lines at any white space don't"
)
"""What is to be told of such a run."""

_REMEDIES: Final = {
    "query id": " Give the query another id, or have a search print its hits as JSON, whatever the "
    "ids (--json).",
    "document id": " Rename its file, or name another field of its record by --id-field, and index "
    "it again; or have a search print its hits as JSON, whatever the ids (--json).",
}
_MORE: Final = "; where an id holds spaces, each column is separated from the next by a single tab"
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
    *,
    tabs: bool = False,
) -> bool:
    """Write (query id, [(document id, score), ...]) pairs as a TREC run, gzipped if named *.gz.

    Documents are written in the order of `ranked`, whatever the order they come in. Scores are
    float32, in the shortest decimal text that reads back as the same float32. A path is replaced
    once the whole run is written and keeps what it held if that fails; "-" is standard output.

    tabs: whether tabs stand between the columns of every line; else they do in a line whose query
        or document id holds white space, and spaces in others.

    Return whether any id holds white space: `read_run` reads such a run, trec_eval doesn't. Raises
    UsageError for what the format can't hold: an id that is empty or has a tab, a line break or a
    NUL, a tag that is empty or has white space, a score that isn't finite in float32, a query or a
    document of a query that comes twice; and VecsearchError if the path can't be written.
    """
    lines = _Lines(rankings, tag, tabs=tabs)
    if file == "-":
        sys.stdout.flush()
        sys.stdout.buffer.writelines(line.encode() for line in lines)
    elif isinstance(file, str | Path):
        with _writing(Path(file)) as out:
            out.writelines(lines)
    else:
        file.writelines(lines)
    return lines.spaced


def read_run(path: Path | str) -> dict[str, dict[str, float]]:
    """Read a TREC run, gzipped if named *.gz, or "-": query id -> document id -> score.

    A line of six columns, none empty, with a tab between each two is read as these, so that ids may
    hold white space; any other is split at spaces and tabs, and blank lines are skipped. Ranks
    order nothing, but they are checked: where they are wrong, the scores may well be those of
    another query or system.
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
                columns = _columns(line.removeprefix(codecs.BOM_UTF8 if number == 1 else b""))
                if columns:
                    _add(run, places, columns, path, number)
    except (OSError, EOFError, zlib.error) as problem:
        raise CorpusError(path, None, f"the run can't be read: {_reason(problem)}.") from problem
    _check_ranks(run, places, path)
    return run


def check_ids(what: Literal["query", "document"], ids: Iterable[str]) -> bool:
    """Return whether any id holds white space, so that a run wants tabs between its columns.

    Raise UsageError for the first id that a TREC run can't hold, and say what helps.
    """
    spaced = False
    for id in ids:
        spaced = _check_id(f"{what} id", id) or spaced
    return spaced


def _float32(scores: Sequence[float]) -> NDArray[np.float32]:
    """Scores as they are compared; one beyond float32 is infinite, as it is in C."""
    with np.errstate(over="ignore"):
        return np.array(scores, dtype=np.float32)


class _Lines:
    """The lines of a run to write, once.

    spaced: whether any id so far holds white space.
    """

    def __init__(
        self,
        rankings: Iterable[tuple[str, Sequence[tuple[str, float]]]],
        tag: str,
        *,
        tabs: bool,
    ) -> None:
        self._rankings = rankings
        self._tag = tag
        self._tabs = tabs
        self.spaced = False

    def __iter__(self) -> Iterator[str]:
        tag, tabs = self._tag, self._tabs
        if not _PLAIN.fullmatch(tag):
            raise UsageError(
                f"The tag {tag!r} can't be written in a TREC run: it must be UTF-8 text without "
                "white space."
            )
        seen: set[str] = set()
        for query, hits in self._rankings:
            in_query = _check_id("query id", query)
            if query in seen:
                raise UsageError(f"Query {query!r} comes twice in the run to write.")
            seen.add(query)
            for rank, (document, score) in enumerate(_printed(query, hits), 1):
                spaced = _check_id("document id", document) or in_query
                self.spaced = self.spaced or spaced
                between = "\t" if spaced or tabs else " "
                # str, as format would print the float64 that the score also is.
                yield between.join((query, "Q0", document, str(rank), str(score), tag)) + "\n"


def _printed(query: str, hits: Sequence[tuple[str, float]]) -> Iterator[tuple[str, np.float32]]:
    """Give the documents of a query as they are written, best first, with their scores."""
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
    return zip(documents, printed, strict=True)


def _check_id(what: str, id: str) -> bool:
    """Return whether an id that is to be written holds white space."""
    if _PLAIN.fullmatch(id):
        return False
    if not _BETWEEN_TABS.fullmatch(id):
        raise UsageError(
            f"The {what} {id!r} can't be written in a TREC run: an id there is UTF-8 text, not "
            f"empty, without tabs, line breaks and NUL characters.{_REMEDIES[what]}"
        )
    return True


def _columns(line: bytes) -> list[bytes]:
    """Split a line of a run file; a blank one has no columns."""
    columns = line.rstrip(b"\r\n").split(b"\t")
    if len(columns) == len(_COLUMNS) and all(columns) and not line.isspace():
        columns[3:5] = (each.strip() for each in columns[3:5])
        return columns
    # Bytes split at ASCII whitespace only, as in trec_eval: an id may hold U+00A0.
    return line.split()


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
            f"a line of a run has {len(_COLUMNS)} columns ({' '.join(_COLUMNS)}), this one has "
            f"{len(columns)}{_MORE if len(columns) > len(_COLUMNS) else ''}.",
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
