"""What each character is to a word, as far as that decides where a text can be cut.

Made from the rules of `vecsearch.text`. A character that isn't simple is PART: what holds one is
analysed as a whole. So where the table says too little it costs time, never a term.
"""

from __future__ import annotations

import functools
import unicodedata
from itertools import compress
from operator import eq, ne
from typing import Final

import numpy as np
import regex
from numpy.typing import NDArray

from vecsearch.kernels.words import KINDS, LETTER, MARK, PART, PICTOGRAPH, SPACELESS, TAIL
from vecsearch.text import GLUE, HEAD, PLAIN, SPACELESS_LETTER, normalise
from vecsearch.text import PICTOGRAPH as PICTOGRAPHS

_INERT: Final = r"\p{NFKC_QC=Y}"  # never joined to what stands before
_LETTERS: Final = rf"[[\p{{L}}\p{{N}}]&&{_INERT}]--{SPACELESS_LETTER}"
_SPACELESS: Final = rf"{SPACELESS_LETTER}&&{_INERT}"
_MARKS: Final = rf"[\p{{M}}&&{_INERT}]--[\p{{Default_Ignorable_Code_Point}}\p{{Me}}]"
_CHARACTERS: Final = "".join(map(chr, range(KINDS)))
_LETTERS_ONLY: Final = regex.compile(rf"(?V1)[{_LETTERS}]++")
_MARK_AND_LETTER: Final = regex.compile(rf"(?V1)[{_MARKS}&&\p{{ccc=0}}][{_SPACELESS}]")


@functools.cache
def kinds() -> NDArray[np.uint8]:
    """Return the kind of each code point, (KINDS,), as `vecsearch.kernels.words` defines them."""
    table = np.zeros(KINDS, np.uint8)
    parts = rf"{HEAD}\p{{M}}{GLUE}{PICTOGRAPHS}\p{{Regional_Indicator}}\p{{Emoji_Modifier}}"
    table[_code_points(_those(parts))] = PART
    table[_code_points(_stable(rf"{PICTOGRAPHS}--[{HEAD}\p{{M}}{GLUE}]"))] = PICTOGRAPH
    table[_code_points(_stable(_SPACELESS))] = SPACELESS
    table[_code_points(_stable(_LETTERS))] = LETTER
    for mark in _stable(_MARKS):
        table[ord(mark)] = MARK + unicodedata.combining(mark)
    letters, forms = _normalised(r"\p{L}\p{N}")
    for letter, form in compress(zip(letters, forms, strict=True), map(ne, letters, forms)):
        if _LETTERS_ONLY.fullmatch(form):
            table[ord(letter)] = LETTER
        elif _MARK_AND_LETTER.fullmatch(form):
            table[ord(letter)] = TAIL
    return table


def _those(wanted: str) -> str:
    """Return the characters of a set, in the notation of `regex`, among those that have a kind."""
    return "".join(regex.findall(rf"(?V1)[{wanted}]++", _CHARACTERS))


def _normalised(wanted: str) -> tuple[str, list[str]]:
    """Return the characters of a set, and what normalisation makes of each alone."""
    characters = _those(wanted)
    return characters, normalise("\n".join(characters), PLAIN).split("\n")


def _stable(wanted: str) -> str:
    """Return the characters of a set that normalisation leaves alone.

    That is asked of normalisation itself: it may go by another version of Unicode than `regex`.
    """
    characters, forms = _normalised(wanted)
    return "".join(compress(characters, map(eq, characters, forms)))


def _code_points(characters: str) -> NDArray[np.uint32]:
    return np.frombuffer(characters.encode("utf-32-le", "surrogatepass"), "<u4")
