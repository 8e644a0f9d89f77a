"""Numbers of terms against the plain analyzer: all of Unicode at random, languages, long texts."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecsearch import Document, Index
from vecsearch import tokenizing as module
from vecsearch.characters import kinds
from vecsearch.kernels import drop_outdated, pieces
from vecsearch.kernels import words as kernel
from vecsearch.text import analyzer, normalise
from vecsearch.tokenizing import Tokenizer

NAMES = ["english", "plain", "turkish", "german", "greek", "hindi", "russian"]

TRICKY = st.sampled_from(
    "aZé ßİIıſKÅ1½Ⅷ_'’—-.\n\0\u00ad\u200b\u200c\u200d\u2060\ufe0f\u0301\u0316\u0345\u20e3\u034f\u3000\u00a0"
    "東京々ーｶﾞ㈱㎏Ⓐ한\u1112\u1161\u11ab\u3164กำ์ุ่อຳ\u0ebaါ္កេ日ไທย👩👨🏽❤🇩🇪#©™ﷺΣςᾴ\u1e9b\u0323\ud800\udfff\U000e0067ˇ𠮷Жкц"
)
BY_KIND = [
    st.sampled_from([chr(c) for c in np.flatnonzero(np.minimum(kinds(), pieces.MARK + 1) == kind)])
    for kind in (0, 1, 2, 3, 4, 5, 8, 9)
]
CHARACTERS = st.one_of(st.characters(exclude_categories=()), TRICKY, *BY_KIND)
STRETCHES = st.one_of(
    CHARACTERS,
    st.text(st.sampled_from("abcXYZ089"), max_size=20),
    st.text(st.sampled_from("東京都の한국กำน้"), max_size=12),
    st.builds(lambda c, n: c * n, CHARACTERS, st.sampled_from([2, 7, 8, 9, 15, 16, 17, 31, 70])),
)
TEXTS = st.lists(STRETCHES, max_size=10).map("".join)


def at_once(name):
    """A tokenizer that has no time for plain Python."""
    tokenizer = Tokenizer(analyzer(name))
    tokenizer._until_worth = -1
    return tokenizer


def terms_of(tokenizer, texts):
    tokens, counts = tokenizer.tokenize(texts)
    assert tokens.dtype == counts.dtype == np.int32
    assert counts.shape == (len(texts),)
    assert counts.sum() == len(tokens)
    terms = [tokenizer.vocabulary[number] for number in tokens.tolist()]
    ends = np.cumsum(counts)
    return [terms[a:b] for a, b in zip([0, *ends], ends, strict=False)]


KNOWING = {name: at_once(name) for name in NAMES}


@settings(max_examples=300)
@given(texts=st.lists(TEXTS, max_size=6), name=st.sampled_from(NAMES))
def test_terms_are_the_analyzers(texts, name):
    """With a table that knows many chunks by now, and, below, with one that knows none."""
    assert terms_of(KNOWING[name], texts) == [analyzer(name).terms(text) for text in texts]
    assert KNOWING[name]._chunks is not None


@settings(max_examples=100)
@given(calls=st.lists(st.lists(TEXTS, max_size=4), max_size=4), name=st.sampled_from(NAMES))
def test_the_kernel_numbers_as_plain_python_does(calls, name):
    plain, compiled, changing = Tokenizer(analyzer(name)), at_once(name), Tokenizer(analyzer(name))
    for call, texts in enumerate(calls):
        if call == 2:
            changing._until_worth = -1
        expected = plain.tokenize(texts)
        for other in (compiled, changing):
            for one, two in zip(expected, other.tokenize(texts), strict=True):
                np.testing.assert_array_equal(one, two)
    assert plain.vocabulary == compiled.vocabulary == changing.vocabulary
    assert plain._chunks is None
    first_seen = dict.fromkeys(
        term for texts in calls for text in texts for term in analyzer(name).terms(text)
    )
    assert plain.vocabulary == list(first_seen)


SENTENCES = {
    "english": "The “running” dogs—don't stop; in 1999, U.S.A. naïve cafés' extraordinarily counterrevolutionary ones.",
    "german": "Die Häuser an der STRASSE, Straße; Donaudampfschifffahrtsgesellschaftskapitän über ﬁnden",
    "french": "L’été, c'est l'eau des chevaux où Œuvres – ça va",
    "russian": "Он читает Книги о кошках, йод ёлка Съешь же достопримечательностями",
    "greek": "Οι ΛΌΓΟΙ του λόγος ᾴδω ΰ Ελληνικά",
    "arabic": "العَرَبِيَّة الكتاب في المكتبة، آأؤ ١٢٣",
    "hindi": "यह लड़कियों की किताब है। क़लम ड़ ढ़",
    "turkish": "IŞIK İstanbul'da ılık Iğdır ISPARTA",
    "plain": "東京都2020年、Pythonで書く。ｶﾞｷﾞ コーヒー ㈱トヨタ 中文分词很好，３月 吉野家𠮷野家 한국어는 좋다 각 "
    "ภาษาไทย น้ำทำกำลัง กุ่มอยู่ ນ້ຳ မြန်မာ ကြိုး ភាសាខ្មែរ தமிழ் கொ שָׁלוֹם می‌خواهم "
    "👨‍👩‍👧 👍🏽東京 ❤️ 🇩🇪🇫🇷 1️⃣ Intel™ ½ 5㎏ Ⅷ ﬃ ﷺ Tiếng Việt a\0b a\u200bb co\u00adop \ud800x",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_real_languages(name):
    texts = list(SENTENCES.values())
    texts += [unicodedata.normalize("NFD", text) for text in texts] + [
        text.upper() for text in texts
    ]
    joined = [" ".join(texts), "".join(texts), *texts]
    expected = [analyzer(name).terms(text) for text in joined]
    assert terms_of(at_once(name), joined) == expected
    assert terms_of(Tokenizer(analyzer(name)), joined) == expected


def test_worked_example():
    tokenizer = at_once("english")
    tokens, counts = tokenizer.tokenize(["The dog runs", "", "Running 東京都, dogs; น้ำใจ"])
    assert tokens.tolist() == [0, 1, 1, 2, 3, 0, 4, 5, 6]
    assert counts.tolist() == [2, 0, 7]
    assert tokenizer.vocabulary == ["dog", "run", "東京", "京都", "น้ํา", "าใ", "ใจ"]
    vocabulary = tokenizer.vocabulary
    tokenizer.tokenize(["new"])
    assert vocabulary[-1] == "ใจ"
    assert tokenizer.vocabulary is vocabulary
    assert vocabulary[-1] == "new"


@pytest.mark.parametrize("texts", [[], [""], ["", ""], [" "], ["\0\n—"]])
def test_nothing(texts):
    for tokenizer in (at_once("english"), Tokenizer(analyzer("english"))):
        tokens, counts = tokenizer.tokenize(texts)
        assert tokens.dtype == counts.dtype == np.int32
        assert tokens.tolist() == []
        assert counts.tolist() == [0] * len(texts)


@pytest.mark.parametrize(
    "text",
    ["a" * 10**6, "é" * 10**6, "東" * 10**6, "a\u0301\u0316" * 10**5, "น้ำ" * 10**5, "👍" * 10**5, " " * 10**6,
     "".join(map(chr, range(0x4E00, 0x9FA5))), "".join(map(chr, range(sys.maxunicode + 1)))],
)  # fmt: skip
def test_a_megabyte_without_a_space(text):
    assert terms_of(at_once("plain"), [text, "x", text]) == [
        analyzer("plain").terms(each) for each in (text, "x", text)
    ]


@pytest.mark.parametrize("collecting", [True, False])
def test_loading_leaves_the_garbage_collector_as_it_was(collecting):
    before = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        at_once("english").tokenize(["a text"])
        assert gc.isenabled() == collecting
    finally:
        (gc.enable if before else gc.disable)()


def test_a_full_table_starts_over(monkeypatch):
    monkeypatch.setattr(module, "MOST_CHUNKS", 1000)
    monkeypatch.setattr(module, "BLOCK", 5000)
    texts = [f"same word{n} Häuser{n} 東{chr(0x4E00 + n)} น้ำ" for n in range(5000)]
    tokenizer = at_once("german")
    assert terms_of(tokenizer, texts) == [analyzer("german").terms(text) for text in texts]
    assert tokenizer._chunks._table.used[0] < 2000
    plain = Tokenizer(analyzer("german"))
    plain.tokenize(texts)
    assert tokenizer.vocabulary == plain.vocabulary


@pytest.mark.parametrize("begin", ["plainly", "at once"])
def test_many_terms_are_forgotten(monkeypatch, begin):
    """What comes then is numbered as by a tokenizer that saw nothing else."""
    monkeypatch.setattr(module, "MOST_TERMS", 1000)
    texts = [f"same word{n} Häuser{n} 東{chr(0x4E00 + n)} น้ำ" for n in range(2000)]
    tokenizer = at_once("german") if begin == "at once" else Tokenizer(analyzer("german"))
    few = tokenizer.tokenize(texts[:10])
    tokenizer.forget()
    assert np.array_equal(tokenizer.tokenize(texts[:10])[0], few[0])
    tokenizer.tokenize(texts)
    assert len(tokenizer.vocabulary) > 1000
    tokenizer.forget()
    fresh = Tokenizer(analyzer("german"))
    for one, other in zip(
        tokenizer.tokenize(texts[700:]), fresh.tokenize(texts[700:]), strict=True
    ):
        assert np.array_equal(one, other)
    assert tokenizer.vocabulary == fresh.vocabulary


def test_a_writer_forgets_between_batches_and_nobody_can_tell(tmp_path, monkeypatch):
    monkeypatch.setattr("vecsearch.batch._FULL_ROWS", 300)
    given = [Document(str(n), f"lamp word{n % 700} light{n % 11}") for n in range(2000)]
    kept = Index.create(tmp_path / "kept", None, documents=given)
    monkeypatch.setattr(module, "MOST_TERMS", 100)
    known = []
    forget = Tokenizer.forget
    monkeypatch.setattr(
        Tokenizer, "forget", lambda self: (forget(self), known.append(len(self.vocabulary)))
    )
    index = Index.create(tmp_path / "index", None, documents=given)
    assert max(known) == 0
    assert len(known) >= 7
    assert index.verify() == []
    for query in ("lamp", "word650 light3", "word1", "word699 lamp"):
        expected = kept.searcher().rank_many([query], 50, by="bm25")
        assert index.searcher().rank_many([query], 50, by="bm25") == expected


def test_many_chunks_are_told_apart():
    """Those with equal beginnings, and more than the table had slots for at first."""
    texts = [" ".join(f"{'x' * (n % 40)}{n}" for n in range(200_000))]
    assert terms_of(at_once("plain"), texts)[0] == texts[0].split()


def test_machine_code_older_than_any_kernel_is_dropped(tmp_path):
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name, when in (("a.py", 100), ("b.py", 300), ("c.py", 1 << 40)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (when, when))
    for name, when in (("old.nbi", 200), ("new.nbi", 400), ("other.pyc", 50)):
        (cache / name).touch()
        os.utime(cache / name, (when, when))
    drop_outdated(tmp_path)
    assert {each.name for each in cache.iterdir()} == {"new.nbi", "other.pyc"}


def test_compiling_is_told_once(tmp_path):
    (tmp_path / "fresh.py").write_text("""
import logging
from vecsearch.kernels import compiled
logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
@compiled
def one(x):
    return x + 1
@compiled
def two(x):
    return one(x) * 2
print(two(3), two(3.0))
""")
    command = [sys.executable, "fresh.py"]
    place = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[1])}
    for told in (1, 0):  # the second process finds what the first compiled
        done = subprocess.run(command, cwd=tmp_path, env=place, capture_output=True, text=True)
        assert done.stdout == "8 8.0\n"
        assert done.stderr.count("vecsearch Compiling for this processor") == told


def test_kernels_of_two_threads_run_side_by_side():
    texts = [f"{sentence} nummer{n}" for n in range(300) for sentence in SENTENCES.values()]
    expected = [analyzer("german").terms(text) for text in texts]

    def work(_):
        return terms_of(at_once("german"), texts)

    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(work, range(4)))
    assert kernel.read.targetoptions["nogil"]
    assert kernel.resolve.targetoptions["nogil"]


def test_a_text_of_many_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 50)
    texts = [SENTENCES["english"][:n] for n in range(100)] + ["", "x" * 500, ""]
    assert terms_of(at_once("english"), texts) == [
        analyzer("english").terms(text) for text in texts
    ]


def test_it_changes_over_once_enough_was_read(monkeypatch):
    monkeypatch.setattr(module, "LOADING", 100)
    tokenizer = Tokenizer(analyzer("english"))
    tokenizer.tokenize(["x" * 100])
    assert tokenizer._chunks is None
    tokenizer.tokenize(["", "x"])
    assert tokenizer._chunks is not None


def test_without_numba_it_stays_in_python(monkeypatch):
    monkeypatch.setitem(sys.modules, "vecsearch.characters", None)  # importing it fails
    tokenizer = at_once("english")
    for _ in range(2):
        assert terms_of(tokenizer, ["running dogs"]) == [["run", "dog"]]
    assert tokenizer._chunks is None
    assert tokenizer.vocabulary == ["run", "dog"]


def test_kinds_say_no_more_than_holds():
    table = kinds()
    assert table.shape == (pieces.KINDS,)
    assert [chr(c) for c in range(128) if table[c] != pieces.BREAK] == [
        chr(c) for c in range(128) if chr(c).isalnum()
    ]
    assert not any(table[c] for c in range(pieces.KINDS) if chr(c).isspace())
    assert {chr(c) for c in np.flatnonzero(table == pieces.TAIL)} == {"ำ", "ຳ"}
    for c in np.flatnonzero((table == pieces.SPACELESS) | (table >= pieces.MARK)).tolist():
        assert normalise(chr(c), "plain") == chr(c)
        assert unicodedata.combining(chr(c)) == max(int(table[c]) - pieces.MARK, 0)


READING = """
import sys
import vecsearch
assert vecsearch.__file__.startswith(sys.argv[1])
from vecsearch import analyzer
from vecsearch.tokenizing import Tokenizer
assert "numba" not in sys.modules
tokenizer = Tokenizer(analyzer("english"))
tokenizer.tokenize(["running dogs"])
assert "numba" not in sys.modules
tokenizer._until_worth = -1
tokenizer.tokenize(["dogs ran"])
assert tokenizer.vocabulary == ["run", "dog", "ran"]
"""


@pytest.mark.slow
def test_it_compiles_where_machine_code_can_be_kept_nowhere(tmp_path):
    """And numba isn't loaded before it is of use."""
    package = tmp_path / "vecsearch"
    root = Path(module.__file__).parent
    package.mkdir()
    for each in root.iterdir():
        if each.name not in ("__pycache__", "kernels"):
            (package / each.name).symlink_to(each)
    (package / "kernels").mkdir()
    for each in (root / "kernels").glob("*.py"):
        (package / "kernels" / each.name).write_bytes(each.read_bytes())
    (package / "kernels" / "__pycache__").touch()  # no folder, nor can one be made
    home = tmp_path / "home"
    home.touch()
    env = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home),
    }
    env.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", READING, str(tmp_path)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
