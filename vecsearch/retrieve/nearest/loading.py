"""When compiled loops are loaded: numba's import takes longer than many a search."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

_PROCESSOR: Final = Path("/proc/cpuinfo")


def processor_has(feature: str) -> bool:
    """Whether the processor has a feature, as Linux names it; False on other systems."""
    try:
        return feature in _PROCESSOR.read_text(encoding="utf-8")
    except OSError:
        return False


class Loading:
    """Loads compiled loops once as much work was done as pays for that.

    patience: the work that is done without them, in any unit. load: loads them; None where this
        machine can't run them.
    """

    def __init__(self, patience: float, load: Callable[[], ModuleType | None]) -> None:
        self._patience = patience
        self._load = load
        self._spent = 0.0
        self._kernels: ModuleType | None = None

    def kernels(self, work: float) -> ModuleType | None:
        """Return the loops, or None to do without; take down the work that is to be done."""
        if self._kernels is None and self._spent < math.inf:
            self._spent += work
            if self._spent >= self._patience:
                self._kernels = self._load()
                self._spent = math.inf
        return self._kernels

    def at_once(self) -> None:
        """Load the loops whatever was done: much work follows, or times are measured."""
        self.kernels(math.inf)
