"""Ctrl-C while numba compiles, or loads what it compiled: it is held back until that has ended.

LLVM calls back into Python meanwhile, and an exception that is raised there is lost, or leaves what
LLVM was given half made.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

from numba.core import event as events


class HeldBack(events.Listener):
    """Listens to numba's "numba:compiler_lock", which is held for all that it does; it nests.

    Signals are handled in the main thread only, so what other threads compile matters nothing.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._came = False
        self._earlier: signal._HANDLER = None

    def on_start(self, event: events.Event) -> None:
        """Put the handler in, at the outermost start."""
        if threading.current_thread() is not threading.main_thread():
            return
        if self._depth == 0:
            self._came = False
            self._earlier = signal.getsignal(signal.SIGINT)
            if callable(self._earlier):  # else nothing is ever raised
                signal.signal(signal.SIGINT, self._note)
        self._depth += 1  # last: until the handler is in, a Ctrl-C ends this

    def on_end(self, event: events.Event) -> None:
        """Put the earlier handler back, at the outermost end; call it if a signal came."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._depth -= 1
        if self._depth == 0 and callable(self._earlier):
            signal.signal(signal.SIGINT, self._earlier)
            if self._came:
                self._earlier(signal.SIGINT, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True
