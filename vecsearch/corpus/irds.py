"""Data sets of ir_datasets by their names, "beir/scifact/test": documents, queries and qrels.

The library, of the extra `datasets`, fetches what it doesn't have yet into a folder of its own.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from vecsearch.corpus.base import DEFAULT_FIELDS, Fields, Record
from vecsearch.corpus.libraries import INSTALL, quiet, quietly, said
from vecsearch.corpus.record import BadRecord
from vecsearch.corpus.seen import unique
from vecsearch.corpus.values import document_from, without_bytes
from vecsearch.errors import CorpusError, did_you_mean
from vecsearch.types import Qrels, Query

_LONG: Final = 200  # characters of a field that isn't kept a second time beside the text
_NO_BARS: Final = "IR_DATASETS_DL_DISABLE_PBAR"


class IrDataset:
    """A judged corpus; its size is unknown before it is read.

    The text of a document is its field `text`, else what ir_datasets takes to be its text, less the
    title. All other fields but those of bytes are metadata, unless the text repeats them at length.
    """

    total_bytes: Final = None
    bytes_read: Final = 0

    def __init__(self, name: str, fields: Fields = DEFAULT_FIELDS) -> None:
        self.name = f"ir:{name}"
        self._id = name
        self._fields = fields

    def read(self) -> Iterator[Record | CorpusError]:
        """Read the documents from the start; `line` is the number of the document, from 1."""
        return unique(self._records(), "document")

    def queries(self) -> list[Query]:
        """Read the queries; CorpusError if there are none, or they can't be had."""
        return [Query(query.query_id, _asked(query)) for query in self._all("queries")]

    def qrels(self) -> Qrels:
        """Read the judgments; of several grades of one pair the highest counts.

        CorpusError if there are none, or they can't be had.
        """
        qrels: dict[str, dict[str, int]] = {}
        for judgment in self._all("qrels"):
            grades = qrels.setdefault(judgment.query_id, {})
            grade = int(judgment.relevance)
            grades[judgment.doc_id] = max(grade, grades.get(judgment.doc_id, grade))
        return qrels

    def _all(self, kind: str) -> Iterator[Any]:
        """Read all queries or qrels."""
        try:
            yield from self._stream(kind)
        except Exception as error:
            raise self._problem(error, None) from None

    def _records(self) -> Iterator[Record | CorpusError]:
        number = 0
        try:
            for number, document in enumerate(self._stream("docs"), 1):
                yield self._record(document, number)
        except Exception as error:
            yield self._problem(error, number + 1 if number else None)

    def _record(self, found: Any, number: int) -> Record | CorpusError:  # noqa: ANN401
        fields = replace(self._fields, id=self._fields.id or "doc_id")
        record = dict(found._asdict())
        if fields.text is None and not isinstance(record.get("text"), str):
            record["text"] = _whole_text(found, record, fields.title or "title")
        fields = replace(fields, text=fields.text or "text")
        try:
            document = document_from(without_bytes(record, fields.names), fields)
        except BadRecord as problem:
            return CorpusError(self.name, number, str(problem), "document")
        return Record(document, self.name, number)

    def _stream(self, kind: str) -> Iterator[Any]:
        """What the library has of a kind, docs, queries or qrels, one by one."""
        with _silence():
            import ir_datasets

            try:
                found = ir_datasets.load(self._id)
            except KeyError:
                hint = did_you_mean(self._id, ir_datasets.registry)
                problem = f"ir_datasets knows no data set of this name.{hint}"
                raise BadRecord(problem) from None
            if not found.has(kind):
                raise BadRecord(f"this data set has no {_KINDS[kind]}{self._below(kind)}.")
            items = getattr(found, f"{kind}_iter")()
        yield from quietly(items, _silence)

    def _below(self, kind: str) -> str:
        """Name data sets beneath this one that do have something."""
        import ir_datasets

        under = (name for name in ir_datasets.registry if name.startswith(f"{self._id}/"))
        having = [repr(name) for name in under if ir_datasets.registry[name].has(kind)]
        return f"; it is in {', '.join(having[:5])}" if having else ""

    def _problem(self, error: Exception, number: int | None) -> CorpusError:
        if isinstance(error, BadRecord):
            return CorpusError(self.name, None, str(error))
        if isinstance(error, ImportError):
            missing = error.name or "ir_datasets"
            return CorpusError(self.name, None, f"reading it takes {missing}: {INSTALL}.")
        if isinstance(error, FileNotFoundError):
            problem = (
                f"it must be fetched by hand, as ir_datasets documents; missing: {said(error)}."
            )
            return CorpusError(self.name, None, problem)
        # Each data set fails in its own way; all mean that the data can't be had.
        return CorpusError(self.name, number, f"it can't be read: {said(error)}.", "document")


_KINDS: Final = {"docs": "documents", "queries": "queries", "qrels": "judgments"}


def _whole_text(found: Any, record: dict[str, object], title: str) -> str:  # noqa: ANN401
    """The text as the library puts it together, without what is kept beside it."""
    text = str(found.default_text())
    for name, value in list(record.items()):
        if name != title and isinstance(value, str) and len(value) > _LONG and value in text:
            del record[name]
    heading = record.get(title)
    if isinstance(heading, str) and text.startswith(heading):
        text = text[len(heading) :].lstrip()
    return text


def _asked(query: Any) -> str:  # noqa: ANN401
    """The text of a query: the title alone, for instance, of a topic of TREC's."""
    return str(query.default_text() if hasattr(query, "default_text") else query.text)


class _Nowhere(io.TextIOBase):
    """A file that forgets what is written to it."""

    def write(self, text: str) -> int:
        return len(text)


@contextmanager
def _silence() -> Iterator[None]:
    """Log nothing, and let progress bars go nowhere: they can't be switched off, as they count."""
    import ir_datasets

    ir_datasets.log.easy().logger()  # sets its own level, the first time
    libraries = ir_datasets.lazy_libs
    find_bars, before = libraries.tqdm, os.environ.get(_NO_BARS)
    bars = SimpleNamespace(tqdm=partial(find_bars().tqdm, file=_Nowhere()))
    libraries.tqdm, os.environ[_NO_BARS] = lambda: bars, "true"
    try:
        with quiet("ir_datasets"):
            yield
    finally:
        libraries.tqdm = find_bars
        if before is None:
            del os.environ[_NO_BARS]
        else:
            os.environ[_NO_BARS] = before
