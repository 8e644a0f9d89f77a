"""Several segments' documents become one's, of which little is held at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.store.arrays import Array, Stream
from vecsearch.store.blobs import Blobs, pack_taken, rising, stream_offsets
from vecsearch.store.documents import Documents
from vecsearch.store.interleaving import stretches_of

Parts: TypeAlias = Sequence[tuple[Documents, NDArray[np.bool_]]]
"""The documents of segments, and which of them stay, (documents,) bool."""

BLOCK: Final = 1 << 16
"""Documents worked on at a time."""


def merge_documents(parts: Parts) -> dict[str, Array | Stream]:
    """Lay out the documents of several segments that stay.

    As streams: while one of them is written, some 12 bytes a document are in memory.
    """
    count = sum(int(np.count_nonzero(kept)) for _, kept in parts)
    rows = sum(int(some.sum()) for some in _row_counts(parts))
    ids, id_offsets = pack_taken([(each.names, kept) for each, kept in parts])
    contents, content_offsets = pack_taken([(each.contents, kept) for each, kept in parts], 3)
    hashes = (some for some, _ in _merged_hashes(parts))
    order = (some for _, some in _merged_hashes(parts))
    return {
        "ids": ids,
        "id_offsets": id_offsets,
        "id_hashes": Stream(np.dtype(np.uint64), (count,), hashes),
        "id_order": Stream(np.dtype(np.int32), (count,), order),
        "id_ranks": Stream(np.dtype(np.int32), (count,), _merged_ranks(parts, count)),
        "contents": contents,
        "content_offsets": content_offsets,
        "row_starts": stream_offsets(_row_counts(parts), count, np.int32),
        "spans": Stream(np.dtype(np.int32), (rows, 2), _kept_spans(parts)),
    }


def _row_counts(parts: Parts) -> Iterator[NDArray[np.int32]]:
    """Yield how many rows the documents that stay fill."""
    for documents, kept in parts:
        for start in range(0, len(kept), BLOCK):
            some = kept[start : start + BLOCK]
            yield np.diff(documents.row_starts[start : start + len(some) + 1])[some]


def _kept_spans(parts: Parts) -> Iterator[NDArray[np.int32]]:
    for documents, kept in parts:
        for start in range(0, len(kept), BLOCK):
            some = kept[start : start + BLOCK]
            bounds = documents.row_starts[start : start + len(some) + 1]
            stays = np.repeat(some, np.diff(bounds))
            yield documents.spans[bounds[0] : bounds[-1]][stays]


def _renumbered(parts: Parts) -> list[NDArray[np.int32]]:
    """Return the new positions of the documents that stay, at the places of the old ones."""
    first, positions = 0, []
    for _, kept in parts:
        places = np.cumsum(kept, dtype=np.int32)
        places += first - 1
        positions.append(places)
        first += int(np.count_nonzero(kept))
    return positions


def _merged_hashes(parts: Parts) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int32]]]:
    """Yield the hashes that stay, rising, and the new position behind each.

    Hashes spread evenly, so a stretch of all that there may be is a stretch of those of each part.
    """
    positions = _renumbered(parts)
    stretches = sum(len(kept) for _, kept in parts) // BLOCK + 1
    starts = [0] * len(parts)
    for stretch in range(1, stretches + 1):
        limit = np.uint64((stretch << 64) // stretches - 1)
        hashes, order = [], []
        for i, (documents, kept) in enumerate(parts):
            end = int(np.searchsorted(documents.id_hashes, limit, side="right"))
            old = documents.id_order[starts[i] : end]
            stays = kept[old]
            hashes.append(documents.id_hashes[starts[i] : end][stays])
            order.append(positions[i][old[stays]])
            starts[i] = end
        some = np.concatenate(hashes)
        rising_ones = np.argsort(some, kind="stable")  # equal ones stay in order of position
        yield some[rising_ones], np.concatenate(order)[rising_ones]


class _Ordered(Sequence[bytes]):
    """The ids of the documents that stay of a part, rising.

    places: (n,) int32, where each is among all of the part.
    """

    def __init__(self, ids: Blobs, ranks: NDArray[np.int32], kept: NDArray[np.bool_]) -> None:
        self._ids = ids
        places = np.empty(len(ranks), np.int32)
        places[ranks] = np.arange(len(ranks), dtype=np.int32)
        self.places = places if kept.all() else places[kept[places]]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]
        return self._ids[int(self.places[index])]


def _merged_ranks(parts: Parts, count: int) -> Iterator[NDArray[np.int32]]:
    """Yield where each id that stays stands among all that do, in order of position."""
    ranks = np.empty(count, np.int32)
    positions = _renumbered(parts)
    ordered = [_Ordered(each.names, each.id_ranks, kept) for each, kept in parts]
    first = 0
    for stretch in stretches_of(ordered):
        ids: list[bytes] = []
        here = []
        for i, (documents, _) in enumerate(parts):
            places = ordered[i].places[stretch[i]]
            ids += documents.names.some(places)
            here.append(positions[i][places])
        ranks[np.concatenate(here)[rising(ids)]] = np.arange(first, first + len(ids))
        first += len(ids)
    yield ranks
