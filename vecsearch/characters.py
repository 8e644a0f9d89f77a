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

from vecsearch.kernels.pieces import KINDS, LETTER, MARK, PART, PICTOGRAPH, SPACELESS, TAIL
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
    """Return the kind of each code point, (KINDS,), as `vecsearch.kernels.pieces` defines them."""
    table = np.zeros(KINDS, np.uint8)
    parts = rf"{HEAD}\p{{M}}{GLUE}{PICTOGRAPHS}\p{{Regional_Indicator}}\p{{Emoji_Modifier}}"
    table[_code_points(_those(parts, _CHARACTERS))] = PART
    stable, changed = _normalised(_those(rf"\p{{L}}\p{{N}}\p{{M}}{PICTOGRAPHS}", _CHARACTERS))
    pictographs = rf"{PICTOGRAPHS}--[{HEAD}\p{{M}}{GLUE}]"
    for wanted, kind in ((pictographs, PICTOGRAPH), (_SPACELESS, SPACELESS), (_LETTERS, LETTER)):
        table[_code_points(_those(wanted, stable))] = kind
    for mark in _those(_MARKS, stable):
        table[ord(mark)] = MARK + unicodedata.combining(mark)
    for letter in _those(r"\p{L}\p{N}", "".join(changed)):
        if _LETTERS_ONLY.fullmatch(changed[letter]):
            table[ord(letter)] = LETTER
        elif _MARK_AND_LETTER.fullmatch(changed[letter]):
            table[ord(letter)] = TAIL
    return table


def _those(wanted: str, characters: str) -> str:
    """Return the characters of a set, in the notation of `regex`, among some."""
    return "".join(regex.findall(rf"(?V1)[{wanted}]++", characters))


def _normalised(characters: str) -> tuple[str, dict[str, str]]:
    """Return those of some characters that normalisation leaves alone, and what the others become.

    That is asked of normalisation itself: it may go by another version of Unicode than `regex`.
    """
    forms = normalise("\n".join(characters), PLAIN).split("\n")
    stable = "".join(compress(characters, map(eq, characters, forms)))
    changed = compress(zip(characters, forms, strict=True), map(ne, characters, forms))
    return stable, dict(changed)


def _code_points(characters: str) -> NDArray[np.uint32]:
    return np.frombuffer(characters.encode("utf-32-le", "surrogatepass"), "<u4")
