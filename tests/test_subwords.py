"""Subwords are WordPiece's, but for strange characters; a vocabulary is learnt alike every time."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vecsearch.encoders.subwords import Subwords
from vecsearch.errors import EncoderError, FormatTooNew, IndexProblem, UsageError
from vecsearch.text import Analyzer, analyzer
from vecsearch.training.vocabulary import train_subwords

PLAIN = analyzer("plain")
PIECES = ["red", "re", "r", "lamp", "##s", "##d", "##e", "##ed", "日", "##本"]


@pytest.fixture
def subwords():
    return Subwords(PLAIN, PIECES)


def cut(subwords, text):
    return [subwords.pieces[id] for id in subwords.encode([text]).ids]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Red LAMPS", ["red", "lamp", "##s"]),
        ("reed", ["re", "##ed"]),
        ("rés", ["r", "##s"]),  # the strange character alone is skipped
        ("éed", ["##ed"]),
        ("日本", ["日", "##本"]),
        ("ööö", []),
        ("", []),
        ("?! \ud800", []),
        ("red\ud800lamp", ["red", "lamp"]),
        ("##s", []),  # the marks of a text are no part of its words
    ],
)
def test_texts_by_hand(subwords, text, pieces):
    assert cut(subwords, text) == pieces


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
BITS = st.text("abcдé漢🦑", min_size=1, max_size=4)


@given(
    first=st.sets(BITS),
    further=st.sets(BITS),
    texts=st.lists(st.one_of(st.text("abcдé漢🦑 ", max_size=30), WORDS), max_size=5),
)
@example(first={"a"}, further={"b"}, texts=["abbb", "", "a" * 300])
def test_equals_the_tokenizers_library_where_every_character_is_known(first, further, texts):
    from tokenizers import models

    # All single characters of the texts are pieces, in both places, so that no word is unknown.
    terms = [PLAIN.terms(text) for text in texts]
    letters = {character for each in terms for term in each for character in term}
    pieces = sorted(first | letters) + sorted(f"##{piece}" for piece in further | letters)
    ids = {piece: id for id, piece in enumerate(pieces)}
    peer = models.WordPiece({**ids, "[UNK]": len(ids)}, unk_token="[UNK]")
    subwords = Subwords(PLAIN, pieces)
    found = subwords.encode(texts)
    assert (found.ids.dtype, found.offsets.dtype) == (np.int32, np.int64)
    assert found.offsets.tolist()[0] == 0
    assert len(found.offsets) == len(texts) + 1
    for i, each in enumerate(terms):
        expected = [token.id for term in each for token in peer.tokenize(term)]
        assert found.ids[found.offsets[i] : found.offsets[i + 1]].tolist() == expected


def test_one_term_is_cut_as_in_a_text(subwords):
    cut = {term: subwords.ids(term) for term in ("red", "reed", "lamps", "q")}
    found = {term: [subwords.pieces[id] for id in ids] for term, ids in cut.items()}
    assert found == {"red": ["red"], "reed": ["re", "##ed"], "lamps": ["lamp", "##s"], "q": []}


def test_long_texts_and_long_words(subwords):
    assert len(subwords.encode(["red " * 100_000]).ids) == 100_000
    # A term has at most 64 characters.
    assert cut(subwords, "r" + "s" * 100_000) == ["r"] + ["##s"] * 63
    assert subwords.encode([]).offsets.tolist() == [0]


@pytest.mark.parametrize("texts", [[None], ["red", 3], [b"red"]])
def test_only_text_is_cut(subwords, texts):
    with pytest.raises(UsageError, match=rf"item {len(texts) - 1} is (NoneType|int|bytes)"):
        subwords.encode(texts)


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        (["a", "a"], "'a' is listed twice"),
        (["##a", "a", "##a"], "'##a' is listed twice"),
        (["a", ""], "not ''"),
        (["##"], "not '##'"),
        (["a", 3], "not 3"),
    ],
)
def test_pieces_that_mean_nothing(pieces, problem):
    with pytest.raises(UsageError, match=problem):
        Subwords(PLAIN, pieces)


def test_no_pieces_know_no_word():
    assert Subwords(PLAIN, []).encode(["red"]).offsets.tolist() == [0, 0]


def test_kept_in_json_and_sent_to_other_processes(subwords):
    for again in (
        Subwords.from_dict(subwords.to_dict()),
        pickle.loads(pickle.dumps(subwords)),
    ):
        assert again.pieces == subwords.pieces
        assert again.size == len(PIECES)
        assert cut(again, "Reds") == ["red", "##s"]
    own = Subwords(Analyzer("english", frozenset({"red"})), ["lamp"])
    assert cut(Subwords.from_dict(own.to_dict()), "red lamps") == ["lamp"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"pieces": None}, EncoderError),
        ({"pieces": "abc"}, EncoderError),
        ({"analyzer": 3}, EncoderError),
        ({"pieces": [1]}, UsageError),
        ({"analyzer": {}}, IndexProblem),
        ({"analyzer": {**PLAIN.to_dict(), "rules": 99}}, FormatTooNew),
    ],
)
def test_what_cant_be_read(subwords, change, error):
    with pytest.raises(error, match=r"\.$"):
        Subwords.from_dict({**subwords.to_dict(), **change})


def test_threads_share_subwords():
    words = [f"{a}{b}{c}" for a in "abcdef" for b in "abcdef" for c in "abcdef"]
    subwords = Subwords(PLAIN, [*"abcdef", *(f"##{c}" for c in "abcdef")])
    expected = Subwords(PLAIN, subwords.pieces).encode(words).ids.tolist()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(subwords.encode(words).ids.tolist()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


CORPUS = [
    "the lamp lights the lamps of the lighthouse",
    "lighting a light in a house, houses alight",
    "the housing of the light is a lamp house",
] * 3


def test_a_learnt_vocabulary_joins_what_is_frequent():
    subwords = train_subwords(CORPUS, 90, PLAIN)
    assert len(set(subwords.pieces)) == subwords.size <= 90
    assert {"the", "lamp", "light"} <= set(subwords.pieces)
    letters = {character for text in CORPUS for word in PLAIN.terms(text) for character in word}
    assert letters <= set(subwords.pieces)
    # Every word of the corpus is covered, to the last character.
    for text in CORPUS:
        joined = "".join(piece.removeprefix("##") for piece in cut(subwords, text))
        assert joined == "".join(PLAIN.terms(text))


def test_a_vocabulary_without_room_for_all_characters():
    texts = ["aaa aaa bbb", *(chr(0x4E00 + i) for i in range(500))]
    subwords = train_subwords(texts, 12, PLAIN)
    assert subwords.size <= 12
    assert {"a", "b", "##a", "##b"} <= set(subwords.pieces)
    assert cut(subwords, "aaa")


@pytest.mark.parametrize(
    ("texts", "size", "problem"),
    [
        ([], 100, "no word"),
        (["?!", ""], 100, "no word"),
        (["a b"], 2, "at least 3 pieces, not 2"),
    ],
)
def test_nothing_to_learn(texts, size, problem):
    with pytest.raises(UsageError, match=problem):
        train_subwords(texts, size, PLAIN)


def test_the_same_texts_give_the_same_vocabulary_in_every_process():
    import json
    import random

    drawn = random.Random(0)
    texts = [
        " ".join("".join(drawn.choices("abcdefgh", k=drawn.randint(1, 6))) for _ in range(50))
        for _ in range(20)
    ]
    script = (
        "import json, sys\n"
        "from vecsearch.text import analyzer\n"
        "from vecsearch.training.vocabulary import train_subwords\n"
        "texts = json.load(sys.stdin)\n"
        "print(json.dumps(train_subwords(texts, 200, analyzer('plain')).pieces))\n"
    )
    here = train_subwords(iter(texts), 200, PLAIN).pieces
    assert len(here) > 150
    ran = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    there = tuple(json.loads(ran.stdout))
    assert there == here
    # Nor does the order of the texts matter.
    reversed_order = train_subwords(reversed(texts), 200, PLAIN).pieces
    assert reversed_order == here
