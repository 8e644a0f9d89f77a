"""Places and counts are those of the analyzer's own tokens, however a text is gone through."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vecsearch import places as room
from vecsearch.places import counted, places
from vecsearch.text import LONGEST_TERM, analyzer

ENGLISH, PLAIN, TURKISH = (analyzer(name) for name in ("english", "plain", "turkish"))
ODD = ["lamp", "Lamps", "LAMP's", "the", "。", "東京都", "½", "İI", "🇩🇪", "👍🏽", "a_b", "ﬁre"]
BITS = st.sampled_from([*ODD, " ", ", ", "e\u0301", "\ud800", "\u00ad", "\u200d", "x" * 70])
TEXTS = st.lists(st.one_of(BITS, st.text(max_size=6)), max_size=60).map("".join)


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch):
    pattern = room._STRETCH.pattern
    assert "1,1024" in pattern
    monkeypatch.setattr(room, "_STRETCH", room.regex.compile(pattern.replace("1024", "8")))


def brute(rules, text):
    return [(t.term, t.start, min(t.end, t.start + LONGEST_TERM)) for t in rules.tokens(text)]


@pytest.mark.parametrize("rules", [ENGLISH, PLAIN, TURKISH], ids=lambda rules: rules.name)
@given(text=TEXTS)
@example(text="")
@example(text="lamp" + "東京" * 30 + " Lamps")
def test_terms_are_counted_and_first_met_as_by_one_look(rules, text):
    found = counted(rules, text, 10**9)
    terms = rules.terms(text)
    assert found.counts == Counter(terms)
    assert list(found.counts) == list(dict.fromkeys(terms))
    assert found.bounds[-1] == len(text)
    expected = {}
    for token in brute(rules, text):
        expected.setdefault(token[0], token)
    first = found.first(rules, range(len(found.counts)))
    assert list(first.values()) == [expected[term] for term in found.counts]


@given(text=TEXTS, wanted=st.sets(st.sampled_from(["lamp", "東京", "1", "2", "zeppelin", "年"])))
def test_every_place_is_told_near_the_beginning(text, wanted):
    expected = [token for token in brute(ENGLISH, text) if token[0] in wanted]
    assert list(places(ENGLISH, text, wanted)) == expected


def test_later_on_places_are_told_until_each_term_was_met(monkeypatch):
    monkeypatch.setattr(room, "_NEAR", 20)
    text = "lamp, nothing else. " + "lamp lamp " * 5 + "oil is oil " + "lamp oil " * 5 + "fire"
    told = [(token.term, token.start) for token in places(ENGLISH, text, {"lamp", "oil", "x"})]
    # "lamp" at 20 is of the last stretch that begins near; then only oil is still looked for.
    # The stretch where it is met holds another lamp.
    assert told == [("lamp", 0), ("lamp", 20), ("lamp", 65), ("oil", 70)]
    seen = []
    monkeypatch.setattr(type(ENGLISH), "terms", lambda _, text: seen.append(text) or [])
    assert list(places(ENGLISH, text, set())) == seen == []


def test_counting_stops_at_many_distinct_terms():
    text = " ".join(f"w{i}" for i in range(100))
    found = counted(PLAIN, text, 20)
    assert 20 <= len(found.counts) < 25
    assert found.counts == Counter(PLAIN.terms(text[: found.bounds[-1]]))


def test_a_text_that_is_one_run_is_placed_at_its_beginning_only(monkeypatch):
    monkeypatch.setattr(room, "_PLACED", 10)
    text = "灯塔" * 20 + "東京"
    found = counted(PLAIN, text, 100)
    numbers = {term: i for i, term in enumerate(found.counts)}
    first = found.first(PLAIN, range(len(numbers)))
    assert first[numbers["灯塔"]] == ("灯塔", 0, 2)
    assert numbers["東京"] not in first
    assert [token.start for token in places(PLAIN, text, {"灯塔", "東京"})] == [0, 2, 4, 6, 8]


def test_millions_of_letters_in_a_row_are_one_short_word():
    text = "x" * 3_000_000
    found = counted(PLAIN, text, 100)
    assert found.first(PLAIN, [0]) == {0: ("x" * 64, 0, 64)}
    assert list(places(PLAIN, text, found.counts)) == [("x" * 64, 0, 64)]
