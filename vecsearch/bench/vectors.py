"""Encoders whose vectors are kept, so that no text is encoded twice by one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vecsearch.cache import KeptVectors, Keys
from vecsearch.encoders.base import Encoder, encode, precision
from vecsearch.types import Role, Vectors


class Deferred:
    """An encoder of which all is known but the model, which is loaded when a text is encoded."""

    precision = "that of the model, once loaded"

    def __init__(self, name: str, dim: int, fingerprint: str, load: Callable[[], Encoder]) -> None:
        self.name = name
        self.dim = dim
        self.fingerprint = fingerprint
        self._load = load
        self._loaded: Encoder | None = None

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """See `Encoder.encode`."""
        return encode(self._encoder(), texts, role)

    def save(self, folder: Path) -> None:
        """See `Encoder.save`."""
        self._encoder().save(folder)

    def _encoder(self) -> Encoder:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded


class CachedEncoder:
    """An encoder that remembers, in a file of `KeptVectors`, which other encoders may share.

    What was encoded before an interrupt stays.

    reading: False for a build that is timed: it encodes all, and what it encodes is kept.
    """

    def __init__(self, encoder: Encoder, path: Path, *, reading: bool = True) -> None:
        self.name = encoder.name
        self.dim = encoder.dim
        self.fingerprint = encoder.fingerprint
        self.precision = precision(encoder)
        self._encoder = encoder
        self._kept = KeptVectors(path)
        self._reading = reading

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """See `Encoder.encode`."""
        keys = Keys(self._encoder, role).of(texts)
        with self._kept as kept:
            known = kept.get(keys) if self._reading else {}
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
            if new:
                made = encode(self._encoder, list(new.values()), role)
                kept.put(list(new), made)
                known.update(zip(new, made, strict=True))
        return np.array([known[key] for key in keys], np.float32).reshape(-1, self.dim)

    def save(self, folder: Path) -> None:
        """See `Encoder.save`."""
        self._encoder.save(folder)
