"""What every format is to the reader of files: parts of a file, and what can't be read of it."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from vecsearch.corpus.files import HEAD, not_utf8, strangeness
from vecsearch.types import MetaValue

SHOWN: Final = 120  # characters of a library's own words that a message quotes


@dataclass(frozen=True, slots=True)
class Part:
    """A document in the making: a stretch of a file, or the whole of it.

    fragment: what names it within the file; "" for the whole file, or what is its head.
    line: where it begins, from 1; None where lines mean nothing.
    """

    fragment: str
    text: str
    title: str = ""
    meta: Mapping[str, MetaValue] = field(default_factory=dict)
    line: int | None = None


class Unreadable(Exception):
    """What is wrong with a file, or with a part of it, as a sentence; the caller knows the path.

    `line` counts from 1; None where the problem is the file as a whole.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.line = line


Format: TypeAlias = Callable[[Path], Iterator[Part | Unreadable]]
"""Read the parts of a file one by one.

A part that can't be read is yielded as a value, since others may follow; what spoils the file as a
whole is raised, and so is OSError.
"""


def read_text(path: Path) -> str:
    """Read a file of UTF-8 text, with or without a byte order mark."""
    return utf8(path.read_bytes())


def utf8(data: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark; raise Unreadable for anything else."""
    problem = strangeness(data[:HEAD])
    if problem:
        raise Unreadable(problem)
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Unreadable(not_utf8(error), line) from None


def words_of(error: Exception) -> str:
    """Give a library's own words for an error, in one short line."""
    words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return words if len(words) <= SHOWN else words[:SHOWN] + "…"


def needs(library: str, kind: str) -> Unreadable:
    """Word the lack of an optional library."""
    return Unreadable(
        f"reading a {kind} file needs {library}; `pip install 'vecsearch[documents]'` installs it."
    )
