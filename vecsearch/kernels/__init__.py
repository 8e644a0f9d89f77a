"""Loops that numba compiles; nothing outside this package imports numba.

Importing a module of it costs the import of numba (some 0.5 s) and, the first time on a machine,
compilation. So callers import it inside functions, once there is work worth it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba.core import event as events

from vecsearch.kernels.interruptions import HeldBack

F = TypeVar("F", bound=Callable[..., Any])


def drop_outdated(folder: Path) -> None:
    """Remove machine code beside modules of which any is newer.

    numba compares it with the one file that its function is in, and a function takes in others of
    other files. A file whose time is yet to come tells nothing.
    """
    with contextlib.suppress(OSError):  # of a package that can't be written to nothing is changed
        times = [file.stat().st_mtime for file in folder.glob("*.py")]
        newest = max((each for each in times if each <= time.time()), default=0.0)
        for index in folder.glob("__pycache__/*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)


drop_outdated(Path(__file__).parent)


class _Notice(events.Listener):
    """Tells, once in a process, why the first work on a machine takes longer."""

    _told = False

    def on_start(self, event: events.Event) -> None:
        if not self._told:
            self._told = True
            logging.getLogger("vecsearch").info(
                "Compiling for this processor, which takes some seconds, once after installation."
            )

    def on_end(self, event: events.Event) -> None:
        pass


events.register("numba:compile", _Notice())  # type: ignore[no-untyped-call]
events.register("numba:compiler_lock", HeldBack())  # type: ignore[no-untyped-call]

_QUICKLY: Final = {
    "fastmath": {"reassoc", "nsz", "contract", "arcp", "nnan", "ninf"},
    "error_model": "numpy",
}


def compiled(function: F) -> F:
    """Compile a function when it is first called; it runs without the GIL.

    The machine code is kept beside the module, or in the user's cache folder where the package
    can't be written to. Where neither can, each process compiles anew.
    """
    return _compiled(function, {})


def compiled_quickly(function: F) -> F:
    """Compile as `compiled` does, but sums may be taken in any order, and nothing is ever NaN.

    So loops become vector instructions.
    """
    return _compiled(function, _QUICKLY)


def part(function: F) -> F:
    """Compile a function that only compiled ones call, and that makes no array.

    It counts no references: for every array of a tuple that would take longer than a short loop.
    """
    return _compiled(function, {"_nrt": False, "forceinline": True})


def called(function: F) -> F:
    """Compile as `part` does, but not into those that call it: a long one, from several places."""
    return _compiled(function, {"_nrt": False})


def inlined(function: F) -> F:
    """Compile a function into those that call it: passing many arrays to it would take longer."""
    return _compiled(function, {"forceinline": True})


def _compiled(function: F, options: Mapping[str, Any]) -> F:
    try:
        return cast(F, numba.njit(cache=True, nogil=True, **options)(function))
    except RuntimeError:  # numba found no folder to keep it in
        return cast(F, numba.njit(nogil=True, **options)(function))
