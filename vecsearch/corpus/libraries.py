"""Libraries of data sets kept quiet while they work, and what they complain of in one line."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import Final, TypeVar

_T = TypeVar("_T")
_AT_ONCE: Final = 100
_LONGEST: Final = 400  # characters of a complaint

INSTALL: Final = "pip install 'vecsearch[datasets]'"


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Let no warning pass, nor what is logged by these loggers; all is as before afterwards."""
    import logging

    levels = {name: logging.getLogger(name).level for name in loggers}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in loggers:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def quietly(
    items: Iterable[_T], silence: Callable[[], AbstractContextManager[None]]
) -> Iterator[_T]:
    """Pass items on that are taken in silence, some at once; the caller works outside of it."""
    iterator = iter(items)
    while True:
        taken: list[_T] = []
        failure: Exception | None = None
        with silence():
            try:
                taken.extend(islice(iterator, _AT_ONCE))
            except Exception as error:  # whatever a library raises; what came before it is good
                failure = error
        yield from taken
        if failure:
            raise failure
        if not taken:
            return


def said(error: Exception) -> str:
    """What a library says of an error, in one line, without a full stop."""
    line = " ".join(str(error).split()) or type(error).__name__
    line = line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
    return line.rstrip(".:")
