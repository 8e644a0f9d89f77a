"""Work in a thread of its own, so that Ctrl-C gives the prompt back at once.

Python can't end a thread that is busy in C code, such as an encoder that is being loaded. So the
work isn't ended but left alone: it changes nothing that anybody sees, and its result is dropped.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

_T = TypeVar("_T")

_HEARING: Final = 0.1
"""Seconds. A Ctrl-C that comes just before a wait begins is heard only when it ends."""


class Task(threading.Thread, Generic[_T]):
    """Work that is under way."""

    def __init__(self, work: Callable[[], _T]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._done = threading.Event()
        self._results: list[_T] = []
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Do the work."""
        try:
            self._results.append(self._work())
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def wait(self, seconds: float) -> bool:
        """Wait until the work is done, but not for longer than that; say whether it is."""
        return self._done.wait(seconds)

    def result(self) -> _T:
        """Return what came of it, or raise what it raised, once it is done."""
        while not self._done.wait(_HEARING):
            pass
        if self._error is not None:
            raise self._error
        return self._results[0]


def end_process_if_busy() -> None:
    """End the process here and now where a task still runs.

    An interpreter that shuts down beneath a thread in C++ code may crash.
    """
    if any(isinstance(thread, Task) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
