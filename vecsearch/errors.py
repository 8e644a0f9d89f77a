"""Every error that vecsearch raises on purpose; each message is a sentence for a person.

VecsearchError
├── UsageError            a call that can't mean anything: the caller has to change it
│   ├── FilterError       a metadata filter that can't be read or can't apply; points at where
│   ├── UnknownName       a name that is none of the known ones; suggests the nearest
│   └── UnknownDocument   an id that the index doesn't hold
├── CorpusError           a file or line of a corpus, a run or judgments that can't be read
├── EncoderError          an encoder that can't be loaded, or that isn't trusted
│   └── EncoderMismatch   vectors were made by another encoder than the one given
└── IndexProblem          something about an index folder
    ├── IndexNotFound     there is no index
    ├── IndexExists       there is one already, and nobody said to overwrite it
    ├── IndexLocked       another writer is at work
    ├── IndexCorrupt      a file isn't what the manifest says it is
    └── FormatTooNew      written by a newer vecsearch

The command line prints the message and exits with `exit_code`: 2 for usage, but 1 for an unknown
document and for the rest.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar


class VecsearchError(Exception):
    """Base of all errors here."""

    exit_code: ClassVar[int] = 1


class UsageError(VecsearchError, ValueError):
    """A call that can't mean anything."""

    exit_code = 2


class FilterError(UsageError):
    """A filter expression that can't be read or can't apply.

    `position` is the offset in characters of the offending token within `expression`.
    """

    def __init__(self, expression: str, position: int, problem: str) -> None:
        self.expression = expression
        self.position = position
        super().__init__(f"{problem}\n  {expression}\n  {' ' * position}^")


class UnknownName(UsageError):
    """A name that is none of `choices`."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        known = sorted(choices)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listing = ", ".join(known) if known else "none"
        super().__init__(f"There is no {kind} {name!r}.{hint} Known: {listing}.")


class UnknownDocument(UsageError):
    """An id that the index doesn't hold."""

    exit_code = 1


class CorpusError(VecsearchError):
    """A place in a corpus, a run or judgments that can't be read.

    `line` counts from 1; None where the problem is the file as a whole.
    """

    def __init__(self, path: Path | str, line: int | None, problem: str) -> None:
        self.path = path
        self.line = line
        self.problem = problem
        place = f"{path}, line {line}" if line is not None else f"{path}"
        super().__init__(f"{place}: {problem}")


class EncoderError(VecsearchError):
    """An encoder that can't be loaded, or that isn't trusted."""


class EncoderMismatch(EncoderError):
    """The index's vectors were made by another encoder."""


class IndexProblem(VecsearchError):
    """Something about an index folder."""


class IndexNotFound(IndexProblem):
    """There is no index in the folder."""


class IndexExists(IndexProblem):
    """The folder holds an index, or something else, already."""


class IndexLocked(IndexProblem):
    """Another writer holds the index."""


class IndexCorrupt(IndexProblem):
    """A file of the index isn't what the manifest says it is."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path} is corrupt: {problem}")


class FormatTooNew(IndexProblem):
    """The index was written by a newer vecsearch."""
