"""Encoders trained here, from a folder or as vecsearch itself ships them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

from vecsearch.encoders.artefact import (
    NOTE,
    TOKENIZER,
    WEIGHTS,
    Artefact,
    Note,
    read_artefact,
    read_note,
)
from vecsearch.encoders.bags import HYBRID_WEIGHT
from vecsearch.encoders.base import EVEN, Device, Encoder
from vecsearch.encoders.lsa import KIND as LSA_KIND
from vecsearch.encoders.lsa import LSA
from vecsearch.encoders.saved import SAVED, Saved
from vecsearch.encoders.table import TokenTable
from vecsearch.errors import EncoderError

_TABLES: Final = ("skipgram", "contrastive-bag")
_NETWORKS: Final = ("gru", "transformer")


class LocatedTrained(NamedTuple):
    """The folder of an encoder trained here.

    shipped_as: the short name of one that vecsearch ships, so that an index needs no copy.
    """

    folder: Path
    note: Note
    shipped_as: str | None

    @property
    def fingerprint(self) -> str:
        """See `Located.fingerprint`; it is the one noted."""
        return self.note.fingerprint

    @property
    def bytes(self) -> int:
        """See `Located.bytes`."""
        files = (self.folder / name for name in (NOTE, TOKENIZER, WEIGHTS))
        return sum(file.stat().st_size for file in files if file.exists())

    @property
    def hybrid_weight(self) -> float:
        """What its ranking weighs in a hybrid; see `vecsearch.encoders.base.hybrid_weight`."""
        return EVEN if self.note.kind in _NETWORKS else HYBRID_WEIGHT

    @property
    def description(self) -> str:
        """What it is, in a line."""
        return f"{self.note.kind} trained by vecsearch: {self.note.config['dim']} dimensions"

    def load(self, device: Device) -> Encoder:
        """See `Located.load`."""
        artefact = read_artefact(self.folder, trusted=self.shipped_as is not None)
        if artefact is None:
            raise EncoderError(f"{self.folder / NOTE} is gone.")
        if self.shipped_as is not None:
            return Shipped(artefact, self.shipped_as, self.fingerprint)
        return build(artefact, device)


class Shipped(TokenTable):
    """A table that vecsearch ships; an index keeps its name only."""

    def __init__(self, artefact: Artefact, name: str, fingerprint: str) -> None:
        super().__init__(artefact)
        self.name = name
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str:
        """See `Encoder.fingerprint`; working it out would take longer than a query."""
        return self._fingerprint

    def save(self, folder: Path) -> None:
        """See `Encoder.save`; raise EncoderError where the files aren't those that were shipped."""
        if self._artefact.fingerprint != self._fingerprint:
            raise EncoderError(
                f"{self._artefact.place} was changed or damaged since vecsearch was installed. "
                "Install it again."
            )
        saved = Saved(self.name, self.name, None)
        (folder / SAVED).write_text(json.dumps(saved._asdict()), encoding="utf-8")


def build(artefact: Artefact, device: Device) -> Encoder:
    """Make the encoder that an artefact describes; raise EncoderError for an unknown kind."""
    if artefact.kind in _TABLES:
        return TokenTable(artefact)
    if artefact.kind == LSA_KIND:
        return LSA(artefact)
    if artefact.kind in _NETWORKS:
        from vecsearch.encoders.network import load_network

        return load_network(artefact, device)
    kinds = ", ".join((*_TABLES, LSA_KIND, *_NETWORKS))
    raise EncoderError(
        f"{artefact.place} is an encoder of the kind {artefact.kind!r}; this vecsearch knows "
        f"{kinds}."
    )


def locate_trained(folder: Path, shipped_as: str | None = None) -> LocatedTrained | None:
    """Find what `Artefact.write` wrote; None for any other folder."""
    note = read_note(folder)
    return None if note is None else LocatedTrained(folder, note, shipped_as)
