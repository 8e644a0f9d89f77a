"""Texts as UTF-8, without a copy of those that hold the same bytes already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

Coded: TypeAlias = str | bytes
"""The bytes of a text: itself where it is in ASCII. Its length is how many there are."""


def coded(text: str) -> Coded:
    """Return a text as bytes, or as it is: a copy would take fresh memory, which takes longer."""
    return text if text.isascii() else text.encode()


def as_bytes(texts: Iterable[Coded]) -> Iterator[bytes]:
    """Yield the bytes of texts, those in ASCII copied: where none is kept, to the same memory."""
    return (each if isinstance(each, bytes) else each.encode() for each in texts)
