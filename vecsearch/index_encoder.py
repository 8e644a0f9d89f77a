"""The encoder of an index, which all searchers and writers of one `Index` share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from vecsearch.encoders.base import Device, Encoder
from vecsearch.errors import EncoderMismatch
from vecsearch.store.encoder import KeptEncoder
from vecsearch.store.manifest import EncoderEntry


class IndexEncoder:
    """What was given, or else loaded from the index's folder when it is first needed."""

    def __init__(self, folder: Path, given: Encoder | None, device: Device) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._device = device
        self.latest = given
        """What was given, chosen or loaded last; None before that."""

    def loader(self, entry: EncoderEntry | None) -> Callable[[], Encoder] | None:
        """Return what loads the encoder of a state, once, whatever becomes of its files.

        It raises EncoderError where that can't be had on this machine.
        """
        if entry is None:
            return None
        kept = KeptEncoder(self._folder, entry)
        known = self.latest

        def load() -> Encoder:
            nonlocal known
            with self._guard:
                for each in (known, self.latest):
                    if each is not None and each.fingerprint == entry.fingerprint:
                        known = each
                        return each
                encoder = kept.load(self._device)
                check_encoder(encoder, entry, self._folder)
                self.latest = known = encoder
                return encoder

        return load


def check_encoder(encoder: Encoder, entry: EncoderEntry | None, folder: Path) -> None:
    """Raise EncoderMismatch unless an encoder made the vectors of the index in a folder."""
    if entry is None:
        raise EncoderMismatch(f"{folder} has no embeddings, so it takes no encoder.")
    if encoder.fingerprint != entry.fingerprint:
        raise EncoderMismatch(
            f"The vectors of {folder} were made by {entry.name!r} (fingerprint "
            f"{entry.fingerprint[:12]}); {encoder.name!r} (fingerprint "
            f"{encoder.fingerprint[:12]}) is another encoder. Index again to change it."
        )
