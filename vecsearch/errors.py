"""Every error that vecsearch raises on purpose; each message is a sentence for a person.

VecsearchError
├── UsageError            a call that can't mean anything: the caller has to change it
│   ├── FilterError       a metadata filter that can't be read or can't apply; points at where
│   ├── UnknownName       a name that is none of the known ones; suggests the nearest
│   └── UnknownDocument   an id that the index doesn't hold
├── CorpusError           a file or line of a corpus, a run or judgments that can't be read
├── EncoderError          an encoder that can't be loaded, or that isn't trusted
│   └── EncoderMismatch   vectors were made by another encoder than the one given
├── TrainingDiverged      a training whose loss rose beyond hope, or is no number any more
├── CheckpointError       a training's checkpoint that can't be written, read or gone on from
└── IndexProblem          something about an index folder
    ├── IndexNotFound     there is no index
    ├── IndexExists       there is one already, and nobody said to overwrite it
    ├── IndexLocked       another writer is at work
    ├── IndexCorrupt      a file isn't what the manifest says it is
    │   └── IndexUnreadable   the system doesn't let it be read
    └── FormatTooNew      written by a newer vecsearch

Beside them RecallWarning says that a recall which was asked for holds for less than was meant.

The command line prints the message and exits with `exit_code`: 2 for usage, but 1 for an unknown
document and for the rest. `did_you_mean` and `folder_beside` suggest the nearest name, for every
error about a name that a person typed.
"""

from __future__ import annotations

import copyreg
import difflib
import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

_MOST: Final = 20_000
"""How many names are looked at for the nearest: difflib takes some 10 µs for each."""


_LONGEST: Final = 400
"""Characters of a value that a message quotes whole, such as a path."""

_SHOWN: Final = 200
"""Characters that are shown of a longer one."""

_MOST_OF_PATH: Final = 4096
"""Characters that no path has more of, so that a longer one leads nowhere."""

_LONG_VALUE: Final = re.compile(
    rf"""(?<!\w)(?:'(?:[^'\\]|\\.){{{_LONGEST},}}'|"(?:[^"\\]|\\.){{{_LONGEST},}}")(?!\w)"""
    rf"|\S{{{_MOST_OF_PATH + 1},}}"
)

_AROUND: Final = 200
"""Characters of a filter that are shown before an error in it, and behind."""


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is spelt most like a name, whatever the case; None if none is near.

    Of more than 20,000 choices only the first are looked at.
    """
    folded: dict[str, str] = {}
    for choice in islice(choices, _MOST):
        folded.setdefault(choice.casefold(), choice)
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[near[0]] if near else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Suggest the nearest choice as the end of a message: " Did you mean 'x'?", or ""."""
    near = nearest(name, choices)
    return "" if near is None else f" Did you mean {near!r}?"


def folder_beside(path: Path, fits: Callable[[Path], bool]) -> str:
    """Suggest, as `did_you_mean` does, the nearest in name of what is beside a path and fits."""
    try:
        names = [each.name for each in islice(path.parent.iterdir(), _MOST)]
        beside = [name for name in names if fits(path.with_name(name))]
    except (OSError, ValueError):  # there is nothing beside it, or it has no name
        return ""
    near = nearest(path.name, beside)
    return "" if near is None else f" Did you mean {str(path.with_name(near))!r}?"


def shortened(message: str) -> str:
    """A message in which values that it quotes, as repr does, and endless words are cut short."""
    return _LONG_VALUE.sub(lambda value: f"{value[0][: _SHOWN + 1]}…{value[0][-1]}", message)


class VecsearchError(Exception):
    """Base of all errors here; each can be copied, and pickled, as on its way from a process.

    See `shortened` for their messages.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception's own way hands its message to __init__, and ours may want other things.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class VecsearchWarning(UserWarning):
    """What a person should know, though all goes on; the command line prints it."""


class RecallWarning(VecsearchWarning):
    """A recall that was asked for and is promised with less than was meant."""


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
        first = max(position - _AROUND, 0)
        before = "…" if first else ""
        after = "…" if len(expression) > position + _AROUND else ""
        shown = f"{before}{expression[first : position + _AROUND]}{after}"
        super().__init__(f"{problem}\n  {shown}\n  {' ' * (len(before) + position - first)}^")


class UnknownName(UsageError):
    """A name that is none of `choices`; `where` says of what, or among what, as the words' end."""

    def __init__(self, kind: str, name: str, choices: Iterable[str], where: str = "") -> None:
        known = sorted(choices)
        listing = ", ".join(known) if known else "none"
        hint = did_you_mean(name, known) if isinstance(name, str) else ""
        super().__init__(
            f"There is no {kind} {name!r}{where and f' {where}'}.{hint} Known: {listing}."
        )


class UnknownDocument(UsageError):
    """An id that the index doesn't hold."""

    exit_code = 1


class CorpusError(VecsearchError):
    """A place in a corpus, a run or judgments that can't be read.

    `line` counts from 1; None where the problem is the file as a whole. `unit` is what is counted,
    where that isn't lines.
    """

    def __init__(
        self, path: Path | str, line: int | None, problem: str, unit: str = "line"
    ) -> None:
        self.path = path
        self.line = line
        self.problem = problem
        place = f"{path}, {unit} {line}" if line is not None else f"{path}"
        super().__init__(f"{place}: {problem}")


class EncoderError(VecsearchError):
    """An encoder that can't be loaded, or that isn't trusted."""


class EncoderMismatch(EncoderError):
    """The index's vectors were made by another encoder."""


class TrainingDiverged(VecsearchError):
    """The loss of a step is no finite number, or has risen far above where it began.

    `step` counts from 1.
    """

    def __init__(self, step: int, loss: float, learning_rate: float, problem: str) -> None:
        self.step = step
        self.loss = loss
        self.learning_rate = learning_rate
        super().__init__(
            f"The training diverged at step {step:,}: {problem} (loss {loss:.4g}, learning rate "
            f"{learning_rate:.3g}). Try a third of the learning rate, a longer warm-up, or "
            "clipping the gradient to a smaller length."
        )


class CheckpointError(VecsearchError):
    """A training's checkpoint that can't be written, can't be read, or is of another training."""


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
        super().__init__(f"{path} {self._verdict} {problem}")

    _verdict: ClassVar[str] = "is corrupt:"


class IndexUnreadable(IndexCorrupt):
    """A file of the index that the system doesn't let us read, as for want of permission."""

    _verdict: ClassVar[str] = "can't be read:"

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(path, f"{error.strerror or error}.")


class FormatTooNew(IndexProblem):
    """The index was written by a newer vecsearch."""
