"""Loops that numba compiles; nothing outside this package imports numba.

Importing a module of it costs the import of numba (some 0.5 s) and, the first time on a machine,
compilation. So callers import it inside functions, once there is work worth it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function when it is first called; it runs without the GIL.

    The machine code is kept beside the module, or in the user's cache folder where the package
    can't be written to. Where neither can, each process compiles anew.
    """
    return _compiled(function, {"nogil": True})


def part(function: F) -> F:
    """Compile a function that only compiled ones call, and that makes no array.

    It counts no references: for every array of a tuple that would take longer than a short loop.
    """
    return _compiled(function, {"nogil": True, "_nrt": False, "forceinline": True})


def inlined(function: F) -> F:
    """Compile a function into those that call it: passing many arrays to it would take longer."""
    return _compiled(function, {"nogil": True, "forceinline": True})


def _compiled(function: F, options: dict[str, Any]) -> F:
    try:
        return cast(F, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # numba found no folder to keep it in
        return cast(F, numba.njit(**options)(function))
