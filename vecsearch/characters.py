"""What each character is to a word, as far as it decides where a text can be cut.

Made from the rules of `vecsearch.text`. A character that isn't simple enough is PART: what holds
one is analysed as a whole. So a table that says too little costs time, never a term.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import Final

import numpy as np
import regex
from numpy.typing import NDArray

from vecsearch.kernels.words import BREAK, KINDS, LETTER, MARK, PART, PICTOGRAPH, SPACELESS, TAIL
from vecsearch.text import GLUE, HEAD, PLAIN, normalise
from vecsearch.text import PICTOGRAPH as PICTOGRAPHS
from vecsearch.text import SPACELESS as SPACELESS_LETTERS

_INERT: Final = r"\p{NFKC_QC=Y}"  # never joined to what stands before
_LETTER: Final = regex.compile(rf"(?V1)[[\p{{L}}\p{{N}}&&\p{{NFKC_QC=Y}}]--{SPACELESS_LETTERS}]++")
_TAIL: Final = regex.compile(
    rf"(?V1)[\p{{M}}&&\p{{ccc=0}}&&{_INERT}][{SPACELESS_LETTERS}&&{_INERT}]"
)


@functools.cache
def kinds() -> NDArray[np.uint8]:
    """Return the kind of each code point, (KINDS,), as `vecsearch.kernels.words` defines them."""
    characters = "".join(map(chr, range(KINDS)))

    def those(in_set: str) -> list[str]:
        return regex.findall(rf"(?V1)[{in_set}]", characters)

    found = dict.fromkeys(characters, BREAK)
    found |= dict.fromkeys(
        those(rf"{HEAD}\p{{M}}{GLUE}{PICTOGRAPHS}\p{{Regional_Indicator}}\p{{Emoji_Modifier}}"),
        PART,
    )
    alone = those(rf"{PICTOGRAPHS}--[{HEAD}\p{{M}}{GLUE}]")
    found |= {c: PICTOGRAPH for c in alone if normalise(c, PLAIN) == c}
    marks = those(rf"[\p{{M}}&&{_INERT}]--[\p{{Default_Ignorable_Code_Point}}\p{{Me}}]")
    found |= {c: MARK + unicodedata.combining(c) for c in marks if normalise(c, PLAIN) == c}
    spaceless = set(those(SPACELESS_LETTERS))
    inert = set(those(_INERT))
    letters = those(r"\p{L}\p{N}")
    normal = normalise("\n".join(letters), PLAIN).split("\n")
    for letter, form in zip(letters, normal, strict=True):
        if letter not in spaceless:
            if _LETTER.fullmatch(form):
                found[letter] = LETTER
        elif form == letter and letter in inert:
            found[letter] = SPACELESS
        elif _TAIL.fullmatch(form):
            found[letter] = TAIL
    return np.fromiter(found.values(), np.uint8, KINDS)
