"""The index of a segment's vectors, as its manifest says."""

from __future__ import annotations

import mmap

from vecsearch.errors import IndexCorrupt
from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.base import VectorIndex
from vecsearch.retrieve.nearest.building import from_bytes
from vecsearch.retrieve.nearest.contract import Contract
from vecsearch.retrieve.nearest.exact import Flat
from vecsearch.store.segment import Segment
from vecsearch.types import Vectors


def index_of(segment: Segment, matrix: Vectors) -> VectorIndex:
    """Return what searches a segment's vectors, (rows, dim), read from its file when first needed.

    Raise IndexCorrupt where the file isn't what was written.
    """
    nearest = segment.nearest
    if nearest is None or nearest.exact:
        return Flat(matrix)

    def make(data: mmap.mmap) -> Approximate:
        contract = Contract.from_dict(nearest.contract)
        if contract.effort is None or contract.costs is None:
            raise ValueError("its contract is that of exact search")
        return Approximate(from_bytes(data, matrix), matrix, contract.effort, contract.costs)

    return nearest.load(make)


def contract_of(segment: Segment) -> Contract | None:
    """Return what was promised of a segment; None where nobody asked for a recall."""
    if segment.nearest is None:
        return None
    try:
        return Contract.from_dict(segment.nearest.contract)
    except (KeyError, TypeError, ValueError) as error:
        raise IndexCorrupt(
            segment.nearest.path, f"what it was tuned to can't be read ({error!r})."
        ) from None
