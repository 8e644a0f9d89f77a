"""A document made of a record's fields: id, title and text checked, the rest typed metadata.

Metadata keeps text, numbers, true/false, null and lists of them as they are. A nested object
becomes fields with dotted names ("author.name"); the fields of an object in the field "metadata",
as in BEIR, have their own names; two values that come to one name so are an error, unless they are
the same. An object or a list within a list is kept as its JSON text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Final, cast

from vecsearch.corpus.base import Fields
from vecsearch.types import Document, MetaValue, Scalar

_LIFTED: Final = "metadata"
_SHOWN: Final = 60  # characters of a value that a message quotes


class BadRecord(Exception):
    """What is wrong with a record, as a sentence; the reader knows the place."""


def document_of(record: Mapping[str, object], fields: Fields) -> Document:
    """Make a document of a record whose values are JSON's types; BadRecord says what is wrong.

    The id may be an integer too, and becomes text. A title may be absent or null, a text may not.
    """
    id_field = fields.id or ("_id" if "_id" in record else "id")
    title_field = fields.title or "title"
    text_field = fields.text or ("text" if "text" in record else "contents")
    id = record.get(id_field)
    if type(id) is not str or not id:
        id = _unusual_id(record, id_field, fields.id)
    title = record.get(title_field)
    if title is None:
        title = ""
    elif type(title) is not str:
        raise BadRecord(f"the title, field {title_field!r}, must be a text, not {quoted(title)}.")
    text = record.get(text_field)
    if type(text) is not str:
        raise BadRecord(_bad_text(record, text_field, fields.text))
    used = {id_field, title_field, text_field}
    return Document(id, text, title, {} if used.issuperset(record) else metadata_of(record, used))


def resolved(fields: Fields, columns: Collection[str]) -> Fields:
    """Fields that all are names, for records that all have these columns.

    Raise BadRecord where the column of the id or the text is missing, or a chosen title.
    """
    return Fields(
        id=_column("id", [fields.id] if fields.id else ["_id", "id"], columns),
        title=_column("title", [fields.title], columns) if fields.title else "title",
        text=_column("text", [fields.text] if fields.text else ["text", "contents"], columns),
    )


def _column(what: str, names: Iterable[str], columns: Collection[str]) -> str:
    """The first of the names that is there."""
    for name in names:
        if name in columns:
            return name
    raise BadRecord(missing(what, names, columns))


def missing(what: str, names: Iterable[str], present: Iterable[str]) -> str:
    """Word the lack of the field that holds the id, title or text."""
    wanted = " or ".join(map(repr, names))
    there = ", ".join(map(repr, present)) or "none"
    return (
        f"no field {wanted} for the {what}; fields here: {there}. "
        f"--{what}-field NAME (Fields({what}=...)) takes another."
    )


def quoted(value: object) -> str:
    """A value as its JSON text, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _unusual_id(record: Mapping[str, object], name: str, chosen: str | None) -> str:
    """Make an id of an integer; else say what is wrong with it."""
    if name not in record:
        raise BadRecord(missing("id", [chosen] if chosen else ["_id", "id"], record))
    value = record[name]
    if type(value) is int:
        return str(value)
    if value == "":
        raise BadRecord(f"the id, field {name!r}, is empty.")
    raise BadRecord(f"the id, field {name!r}, must be a text or integer, not {quoted(value)}.")


def _bad_text(record: Mapping[str, object], name: str, chosen: str | None) -> str:
    if name not in record:
        return missing("text", [chosen] if chosen else ["text", "contents"], record)
    if record[name] is None:
        return f'the text, field {name!r}, is null; an empty text would be "".'
    return f"the text, field {name!r}, must be a text, not {quoted(record[name])}."


def metadata_of(record: Mapping[str, object], used: set[str]) -> dict[str, MetaValue]:
    """Make metadata of all fields but the used ones; BadRecord says what is wrong with one."""
    meta: dict[str, MetaValue] = {}
    inner: dict[str, MetaValue] = {}
    lifted: dict[str, MetaValue] = {}
    for name, value in record.items():
        if name in used:
            continue
        if type(value) is not dict:
            meta[name] = _value(name, value)
        elif name == _LIFTED:
            lifted = _flattened(value, "")
        else:
            inner = _joined(inner, _flattened(value, f"{name}."))
    return _joined(lifted, inner, meta) if lifted or inner else meta


def _joined(*parts: Mapping[str, MetaValue]) -> dict[str, MetaValue]:
    """Put fields together; BadRecord names one that has two values."""
    joined: dict[str, MetaValue] = {}
    for name, value in chain.from_iterable(part.items() for part in parts):
        if repr(joined.setdefault(name, value)) != repr(value):  # 1 is no True
            raise BadRecord(
                f"the field {name!r} has two values, {quoted(joined[name])} and {quoted(value)}, "
                f"since a field within an object is named so, too, and one in {_LIFTED!r} by its "
                "own name alone; rename one of them."
            )
    return joined


def _flattened(fields: Mapping[str, object], prefix: str) -> dict[str, MetaValue]:
    flat: dict[str, MetaValue] = {}
    inner: dict[str, MetaValue] = {}
    for name, value in fields.items():
        full_name = prefix + name
        if type(value) is dict:
            inner = _joined(inner, _flattened(value, f"{full_name}."))
        else:
            flat[full_name] = _value(full_name, value)
    return _joined(inner, flat)


def _value(name: str, value: object) -> MetaValue:
    if type(value) is list:
        return [_scalar(name, element) for element in value]
    return _scalar(name, value)


def _scalar(name: str, value: object) -> Scalar:
    if type(value) is float and math.isinf(value):
        raise BadRecord(f"the number in the field {name!r} is too large for a float.")
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return cast(Scalar, value)
