"""Plain text: a file is one document, without a title."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vecsearch.corpus.formats.base import Part, read_text


def read(path: Path) -> Iterator[Part]:
    """Read the whole file, as it is."""
    yield Part("", read_text(path))
