"""Query syntax, for those who ask for it: text -> clauses. `Query.parse` is the way in.

    words               as in any query
    "several words"     the document holds them next to each other
    +word  +"a phrase"  the document holds it
    -word  -"a phrase"  the document doesn't hold it
    kettl*              any term that begins so
    ketle~              any term that is at most one edit away

A sign stands right before a word or a quote, `*` and `~` right behind a word; + and - anywhere
else (C++, well-known) and everything between quotes are text. What the clauses stand for in an
index is said in `vecsearch.retrieve.clauses`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from vecsearch.errors import UsageError

ClauseKind: TypeAlias = Literal["word", "phrase", "prefix", "fuzzy"]

_KINDS: Final[dict[str, ClauseKind]] = {"": "word", "*": "prefix", "~": "fuzzy"}
_MARKS: Final[dict[ClauseKind, str]] = {kind: mark for mark, kind in _KINDS.items()}

_CLAUSE: Final = re.compile(
    r"""(?P<sign>[+-]?)(?:"(?P<phrase>[^"]*)"|(?P<word>(?![+-])[^\s"*~]+)(?P<mark>[*~]?))"""
)
_SPACE: Final = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a query, as it was written.

    sign: "+" where a document must hold it, "-" where it must not, else "".
    position: where it begins, in characters from 0.
    """

    kind: ClauseKind
    text: str
    sign: str = ""
    position: int = 0

    @property
    def excluded(self) -> bool:
        """Whether a document must not hold it."""
        return self.sign == "-"

    @property
    def restricts(self) -> bool:
        """Whether it decides which documents may be found: it has a sign, or is a phrase."""
        return bool(self.sign) or self.kind == "phrase"

    @property
    def place(self) -> str:
        """The clause and where it stands, for errors."""
        return f"{self} at character {self.position + 1}"

    def __str__(self) -> str:
        body = f'"{self.text}"' if self.kind == "phrase" else f"{self.text}{_MARKS[self.kind]}"
        return f"{self.sign}{body}"


def read_clauses(source: str) -> tuple[Clause, ...]:
    """Read a query; raise UsageError, which names the character, where it can't be read."""
    clauses = []
    position = _after_space(source, 0)
    while position < len(source):
        match = _CLAUSE.match(source, position)
        if match is None:
            raise _unreadable(source, position)
        clauses.append(_clause(match))
        if match["mark"] and not _SPACE.fullmatch(source[match.end() : match.end() + 1]):
            raise _misplaced(match["mark"], match.end() - 1)
        position = _after_space(source, match.end())
    if clauses and all(clause.excluded for clause in clauses):
        raise UsageError(
            f"The query only says what to leave out ({clauses[0].place}): add a word to look for."
        )
    return tuple(clauses)


def _after_space(source: str, position: int) -> int:
    space = _SPACE.match(source, position)
    return space.end() if space else position


def _clause(match: re.Match[str]) -> Clause:
    phrase, sign = match["phrase"], match["sign"]
    if phrase is None:
        return Clause(_KINDS[match["mark"]], match["word"], sign, match.start())
    if not phrase.strip():
        raise UsageError(
            f"There is nothing between the quotes at character {match.start('phrase')}: write the "
            "words that are to stand next to each other, or leave the quotes out."
        )
    return Clause("phrase", phrase, sign, match.start())


def _unreadable(source: str, position: int) -> UsageError:
    """Say what is wrong where no clause begins."""
    character, following = source[position], source[position + 1 : position + 2]
    if '"' in (character, following):
        place = position + (character != '"') + 1
        return UsageError(
            f"The quote at character {place} is never closed: write another one behind the words, "
            "or leave it out."
        )
    if character in "*~":
        return _misplaced(character, position)
    return UsageError(
        f"The {character} at character {position + 1} stands before no word: write it right before "
        f'one or before a phrase, as in {character}word or {character}"a phrase", or leave it out.'
    )


def _misplaced(mark: str, position: int) -> UsageError:
    return UsageError(
        f"The {mark} at character {position + 1} isn't at the end of a word: write it once, right "
        f"behind one, as in word{mark}, or leave it out."
    )
