"""Where a stretch of text can be cut, by the kinds of its code points.

BREAK is in no word. What stands between breaks is cut into pieces, where neighbours are of two
kinds among LETTER, SPACELESS and PICTOGRAPH, and before each PICTOGRAPH; a MARK goes with what it
stands on. Where anything less simple comes, the piece goes on to the next break.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from vecsearch.kernels import part
from vecsearch.kernels.bits import eight_at
from vecsearch.kernels.chunks import Bytes, Numbers

KINDS: Final = 1 << 17
"""Code points that have a kind of their own; those beyond are PART."""

BREAK: Final = 0
PART: Final = 1
LETTER: Final = 2
PICTOGRAPH: Final = 3
SPACELESS: Final = 4
TAIL: Final = 5
"""Ends a spaceless character: it normalises to a mark and a letter, as Thai's SARA AM does."""
MARK: Final = 8
"""Of combining class 0; other marks have their class on top."""

MOST_MARKS: Final = 8
"""On one spaceless letter, so that no pair is longer than a term."""

_LONGEST: Final = 1 << 30
"""Bytes of a spaceless piece, so that numbers are enough to say where its characters start."""


@part
def kind_at(text: Bytes, at: int, kinds: Bytes) -> tuple[int, int]:
    """Return the kind of the code point at a byte, and how many bytes it takes."""
    eight = np.int64(eight_at(text, at))
    lead = eight & 0xFF
    if lead < 0x80:
        return np.int64(kinds[lead]), 1
    second = eight >> 8 & 0x3F
    if lead < 0xE0:
        return np.int64(kinds[(lead & 0x1F) << 6 | second]), 2
    third = eight >> 16 & 0x3F
    if lead < 0xF0:
        return np.int64(kinds[(lead & 0x0F) << 12 | second << 6 | third]), 3
    code = (lead & 7) << 18 | second << 12 | third << 6 | (eight >> 24 & 0x3F)
    return np.int64(kinds[code]) if code < KINDS else PART, 4


@part
def piece_at(text: Bytes, at: int, kinds: Bytes, starts: Numbers) -> tuple[int, int, int]:
    """Return the end of the piece at a byte, what it is made of, and how many characters it has.

    That is LETTER, PICTOGRAPH or SPACELESS; PART where it isn't that simple; BREAK for nothing.
    Only the characters of a spaceless piece are counted. `starts` gets where each starts, in bytes
    of the piece, and last where the piece ends: twice that, and 1 more behind a TAIL.
    """
    begin = at
    kind, width = kind_at(text, at, kinds)
    made = kind
    if made == BREAK:
        return at + width, BREAK, 0
    simple = LETTER <= made <= SPACELESS
    characters = marks = place = tail = 0
    while made == SPACELESS and kind >= SPACELESS:
        # There are few branches: where marks come can't be foreseen.
        letter = kind == SPACELESS
        starts[characters] = 2 * (at - begin) + tail
        characters += letter
        tail = (kind == TAIL) | (tail & (not letter))
        marks = 0 if letter else marks + (kind >= MARK)
        # Normalisation would change their order, or the pair grow too long.
        simple &= not ((MARK < kind < place) | (marks > MOST_MARKS))
        place = kind
        at += width
        kind, width = kind_at(text, at, kinds)
    if made == SPACELESS:
        starts[characters] = 2 * (at - begin) + tail
        simple &= at - begin <= _LONGEST
        if characters == 1 and tail:
            made = PART
    while simple and made != SPACELESS and (at == begin or kind >= MARK or kind == made == LETTER):
        at += width
        kind, width = kind_at(text, at, kinds)
    ends = simple and kind not in (PART, TAIL)
    while not ends and kind != BREAK:
        at += width
        kind, width = kind_at(text, at, kinds)
    return at, made if ends else PART, characters
