"""Records whose values come from other libraries, turned into the JSON types of a document.

Values are known by what they are, so that no library but numpy is imported. Numbers of numpy and
decimals become integers or floats, a duration its seconds; dates and times become ISO 8601 text,
to the microsecond; whatever stands for a missing value (NaN, NaT, pandas.NA) is null; arrays,
tuples and sets are lists, a set's in the order of their JSON text. UUIDs and paths are text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

import numpy as np

from vecsearch.corpus.base import Fields
from vecsearch.corpus.record import BadRecord, document_of
from vecsearch.types import Document, Vector

_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None)})
_BYTES: Final = (bytes, bytearray, memoryview)
_MOST_DIGITS: Final = 400  # of a decimal; a float has 309 at most


def document_from(record: Mapping[Any, object], fields: Fields) -> Document:
    """Make a document of a record with values of any library; BadRecord says what is wrong."""
    try:
        return document_of(_object(record), fields)
    except RecursionError:
        raise BadRecord("the record is nested too deeply.") from None


def vector_of(value: Any) -> Vector | None:  # noqa: ANN401 - whatever a caller gave
    """The vector that a value is, of numbers or not; None if it is no list, tuple or array."""
    if not isinstance(value, np.ndarray) and hasattr(value, "tolist"):  # a Series, a tensor
        value = value.tolist()
    return value if isinstance(value, list | tuple | np.ndarray) else None


def without_bytes(record: Mapping[str, object], used: Collection[str]) -> dict[str, object]:
    """A record without the fields that hold bytes, but for the used ones, where they are errors.

    Sources of whole tables leave out what nobody can search, such as pictures.
    """
    return {
        name: _without_bytes(value)
        for name, value in record.items()
        if name in used or not isinstance(value, _BYTES)
    }


def _without_bytes(value: object) -> object:
    return without_bytes(value, ()) if type(value) is dict else value


def _object(record: Mapping[Any, object]) -> dict[str, object]:
    plain: dict[str, object] = {}
    for name, value in record.items():
        if not isinstance(name, str):
            raise BadRecord(f"the name of a field must be a text, not {name!r}.")
        try:
            plain[name] = value if type(value) in _AS_THEY_ARE else _plain(value)
        except _Unknown as problem:
            raise BadRecord(f"the field {name!r} holds {problem}") from None
    return plain


class _Unknown(Exception):
    """A value that has no JSON form: what it is, and what would be right."""


def _plain(value: Any) -> object:  # noqa: ANN401 - that is the point
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, _BYTES):
        raise _Unknown("bytes, which no text can be made of unseen; decode them or drop the field.")
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    if is_missing(value):
        return None
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    if hasattr(value, "tolist"):  # a Series, an Arrow array or scalar, a tensor
        return _plain(value.tolist())
    raise _Unknown(
        f"a value of the type {type(value).__name__}; it takes text, numbers, true, false, null, "
        "dates, and lists and mappings of those."
    )


def is_missing(value: Any) -> bool:  # noqa: ANN401
    """Whether it is None, pandas.NA, or NaN or NaT, which differ from themselves."""
    if value is None or type(value).__name__ == "NAType":
        return True
    single = isinstance(value, np.generic | float | Decimal | date | timedelta)
    return single and bool(value != value)


def _decimal(value: Decimal) -> int | float:
    exponent = value.as_tuple().exponent
    whole = isinstance(exponent, int) and exponent >= 0 and value.adjusted() < _MOST_DIGITS
    return int(value) if whole else float(value)


def _numpy_time(value: np.datetime64) -> object:
    unit = np.datetime_data(value)[0]
    fine = unit not in ("Y", "M", "W", "D")
    moment = value.astype("datetime64[us]" if fine else "datetime64[D]").item()
    return moment.isoformat() if isinstance(moment, date) else str(value)  # beyond the year 9999


def _numpy_duration(value: np.timedelta64) -> object:
    return float(value / np.timedelta64(1, "us")) / 1e6


def _array(value: np.ndarray[Any, Any]) -> object:
    return [_plain(element) for element in value] if value.ndim else _plain(value[()])


def _set(value: Collection[object]) -> list[object]:
    return sorted((_plain(element) for element in value), key=json.dumps)


_CONVERSIONS: Final[tuple[tuple[Any, Callable[[Any], object]], ...]] = (
    (str, str.__str__),  # those of numpy and enumerations are subclasses
    (float, float),
    (int, int),
    # As the standard library writes them: pandas would add nanoseconds.
    (datetime, datetime.isoformat),
    (date | time, lambda value: value.isoformat()),
    (timedelta, timedelta.total_seconds),
    (Decimal, _decimal),
    (np.datetime64, _numpy_time),
    (np.timedelta64, _numpy_duration),
    (np.generic, lambda value: _plain(value.item())),
    (np.ndarray, _array),
    (set | frozenset, _set),
    (UUID | PurePath, str),
)
