"""Sources that have a scheme, `sqlite:notes.db?table=notes`, taken apart as URLs are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from vecsearch.corpus.base import Fields
from vecsearch.errors import UsageError, did_you_mean

_FIELDS: Final = ("id", "title", "text")


class Source(NamedTuple):
    """What a source names: what lies behind its scheme, which fields, and the other options."""

    name: str
    fields: Fields
    options: dict[str, str]


def parse_source(source: str, rest: str, options: Sequence[str], fields: Fields) -> Source:
    """Take a source apart; `rest` is what follows its scheme.

    options: the keys that may follow the question mark, beside id, title and text.
    fields: those chosen elsewhere; UsageError if the source chooses others, or can't be read.
    """
    coded, mark, query = rest.partition("?")
    name = unquote(coded)
    if not name:
        raise UsageError(f"{source!r} names nothing after its colon.")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if mark else []
    except ValueError:
        raise UsageError(
            f"{source!r}: what follows the question mark is key=value, with & between them; "
            "a question mark in a name is written %3F."
        ) from None
    known = [*options, *_FIELDS]
    values: dict[str, str] = {}
    for key, value in pairs:
        if key not in known:
            listing = ", ".join(known)
            raise UsageError(
                f"{source!r}: there is no key {key!r}.{did_you_mean(key, known)} Known: {listing}."
            )
        if key in values or not value:
            raise UsageError(f"{source!r}: the key {key!r} takes one value, once.")
        values[key] = value
    chosen = {
        key: _one(source, key, values.pop(key, None), getattr(fields, key)) for key in _FIELDS
    }
    return Source(name, Fields(**chosen), values)


def _one(source: str, key: str, here: str | None, there: str | None) -> str | None:
    if here and there and here != there:
        raise UsageError(
            f"The {key} is in the field {here!r} by {source!r}, and in {there!r} by the field that "
            "was chosen beside it; choose one."
        )
    return here or there
