"""Documents on their way into a segment: analysed as they come, and handed on to be encoded."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vecsearch.coded import Coded, coded
from vecsearch.encoders.own import checked_vectors
from vecsearch.encoding import Rows
from vecsearch.errors import UsageError
from vecsearch.passages import split
from vecsearch.store.arrays import Stream
from vecsearch.store.columns import build_columns
from vecsearch.store.documents import build_documents, encode_document, hash_ids
from vecsearch.store.manifest import Passages
from vecsearch.store.postings_build import PostingsBuilder
from vecsearch.store.segment import Arrays, Rooms
from vecsearch.tokenizing import Cut, Tokenizer
from vecsearch.types import Document, Meta, Vectors, seen_text

_TOKENIZE: Final = 1 << 14
"""Rows whose terms are found at a time."""

_AHEAD: Final = 2
"""So many times these rows may be waiting for it."""

_NO_META: Final[Meta] = {}

_FULL_ROWS: Final = 1 << 19
_FULL_BYTES: Final = 1 << 28
"""Of texts and vectors: each takes about twice as much memory until it is written."""


class Threads:
    """What works beside whoever gives a writer documents: batch after batch the same threads.

    Others for each batch would each keep the memory that they have freed.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.cutting = ThreadPoolExecutor(1)  # without a thread until there is work for it
        self.numbering = ThreadPoolExecutor(1)

    def close(self) -> None:
        """Let them end once they have done what they are at."""
        for each in (self.cutting, self.numbering):
            each.shutdown(wait=False, cancel_futures=True)


class Batch:
    """Collects documents in memory until they are laid out as the rooms of a segment.

    vectors: collects the vectors of its rows; None for an index without any.
    """

    def __init__(
        self,
        threads: Threads,
        vectors: Rows | None,
        passages: Passages | None,
    ) -> None:
        self._threads = threads
        self._vectors = vectors
        self._passages = passages
        self._ids: list[str] = []
        self._hashes: list[NDArray[np.uint64]] = []  # of the ids up to those that came last
        self._hashed = 0
        self._contents: list[Coded] = []
        self._metas: list[Meta] = []
        self._ends = array("i")  # of whole texts, each of which is a row that begins at 0
        self._spans = array("i")  # of passages
        self._row_counts = array("i")
        self._texts: list[Coded] = []  # rows whose terms aren't known yet
        self._postings = PostingsBuilder()
        self._counted: list[Future[None]] = []
        self._rows = 0
        self._bytes = 0
        self._placed = 0
        self._positions: dict[str, int] = {}  # of the ids up to those that came last
        self._given: dict[str, Vectors] = {}
        self.full = False
        """Whether it is time to write a segment."""

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def positions(self) -> Mapping[str, int]:
        """The position of each id that is still wanted; an id added again has the later one."""
        # Made when somebody asks: that takes longer than anything else that `add` does.
        known = self._placed
        self._placed = len(self._ids)
        self._positions.update(zip(self._ids[known:], range(known, self._placed), strict=True))
        return self._positions

    def wanted(self) -> tuple[Sequence[str], NDArray[np.int64]]:
        """Return the ids, each once, and the positions that `positions` has of them, (ids,)."""
        self._hash()
        hashes = np.sort(np.concatenate(self._hashes))
        if (hashes[1:] != hashes[:-1]).all():
            return self._ids, np.arange(len(self._ids))
        positions = self.positions
        return list(positions), np.fromiter(positions.values(), np.int64, len(positions))

    def add(self, document: Document, known: Vectors | None = None) -> None:
        """Take a document; raise UsageError, and take nothing, where it can't be stored.

        known: the vectors of its rows, (rows, dim), where they needn't be encoded.
        """
        # Every microsecond that this takes is taken for each document, by the only thread.
        title, text, meta = content = encode_document(document)
        rows: Sequence[str] = ()
        if self._passages:
            spans = split(document.text, self._passages.words, self._passages.overlap)
            rows = [seen_text(document.title, document.text[start:end]) for start, end in spans]
        elif self._vectors:
            rows = (seen_text(document.title, document.text),)
        count = len(rows) if self._passages else 1
        if document.vector is not None:
            known = self._own_vector(document, count)
        elif known is None and self._vectors and not self._vectors.encodes:
            raise UsageError(
                f"Document {document.id!r} has no vector, and this index holds vectors that its "
                f"owner made, of {self._vectors.dim} numbers: give the document one, "
                "on the command line by --vectors FILE.npy, with a row for each document; a field "
                "of a record there is metadata."
            )
        self._ids.append(document.id)
        self._contents += content
        self._metas.append(_copied(document.meta) if meta else _NO_META)
        if self._passages:
            self._spans.extend(chain.from_iterable(spans))
            self._row_counts.append(count)
            self._texts += map(coded, rows)
        else:
            self._ends.append(len(document.text))
            self._texts.append(coded(seen_text(document.title, document.text)) if title else text)
        self._rows += count
        self._bytes += len(text)
        if self._vectors:
            self._bytes += 4 * count * self._vectors.dim
        if self._rows >= _FULL_ROWS or self._bytes >= _FULL_BYTES:
            self.full = True
        if len(self._texts) >= _TOKENIZE:
            self._tokenize()
        if self._vectors:
            self._vectors.add(rows if known is None else known)
            self._note(document.id, known)

    def _note(self, id: str, known: Vectors | None) -> None:
        if known is not None:
            self._given[id] = known
        elif self._given:
            self._given.pop(id, None)

    def given(self, document: Document) -> Vectors | None:
        """Return the vectors, (rows, dim), that came with the document of this id.

        None where its texts aren't the same.
        """
        vectors = self._given.get(document.id)
        if vectors is not None:
            first = 3 * self.positions[document.id]
            title, text, _ = encode_document(document)
            if self._contents[first : first + 2] == [title, text]:
                return vectors
        return None

    def rooms(self) -> Rooms:
        """Lay out what was collected: postings in another thread, others as they are asked for."""
        self._tokenize()
        postings = self._threads.numbering.submit(self._lay_out)
        return self._rooms(postings, self._vectors.blocks() if self._vectors else [])

    def _rooms(
        self, postings: Future[Arrays], vectors: Sequence[Vectors]
    ) -> Iterator[tuple[str, Arrays | Future[Arrays]]]:
        yield "postings", postings
        self._hash()
        hashes = np.concatenate(self._hashes)
        spans, counts = self._spans_and_counts()
        yield "documents", build_documents(self._ids, hashes, self._contents, spans, counts)
        yield "columns", build_columns(self._metas)
        if self._vectors:
            shape = self._rows, self._vectors.dim
            yield "vectors", {"vectors": Stream(np.dtype(np.float32), shape, vectors)}

    def _spans_and_counts(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return where each row begins and ends, and how many each document has."""
        if self._passages:
            spans = np.array(self._spans, np.int32).reshape(-1, 2)
            return spans, np.array(self._row_counts, np.int32)
        ends = np.array(self._ends, np.int32)
        return np.stack([np.zeros_like(ends), ends], axis=1), np.ones_like(ends)

    def _lay_out(self) -> Arrays:
        for each in self._counted:
            each.result()
        return self._postings.arrays(self._threads.tokenizer.vocabulary)

    def _own_vector(self, document: Document, rows: int) -> Vectors:
        what = f"The vector of document {document.id!r}"
        if self._vectors is None:
            raise UsageError(
                f"{what} has no place in an index without embeddings; create the index with "
                "OwnVectors(dim), or with an encoder, to have them."
            )
        if rows != 1:
            raise UsageError(f"{what} is one, but the document was split into {rows} passages.")
        vectors = checked_vectors(document.vector, what, self._vectors.dim)
        if len(vectors) != 1:
            raise UsageError(f"{what} must be one vector, not {len(vectors)}.")
        return vectors

    def _tokenize(self) -> None:
        """Find the terms of what waits, while the next documents are taken."""
        if self._texts:
            # Going on while others are behind costs memory, and slows them down by taking the GIL.
            if len(self._counted) >= _AHEAD:
                self._counted[-_AHEAD].result()
            cut = self._threads.cutting.submit(self._threads.tokenizer.cut, self._texts)
            self._counted.append(self._threads.numbering.submit(self._count, cut))
            self._texts = []
            self._hash()

    def _hash(self) -> None:
        """Hash the ids that aren't yet: while others work, not once they wait for it."""
        if self._hashed < len(self._ids):
            self._hashes.append(hash_ids(self._ids[self._hashed :]))
            self._hashed = len(self._ids)

    def _count(self, cut: Future[Cut]) -> None:
        self._postings.add(*self._threads.tokenizer.number(cut.result()))


def _copied(meta: Meta) -> Meta:
    """Copy metadata, so that what a caller changes later isn't found where it isn't stored."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in meta.items()
    }
