"""Cutting long texts into passages, on paragraph and sentence bounds where it can be done.

Length is counted in words: what stands between white space is a word, and a character that is
wide or of a script without spaces (Chinese, Japanese, Korean, Thai, ..., emoji) is half a word. A
stretch of over 60 characters without white space is several words, one for every 60.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import regex

from vecsearch.errors import UsageError
from vecsearch.types import Span

WORD: Final = 2
"""What a word costs, where half a word costs 1."""

LONGEST_WORD: Final = 60
"""Characters (grapheme clusters) after which a word counts as another one, and may be cut."""

_HALF: Final = (
    r"[\p{East_Asian_Width=W}\p{East_Asian_Width=F}\p{scx=Hang}\p{scx=Kana}\p{Line_Break=SA}"
    r"\p{Extended_Pictographic}--[\s\p{M}]]"
)
_BLANK: Final = r"[\s\x1C-\x1F]"
_VISIBLE: Final = regex.compile(r"[^\s\x1C-\x1F]")
_UNIT: Final = regex.compile(rf"(?V1)(?P<half>(?={_HALF})\X)|(?:(?!{_BLANK}|{_HALF}).)++", regex.S)
_CLUSTER: Final = regex.compile(r"\X")
_PARAGRAPH_END: Final = regex.compile(r"\n[^\S\n]*+\n\s*+|[\u2029\f]\s*+")

# A full stop ends a sentence before white space, unless what follows starts small or what precedes
# is an initial, a short number or an abbreviation; other ends need white space where words have it.
_CLOSING: Final = r"[\p{Pe}\p{Pf}\p{Pi}\"']*+"
_SENTENCE_END: Final = regex.compile(
    rf"(?V1)(?P<stop>[.．․]++{_CLOSING})(?=\s|\Z)"
    rf"|[[\p{{STerm}}…]--[.．․]]++[\p{{STerm}}…]*+{_CLOSING}"
    rf"(?:(?<=[[\p{{STerm}}…]--[.!?]]{_CLOSING})|(?=\s|\Z))"
)
