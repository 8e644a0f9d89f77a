"""What fields are compared with: numbers, true and false, dates, and `like` patterns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import regex

from vecsearch.store.columns import Kind, Operator, Value

TextTest: TypeAlias = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Literal:
    """What a field is compared with: a value, or a test of texts for a pattern or a date.

    `noun` says in errors what it is; `source` is how it was written, and `position` where it
    starts in the expression, in characters.
    """

    kind: Kind
    noun: str
    value: Value | TextTest
    source: str = ""
    position: int = 0


def is_inexact(literal: Literal) -> bool:
    """Say whether it is a whole number beyond 64 bits, which fields hold as the nearest float64."""
    value = literal.value
    return type(value) is int and not -(1 << 63) <= value < 1 << 63


def like(characters: Iterable[tuple[str, bool]]) -> TextTest:
    """Return the test for a pattern: its characters, each with whether a backslash escapes it."""
    pieces = [""]
    for character, escaped in characters:
        if character == "%" and not escaped:
            pieces.append("")
        elif character == "_" and not escaped:
            pieces[-1] += "."
        else:
            pieces[-1] += regex.escape(character.casefold())
    whole = regex.compile(_with_gaps(pieces), regex.DOTALL)
    return lambda text: whole.fullmatch(text.casefold()) is not None


def _with_gaps(pieces: Sequence[str]) -> str:
    """Return the regular expression for these pieces in order, with anything between them."""
    first, *rest = pieces
    if not rest:
        return first
    *inner, last = rest
    # The first place where a piece fits leaves most to the pieces after it. So an atomic group
    # loses no match, and keeps the time from growing with a power of the number of pieces.
    return first + "".join(f"(?>.*?{piece})" for piece in inner) + ".*" + last


_NUMBER: Final = regex.compile(
    r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?", regex.IGNORECASE
)


def read_bare(source: str, operator: Operator) -> Literal | None:
    """Read a literal that has no quotes; None where it is none.

    Only a date's test depends on the operator. The caller adds `source` and `position`.
    """
    word = source.lower()
    if word in ("true", "false"):
        return Literal("bool", "true or false", word == "true")
    if _NUMBER.fullmatch(source):
        # Integers are read as such, since a float would round those above 2**53.
        whole = regex.fullmatch(r"[+-]?[0-9]{1,400}", source)
        return Literal("number", "a number", int(source) if whole else float(source))
    stretch = _instants(source)
    if stretch is None:
        return None
    start, end = stretch
    low, high = {
        "=": (start, end),
        "<": (-math.inf, start),
        "<=": (-math.inf, end),
        ">": (end, math.inf),
        ">=": (start, math.inf),
    }[operator]

    def test(text: str) -> bool:
        instants = _instants(text)
        return instants is not None and low <= instants[0] < high

    return Literal("text", "a date, which is compared with text", test)


_DATE: Final = regex.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):?([0-5][0-9]))?)?",
    regex.IGNORECASE,
)
_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1) // _MICROSECOND


def is_written_as_date(source: str) -> bool:
    """Say whether this is how dates and times are written, whether there is such a one or not."""
    return _DATE.fullmatch(source) is not None


def _instants(text: str) -> tuple[int, int] | None:
    """Return the microseconds since 1970, from and up to, that an ISO date or time stands for."""
    match = _DATE.fullmatch(text)
    if not match:
        return None
    *parts, fraction, sign, hours, minutes = match.groups()
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in parts)
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    start = (moment - _EPOCH) // _MICROSECOND + int((fraction or "").ljust(6, "0")[:6])
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) // _MICROSECOND
        start -= offset if sign == "+" else -offset
    return start, start + (1 if match[4] else _DAY)
