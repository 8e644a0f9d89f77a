"""Which words are another spelling of a known one: one edit away from it.

An edit is a letter more, less or other, or two neighbours that changed places (Damerau, A technique
for computer detection and correction of spelling errors, CACM 7(3), 1964).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_SHORTEST: Final = 4
"""Letters of a word that can be told from others: "bat" and "cat" aren't spellings of one word."""


def spelling_variants(words: Iterable[str], known: Iterable[str]) -> set[str]:
    """Return those of `words` that are exactly one edit away from a known word.

    Words of fewer than 4 letters have no variants, nor have those with a digit: F17 isn't F27. The
    known words are looked at one by one, in time linear in their letters.
    """
    sought: dict[str, set[str]] = {}
    for word in filter(_is_spelt, words):
        for shorter in _neighbours(word):
            sought.setdefault(shorter, set()).add(word)
    found: set[str] = set()
    for word in filter(_is_spelt, known) if sought else ():
        for shorter in _neighbours(word):
            found.update(each for each in sought.get(shorter, ()) if _one_edit(word, each))
    return found


def _is_spelt(word: str) -> bool:
    return len(word) >= _SHORTEST and not any(letter.isnumeric() for letter in word)


def _neighbours(word: str) -> set[str]:
    """Return a word and what is left when a letter goes: words one edit apart have one in common.

    After Mor & Fraenkel, A hash code method for detecting and correcting spelling errors, CACM
    25(12), 1982.
    """
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def _one_edit(first: str, second: str) -> bool:
    """Whether two words with a common neighbour are one edit apart: they may be two, or equal."""
    while first and second and first[0] == second[0]:
        first, second = first[1:], second[1:]
    while first and second and first[-1] == second[-1]:
        first, second = first[:-1], second[:-1]
    if len(first) == len(second) == 2:
        return first == second[::-1]
    return max(len(first), len(second)) == 1
