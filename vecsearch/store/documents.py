"""The documents of a segment as they were given: ids, contents, and the rows that they fill.

I have a position, give me the document; I have ids, give me positions; I have a row, give me its
document and its span of the text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from math import isfinite
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.coded import Coded, coded
from vecsearch.errors import UsageError
from vecsearch.store.arrays import Array, Stream
from vecsearch.store.blobs import Blobs, offsets_of, pack, pack_in_blocks, rising
from vecsearch.types import Document, Meta, Span, plain_number

_MOST_DIGITS: Final = 4300  # of an integer that Python reads and writes, unless it is told to
_TOO_LARGE: Final = 10**_MOST_DIGITS
_BLOCK: Final = 1 << 14
"""Documents whose metadata is read at a time."""
_JSON: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain_number
)

Content: TypeAlias = tuple[Coded, Coded, Coded]
"""A document's title, text, and metadata as JSON, which are empty where there are none."""


def hash_ids(ids: Iterable[str]) -> NDArray[np.uint64]:
    """Hash ids to 64 bits (blake2b), (n,) uint64. Ids are compared whole wherever hashes meet."""
    empty, digests = hashlib.blake2b(digest_size=8), []
    for name in ids:
        hashed = empty.copy()  # takes less time than making one
        # A lone surrogate is in no stored id, but one may be looked for.
        hashed.update(name.encode("utf-8", "surrogatepass"))
        digests.append(hashed.digest())
    return np.frombuffer(b"".join(digests), "<u8")


def id_text(id: str | int) -> str:
    """Return an id that is looked for as text: a whole number is written out, as in records.

    Raise UsageError for what is neither.
    """
    if type(id) is int:
        return str(id)
    if not isinstance(id, str):
        raise UsageError(f"A document's id is text or a whole number, not {id!r}.")
    return id


def encode_document(document: Document) -> Content:
    """Write down what a document holds beside its id and its vector.

    Raise UsageError where it holds what JSON or UTF-8 can't: the store takes nothing that it
    couldn't give back.
    """
    name, title, text, meta = document.id, document.title, document.text, document.meta
    try:
        if not (isinstance(name, str) and name):
            raise UsageError(f"A document's id is text that isn't empty, not {name!r}.")
        if not (isinstance(title, str) and isinstance(text, str)):
            raise UsageError(f"The title and the text of document {name!r} must be text.")
        name.encode()
        written: Coded = ""
        if meta != {}:
            if not isinstance(meta, Mapping):
                raise UsageError(
                    f"The metadata of document {name!r} is a mapping from fields to values, not "
                    f"{meta!r}."
                )
            for field, value in meta.items():
                _check_meta(name, field, value)
            written = coded(_JSON.encode(dict(meta)))
        # As `coded` does: called for every document it would take a tenth of all that is done here.
        return title and coded(title), text if text.isascii() else text.encode(), written
    except UnicodeEncodeError as error:
        raise UsageError(
            f"Document {document.id!r} holds a lone surrogate ({error.object[error.start]!r}), "
            "which isn't a character; replace or drop it."
        ) from None
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"The metadata of document {document.id!r} can't be stored: {error}."
        ) from None


def _check_meta(name: str, key: object, value: object) -> None:
    values = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(each, int) and not -_TOO_LARGE < each < _TOO_LARGE for each in values):
        raise UsageError(
            f"The metadata field {key!r} of document {name!r} holds an integer of more than "
            f"{_MOST_DIGITS:,} digits; give it as text."
        )
    if not isinstance(key, str):
        raise UsageError(
            f"The metadata of document {name!r} has a field named {key!r}; a field's name is text."
        )
    if not all(each is None or isinstance(each, str | int) or _is_finite(each) for each in values):
        raise UsageError(
            f"The metadata field {key!r} of document {name!r} holds {value!r}; it takes text, "
            "finite numbers, true, false, null, and lists of those."
        )


def _is_finite(value: object) -> bool:
    number = value if isinstance(value, float) else plain_number(value)
    return number is not None and isfinite(number)


class Documents:
    """The stored documents of one segment, opened over its arrays."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.names = Blobs(arrays["ids"], arrays["id_offsets"])
        """(documents,): the id at each position, as UTF-8."""
        self.contents = Blobs(arrays["contents"], arrays["content_offsets"])
        """(3 * documents,): what `encode_document` gave of each."""
        self.id_hashes: NDArray[np.uint64] = arrays["id_hashes"]
        """(documents,) uint64, rising."""
        self.id_order: NDArray[np.int32] = arrays["id_order"]
        """(documents,) int32: the position behind each hash."""
        self.id_ranks: NDArray[np.int32] = arrays["id_ranks"]
        """(documents,) int32: where each id stands among the segment's ids in rising order."""
        self.row_starts: NDArray[np.int32] = arrays["row_starts"]
        """(documents + 1,) int32: the first row of each document, and the number of rows."""
        self.spans: NDArray[np.int32] = arrays["spans"]
        """(rows, 2) int32: where each row begins and ends in its document's text."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def rows(self) -> int:
        """How many rows the documents fill."""
        return len(self.spans)

    @cached_property
    def most_rows(self) -> int:
        """How many rows the document of the most rows fills; 1 where there is none."""
        return int(np.diff(self.row_starts).max(initial=1))

    def id(self, position: int) -> str:
        """Return the id of the document at a position."""
        return self.names[position].decode()

    def ids(self, positions: NDArray[np.int64]) -> list[str]:
        """Return the ids of the documents at some positions."""
        return self.names.texts(positions)

    def document(self, position: int) -> Document:
        """Return the document at a position, as it was given."""
        title, text, meta = self.contents[3 * position : 3 * position + 3]
        return Document(self.id(position), text.decode(), title.decode(), _read_meta(meta))

    def span(self, row: int) -> Span:
        """Return the stretch of the document's text that a row stands for."""
        start, end = self.spans[row].tolist()
        return Span(start, end)

    def rows_of(self, position: int) -> slice:
        """Return the stretch of the segment's rows that the document at a position fills."""
        return slice(*self.row_starts[position : position + 2].tolist())

    def position_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the document that each row belongs to."""
        if len(self) == self.rows:
            return rows
        return np.searchsorted(self.row_starts, rows, side="right").astype(np.int64) - 1

    def hashes(self) -> NDArray[np.uint64]:
        """Return the hash of every id, (documents,) uint64, by position."""
        hashes = np.empty(len(self), np.uint64)
        hashes[self.id_order] = self.id_hashes
        return hashes

    def find(self, ids: Sequence[str], hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the positions of `ids`, (ids,); -1 where there is none.

        hashes: of the ids, (ids,), as `hash_ids` gives them.

        A batch may hold an id several times, if it was updated there: the last one counts.
        """
        positions = np.full(len(ids), -1, np.int64)
        if not len(self):
            return positions
        first = np.searchsorted(self.id_hashes, hashes)
        known = self.id_hashes[np.minimum(first, len(self) - 1)] == hashes
        for i in np.flatnonzero(known).tolist():
            at, name = int(first[i]), ids[i].encode("utf-8", "surrogatepass")
            while at < len(self) and self.id_hashes[at] == hashes[i]:
                if self.names[int(self.id_order[at])] == name:
                    positions[i] = self.id_order[at]  # equal hashes lie in order of position
                at += 1
        return positions

    def metas(self, kept: NDArray[np.bool_]) -> Iterator[Meta]:
        """Yield the metadata of the documents where `kept` (documents,) is true."""
        for start in range(0, len(kept), _BLOCK):
            places = 3 * (start + np.flatnonzero(kept[start : start + _BLOCK])) + 2
            yield from map(_read_meta, self.contents.some(places))


def _read_meta(content: bytes) -> Meta:
    meta: Meta = json.loads(content) if content else {}
    return meta


def build_documents(
    ids: Sequence[str],
    hashes: NDArray[np.uint64],
    contents: Sequence[Coded],
    spans: NDArray[np.int32],
    rows: NDArray[np.int32],
) -> dict[str, Array | Stream]:
    """Lay out new documents.

    hashes: what `hash_ids` gave of the ids.
    contents: what `encode_document` gave of each, end to end.
    spans: (rows, 2) int32, where each row begins and ends in its document's text.
    rows: (documents,) int32, how many each has.
    """
    data, offsets = pack_in_blocks(contents)
    return {
        **_index_ids([name.encode() for name in ids], hashes),
        "contents": data,
        "content_offsets": offsets,
        "row_starts": offsets_of(rows).astype(np.int32),
        "spans": spans,
    }


def _index_ids(ids: list[bytes], hashes: NDArray[np.uint64]) -> dict[str, Array | Stream]:
    data, offsets = pack(ids)
    order = np.argsort(hashes)  # several times as fast as one that is stable
    if not np.diff(hashes[order]).all():
        order = np.argsort(hashes, kind="stable")
    ranks = np.empty(len(ids), np.int32)
    # UTF-8 sorts as the text does, code point by code point.
    ranks[rising(ids)] = np.arange(len(ids), dtype=np.int32)
    return {
        "ids": data,
        "id_offsets": offsets,
        "id_hashes": hashes[order],
        "id_order": order.astype(np.int32),
        "id_ranks": ranks,
    }
