"""Text of documents, queries and names as it may be shown: they may hold anything at all.

Escaping is the template's and `svg`'s work. This is about what no escaping helps against: control
characters, halves of characters, and marks that turn the direction of what follows them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_UNSEEN: Final = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Put U+FFFD in the place of what steers; white space stays as it is.

    Joiners and single marks of direction, which Persian, Hindi, Hebrew and emoji need, pass.
    """
    return _UNSEEN.sub("\ufffd", text)


def shown(text: str, most: int | None = None) -> str:
    """Make a text one clean line of at most so many characters."""
    line = clean(" ".join(text.split()))
    if most is None or len(line) <= most:
        return line
    return f"{line[: most - 1].rstrip()}…"


def width(text: str, size: float) -> float:
    """Estimate how wide a text is in bold type of some size, rather too much than too little."""
    return size * sum(map(_breadth, text))


def _breadth(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    return 0.38 if character in "il.,:|'" else 0.7
