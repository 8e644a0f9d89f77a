"""Qrels that a person adds to: one line a grade, each on disk before the next is asked for.

The file is BEIR's table, or TREC's four columns where it holds those already: with tabs between
them in a line whose ids hold white space, else with spaces. Whatever else it holds stays as it is,
line by line. One session writes at a time.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from vecsearch.corpus import read_qrels
from vecsearch.corpus.files import shown
from vecsearch.errors import CorpusError, UsageError, VecsearchError
from vecsearch.replacing import beside
from vecsearch.store.files import Disk

HEADER: Final = "query-id\tcorpus-id\tscore\n"

_BREAKS: Final = re.compile(r"[\t\n\r]")
_SPACES: Final = re.compile(r"\s")


class Judgments:
    """A file of grades, as `open_judgments` gives it.

    repaired: the incomplete last line that was removed when it was opened; "" if there was none.
    """

    def __init__(
        self, path: Path, grades: Mapping[str, Mapping[str, int]], *, trec: bool, disk: Disk
    ) -> None:
        self.path = path
        self.repaired = ""
        self._grades = {query: dict(each) for query, each in grades.items()}
        self._trec = trec
        self._disk = disk

    def grade(self, query: str, document: str) -> int | None:
        """Return the grade of a document for a query; None if it has none yet."""
        return self._grades.get(query, {}).get(document)

    def documents(self) -> set[str]:
        """Return the ids of all documents that have a grade for any query."""
        return {document for grades in self._grades.values() for document in grades}

    def check_ids(self, kind: str, ids: Iterable[str]) -> None:
        """Raise VecsearchError for an id that a line of the file can't hold."""
        for each in ids:
            if _BREAKS.search(each):
                raise VecsearchError(
                    f"The {kind} id {each!r} can't be written to {shown(self.path)}: it holds a "
                    "tab or a line break, which separates the columns or the lines there."
                )

    def add(self, query: str, document: str, grade: int) -> None:
        """Append a grade; once this returns it survives a power cut.

        Raise VecsearchError where it can't be written; the file is then as it was.
        """
        with self._naming_failure("the last grade isn't kept; those before it are"):
            self._append(self._line(query, document, grade))
        self._grades.setdefault(query, {})[document] = grade

    def remove(self, query: str, document: str) -> None:
        """Take out the line of a grade that was added; the file is replaced in one step.

        Raise VecsearchError where it holds no such line, or can't be written.
        """
        line = self._line(query, document, self._grades[query][document]).rstrip(b"\n")
        with self._naming_failure("the last grade is still there"):
            lines = self.path.read_bytes().split(b"\n")
            places = [place for place, each in enumerate(lines) if each.rstrip(b"\r") == line]
            if not places:
                raise VecsearchError(
                    f"{shown(self.path)} doesn't hold the grade of document {document!r} for query "
                    f"{query!r} any more: somebody else has changed the file. Start again to go on."
                )
            del lines[places[-1]]
            self._replace(b"\n".join(lines))
        del self._grades[query][document]

    def _line(self, query: str, document: str, grade: int) -> bytes:
        columns = (query, "0", document) if self._trec else (query, document)
        spaces = self._trec and not any(map(_SPACES.search, columns))
        return ((" " if spaces else "\t").join([*columns, str(grade)]) + "\n").encode()

    def _append(self, line: bytes) -> None:
        end = None
        try:
            # By name each time: an editor may have put another file in the place of ours.
            with self.path.open("a+b") as file:
                end = file.seek(0, os.SEEK_END)
                self._disk.write(file, _before(file, end) + line)
                self._disk.sync(file)
            if end == 0:
                self._disk.sync_folder(self.path.parent)
        except OSError:
            if end is not None:
                with contextlib.suppress(OSError):
                    os.truncate(self.path, end)
            raise

    def _replace(self, content: bytes) -> None:
        temporary = beside(self.path)
        try:
            self._disk.create(temporary, [content])
            shutil.copymode(self.path, temporary)
            self._disk.replace(temporary, self.path)
            self._disk.sync_folder(self.path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise

    @contextlib.contextmanager
    def _naming_failure(self, outcome: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise VecsearchError(
                f"{shown(self.path)} can't be written ({error.strerror or error}): {outcome}."
            ) from error


@contextlib.contextmanager
def open_judgments(
    path: str | Path, queries: Collection[str], disk: Disk | None = None
) -> Iterator[Judgments]:
    """Give the judgments in a file, which needn't exist yet, and keep others from writing to it.

    queries: ids of those that are judged. A last line that breaks off within a judgment of one of
        them, as after a crash, is removed.

    The file is made when the first grade is added. Raise UsageError for a gzipped file,
    CorpusError for one that isn't qrels, and VecsearchError if it can't be written or another
    session writes to it.
    """
    place = Path(path)
    if place.suffix == ".gz":
        raise UsageError(f"{shown(path)}: grades are appended to a file that isn't gzipped.")
    place = place.resolve()  # so that the target of a link is replaced, not the link
    disk = disk or Disk()
    try:
        if place.is_dir():
            raise VecsearchError(f"{shown(path)} is a folder; the judgments go to a file.")
        disk.make_folder(place.parent)
        lock = _locked(place)
    except OSError as error:
        reason = error.strerror or error
        if isinstance(error, FileExistsError | NotADirectoryError):
            reason = "a file is where its folder would be"
        raise VecsearchError(
            f"{shown(path)} can't be written ({reason}); name another file with --qrels."
        ) from None
    try:
        yield _read(place, queries, disk)
    finally:
        with contextlib.suppress(OSError):
            _lock_file(place).unlink()
        fcntl.flock(lock, fcntl.LOCK_UN)
        lock.close()


def _before(file: BinaryIO, end: int) -> bytes:
    """What comes before a line that is appended to a file: its header, or a missing newline."""
    if end == 0:
        return HEADER.encode()
    file.seek(end - 1)
    return b"" if file.read(1) == b"\n" else b"\n"


def _read(path: Path, queries: Collection[str], disk: Disk) -> Judgments:
    """Read a file as far as there is one, and repair its last line if it breaks off."""
    try:
        with path.open("r+b") as file:
            content = file.read()
            torn = _torn(content, queries)
            if torn:
                content = content[: -len(torn)]
                file.truncate(len(content))
                disk.sync(file)
    except FileNotFoundError:
        return Judgments(path, {}, trec=False, disk=disk)
    except OSError as error:
        raise CorpusError(
            shown(path), None, f"it can't be written to ({error.strerror or error})."
        ) from None
    whole = content.removeprefix(codecs.BOM_UTF8).strip()
    empty = whole in (b"", HEADER.strip().encode())
    grades = {} if empty else read_qrels(path)
    judgments = Judgments(path, grades, trec=_is_trec(whole), disk=disk)
    judgments.repaired = torn.decode(errors="replace")
    return judgments


def _is_trec(content: bytes) -> bool:
    first = content.partition(b"\n")[0]
    columns = first.split(b"\t")
    if len(columns) in (3, 4) and all(columns):
        return len(columns) == 4
    return len(first.split()) == 4


def _torn(content: bytes, queries: Collection[str]) -> bytes:
    """Return the last line if it breaks off before the grade in a line of ours, else nothing."""
    last = content[content.rfind(b"\n") + 1 :]
    if not last:
        return b""
    if last == content and HEADER.encode().startswith(last):
        return last
    known = {query.encode("utf-8", "surrogatepass") for query in queries}
    trec = _is_trec(content)
    # Of TREC's lines those whose ids hold white space have tabs; one may break off before these.
    columns = last.split(b"\t" if b"\t" in last or not trec else b" ")
    breaks_off = len(columns) < (4 if trec else 3) or not columns[-1]
    within_query = b"\t" not in last and any(query.startswith(last) for query in known)
    return last if within_query or (breaks_off and columns[0] in known) else b""


def _lock_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _locked(path: Path) -> BinaryIO:
    """Lock the file beside a path; the system frees it when the process ends, however it does."""
    lock = _lock_file(path)
    while True:
        file = lock.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # It may have been removed between our opening and locking it: then take the new one.
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        except BlockingIOError:
            file.close()
            raise VecsearchError(
                f"{shown(path)} is being judged in another session. Wait for that to end, or name "
                "another file with --qrels."
            ) from None
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()
