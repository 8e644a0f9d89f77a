"""Loops that numba compiles, for work that is worth it.

Nothing outside this package imports numba. To import a room of it costs the import of numba, half
a second, and the first time on a machine some seconds of compilation; so callers do that within
functions, once they have spent about as long without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., object])


def compiled(function: _F) -> _F:
    """Compile a function when it is first called; other threads run on beside it.

    What was compiled is kept on disk for the next process.
    """
    return cast(_F, numba.njit(cache=True, nogil=True)(function))
