"""Filters against a naive evaluation over dicts, and their errors against marked places."""

from __future__ import annotations

import functools
import itertools
import math
import operator
import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsearch.errors import FilterError
from vecsearch.filters import parse_filter
from vecsearch.store.columns import Columns, build_columns


def columns(metas):
    return Columns(build_columns(metas), len(metas))


def passing(expression, metas):
    """The positions of the documents that pass."""
    return np.flatnonzero(parse_filter(expression).mask([columns(metas)])[0]).tolist()


def held(expression, *values):
    """Which of `values`, each the field x of a document, satisfy the expression."""
    return [values[position] for position in passing(expression, [{"x": v} for v in values])]


# A naive evaluator: expressions are trees, documents are dicts.


class Day(NamedTuple):
    text: str
    start: datetime
    length: timedelta


UTC = timezone.utc
DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)
DATES = [
    Day("2024-05-31", datetime(2024, 5, 31, tzinfo=UTC), DAY),
    Day("2024-06-01", datetime(2024, 6, 1, tzinfo=UTC), DAY),
    Day("9999-12-30", datetime(9999, 12, 30, tzinfo=UTC), DAY),
    Day("2024-05-31T12:30", datetime(2024, 5, 31, 12, 30, tzinfo=UTC), MOMENT),
    Day("2024-05-31T12:30:00Z", datetime(2024, 5, 31, 12, 30, tzinfo=UTC), MOMENT),
    Day("2024-06-01T00:30:00+02:00", datetime(2024, 5, 31, 22, 30, tzinfo=UTC), MOMENT),
    Day("2024-05-31t23:30:00.25-0100", datetime(2024, 6, 1, 0, 30, 0, 250000, UTC), MOMENT),
]
STARTS = {date.text: date.start for date in DATES}
TEXTS = ["", "a", "B", "ab", "aab", "Straße", "é", "😀", "%", "a_b", "q\"u'o", "b\\s", "2024-02-30"]
NUMBERS = [0, 1, -3, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -0.0, 1.0, 0.5, -2.5, 1e300]
RELATIONS = {
    "=": operator.eq,
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NAMES = ["x", "tag", "é-1.b_2", "my `field`", "not"]
# So that no field is unknown and every literal is of a kind that the field holds somewhere.
ANCHOR = {name: ["zz", 7, True] for name in NAMES}


def values_of(meta, name):
    value = meta.get(name)
    value = value if isinstance(value, list) else [value]
    return [each for each in value if each is not None and each == each]


def number(value):
    """What an integer beyond 64 bits is compared as."""
    if isinstance(value, float) or -(2**63) <= value < 2**63:
        return value
    return float(value) if abs(value) < 10**308 else math.copysign(math.inf, value > 0 or -1)


def stands(relation, value, literal):
    if isinstance(literal, Day):
        start, end = literal.start, literal.start + literal.length
        instant = STARTS.get(value) if isinstance(value, str) else None
        return (
            instant is not None
            and {
                "=": start <= instant < end,
                "<": instant < start,
                "<=": instant < end,
                ">": instant >= end,
                ">=": instant >= start,
            }[relation.replace("==", "=")]
        )
    if isinstance(literal, bool) or isinstance(value, bool):
        return value is literal
    if isinstance(literal, str) != isinstance(value, str):
        return False
    if not isinstance(value, str):
        value, literal = number(value), number(literal)
    return RELATIONS[relation](value, literal)


def like(text, pattern):
    """`pattern` is a list: "%", "_", or a character with a backslash before it."""
    text = text.casefold()

    @functools.cache
    def fits(i, j):
        if j == len(pattern):
            return i == len(text)
        if pattern[j] == "%":
            return fits(i, j + 1) or (i < len(text) and fits(i + 1, j))
        if pattern[j] == "_":
            return i < len(text) and fits(i + 1, j + 1)
        letters = pattern[j][1].casefold()
        return text.startswith(letters, i) and fits(i + len(letters), j + 1)

    return fits(0, 0)


def holds(tree, meta):
    match tree:
        case ("and" | "or" as join, *terms):
            return (all if join == "and" else any)(holds(term, meta) for term in terms)
        case ("not", term):
            return not holds(term, meta)
        case ("is null", name):
            return not values_of(meta, name)
        case ("like", name, pattern):
            values = values_of(meta, name)
            return any(isinstance(value, str) and like(value, pattern) for value in values)
        case ("in", name, literals):
            return any(stands("=", v, each) for v in values_of(meta, name) for each in literals)
        case (relation, name, literal):
            return any(stands(relation, value, literal) for value in values_of(meta, name))


def written_name(name):
    plain = name not in ("not", "my `field`")
    return name if plain else "`" + name.replace("`", "``") + "`"


def written_literal(literal):
    if isinstance(literal, Day):
        return literal.text
    if isinstance(literal, bool):
        return str(literal)
    if isinstance(literal, str):
        return '"' + literal.replace("\\", "\\\\").replace('"', '""') + '"'
    return repr(literal)


def written(tree):
    match tree:
        case ("and" | "or" as join, *terms):
            return "(" + f" {join.upper()} ".join(map(written, terms)) + ")"
        case ("not", ("in" | "like" as word, name, _) as term):
            return written(term).replace(f" {word} ", f" not {word} ", 1)
        case ("not", ("is null", name)):
            return f"{written_name(name)} is NOT null"
        case ("not", ("=", name, literal)):
            return f"{written_name(name)}!={written_literal(literal)}"
        case ("not", term):
            return f"not {written(term)}"
        case ("is null", name):
            return f"{written_name(name)} Is Null"
        case ("like", name, pattern):
            return f"{written_name(name)} like '{''.join(pattern)}'"
        case ("in", name, literals):
            return f"{written_name(name)} in ({', '.join(map(written_literal, literals))})"
        case (relation, name, literal):
            return f"{written_name(name)}{relation}{written_literal(literal)}"


PLAIN = st.sampled_from([*TEXTS, *(date.text for date in DATES), *NUMBERS, True, False])
STORED = st.one_of(
    PLAIN,
    st.sampled_from([None, math.nan, math.inf, -(10**400)]),
    st.lists(PLAIN | st.none(), max_size=3),
)
# A whole number beyond 64 bits is refused as a literal; a float of that size isn't.
LITERALS = PLAIN.filter(lambda x: type(x) is not int or -(2**63) <= x < 2**63) | st.sampled_from(
    [*DATES, float(2**63)]
)
NAME = st.sampled_from(NAMES)
PATTERN = st.lists(st.sampled_from(["%", "%", "_", *(f"\\{c}" for c in "\\%_\"'")]), max_size=6)
LETTERS = st.sampled_from(["a", "B", "ß", "É", "s", "😀", "%", "_"])
COMPARISONS = st.one_of(
    st.tuples(
        st.sampled_from(sorted(RELATIONS)), NAME, LITERALS.filter(lambda x: not isinstance(x, bool))
    ),
    st.tuples(st.just("="), NAME, st.booleans()),
    st.tuples(st.just("in"), NAME, st.lists(LITERALS, min_size=1, max_size=4)),
    st.tuples(st.just("like"), NAME, PATTERN),
    st.tuples(st.just("is null"), NAME),
)
TREES = st.recursive(
    COMPARISONS,
    lambda trees: st.one_of(
        st.tuples(st.just("not"), trees),
        st.lists(trees, min_size=2, max_size=4).map(lambda terms: ("and", *terms)),
        st.lists(trees, min_size=2, max_size=4).map(lambda terms: ("or", *terms)),
    ),
    max_leaves=8,
)
METAS = st.lists(st.dictionaries(NAME, STORED), max_size=10)


@given(METAS, TREES, st.lists(st.integers(0, 11), max_size=3))
def test_masks_are_those_of_a_naive_evaluation_however_documents_are_split(metas, tree, cuts):
    metas = [*metas, ANCHOR]
    expected = [holds(tree, meta) for meta in metas]
    bounds = [0, *sorted(min(cut, len(metas)) for cut in cuts), len(metas)]
    segments = [columns(metas[start:end]) for start, end in itertools.pairwise(bounds)]
    masks = parse_filter(written(tree)).mask(segments)
    assert [len(mask) for mask in masks] == [segment.documents for segment in segments]
    assert all(mask.dtype == np.bool_ for mask in masks)
    assert np.concatenate(masks).tolist() == expected


@given(st.lists(st.text(alphabet="aBß%_\\é", max_size=6)), st.lists(LETTERS, max_size=5))
def test_like_is_that_of_a_naive_matcher(texts, letters):
    pattern = [letter if letter in "%_" else f"\\{letter}" for letter in letters]
    assert held(f"x like '{''.join(letters)}' or x is null", *texts) == [
        text for text in texts if like(text, pattern)
    ]


@given(st.text(alphabet="ab=<>!() ,'\"`\\%_-.5and not in like is null", max_size=30))
def test_any_text_is_a_filter_or_an_error_within_it(expression):
    position = 0
    try:
        parse_filter(expression)
    except FilterError as error:
        position = error.position
    assert 0 <= position <= len(expression)


def test_the_grammar_by_example():
    metas = [
        {"lang": "en", "year": 2020, "tag": ["c"]},
        {"lang": "en", "year": 2020, "tag": ["c", "a"]},
        {"lang": "en", "year": 2019},
        {"lang": "de", "year": 2024},
        {"lang": "en", "year": 2020.5},
    ]
    expression = 'lang = "en" and year >= 2020 and not tag in ("a","b")'
    assert passing(expression, metas) == [0, 4]
    assert passing(expression.replace("not tag in", "tag not in"), metas) == [0, 4]


def test_and_binds_tighter_than_or_and_not_tightest():
    metas = [{"a": 1, "b": 0, "c": 0}, {"a": 0, "b": 1, "c": 1}, {"a": 0, "b": 1, "c": 0}]
    assert passing("a = 1 or b = 1 and c = 1", metas) == [0, 1]
    assert passing("(a = 1 or b = 1) and c = 1", metas) == [1]
    assert passing("not a = 1 and b = 1 AnD c = 0", metas) == [2]
    assert passing("NOT (a = 1 or c = 1)", metas) == [2]


def test_absent_null_nan_and_empty_are_the_same():
    metas = [{"x": 1}, {}, {"x": None}, {"x": math.nan}, {"x": []}, {"x": [None]}]
    nothing = [1, 2, 3, 4, 5]
    assert passing("x is null", metas) == nothing
    assert passing("x is not null", metas) == [0]
    assert passing("x != 1", metas) == passing("not x = 1", metas) == nothing
    assert passing("x not in (1, 2)", metas) == nothing
    assert passing("x < 9 or x >= 9", metas) == [0]


def test_lists_hold_where_one_element_does():
    metas = [{"x": ["a", "b"]}, {"x": "b"}, {"x": ["c"]}]
    assert passing('x = "a"', metas) == [0]
    assert passing('x != "b"', metas) == [2]
    assert passing('x > "a" and x < "b"', metas) == [0]
    assert passing('x like "a" or x in ("c")', metas) == [0, 2]


def test_dates():
    texts = (
        *("2024-05-30T23:59:59.999999Z", "2024-05-31", "2024-05-31 12:30", "2024-05-31T12:30:00Z"),
        *("2024-06-01T01:59+02:00", "2024-06-01T02:00+02:00", "2024-06-01", "31 May", "2024-05-32"),
    )
    before, within, after = texts[:1], texts[1:5], texts[5:7]
    assert held("x = 2024-05-31", *texts) == [*within]
    assert held("x < 2024-05-31", *texts) == [*before]
    assert held("x <= 2024-05-31", *texts) == [*before, *within]
    assert held("x > 2024-05-31", *texts) == [*after]
    assert held("x >= 2024-05-31", *texts) == [*within, *after]
    assert held("x != 2024-05-31", *texts) == [*before, *after, *texts[7:]]
    assert held("x in (2024-05-31T14:30+02:00, 2024-06-01T00:00)", *texts) == [*texts[2:4], *after]
    assert held("x < 2024-05-31T12:30:00.000001", *texts) == [*before, *texts[1:4]]
    assert held('x = "2024-05-31"', *texts) == ["2024-05-31"]


def test_dates_at_the_ends_of_the_calendar():
    ends = ["0001-01-01T00:00+14:00", "0001-01-01", "9999-12-31T23:59:59-12:00"]
    assert held("x > 0001-01-01", *ends) == ends[2:]
    assert held("x < 0001-01-01T00:00", *ends) == ends[:1]
    assert held("x > 9999-12-31", *ends) == ends[2:]


def test_quotes_and_escapes():
    assert held("""x = 'it''s' """, "it's", "its") == ["it's"]
    assert held(r'x = "say \"a\" ""b"""', 'say "a" "b"') == ['say "a" "b"']
    assert held(r"x = 'a\\b'", "a\\b", "ab") == ["a\\b"]
    assert held("x = '\"\"'", '"', '""') == ['""']
    assert held(r'x like "50\%"', "50%", "50x") == ["50%"]
    assert held(r'x like "a\_b\\%"', "a_b\\c", "axb\\c", "a_bc") == ["a_b\\c"]
    assert held('x = "a\nb"', "a\nb") == ["a\nb"]


def test_like_matches_the_whole_text_without_regard_to_case():
    assert held('x like "%GREEN%"', "a Green\nday", "evergreen", "gren") == [
        "a Green\nday",
        "evergreen",
    ]
    assert held('x like "strasse"', "STRASSE", "Straße", "strasse 1") == ["STRASSE", "Straße"]
    assert held('x like "a.c"', "abc", "a.c") == ["a.c"]


def test_like_takes_no_time_over_a_pattern_made_to_be_slow():
    pattern = "%a" * 40 + "%b"
    assert held(f'x like "{pattern}"', "a" * 50_000) == []


def test_fields_with_any_name():
    metas = [{"3d.score-v_2": 1, "पता": 1, "é": 1, "and": 1, "a`b c": 1, "": 1}]
    for name in ("3d.score-v_2", "पता", "é", "`and`", "`a``b c`", "``", "`é`"):
        assert passing(f"{name} = 1", metas) == [0]


def test_a_field_that_only_some_segments_have_is_absent_in_the_others():
    segments = [columns([{"x": 1}]), columns([{"y": "a"}]), columns([{"x": "b"}])]
    masks = parse_filter('x = 1 or x = "b" or y is null').mask(segments)
    assert [mask.tolist() for mask in masks] == [[True], [False], [True]]


def test_a_field_that_is_always_null_is_known_and_matches_nothing():
    assert passing('x = 1 or x = "a" or x = true', [{"x": None}, {"x": []}]) == []


def test_an_index_without_documents_takes_any_field():
    assert parse_filter("what = 1").mask([]) == []
    assert [mask.shape for mask in parse_filter("what != 1").mask([columns([])])] == [(0,)]


def test_a_hundred_levels_and_ten_thousand_terms_are_fine():
    assert passing("(" * 100 + "x = 1" + ")" * 100, [{"x": 1}]) == [0]
    assert passing("not " * 100 + "x = 1", [{"x": 1}]) == [0]
    deep = "(x = 1 and (x = 2 or " * 50 + "x = 1" + "))" * 50
    assert passing(deep, [{"x": 1}]) == [0]
    assert passing(" or ".join(f"x={number}" for number in range(10_000)), [{"x": 9999}]) == [0]


# Each expression has a ^ before the place that the error points at.
UNREADABLE = [
    ("^", "is empty"),
    ("^  ", "is empty"),
    ("^flag", "flag = true, or flag is not null"),
    ("^flag and x = 1", "needs a comparison"),
    ("x = 1 and not (^flag)", "needs a comparison"),
    ("x = 1 ^y = 2", "and, or, or the end"),
    ("x = 1^)", "never opened"),
    ("^(x = 1", "never closed"),
    ("(x = 1 ^y", r"and, or or \) is expected"),
    ("x in ^(1, 2", "never closed"),
    ("x in (1 ^2)", r", or \) is expected"),
    ("x in (^)", "value is expected"),
    ("x in (1,^)", "value is expected"),
    ("x in ^1", r"\( is expected"),
    ('x = ^"open', "quote is never closed"),
    ('x = ^"a""b', "quote is never closed"),
    ("x = ^'open\\'", "quote is never closed"),
    ("^`open = 1", "quote is never closed"),
    ("x = 1 and^", "field name is expected"),
    ("x =^", "value is expected"),
    ("x = ^= 1", "value is expected"),
    ("x ^<> 1", "Write != instead of <>"),
    ("x = ^(1)", "value is expected"),
    ("x ^! 1", "Write !="),
    ("x ^1", "or >= is expected"),
    ("x not ^= 1", "in or like is expected"),
    ("x is ^1", "null is expected"),
    ("x is not ^true", "null is expected"),
    ("x = ^null", "write is null"),
    ("x in (1, ^NULL)", "write is null"),
    ("x = ^en", 'text needs quotes: "en"'),
    ("x = ^1_000", "is no number"),
    ("x = ^2024-13-01", "no such day or time as 2024-13-01[.]"),
    ("x = ^1990-02-30", "no such day or time as 1990-02-30[.]"),
    ("x = ^2024-5-1", "is no number, date"),
    ("x = ^2024-05-31T25:00", "no such day or time"),
    ("x = 2024-05-31 ^12:30", "and, or, or the end"),
    ("x = ^1e999", "too large"),
    ("x = ^-" + "9" * 5000, "too large"),
    ("x = ^9223372036854775808", "to 9223372036854775807, exactly; .* indexed as text"),
    ("x in (1, ^-9223372036854775809)", "from -9223372036854775808 to"),
    ("x < ^" + "9" * 300, "Whole numbers"),
    ("x ^< true", "only be compared by =, != and in"),
    ("x like ^5", "pattern in quotes"),
    ("x like ^", "pattern in quotes"),
    (r'x = "C:^\new"', r"write \\\\"),
    (r'x like "a""^\d"', r"write \\\\"),
    ("^and = 1", "in backquotes: `and`"),
    ("^a+b = 1", "in backquotes: `a\\+b`"),
    ('^"x" = 1', "takes no quotes but `"),
    ("^= 1", "field name is expected"),
    ("(" * 100 + "^(x = 1" + ")" * 101, "more than 100 deep"),
    ("not " * 100 + "^not x = 1", "more than 100 deep"),
    ("(" * 100 + "^(" * 1 + "(" * 100_000, "more than 100 deep"),
]
INAPPLICABLE = [
    (
        '^lagn = "en"',
        "no field \"lagn\". Did you mean 'lang'[?] The fields are flag, lang, n, year.",
    ),
    ("year = 1 or not ^what is null", 'no field "what". The fields are'),
    ('year = ^"2020"', 'holds numbers; "2020" is text. Write 2020 without quotes'),
    ('year = ^"9223372036854775808"', '"9223372036854775808" is text[.]$'),
    ('year in (2020, ^"x")', 'holds numbers; "x" is text.$'),
    ("lang = ^5", 'holds text; 5 is a number. Write "5" in quotes'),
    ("lang != ^true", "holds text; true is true or false"),
    ("flag = ^1", "holds true or false; 1 is a number"),
    ('flag = ^"true"', "Write true without quotes"),
    ("n = ^true", "holds numbers and text; true is"),
    ("year > ^2020-01-01", "2020-01-01 is a date, which is compared with text"),
    ('year like ^"20%"', '"20%" is a pattern'),
]


@pytest.mark.parametrize(("marked", "problem"), UNREADABLE)
def test_errors_in_reading_point_at_the_place(marked, problem):
    with pytest.raises(FilterError, match=problem) as caught:
        parse_filter(marked.replace("^", ""))
    assert caught.value.position == marked.index("^")


@pytest.mark.parametrize(("marked", "problem"), INAPPLICABLE)
def test_errors_in_applying_point_at_the_place(marked, problem):
    segments = [
        columns([{"lang": "en", "year": 2020, "n": 1}]),
        columns([{"flag": True, "n": "a"}]),
    ]
    with pytest.raises(FilterError) as caught:
        parse_filter(marked.replace("^", "")).mask(segments)
    assert caught.value.position == marked.index("^")
    message = str(caught.value).splitlines()[0]
    assert re.search(problem, message), message


def test_an_index_whose_documents_have_no_metadata_says_so():
    with pytest.raises(FilterError, match="no document has metadata"):
        passing("x = 1", [{}])


def test_many_fields_are_not_all_listed():
    with pytest.raises(FilterError, match="and 80 more"):
        passing("what = 1", [{f"field{number}": 1 for number in range(100)}])


def test_a_filter_is_a_value():
    first = parse_filter("x = 1")
    assert first == parse_filter("x = 1")
    assert first.expression == "x = 1"
    assert repr(first) == "Filter(expression='x = 1')"
    with pytest.raises(AttributeError):
        first.expression = "x = 2"


def test_of_a_long_filter_the_surroundings_of_an_error_are_shown():
    with pytest.raises(FilterError) as caught:
        parse_filter("(" * 90 + "n = 1 and " * 500 + "!" + " and n = 2" * 500)
    *_, shown, mark = str(caught.value).split("\n")
    assert len(shown) < 500
    assert shown[mark.index("^")] == "!"
