"""Whether an index is still what was measured when a recall was promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vecsearch.retrieve.nearest.contract import GROWTH
from vecsearch.store.manifest import Manifest
from vecsearch.store.snapshot import Snapshot


class Stretch(NamedTuple):
    """A segment as far as growth goes: its rows, its documents as written and those that live.

    contract: as the manifest keeps it; None where nothing is promised.
    """

    contract: Mapping[str, Any] | None
    rows: int
    documents: int
    living: int


def stretches(state: Manifest | Snapshot) -> list[Stretch]:
    """Describe the segments of a state, on disk or opened."""
    if isinstance(state, Manifest):
        return [
            Stretch(
                each.nearest.contract if each.nearest else None,
                each.rows,
                each.documents,
                each.living,
            )
            for each in state.segments
        ]
    segments = [part.segment for part in state.parts]
    return [
        Stretch(
            each.nearest.contract if each.nearest else None,
            each.documents.rows,
            len(each.documents),
            int(each.living().sum()),
        )
        for each in segments
    ]


def outgrown(segments: Sequence[Stretch]) -> str | None:
    """Say what has become of an index beyond what was measured; None where that is little.

    Rows that came later are searched exactly, so recall is kept and time isn't. Where many of the
    measured documents are gone, nobody has measured what is left.
    """
    for each in segments:
        if each.contract is None:
            continue
        target = each.contract["target"]
        later = sum(other.rows for other in segments) - each.rows
        gone = each.documents - each.living
        change = ""
        if later > GROWTH * each.rows:
            change = f"{later:,} came later and are searched one by one, which is exact and slower"
        elif gone > GROWTH * each.documents:
            change = f"{gone:,} of their {each.documents:,} documents are gone"
        if change:
            return (
                f"The index was tuned to a recall of {target:g} over {each.rows:,} rows; {change}. "
                f"`vecsearch compact INDEX --recall {target:g}` tunes it again."
            )
    return None
