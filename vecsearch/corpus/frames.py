"""Documents of what a Python program holds: mappings, and frames of pandas, polars and Arrow.

Frames are known by their methods, so that no library is imported to find out. A row of a frame is
a record like a line of JSON Lines; `values` says what becomes of its values. Numbers in a field
`vector` are the document's vector and no metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from vecsearch.corpus.base import DEFAULT_FIELDS, Fields
from vecsearch.corpus.parquet import rows_of
from vecsearch.corpus.record import BadRecord
from vecsearch.corpus.values import document_from, is_missing, vector_of
from vecsearch.errors import UsageError
from vecsearch.types import Document

_VECTOR: Final = "vector"


def documents_of(items: object, fields: Fields = DEFAULT_FIELDS) -> Iterator[Document]:
    """Make documents of what holds some, one at a time.

    items: a Document, which is passed on as it is; a mapping, which is one document; an iterable
        of both, as a data set of Hugging Face's is too; or a frame, a document a row: a pandas
        DataFrame, whose named index levels count as columns, a polars DataFrame or LazyFrame,
        which is collected, or an Arrow Table, RecordBatch, RecordBatchReader or dataset.
    fields: what holds the id, title and text of a mapping or a row. What the field `vector` holds,
        if it is a list, tuple or array, is the document's vector, whose numbers the index checks.

    Raises UsageError for anything else, and, while it is iterated over, for an item that makes no
    document; the message counts items from 1.
    """
    if isinstance(items, Document | Mapping):
        return _documents([items], fields)
    rows = _rows(items)
    if rows is None:
        raise UsageError(
            f"Documents can't be made of the type {type(items).__name__}; give a Document, a "
            "mapping of its fields, an iterable of those, or a frame of pandas, polars or Arrow."
        )
    return _documents(rows, fields)


def _documents(items: Iterable[object], fields: Fields) -> Iterator[Document]:
    for number, item in enumerate(items, 1):
        if isinstance(item, Document):
            yield item
            continue
        try:
            if isinstance(item, BadRecord):
                raise item
            if not isinstance(item, Mapping):
                raise BadRecord(
                    "a document is a Document or a mapping of its fields, not of the type "
                    f"{type(item).__name__}."
                )
            document = _document(item, fields)
        except BadRecord as problem:
            raise UsageError(f"Item {number} makes no document: {problem}") from None
        yield document


def _document(item: Mapping[Any, object], fields: Fields) -> Document:
    if _VECTOR not in item or _VECTOR in fields.names:
        return document_from(item, fields)
    given = item[_VECTOR]
    vector = vector_of(given)
    if vector is None and not is_missing(given):  # text or a number: metadata of this name
        return document_from(item, fields)
    rest = {name: value for name, value in item.items() if name != _VECTOR}
    return replace(document_from(rest, fields), vector=vector)


def _rows(items: Any) -> Iterable[object] | None:  # noqa: ANN401 - whatever a caller gave
    """The rows of a frame, or the items of an iterable; None if it is neither."""
    if hasattr(items, "itertuples") and hasattr(items, "columns"):  # pandas
        return _pandas_rows(items)
    if hasattr(items, "collect_schema") and hasattr(items, "collect"):  # a LazyFrame of polars
        items = items.collect()
    if hasattr(items, "iter_rows"):  # polars
        return items.iter_rows(named=True)  # type: ignore[no-any-return]
    if hasattr(items, "to_batches"):  # a table or a dataset of Arrow
        return _arrow_rows(items.to_batches())
    if hasattr(items, "read_next_batch"):
        return _arrow_rows(items)
    if hasattr(items, "to_pylist") and hasattr(items, "schema"):  # a batch
        return _arrow_rows([items])
    if isinstance(items, str | bytes | bytearray | memoryview) or not isinstance(items, Iterable):
        return None
    return items


def _pandas_rows(frame: Any) -> Iterator[object]:  # noqa: ANN401
    columns = list(frame.columns)
    levels = [name for name in frame.index.names if name is not None and name not in columns]
    names = [*columns, *levels]
    _refuse_twice(names)
    indexed = (frame.index.get_level_values(name) for name in levels)
    index = zip(*indexed, strict=True) if levels else iter(lambda: (), None)
    for cells, level in zip(frame.itertuples(index=False, name=None), index, strict=False):
        yield dict(zip(names, (*cells, *level), strict=True))


def _arrow_rows(batches: Iterable[Any]) -> Iterator[object]:
    for batch in batches:
        _refuse_twice(batch.schema.names)
        yield from rows_of(batch)


def _refuse_twice(names: list[Any]) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"Two columns of the frame are named {twice[0]!r}.")
