"""What errors say where a filter doesn't fit: what is there instead, and what to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vecsearch.errors import did_you_mean
from vecsearch.filters.literals import Literal, is_inexact, read_bare
from vecsearch.store.columns import Kind

_HELD: Final[Mapping[Kind, str]] = {"bool": "true or false", "number": "numbers", "text": "text"}
_NO_METADATA: Final = frozenset({"id", "_id", "title", "text", "contents"})
_MEANT: Final[Mapping[str, str]] = {
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "&": "and",
    "&&": "and",
    "|": "or",
    "||": "or",
    "~": "like",
    "contains": "like with % around the text",
    "isnot": "is not",
}
"""What other languages have -> what is written here."""


def alternatives(symbols: Sequence[str]) -> str:
    """Join them as a sentence does: a, b or c."""
    *others, last = symbols
    return f"{', '.join(others)} or {last}" if others else last


def unknown_field(name: str, names: Sequence[str]) -> str:
    """Say that no document has this field, and which fields there are."""
    if not names:
        return f'There is no field "{name}": no document has metadata.'
    hint = did_you_mean(name, names)
    if name.lower() in _NO_METADATA:
        hint = " Only metadata can be filtered, not the id, the title or the text."
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    listed = ", ".join(name or '""' for name in names[:20])
    return f'There is no field "{name}".{hint} The fields are {listed}{more}.'


def instead(written: str, expected: Sequence[str]) -> str:
    """Say what to write where something else was expected, as the end of a message; else ""."""
    meant = _MEANT.get(written.lower())
    if meant is None:
        return did_you_mean(written, expected) if written.isalpha() else ""
    return f" Write {meant} instead of {written}."


def wrong_kind(name: str, kinds: frozenset[Kind], literal: Literal) -> str:
    """Say that the field holds other kinds than the literal's, and how to write one of those."""
    held = " and ".join(_HELD[kind] for kind in sorted(kinds))
    bare = read_bare(literal.value, "=") if isinstance(literal.value, str) else None
    hint = ""
    if bare and bare.kind in kinds and not is_inexact(bare):
        hint = f" Write {literal.value} without quotes."
    elif "text" in kinds:
        hint = f' Write "{literal.source}" in quotes.'
    return f'The field "{name}" holds {held}; {literal.source} is {literal.noun}.{hint}'
