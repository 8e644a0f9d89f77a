"""Text of documents as it may safely be shown."""

from __future__ import annotations

import re
from typing import Final

CONTROLS: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What could steer a terminal or split a line."""


def printable(text: str) -> str:
    """Replace what could steer a terminal: documents may hold anything."""
    return CONTROLS.sub("\ufffd", text)
