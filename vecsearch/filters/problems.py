"""What errors say where a filter doesn't fit: what is there instead, and what to write."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from vecsearch.filters.literals import Literal, read_bare
from vecsearch.store.columns import Kind

_HELD: Final[Mapping[Kind, str]] = {"bool": "true or false", "number": "numbers", "text": "text"}


def alternatives(symbols: Sequence[str]) -> str:
    """Join them as a sentence does: a, b or c."""
    *others, last = symbols
    return f"{', '.join(others)} or {last}" if others else last


def unknown_field(name: str, names: Sequence[str]) -> str:
    """Say that no document has this field, and which fields there are."""
    if not names:
        return f'There is no field "{name}": no document has metadata.'
    near = difflib.get_close_matches(name, names, n=3)
    hint = f" Did you mean {alternatives(near)}?" if near else ""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f'There is no field "{name}".{hint} The fields are {", ".join(names[:20])}{more}.'


def wrong_kind(name: str, kinds: frozenset[Kind], literal: Literal) -> str:
    """Say that the field holds other kinds than the literal's, and how to write one of those."""
    held = " and ".join(_HELD[kind] for kind in sorted(kinds))
    bare = read_bare(literal.value, "=") if isinstance(literal.value, str) else None
    hint = ""
    if bare and bare.kind in kinds:
        hint = f" Write {literal.value} without quotes."
    elif "text" in kinds:
        hint = f' Write "{literal.source}" in quotes.'
    return f'The field "{name}" holds {held}; {literal.source} is {literal.noun}.{hint}'
