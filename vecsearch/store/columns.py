"""The metadata of one segment by field, so that a filter is evaluated for all documents at once.

A field may hold values of several kinds. Each value of a document is an entry: the document's
number, and a code that stands for the value. Codes number the distinct values of the field in
rising order, kind by kind: false and true, integers, other numbers, texts. So a comparison is a
binary search among the distinct values, and only the codes are looked at for every document.

What counts as a value:
- Null, NaN and the empty list are no value; nulls within a list are passed over. A list is as many
  entries.
- Numbers compare by value, 2 equals 2.0 and -0.0 equals 0. Integers of 64 bits compare exactly;
  an integer beyond is taken as the nearest float64, or infinity.
- True and false are no numbers.

All fields share the arrays of a segment (their layout is told at `_POOLS`), so that a segment with
thousands of rare fields is as cheap to open as one with three common ones.
"""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vecsearch.errors import UsageError
from vecsearch.types import Meta, plain_number

Kind: TypeAlias = Literal["bool", "number", "text"]
Operator: TypeAlias = Literal["=", "<", "<=", ">", ">="]
Value: TypeAlias = bool | int | float | str

_POOLS: Final = {
    "documents": np.int32,  # of each entry; left out where every document has exactly one value
    "codes": np.int32,  # of each entry
    "bools": np.bool_,  # distinct, rising; the first codes of a field stand for these
    "integers": np.int64,  # distinct, rising; the codes go on here
    "floats": np.float64,  # distinct, rising, none of them an integer of 64 bits
    "text_ends": np.int64,  # of distinct rising texts, within the bytes of the field
    "texts": np.uint8,  # the bytes, UTF-8, which sorts as code points do
}
"""Each array holds one stretch for every field; "bounds" (fields + 1, pools) says where."""


class Column:
    """One field of one segment; every mask is (documents,) bool, by the document's number."""

    def __init__(self, documents: int, pools: Mapping[str, NDArray[Any]]) -> None:
        self._documents = documents
        self._owners: NDArray[np.int32] = pools["documents"]
        self._codes: NDArray[np.int32] = pools["codes"]
        self._text_ends, self._texts = pools["text_ends"], pools["texts"]
        self._numbers_start = len(pools["bools"])
        self._floats_start = self._numbers_start + len(pools["integers"])
        self._texts_start = self._floats_start + len(pools["floats"])
        self._pools = pools

    @property
    def kinds(self) -> frozenset[Kind]:
        """Which kinds of values the field holds in this segment."""
        ends: dict[Kind, tuple[int, int]] = {
            "bool": (0, self._numbers_start),
            "number": (self._numbers_start, self._texts_start),
            "text": (self._texts_start, self._distinct),
        }
        return frozenset(kind for kind, (start, end) in ends.items() if start < end)

    def present(self) -> NDArray[np.bool_]:
        """Return which documents have a value, (documents,)."""
        return self._having(np.ones(self._distinct, np.bool_))

    def compare(self, operator: Operator, values: Iterable[Value]) -> NDArray[np.bool_]:
        """Return which documents have a value that stands in this relation to one of `values`.

        Like `present`, (documents,). Values of different kinds stand in none.
        """
        wanted = np.zeros(self._distinct, np.bool_)
        for value in values:
            for start, end in self._codes_where(operator, value):
                wanted[start:end] = True
        return self._having(wanted)

    def match(self, test: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Return which documents have a text that passes `test`, (documents,).

        test: is called once per distinct text.
        """
        wanted = np.zeros(self._distinct, np.bool_)
        data, start = self._texts.tobytes(), 0
        for code, end in enumerate(self._text_ends.tolist(), self._texts_start):
            wanted[code] = test(data[start:end].decode(*_UTF8))
            start = end
        return self._having(wanted)

    @property
    def _distinct(self) -> int:
        return self._texts_start + len(self._text_ends)

    def _having(self, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which documents have one of the wanted values, (distinct,) bool by code."""
        chosen = wanted[self._codes]
        if len(self._owners) < len(self._codes):
            return chosen
        mask = np.zeros(self._documents, np.bool_)
        mask[self._owners[chosen]] = True
        return mask

    def _codes_where(self, operator: Operator, value: Value) -> Iterator[tuple[int, int]]:
        """Yield stretches of codes, those of the values that stand in the relation to `value`."""
        target = _normal(value)
        if isinstance(target, str):
            encoded = target.encode(*_UTF8)
            yield _search(operator, encoded, self._texts_start, self._distinct, self._text)
        elif isinstance(target, bool):
            yield _search(operator, target, 0, self._numbers_start, self._plain("bools", 0))
        elif target is not None:
            integers = self._plain("integers", self._numbers_start)
            floats = self._plain("floats", self._floats_start)
            yield _search(operator, target, self._numbers_start, self._floats_start, integers)
            yield _search(operator, target, self._floats_start, self._texts_start, floats)

    def _plain(self, pool: str, first: int) -> Callable[[int], Any]:
        # As Python's numbers, integers and floats compare without rounding; as numpy's they don't.
        return lambda code: self._pools[pool][code - first].item()

    def _text(self, code: int) -> bytes:
        at = code - self._texts_start
        start = int(self._text_ends[at - 1]) if at else 0
        return self._texts[start : int(self._text_ends[at])].tobytes()


class Columns:
    """The fields of one segment, opened over the arrays that `build_columns` gave.

    names: the fields, sorted, those included that are null in every document.
    documents: how many documents the segment has.
    Raise KeyError or ValueError where the arrays aren't such.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], documents: int) -> None:
        self.names: tuple[str, ...] = tuple(json.loads(arrays["fields"].tobytes()))
        self.documents = documents
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._pools = {pool: arrays[pool] for pool in _POOLS}
        self._bounds: NDArray[np.int64] = arrays["bounds"]
        if self._bounds.shape != (len(self.names) + 1, len(_POOLS)):
            raise ValueError(f"bounds of shape {self._bounds.shape} for {len(self.names)} fields")

    def column(self, name: str) -> Column | None:
        """Return the field of this name; None where no document of the segment has it."""
        number = self._numbers.get(name)
        if number is None:
            return None
        bounds = self._bounds[number : number + 2].T.tolist()
        pools = self._pools.items()
        stretches = {
            pool: values[start:end]
            for (pool, values), (start, end) in zip(pools, bounds, strict=True)
        }
        return Column(self.documents, stretches)


def build_columns(metas: Iterable[Meta]) -> dict[str, NDArray[Any]]:
    """Lay out the metadata of documents, one mapping for each, in order.

    Keeps the distinct values and the codes only, not the mappings. Raise UsageError where a value
    is neither text, number, true, false, null nor a list of those.
    """
    fields: defaultdict[str, _Field] = defaultdict(_Field)
    documents = 0
    for documents, meta in enumerate(metas, 1):
        if not meta:
            continue
        for name, value in meta.items():
            try:
                fields[name].add(documents - 1, value)
            except TypeError as error:
                raise UsageError(
                    f"The metadata field {name!r} of document {documents} of those given holds "
                    f"{error}; a field takes text, numbers, true, false, null, and lists of those."
                ) from None
    names = sorted(fields)
    laid_out = [fields.pop(name).lay_out(documents) for name in names]
    sizes = [[0] * len(_POOLS), *([len(field[pool]) for pool in _POOLS] for field in laid_out)]
    arrays: dict[str, NDArray[Any]] = {
        "fields": np.frombuffer(json.dumps(names).encode(), np.uint8),
        "bounds": np.cumsum(np.array(sizes, np.int64), axis=0),
    }
    for pool, dtype in _POOLS.items():
        arrays[pool] = np.concatenate([np.zeros(0, dtype), *(field[pool] for field in laid_out)])
    return arrays


class _Field:
    """A field as it is gathered: its entries, with codes in the order of first appearance."""

    def __init__(self) -> None:
        self._owners = array("i")
        self._codes = array("i")
        self._seen: dict[tuple[bool, Value], int] = {}  # True == 1, so say which is a bool

    def add(self, document: int, value: object) -> None:
        """Take in what a document holds; raise TypeError, naming the type, where that can't be."""
        for each in value if isinstance(value, list | tuple) else (value,):
            normal = _normal(each)
            if normal is not None:
                key = (isinstance(normal, bool), normal)
                self._owners.append(document)
                self._codes.append(self._seen.setdefault(key, len(self._seen)))

    def lay_out(self, documents: int) -> dict[str, NDArray[Any]]:
        """Return the field's stretch of every pool."""
        owners = np.array(self._owners, np.int32)
        if np.array_equal(owners, np.arange(documents)):
            owners = owners[:0]
        values = [value for _, value in self._seen]
        bools = sorted(value for value in values if isinstance(value, bool))
        integers = sorted(value for value in values if type(value) is int)
        floats = sorted(value for value in values if isinstance(value, float))
        texts = sorted(value for value in values if isinstance(value, str))
        final = np.zeros(len(self._seen), np.int32)
        rising: list[Value] = [*bools, *integers, *floats, *texts]
        for code, value in enumerate(rising):
            final[self._seen[isinstance(value, bool), value]] = code
        encoded = [text.encode(*_UTF8) for text in texts]
        pools: dict[str, Any] = {
            "documents": owners,
            "codes": final[np.array(self._codes, np.int32)],
            "bools": bools,
            "integers": integers,
            "floats": floats,
            "text_ends": np.cumsum([len(text) for text in encoded]),
            "texts": np.frombuffer(b"".join(encoded), np.uint8),
        }
        return {pool: np.asarray(pools[pool], dtype) for pool, dtype in _POOLS.items()}


# Lone surrogates, which a command line may bring, must not be a crash when they are looked for.
_UTF8: Final = ("utf-8", "surrogatepass")


def _normal(value: object) -> Value | None:
    """Return the one form in which equal values are equal; None for no value.

    An integer of 64 bits is an int, any other number is a float.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        if not value.is_integer():
            return None if math.isnan(value) else float(value)
        value = int(value)
    if not isinstance(value, int):
        if (number := plain_number(value)) is not None:
            return _normal(number)
        raise TypeError(f"a {type(value).__name__}")
    if -(1 << 63) <= value < 1 << 63:
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _search(
    operator: Operator, target: Value | bytes, first: int, end: int, value_of: Callable[[int], Any]
) -> tuple[int, int]:
    """Return which codes from `first` to `end` stand in the relation, as a stretch of them."""
    codes = range(first, end)
    # The first code of a value that isn't below the target, and the first of one above it.
    low = first + bisect_left(codes, target, key=value_of)
    high = first + bisect_right(codes, target, key=value_of)
    relations: dict[Operator, tuple[int, int]] = {
        "=": (low, high),
        "<": (first, low),
        "<=": (first, high),
        ">": (high, end),
        ">=": (low, end),
    }
    return relations[operator]
