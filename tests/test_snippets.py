"""Snippets: the best window against a brute force, and what must hold for any text."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from vecsearch.errors import UsageError
from vecsearch.snippets import LONGEST_PASSAGE, Snippet, snippet
from vecsearch.text import analyzer
from vecsearch.types import Span

ENGLISH = analyzer("english")
PLAIN = analyzer("plain")

ANYTHING = st.characters(exclude_categories=())
TRICKY = st.sampled_from(
    "aab  e\u0301\u0316 \n\0東京都ｶﾞ한\u1112\u1161\u11abกำ👩\u200d👧🏽❤\ufe0f🇩🇪\u00ad½ﷺ\ud800"
)
TEXTS = st.text(st.one_of(ANYTHING, TRICKY, TRICKY, TRICKY), max_size=60)


def show(text, query, name="plain", width=240, span=None, focus=None):
    """The snippet with its highlights in brackets."""
    rules = analyzer(name)
    found = snippet(text, span or Span(0, len(text)), rules.terms(query), rules, width, focus)
    shown = found.text
    for start, end in reversed(found.highlights):
        shown = f"{shown[:start]}[{shown[start:end]}]{shown[end:]}"
    return shown


@pytest.mark.parametrize(
    ("name", "text", "query", "shown"),
    [
        ("english", "The  dogs\n\nwere RUNNING.", "dog runs", "The [dogs] were [RUNNING]."),
        ("english", "No match  here", "dog", "No match here"),
        ("german", "Die Häuser der Stadt", "haus", "Die [Häuser] der Stadt"),
        ("russian", "Он читает книги", "книга", "Он читает [книги]"),
        ("arabic", "قرأت الكتاب", "كتاب", "قرأت [الكتاب]"),
        ("hindi", "वह किताबें पढ़ता है", "किताब", "वह [किताबें] पढ़ता है"),
        ("plain", "ประเทศไทย", "ไทย", "ประเทศ[ไทย]"),
        ("plain", "我住在東京都。", "東京都", "我住在[東京都]。"),
        ("plain", "東京都庁は東京にあり", "東京都", "[東京都]庁は[東京]にあり"),
        ("plain", "2020年の五輪", "2020 五輪", "[2020]年の[五輪]"),
        ("plain", "これはｶﾞｷﾞです", "ガギ", "これは[ｶﾞｷﾞ]です"),
        ("plain", "か\u3099き\u3099く", "がぎ", "[か\u3099き\u3099]く"),
        ("plain", "\u1112\u1161\u11ab\u1100\u116e", "한구", "[\u1112\u1161\u11ab\u1100\u116e]"),
        ("french", "les e\u0301le\u0300ves", "élève", "les [e\u0301le\u0300ves]"),
        ("french", "les élèves", "e\u0301le\u0300ve", "les [élèves]"),
        ("english", "co\u00adoperation", "cooperate", "[co\u00adoperation]"),
        ("german", "Straße, STRASSE", "strasse", "[Straße], [STRASSE]"),
        ("plain", "שלום עולם", "עולם", "שלום [עולם]"),
        ("plain", "\u202eabc\u202c", "abc", "\u202e[abc]\u202c"),
        ("plain", "🇩🇪🇫🇷 ❤\ufe0f", "🇫🇷 ❤", "🇩🇪[🇫🇷] [❤\ufe0f]"),
        ("plain", "저는 한국어를 배워요", "한국어", "저는 [한국어]를 배워요"),
        ("plain", "la 👨‍👩‍👧!", "👩", "la [👨‍👩‍👧]!"),
        ("plain", "so 👍🏽 nice", "👍", "so [👍🏽] nice"),
        ("plain", "half ½ cup", "1 2", "half [½] cup"),
        ("plain", "\x1b]red\0\ud800", "red", "][red] \ufffd"),
        ("plain", "", "x", ""),
        ("plain", " \n ", "x", ""),
    ],
)  # fmt: skip
def test_worked_examples(name, text, query, shown):
    assert show(text, query, name) == shown


def test_cuts_fall_between_words_and_leave_an_ellipsis():
    text = "one two three four five six seven eight nine ten"
    assert show(text, "five", width=20) == "…four [five] six seven…"
    assert show(text, "one", width=12) == "[one] two…"
    assert show(text, "ten", width=13) == "…nine [ten]"
    assert show(text, "zero", width=13) == "one two three…"
    assert show(text, "seven", width=3) == "…[sev]…"
    assert show("東京都は大きい都市です", "都市", width=6) == "…きい[都市]です"


def test_more_distinct_terms_win_then_more_occurrences_then_the_earliest():
    gap = " x" * 30
    assert show(f"a a a{gap} a b{gap} b", "a b", width=9).count("[b]") == 1
    assert show(f"a{gap} a a{gap} a", "a", width=9).count("[a]") == 2
    assert show(f"x a 1{gap} a 2{gap}", "a", width=9).startswith("x [a] 1")


def test_only_the_passage_is_shown():
    text = "first dog. second dog. third"
    assert show(text, "dog", span=Span(11, 22)) == "second [dog]."


def focused(text, part, query, width, span=None):
    start = text.index(part)
    return show(text, query, width=width, span=span, focus=Span(start, start + len(part)))


def test_the_part_in_focus_is_shown():
    text = "dog dog dog. One two three. Four five six. Seven eight dog."
    # A short part comes with what follows, the last one with what comes before.
    assert focused(text, "One two three.", "dog", 14) == "…One two three.…"
    assert focused(text, "One two three.", "dog", 27) == "…One two three. Four five…"
    assert focused(text, "Seven eight dog.", "dog", 31) == "…Four five six. Seven eight [dog]."
    assert focused(text, "One two three.", "dog", 240) == show(text, "dog")
    # Of a long one it is the window with the best terms, or its start.
    assert focused(text, "One two three. Four five six.", "six", 14) == "…Four five [six].…"
    assert focused(text, "One two three. Four five six.", "dog", 13) == "…One two…"


def test_the_focus_lies_within_the_passage():
    text = "  dog\n\n\ncat.\0 The\n bird  \n sings. dog"
    row = Span(6, len(text) - 4)
    assert focused(text, "The\n bird", "dog", 10, row) == "…The bird…"
    assert focused(text, "sings.", "bird", 10, row) == "…sings."
    assert focused(text, "sings.", "bird", 100, row) == "cat. The [bird] sings."
    assert show(text, "dog", width=5, focus=Span(0, 5)) == "[dog]…"
    assert show(text, "dog", width=5, focus=Span(0, 0)) == "[dog]…"


def test_a_giant_passage_costs_no_more_than_its_start():
    text = "x " * 10**6 + "dog"
    found = snippet(text, Span(0, len(text)), {"dog"}, PLAIN)
    assert found.highlights == ()
    assert found.text.endswith("…")
    near = "x " * (LONGEST_PASSAGE // 2 - 10) + "dog " + text
    assert show(near, "dog", width=40).count("[dog]") == 1
    assert len(snippet("a" * 10**6, Span(0, 10**6), {"b"}, PLAIN).text) == 241
    far = Span(len(text) - 7, len(text))
    assert show(text, "dog", width=7, focus=far) == "…x x [dog]"
    assert show(text, "dog", width=5, focus=Span(10**6, 10**6 + 5)) == "…x x x…"


def test_a_width_of_nothing_is_refused():
    with pytest.raises(UsageError, match="at least 1 character, not 0"):
        snippet("text", Span(0, 4), ["text"], PLAIN, 0)


def test_a_snippet_is_a_value():
    assert snippet("a b", Span(0, 3), ["b"], PLAIN) == Snippet("a b", (Span(2, 3),))


@given(
    words=st.lists(st.sampled_from(["dog", "dogs", "cat", "runs", "x", "xyz", "the"]), max_size=40),
    query=st.sets(st.sampled_from(["dog", "cat", "run"])),
    width=st.integers(5, 60),
)
def test_no_window_holds_more_distinct_terms(words, query, width):
    text = " ".join(words)
    found = snippet(text, Span(0, len(text)), query, ENGLISH, width)
    matches = [token for token in ENGLISH.tokens(text) if token.term in query]
    most = max(
        (
            len({m.term for m in matches if start <= m.start and m.end <= start + width})
            for start in range(len(text) + 1)
        ),
        default=0,
    )
    shown = {ENGLISH.terms(found.text[start:end])[0] for start, end in found.highlights}
    assert len(shown) == most
    assert len(found.text.strip("…")) <= width
    # Nothing that matches, and is shown, goes unmarked.
    marked = [Span(t.start, t.end) for t in ENGLISH.tokens(found.text) if t.term in query]
    assert list(found.highlights) == marked
    kept = found.text.strip("…").split()
    assert any(kept == words[i : i + len(kept)] for i in range(len(words) + 1))


def bounds(text):
    return {0, *(cluster.end() for cluster in regex.finditer(r"\X", text))}


@given(text=TEXTS, query=TEXTS, width=st.integers(1, 30), data=st.data())
def test_any_text_is_cut_between_grapheme_clusters(text, query, width, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    left, right = sorted([data.draw(st.integers(start, end)), data.draw(st.integers(start, end))])
    focus = data.draw(st.sampled_from([None, Span(left, right)]))
    terms = set(PLAIN.terms(query))
    found = snippet(text, Span(start, end), terms, PLAIN, width, focus)
    whole = snippet(text, Span(start, end), (), PLAIN, 1000).text
    left = found.text.startswith("…") and not whole.startswith(found.text)
    right = found.text.endswith("…") and not whole.endswith(found.text[left:])
    shown = found.text[left : len(found.text) - right]
    assert "  " not in shown
    found.text.encode()
    places = [
        at for at in range(len(whole) - len(shown) + 1) if whole.startswith(shown, at)
        and (at > 0) == left and (at + len(shown) < len(whole)) == right
    ]  # fmt: skip
    assert any({at, at + len(shown)} <= bounds(whole) for at in places)
    assert len(shown) <= width or len(regex.findall(r"\X", shown)) == 1
    assert bool(shown) == bool(whole)
    last = 0
    for mark_start, mark_end in found.highlights:
        assert last <= mark_start < mark_end <= len(found.text)
        last = mark_end
    if width == 30 and len(whole) <= 30:
        assert bool(found.highlights) == bool(terms & set(PLAIN.terms(whole)))
