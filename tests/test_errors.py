"""Errors go from process to process as they are."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vecsearch.errors import (
    CorpusError,
    FilterError,
    IndexCorrupt,
    IndexUnreadable,
    TrainingDiverged,
    UnknownName,
    VecsearchError,
)

MADE_OF: dict[type[VecsearchError], tuple[Any, ...]] = {
    FilterError: ("year = ", 7, "A value is missing."),
    UnknownName: ("field", "yaer", ["year", "lang"]),
    CorpusError: (Path("corpus.jsonl"), 3, "It is no JSON."),
    TrainingDiverged: (1200, 3.5, 0.001, "the loss has doubled"),
    IndexCorrupt: (Path("index/manifest.json"), "it is empty."),
    IndexUnreadable: (Path("index/manifest.json"), PermissionError(13, "Permission denied")),
}
"""What those errors take that don't take a sentence."""


def errors(kind: type[VecsearchError] = VecsearchError) -> Iterator[VecsearchError]:
    yield kind(*MADE_OF.get(kind, ("A sentence.",)))
    for each in kind.__subclasses__():
        yield from errors(each)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", list(errors()), ids=lambda error: type(error).__name__)
def test_every_error_can_be_pickled_and_copied(error: VecsearchError, protocol: int) -> None:
    error.__notes__ = ["told on the way"]  # type: ignore[attr-defined]
    for other in pickle.loads(pickle.dumps(error, protocol)), copy.copy(error):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert (other.args, vars(other)) == (error.args, vars(error))
