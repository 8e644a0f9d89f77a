"""Text of documents as it may safely be shown: they may hold anything, terminals obey some of it.

Joiners (U+200C, U+200D) and the rest that Persian, Hindi and emoji are made of pass unchanged.
"""

from __future__ import annotations

import re
from typing import Final

CONTROLS: Final = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
"""What could steer a terminal or split a line."""

_SPACES: Final = re.compile(r"[\t\v\f\r\x85]")
_MARKS: Final = re.compile(r"[\u061c\u200e\u200f\ufeff]")
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
_NOTHING: Final = "\u2060"  # a word joiner, which is seen nowhere and turns no direction


def printable(text: str) -> str:
    """Replace what could steer a terminal, and halves of characters, by U+FFFD, one for one.

    The length stays, so that places within a text stay right. White space is a space, but for the
    newline, which passes. Marks of direction, which Hebrew and Arabic texts hold by the hundred,
    and byte order marks are replaced by what can't be seen either.
    """
    text = _MARKS.sub(_NOTHING, _SPACES.sub(" ", text))
    return _SURROGATES.sub("\ufffd", CONTROLS.sub("\ufffd", text))
