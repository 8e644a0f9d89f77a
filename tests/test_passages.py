"""Passages: worked examples in many scripts, and what must hold for any text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsearch.errors import UsageError
from vecsearch.passages import split
from vecsearch.types import Span

ANYTHING = st.characters(exclude_categories=())
TRICKY = st.sampled_from(
    "aB1 \n\n..!?。！？．…।؟\"'”“»)\u0301\u200d👩🇩🇪東กำ한\u1112\u1161\x1c\x85\u2029\f\0\ud800"
)
TEXTS = st.text(st.one_of(ANYTHING, TRICKY, TRICKY), max_size=80)
ENGLISH = st.text(st.sampled_from("ab AB1  ..!\n"), max_size=120)
SIZES = st.integers(1, 12).flatmap(
    lambda words: st.tuples(st.just(words), st.integers(0, words - 1))
)


def cut(text, words, overlap=0):
    return [text[start:end] for start, end in split(text, words, overlap)]


@pytest.mark.parametrize(
    ("text", "words", "passages"),
    [
        ("One two. Three four. Five six.", 4, ["One two. Three four.", "Five six."]),
        ("One two three four five.", 2, ["One two", "three four", "five."]),
        ("A b c.\n\nD e f. G h i.", 7, ["A b c.", "D e f. G h i."]),  # at the paragraph's end
        ("A.\n\nD e f. G h i.", 7, ["A.\n\nD e f. G h i."]),
        ("Aa.\n\nDd ee ff. Gg hh ii.", 6, ["Aa.\n\nDd ee ff.", "Gg hh ii."]),  # it ends too early
        ("Dr. Who paid 3.14 to J. R. Tolkien. Yes.", 8, ["Dr. Who paid 3.14 to J. R. Tolkien.", "Yes."]),
        ("Bring tools, e.g. a saw. Then go.", 6, ["Bring tools, e.g. a saw.", "Then go."]),
        ('He said "Stop!" and left. Then she said "Go." He went.', 8,
         ['He said "Stop!" and left.', 'Then she said "Go." He went.']),
        ("Er kam am 3. Oktober. „Gut.“ Sie ging.", 5, ["Er kam am 3. Oktober.", "„Gut.“ Sie ging."]),
        ("¿Qué? ¡Sí! Vale pues.", 2, ["¿Qué? ¡Sí!", "Vale pues."]),
        ("Он пришёл в 5 ч. Мы ушли.", 6, ["Он пришёл в 5 ч. Мы", "ушли."]),  # one letter: an initial
        ("Он пришёл. Мы ушли.", 2, ["Он пришёл.", "Мы ушли."]),
        ("مرحبا بك. كيف حالك؟ أنا بخير۔ شكرا", 2, ["مرحبا بك.", "كيف حالك؟", "أنا بخير۔", "شكرا"]),
        ("यह एक है। यह दो है।", 3, ["यह एक है।", "यह दो है।"]),
        ("我喜欢苹果。你呢？“好的。”他说。", 4, ["我喜欢苹果。你呢？", "“好的。”他说。"]),
        ("これは文です．次の文です。", 4, ["これは文です．", "次の文です。"]),
        ("３．１４です。", 4, ["３．１４です。"]),
        ("ราชอาณาจักรไทย", 3, ["ราชอาณ", "าจักรไท", "ย"]),
        ("한국어 문장이다. 좋다.", 4, ["한국어 문장이다.", "좋다."]),
        ("👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧", 1, ["👨‍👩‍👧👨‍👩‍👧", "👨‍👩‍👧"]),
        ("a" * 150, 1, ["a" * 60, "a" * 60, "a" * 30]),
        ("", 5, [""]),
        (" \n\t\u3000 ", 5, [""]),
    ],
)  # fmt: skip
def test_worked_examples(text, words, passages):
    assert cut(text, words) == passages


def test_overlap_repeats_whole_sentences_that_fit():
    text = "Aa bb cc. Dd ee. Ff. Gg hh ii. Jj kk."
    assert cut(text, 6, 0) == ["Aa bb cc. Dd ee. Ff.", "Gg hh ii. Jj kk."]
    assert cut(text, 6, 3) == ["Aa bb cc. Dd ee. Ff.", "Dd ee. Ff. Gg hh ii.", "Gg hh ii. Jj kk."]
    assert cut(text, 6, 2) == ["Aa bb cc. Dd ee. Ff.", "Ff. Gg hh ii. Jj kk."]
    # A new sentence has to find room, so less is repeated than would be allowed.
    assert cut("Aa bb. Cc. Dd ee ff gg.", 5, 4) == ["Aa bb. Cc.", "Cc. Dd ee ff gg."]
    assert cut("Aa bb cc dd.", 2, 1) == ["Aa bb", "cc dd."]


def test_the_overlap_is_an_eighth_unless_given():
    text = "Aa. Bb. " * 30
    assert split(text, 16) == split(text, 16, 2) != split(text, 16, 0)
    assert split(text, 7) == split(text, 7, 0)


@pytest.mark.parametrize(
    ("words", "overlap", "problem"),
    [
        (0, 0, "at least 1 word, not 0"),
        (-3, None, "at least 1 word, not -3"),
        (5, 5, "can overlap by 0 to 4 words, not 5"),
        (5, -1, "can overlap by 0 to 4 words, not -1"),
    ],
)
def test_impossible_numbers_are_refused(words, overlap, problem):
    with pytest.raises(UsageError, match=problem):
        split("text", words, overlap)


@given(text=TEXTS, sizes=SIZES)
def test_any_text_is_covered_in_order(text, sizes):
    spans = split(text, *sizes)
    assert spans == split(text, *sizes)
    if not text.strip():
        assert spans == [Span(0, 0)]
        return
    covered = {i for start, end in spans for i in range(start, end)}
    assert covered >= {i for i, character in enumerate(text) if not character.isspace()}
    for start, end in spans:
        assert text[start:end].strip() == text[start:end] != ""
    for before, after in pairwise(spans):
        assert before.start < after.start
        assert before.end < after.end
    if sizes[1] == 0:
        assert all(before.end <= after.start for before, after in pairwise(spans))


@given(text=ENGLISH, sizes=SIZES)
def test_no_passage_is_too_long_nor_repeats_too_much(text, sizes):
    words, overlap = sizes
    spans = split(text, words, overlap)
    for start, end in spans:
        assert len(text[start:end].split()) <= words
    for before, after in pairwise(spans):
        assert len(text[after.start : before.end].split()) <= overlap


@given(text=st.text(st.sampled_from("ab "), min_size=1, max_size=80), words=st.integers(1, 9))
def test_one_sentence_is_cut_every_so_many_words(text, words):
    units = text.split()
    expected = [units[i : i + words] for i in range(0, len(units), words)] or [[]]
    assert [passage.split() for passage in cut(text, words)] == expected


@given(sentences=st.lists(st.integers(1, 5), min_size=1, max_size=20), words=st.integers(1, 9))
def test_sentences_are_packed_greedily(sentences, words):
    text = " ".join("Xx " * (n - 1) + "Xx." for n in sentences)
    expected, room = [], 0
    for n in sentences:
        pieces = [n] if n <= words else [words] * (n // words) + [n % words] * (n % words > 0)
        for piece in pieces:
            if piece > room:
                expected.append(0)
                room = words
            expected[-1] += piece
            room -= piece
    assert [len(passage.split()) for passage in cut(text, words)] == expected


@given(text=st.text(st.sampled_from("日本語ー "), max_size=60), words=st.integers(1, 9))
def test_two_characters_of_chinese_are_a_word(text, words):
    for passage in cut(text, words):
        assert len(passage.replace(" ", "")) <= 2 * words
    compact = text.replace(" ", "")
    assert (
        cut(compact, words)
        == [compact[i : i + 2 * words] for i in range(0, len(compact), 2 * words)]
        or not compact
    )


@pytest.mark.parametrize(
    ("text", "words", "count"),
    [("a" * 10**6, 200, 84), ("東" * 200_000, 200, 500), ("a" + "\u0301" * 10**6, 200, 1), ("." * 200_000, 200, 17),
     ("a\n" * 100_000, 200, 500), ("\n" * 200_000, 200, 1), (" " * 10**6 + "a", 200, 1), ('."' * 50_000, 200, 9)],
)  # fmt: skip
def test_a_megabyte_takes_linear_time(text, words, count):
    assert len(split(text, words, 0)) == count


def test_a_long_run_of_half_flags_takes_linear_time():
    """`\\X` alone is quadratic here; a timeout would be the sign, so the text is long."""
    text = "\U0001f1e6" * 100_001
    spans = split(text, 200, 0)
    assert spans[-1].end == len(text)
