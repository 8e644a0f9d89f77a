"""The panel that a picture of a report fills.

It is as wide as a phone's screen, so that letters keep their size there; wider windows set panels
side by side.
"""

from __future__ import annotations

from typing import Final

WIDTH: Final = 400.0
HEIGHT: Final = 300.0
LEFT: Final = 36.0
TOP: Final = 26.0
BOTTOM: Final = HEIGHT - 42
RIGHT: Final = WIDTH - 8

LONGEST: Final = 20
"""Letters of a name at most."""

LETTERS: Final = 11.5
"""The size of letters."""
