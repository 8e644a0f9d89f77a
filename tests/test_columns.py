"""Columns against a naive evaluation of the same metadata."""

from __future__ import annotations

import enum
import math
import operator
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsearch.errors import UsageError
from vecsearch.store.columns import Columns, build_columns

RELATIONS = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NUMBERS = st.sampled_from(
    [
        *(0, 1, -3, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 + 1, -(2**70), 10**400),
        *(-0.0, 1.0, 0.5, -2.5, float(2**53), float(2**63), 1e300, math.inf, -math.inf),
    ]
)
TEXTS = st.one_of(st.text(max_size=3), st.sampled_from(["", "a", "b", "é", "￿", "😀", "\0"]))
VALUES = st.one_of(NUMBERS, TEXTS, st.booleans())
FIELDS = st.one_of(VALUES, st.none(), st.just(math.nan), st.lists(VALUES | st.none(), max_size=3))
METAS = st.lists(st.dictionaries(st.sampled_from(["x", "y z", "é"]), FIELDS), max_size=12)


def opened(metas):
    arrays = build_columns(metas)
    for array in arrays.values():
        assert array.dtype.kind in "biuf"
        array.flags.writeable = False
    return Columns(arrays, len(metas))


def column(*values):
    found = opened([{"x": value} for value in values]).column("x")
    assert found is not None
    return found


def values_of(meta, name):
    held = meta.get(name)
    held = held if isinstance(held, list) else [held]
    return [value for value in held if value is not None and value == value]


def number(value):
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return math.inf if value >= 10**309 else float(value)
    return value


def kind(value):
    return "bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def stands(relation, value, other):
    if kind(value) != kind(other):
        return False
    if kind(value) == "number":
        value, other = number(value), number(other)
    return RELATIONS[relation](value, other)


@given(METAS, st.sampled_from(list(RELATIONS)), st.lists(VALUES, min_size=1, max_size=3))
def test_comparisons_are_those_of_a_naive_evaluation(metas, relation, others):
    columns = opened(metas)
    assert columns.names == tuple(sorted({name for meta in metas for name in meta}))
    for name in columns.names:
        held = [values_of(meta, name) for meta in metas]
        found = columns.column(name)
        assert found.kinds == {kind(value) for values in held for value in values}
        assert found.present().tolist() == [bool(values) for values in held]
        expected = [any(stands(relation, v, o) for v in values for o in others) for values in held]
        assert found.compare(relation, others).tolist() == expected
        texts = [[value for value in values if isinstance(value, str)] for values in held]
        match = found.match(lambda text: text >= "a")
        assert match.tolist() == [any(text >= "a" for text in each) for each in texts]


def test_integers_of_64_bits_compare_exactly_beside_floats():
    x = column(2**53, 2**53 + 1, 0.5, 2**63 - 1)
    assert x.compare("=", [2**53 + 1]).tolist() == [False, True, False, False]
    assert x.compare(">", [float(2**53)]).tolist() == [False, True, False, True]
    assert x.compare("<", [float(2**63)]).tolist() == [True] * 4


def test_integers_beyond_are_the_nearest_float():
    x = column(2**64, 10**400, -(10**400))
    assert x.compare("=", [2**64 + 1]).tolist() == [True, False, False]
    assert x.compare("=", [math.inf]).tolist() == [False, True, False]
    assert x.compare("<", [-1e308]).tolist() == [False, False, True]


def test_bools_are_no_numbers():
    x = column(True, 1, 1.0, "true", False, 0, -0.0)
    assert x.kinds == {"bool", "number", "text"}
    assert x.compare("=", [True]).tolist() == [True] + [False] * 6
    assert x.compare("=", [1]).tolist() == [False, True, True] + [False] * 4
    assert x.compare("=", [0.0]).tolist() == [False] * 5 + [True, True]


def test_nulls_of_all_sorts():
    x = column(None, math.nan, [], [None, math.nan], [None, 3], 4)
    assert x.present().tolist() == [False] * 4 + [True, True]
    assert x.kinds == {"number"}
    assert not x.compare("<=", [math.nan]).any()
    nothing = column(None, [])
    assert nothing.kinds == frozenset()
    assert not nothing.compare(">=", ["", 0, False]).any()


def test_a_field_with_one_value_for_each_document_stores_no_document_numbers():
    assert len(build_columns([{"x": 1}, {"x": 2}])["documents"]) == 0
    assert build_columns([{"x": 1}, {}, {"x": [2, 3]}])["documents"].tolist() == [0, 2, 2]
    assert build_columns([{"x": [1, 2]}, {}])["documents"].tolist() == [0, 0]


def test_the_same_values_in_another_form_are_the_same():
    class Colour(str, enum.Enum):
        RED = "red"

    x = column(Colour.RED, ("red", "blue"), np.float64(2.0), enum.IntEnum("N", ["ONE", "TWO"]).TWO)
    assert x.compare("=", ["red"]).tolist() == [True, True, False, False]
    assert x.compare("=", [2]).tolist() == [False, False, True, True]


def test_a_lone_surrogate_can_be_looked_for():
    assert column("a", "\udcff", "😀").compare("=", ["\udcff"]).tolist() == [False, True, False]
    assert not column("a").compare("=", ["\udcff"]).any()


def test_no_documents_and_no_fields():
    assert opened([]).names == ()
    assert opened([{}, {}]).column("x") is None


def test_opening_reads_no_value():
    arrays = build_columns({"x": f"text {number}"} for number in range(50))
    arrays["texts"] = np.full_like(arrays["texts"], 0xFF)  # isn't UTF-8
    x = Columns(arrays, 50).column("x")
    assert x.kinds == {"text"}
    assert x.present().all()
    assert not x.compare("=", ["text 7"]).any()
    with pytest.raises(UnicodeDecodeError):
        x.match(lambda text: True)


def test_documents_may_be_gone_once_read():
    class Meta(dict):
        pass

    seen = []

    def metas():
        for value in range(50):
            meta = Meta(x=f"text {value}")
            seen.append(weakref.ref(meta))
            yield meta
            del meta
            assert sum(reference() is not None for reference in seen) <= 1

    assert len(build_columns(metas())["codes"]) == 50


def test_thousands_of_rare_fields_stay_small():
    arrays = build_columns({f"field {value}": value} for value in range(3000))
    assert len(arrays["codes"]) == len(arrays["documents"]) == len(arrays["integers"]) == 3000
    x = Columns(arrays, 3000).column("field 1234")
    assert np.flatnonzero(x.compare("=", [1234])).tolist() == [1234]


@pytest.mark.parametrize("value", [{"a": 1}, [[1]], b"bytes", [None, {}], object()])
def test_other_values_are_refused_with_field_and_document(value):
    with pytest.raises(UsageError, match=r"field 'x' of document 2 .* holds a \w+; a field takes"):
        build_columns([{"x": 1}, {"x": value}])


@pytest.mark.parametrize("missing", ["fields", "bounds", "codes", "texts"])
def test_a_missing_array_is_noticed_at_the_opening(missing):
    arrays = build_columns([{"x": 1}])
    del arrays[missing]
    with pytest.raises(KeyError, match=missing):
        Columns(arrays, 1)


def test_bounds_that_are_not_of_these_fields_are_noticed_at_the_opening():
    arrays = build_columns([{"x": 1}])
    with pytest.raises(ValueError, match="bounds of shape"):
        Columns({**arrays, "bounds": arrays["bounds"][:1]}, 1)
