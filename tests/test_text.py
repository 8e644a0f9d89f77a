"""Terms against a slow reference, worked examples in many scripts, and all of Unicode at random."""

from __future__ import annotations

import json
import pickle
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import regex
import Stemmer
from hypothesis import given
from hypothesis import strategies as st

from vecsearch import text as module
from vecsearch.errors import FormatTooNew, IndexProblem, UnknownName
from vecsearch.stopwords import stopwords
from vecsearch.text import (
    LONGEST_TERM,
    SPACELESS_LETTER,
    Analyzer,
    Token,
    analyzer,
    analyzer_names,
    holds_spaceless,
)

ENGLISH = analyzer("english")
PLAIN = analyzer("plain")

ANYTHING = st.characters(exclude_categories=())
TRICKY = st.sampled_from(
    "aZé ßİIıſKÅ1½Ⅷ_'’-.\n\0\u00ad\u200b\u200c\u200d\u2060\ufe0f\u0301\u0316\u0345\u20e3\u034f"
    "東京々ーｶﾞ㈱㎏Ⓐ한\u1112\u1161\u11ab\u3164กำ์ါ္កេ日ไທย👩👨🏽❤🇩🇪#©™ﷺΣςᾴ\u1e9b\u0323\ud800\udfff\U000e0067"
)
TEXTS = st.text(st.one_of(ANYTHING, TRICKY), max_size=25)


@pytest.mark.parametrize(
    ("name", "text", "terms"),
    [
        ("english", "The running dogs don't co_operate", ["run", "dog", "co", "oper"]),
        ("english", "NOT in the “Naïve CAFÉ”!", ["not", "naïv", "café"]),
        ("english", "covid19 3.14 U.S.A.", ["covid19", "3", "14", "u"]),
        ("german", "Die Häuser an der Straße", ["haus", "strass"]),
        ("french", "L'été, c'est l’eau des chevaux", ["été", "eau", "cheval"]),
        ("russian", "Он читает книги о кошках", ["чита", "книг", "кошк"]),
        ("arabic", "الكتاب في المكتبة", ["كتاب", "مكتب"]),
        ("hindi", "यह लड़कियों की किताब है", ["लड़क", "किताब"]),
        ("turkish", "IŞIK İstanbul'da", ["ışık", "istanbul"]),
        ("greek", "Οι ΛΌΓΟΙ του λόγος", ["λογ", "λογ"]),
        ("plain", "ภาษาไทย", ["ภา", "าษ", "ษา", "าไ", "ไท", "ทย"]),
        ("plain", "กี่ วัน", ["กี่", "วัน"[0:2] + "น"]),
        ("plain", "東京都2020年", ["東京", "京都", "2020", "年"]),
        ("plain", "Pythonで書く。", ["python", "で書", "書く"]),
        ("plain", "ｶﾞｷﾞ コーヒー", ["ガギ", "コー", "ーヒ", "ヒー"]),
        ("plain", "한국어는 좋다", ["한국", "국어", "어는", "좋다"]),
        ("plain", "👨‍👩‍👧 👍🏽 ❤️", ["👨", "👩", "👧", "👍", "❤"]),
        ("plain", "🇩🇪🇫🇷 1️⃣ Intel™", ["🇩🇪", "🇫🇷", "1", "intel"]),
        ("plain", "½ 5㎏ ㈱トヨタ Ⅷ ﬃ", ["1", "2", "5kg", "株", "トヨ", "ヨタ", "viii", "ffi"]),
        ("plain", "co\u00adop می\u200cخواهم a\u200bb", ["coop", "میخواهم", "a", "b"]),
        ("plain", "a\0b \u200d \ud800 !?", ["a", "b"]),
        ("plain", "", []),
    ],
)
def test_worked_examples(name, text, terms):
    assert analyzer(name).terms(text) == terms


def test_places_are_those_of_the_original_text():
    def seen(text, name="plain"):
        return [(term, text[start:end]) for term, start, end in analyzer(name).tokens(text)]

    assert seen("The Running-dogs", "english") == [("run", "Running"), ("dog", "dogs")]
    assert seen("東京都2020年") == [
        ("東京", "東京"),
        ("京都", "京都"),
        ("2020", "2020"),
        ("年", "年"),
    ]
    assert seen("½ 5㎏") == [("1", "½"), ("2", "½"), ("5kg", "5㎏")]
    assert seen("ｶﾞｷﾞ!") == [("ガギ", "ｶﾞｷﾞ")]
    nfd = unicodedata.normalize("NFD", "한국어")
    assert seen(nfd) == [
        ("한국", unicodedata.normalize("NFD", "한국")),
        ("국어", unicodedata.normalize("NFD", "국어")),
    ]
    assert seen("co\u00adop👍🏽") == [("coop", "co\u00adop"), ("👍", "👍🏽")]
    # Normalisation mixes what stands around the soft hyphen, so the parts can't be told apart.
    assert seen("東e\u00ad\u0301") == [("東", "東e\u00ad\u0301"), ("é", "東e\u00ad\u0301")]


@given(text=TEXTS, name=st.sampled_from(["english", "plain", "turkish", "greek"]))
def test_tokens_are_terms_with_places(text, name):
    tokens = analyzer(name).tokens(text)
    assert [token.term for token in tokens] == analyzer(name).terms(text)
    assert all(
        isinstance(token, Token) and 0 <= token.start < token.end <= len(text) for token in tokens
    )
    assert all(a.start <= b.start and a.end <= b.end for a, b in pairwise(tokens))
    for term, start, end in tokens:
        assert term in analyzer(name).terms(text[start:end])


@given(text=TEXTS)
def test_unstemmed_are_the_terms_where_nothing_is_stemmed(text):
    assert PLAIN.unstemmed(text) == PLAIN.terms(text)


def test_unstemmed_keeps_stopwords_and_normalises_by_language():
    assert ENGLISH.unstemmed("The RUNNING dogs") == ["the", "running", "dogs"]
    assert analyzer("turkish").unstemmed("Iğdır İzmir") == ["ığdır", "izmir"]


@given(text=TEXTS, name=st.sampled_from(["plain", "turkish", "german"]))
def test_normalisation_forms_are_one(text, name):
    terms = analyzer(name).terms
    assert terms(text) == terms(unicodedata.normalize("NFC", text))
    assert terms(text) == terms(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize(
    "text",
    ["Crème brûlée à la carte", "Tiếng Việt rất đẹp", "Ελληνικά ᾴδω ΰ", "Съешь же ещё йод", "가각 한국어 문장",
     "ガギグゲゴ パピプ", "हिन्दी क़लम ड़ ढ़", "မြန်မာ ကြိုး", "தமிழ் கொ", "العَرَبِيَّة آأؤ", "İstanbul ılık", "שָׁלוֹם"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["plain", "english", "turkish", "hindi"])
def test_normalisation_forms_of_real_words(text, name):
    terms = analyzer(name).terms(unicodedata.normalize("NFC", text))
    assert terms
    assert terms == analyzer(name).terms(unicodedata.normalize("NFD", text))


LETTERS = st.text(st.sampled_from("aAbcdDeEgGhHiInNoOrRsStT0123é'É–ñß _-.,\t\n«“'’"), max_size=60)


def reference_words(text):
    """Words found one character at a time."""
    word = ""
    for character in text:
        if unicodedata.category(character)[0] in "LNM":
            word += character
        elif word:
            yield word
            word = ""
    if word:
        yield word


@given(text=LETTERS, name=st.sampled_from(["english", "german", "french", "plain"]))
def test_equal_to_a_slow_reference(text, name):
    stop = set(stopwords(name).split())
    stem = str if name == "plain" else Stemmer.Stemmer(name).stemWord
    words = [unicodedata.normalize("NFC", word.casefold()) for word in reference_words(text)]
    assert analyzer(name).terms(text) == [stem(word) for word in words if word not in stop]


@pytest.mark.parametrize("name", [name for name in analyzer_names() if name != "plain"])
def test_stemming_is_snowballs(name):
    words = sorted({w for language in analyzer_names() for w in stopwords(language).split()})
    kept = [
        w
        for w in words
        if w not in stopwords(name).split() and w == unicodedata.normalize("NFKC", w.casefold())
    ]
    stems = Stemmer.Stemmer(name).stemWords(kept)
    assert len(kept) > 2000
    assert analyzer(name).terms(" ".join(kept)) == [stem for stem in stems if stem]


@pytest.mark.parametrize("name", analyzer_names())
def test_no_stopword_becomes_a_term(name):
    assert analyzer(name).terms(stopwords(name)) == []
    assert (
        analyzer(name).terms(stopwords(name).upper().replace("İ", "i")) == [] or name == "turkish"
    )
    count = len(analyzer(name).stopwords)
    assert count == len(set(stopwords(name).split()))
    said = analyzer(name).description
    assert said.startswith(f"{count} stopwords" if count else "no stopwords")


def test_every_symbol_that_stands_for_letters_is_read_like_them():
    letterlike = {chr(c) for c in range(0x2100, 0x2150)} | {"₨", "﷼"}
    for character in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(character) in ("So", "Sc") and character not in letterlike:
            normal = unicodedata.normalize("NFKC", character)
            if normal != character and any(c.isalnum() for c in normal):
                assert PLAIN.terms(character) == PLAIN.terms(normal), character


@pytest.mark.parametrize(
    ("text", "terms"),
    [("a" * 10**6, ["a" * LONGEST_TERM]), ("a" + "\u0301\u0316" * 500_000, None), ("é" * 10**6, ["é" * LONGEST_TERM]),
     ("a\u200d" * 500_000, ["a" * LONGEST_TERM]), ("東" * 100_000, ["東東"] * 99_999), ("👍" * 100_000, ["👍"] * 100_000)],
)  # fmt: skip
def test_a_megabyte_without_a_space(text, terms):
    found = PLAIN.terms(text)
    assert found == terms if terms else len(found) == 1
    assert max(map(len, found)) <= LONGEST_TERM


def test_an_analyzer_survives_json_and_pickle():
    for name in ("english", "plain", "turkish"):
        stored = json.loads(json.dumps(analyzer(name).to_dict()))
        assert Analyzer.from_dict(stored) is analyzer(name)
        assert pickle.loads(pickle.dumps(analyzer(name))) == analyzer(name)
        assert analyzer(name) is analyzer(name)


def test_the_stopwords_of_an_index_count_and_not_those_installed():
    stored = {**ENGLISH.to_dict(), "stopwords": ["dog"]}
    restored = Analyzer.from_dict(stored)
    assert restored != ENGLISH
    assert restored.terms("the dog runs") == ["the", "run"]
    assert restored.to_dict() == stored


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"rules": module.RULES + 1}, FormatTooNew, "Update vecsearch"),
        ({"rules": module.RULES - 1}, IndexProblem, "Index the corpus again"),
        ({"stemmer": "1.0"}, IndexProblem, "stemmed by PyStemmer 1.0"),
        ({"stemmer": None}, IndexProblem, "stemmed by PyStemmer None"),
        ({"name": "klingon"}, UnknownName, "There is no analyzer 'klingon'"),
        ({"name": 3}, IndexProblem, "can't be read"),
        ({"stopwords": "the"}, IndexProblem, "can't be read"),
        ({"rules": "1"}, IndexProblem, "can't be read"),
    ],
)
def test_a_stored_analyzer_that_would_give_other_terms_is_refused(change, error, words):
    with pytest.raises(error, match=words):
        Analyzer.from_dict({**ENGLISH.to_dict(), **change})


def test_unknown_names_are_refused():
    with pytest.raises(UnknownName, match="Did you mean 'english'"):
        analyzer("englisch")
    with pytest.raises(UnknownName):
        Analyzer("porter", frozenset())
    with pytest.raises(IndexProblem, match="holds nothing"):
        Analyzer.from_dict({})


def test_a_full_memo_starts_over(monkeypatch):
    monkeypatch.setattr(module, "MEMO_WORDS", 10)
    small = Analyzer("english", frozenset())
    text = " ".join(f"word{n}s" for n in range(1000))
    assert small.terms(text) == [f"word{n}" for n in range(1000)]
    assert small.tokens(text)[-1].term == "word999"
    assert len(small._terms) <= 10
    assert len(small._tokens) <= 10


def test_threads_share_an_analyzer(monkeypatch):
    monkeypatch.setattr(module, "MEMO_WORDS", 50)  # so that misses, and emptying, happen all along
    shared = Analyzer("english", ENGLISH.stopwords)
    words = [
        stem + end
        for stem in ("connect", "relat", "nation", "happ")
        for end in ("ing", "ed", "ional", "ily")
    ]
    texts = [" ".join(f"{word}{n}x {word}" for word in words) for n in range(200)]
    expected = [ENGLISH.terms(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shared.terms, texts)) == expected


def ndcg(ranked, grades):
    discounts = 1 / np.log2(np.arange(2, 12))
    ideal = sorted(grades.values(), reverse=True)[:10]
    gains = [grades.get(document, 0) for document in ranked[:10]]
    return float(gains @ discounts[: len(gains)] / (ideal @ discounts[: len(ideal)]))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("scifact", 0.675), ("nfcorpus", 0.318)])
def test_bm25_over_these_terms_is_as_good_as_published(shared_data, name, least):
    import bm25s

    folder = shared_data(name)
    lines = {
        part: list(map(json.loads, (folder / f"{part}.jsonl").read_bytes().splitlines()))
        for part in ("corpus", "queries")
    }
    texts = {row["_id"]: row["text"] for row in lines["queries"]}
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels.setdefault(query, {})[document] = int(grade)
    vocabulary: dict[str, int] = {}
    rows = [
        [
            vocabulary.setdefault(term, len(vocabulary))
            for term in ENGLISH.terms(f"{row['title']} {row['text']}")
        ]
        for row in lines["corpus"]
    ]
    bm25 = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    bm25.index((rows, vocabulary), show_progress=False)
    ids = [row["_id"] for row in lines["corpus"]]
    values = []
    for query, grades in qrels.items():
        known = [vocabulary[term] for term in ENGLISH.terms(texts[query]) if term in vocabulary]
        scores = bm25.get_scores_from_ids(known) if known else np.zeros(len(ids))
        best = np.argsort(-scores, kind="stable")[:10]
        values.append(ndcg([ids[i] for i in best if scores[i] > 0], grades))
    assert len(values) == len(qrels)
    assert np.mean(values) >= least


def test_characters_of_scripts_without_spaces_are_known():
    spaceless = regex.compile(rf"(?V1){SPACELESS_LETTER}")
    for code in range(sys.maxunicode + 1):
        assert holds_spaceless(chr(code)) == bool(spaceless.match(chr(code)))
