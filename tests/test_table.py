"""A table's vectors are those of plain loops, whatever texts stand beside; nothing needs torch."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecsearch.encoders.artefact import Artefact, read_artefact
from vecsearch.encoders.base import Encoder, WordEncoder
from vecsearch.encoders.subwords import Subwords
from vecsearch.encoders.table import TokenTable
from vecsearch.errors import EncoderError, UsageError
from vecsearch.text import analyzer

PIECES = ["red", "lamp", "house", "a", "b", "##a", "##b", "##s", "zero"]
SUBWORDS = Subwords(analyzer("plain"), PIECES)
DIM = 8
ODD = [
    "",
    "?!",
    "日本 unhtng",
    "\ud800",
    "red \ud800 lamps",
    "zero",
    "ab " * 1000,
]


def rows(seed=0):
    made = np.random.default_rng(seed).standard_normal((len(PIECES), DIM)).astype(np.float32)
    made[PIECES.index("zero")] = 0
    return made


def table(sublinear=False, quantised=False):
    made = TokenTable.of("skipgram", "lamps", SUBWORDS, rows(), sublinear=sublinear)
    return made.quantised() if quantised else made


def by_loops(given, text, sublinear):
    """Work out a vector in double precision, token by token."""
    total = [0.0] * given.shape[1]
    for id, count in Counter(SUBWORDS.encode([text]).ids.tolist()).items():
        gain = 1 + math.log(count) if sublinear else count
        total = [t + gain * float(x) for t, x in zip(total, given[id], strict=True)]
    length = math.sqrt(sum(t * t for t in total))
    return [t / length if length > 1e-6 else 0.0 for t in total]


kinds = pytest.mark.parametrize(
    ("sublinear", "quantised"), [(False, False), (True, False), (False, True), (True, True)]
)
TEXT = st.one_of(
    st.lists(st.sampled_from([*PIECES, "abs", "é"]), max_size=12).map(" ".join), st.text()
)


@kinds
@settings(max_examples=40)
@given(texts=st.lists(TEXT, max_size=6))
def test_equals_plain_loops(sublinear, quantised, texts):
    encoder = table(sublinear, quantised)
    found = encoder.encode(texts, "document")
    assert (found.shape, found.dtype) == ((len(texts), DIM), np.float32)
    expected = [by_loops(encoder.rows, text, sublinear) for text in texts]
    np.testing.assert_allclose(found, np.reshape(expected, found.shape), atol=1e-5)
    assert (encoder.encode(texts, "query") == found).all()


@kinds
def test_texts_without_a_known_token_have_no_vector(sublinear, quantised):
    encoder = table(sublinear, quantised)
    found = encoder.encode(ODD, "document")
    expected = [by_loops(encoder.rows, text, sublinear) for text in ODD]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.any(axis=1).tolist() == [False] * 4 + [True, False, True]


@kinds
def test_the_other_texts_of_a_batch_change_nothing(sublinear, quantised):
    encoder = table(sublinear, quantised)
    drawn = np.random.default_rng(1)
    texts = [" ".join(drawn.choice(PIECES, drawn.integers(0, 300))) for _ in range(60)] + ODD
    whole = encoder.encode(texts, "document")
    alone = np.concatenate([encoder.encode([text], "document") for text in texts])
    np.testing.assert_allclose(whole, alone, atol=1e-6)
    order = drawn.permutation(len(texts))
    mixed = encoder.encode([texts[i] for i in order], "document")
    np.testing.assert_allclose(mixed, whole[order], atol=1e-6)
    assert encoder.encode([], "document").shape == (0, DIM)


def test_more_rows_than_are_gathered_at_once():
    words = [f"w{i}" for i in range(10_000)]
    given = np.random.default_rng(0).standard_normal((len(words), 4)).astype(np.float32)
    encoder = TokenTable.of("skipgram", "x", Subwords(analyzer("plain"), words), given)
    found = encoder.encode([" ".join(words), "w9999"], "document")
    total = given.sum(axis=0, dtype=np.float64)
    np.testing.assert_allclose(found[0], total / np.linalg.norm(total), atol=1e-5)
    np.testing.assert_allclose(found[1], given[9999] / np.linalg.norm(given[9999]), atol=1e-6)


@kinds
@pytest.mark.parametrize("text", ["red lamps abs red house", "a a a b", *ODD])
def test_the_vectors_of_tokens_add_up_exactly(sublinear, quantised, text):
    encoder = table(sublinear, quantised)
    words = Counter(encoder.analyzer.terms(text))
    shares = np.array([encoder.word_shares(words, axis) for axis in np.eye(DIM, dtype="f4")])
    assert shares.shape == (DIM, len(words))
    assert shares.dtype == np.float64
    whole = encoder.encode([text], "document")[0]
    np.testing.assert_allclose(shares.sum(axis=1), whole, atol=1e-5)


@pytest.mark.parametrize("sublinear", [False, True])
def test_a_word_has_the_share_of_its_pieces_at_all_places(sublinear):
    encoder = table(sublinear)
    words = Counter(encoder.analyzer.terms("Lamps, red lamps abs nothing"))
    assert words == {"lamps": 2, "red": 1, "abs": 1, "nothing": 1}
    vector = np.random.default_rng(3).standard_normal(DIM).astype(np.float32)
    found = dict(zip(words, encoder.word_shares(words, vector), strict=True))
    # By hand: a piece that stands n times counts n, or 1 + ln(n); "##s" is of three words.
    cut = {"lamps": ["lamp", "##s"], "red": ["red"], "abs": ["a", "##b", "##s"], "nothing": []}
    counts = {"lamp": 2, "##s": 3, "red": 1, "a": 1, "##b": 1}
    gains = {each: 1 + math.log(n) if sublinear else n for each, n in counts.items()}
    row = {piece: rows()[PIECES.index(piece)].astype(float) for piece in counts}
    length = np.linalg.norm(sum(gains[piece] * row[piece] for piece in counts))
    for word, pieces in cut.items():
        each = [gains[piece] / counts[piece] * (row[piece] @ vector) / length for piece in pieces]
        assert found[word] == pytest.approx(words[word] * sum(each), abs=1e-6)


@kinds
def test_a_prefix_has_the_first_numbers_at_unit_length(sublinear, quantised):
    encoder = table(sublinear, quantised)
    texts = ["red lamps", "abs house house", *ODD]
    whole = encoder.encode(texts, "document")
    for dim in (1, 3, DIM):
        prefix = encoder.prefix(dim)
        assert (prefix.dim, prefix.name) == (dim, f"lamps-{dim}")
        part = whole[:, :dim]
        length = np.linalg.norm(part, axis=1, keepdims=True)
        expected = np.divide(part, length, out=np.zeros_like(part), where=length > 0)
        np.testing.assert_allclose(prefix.encode(texts, "document"), expected, atol=1e-5)
    assert encoder.prefix(3).fingerprint != encoder.fingerprint
    assert encoder.prefix(DIM).fingerprint == encoder.fingerprint
    for dim in (0, -1, DIM + 1):
        with pytest.raises(UsageError, match=rf"1 to {DIM} numbers, not {dim}"):
            encoder.prefix(dim)


def test_eight_bits_are_near_the_truth_and_can_be_rounded_again():
    exact, rounded = table(), table(quantised=True)
    assert rounded.fingerprint != exact.fingerprint
    error = np.abs(rounded.rows - exact.rows)
    assert (error <= np.abs(exact.rows).max(axis=1, keepdims=True) / 127 * 0.501).all()
    assert rounded.quantised().fingerprint == rounded.fingerprint
    texts = ["red lamps", "a b house"]
    np.testing.assert_allclose(
        rounded.encode(texts, "query"), exact.encode(texts, "query"), atol=0.02
    )


@kinds
def test_saved_and_read_it_is_the_same(sublinear, quantised, tmp_path):
    encoder = table(sublinear, quantised)
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder, WordEncoder)
    encoder.save(tmp_path)
    again = TokenTable(read_artefact(tmp_path))
    assert (again.name, again.dim, again.fingerprint) == ("lamps", DIM, encoder.fingerprint)
    texts = ["red lamps", *ODD]
    assert (again.encode(texts, "query") == encoder.encode(texts, "query")).all()
    size = (tmp_path / "weights.safetensors").stat().st_size
    assert size < len(PIECES) * (DIM + 4 if quantised else DIM * 4) + 400


def test_a_hundred_thousand_characters():
    encoder = table()
    texts = ["x" * 100_000, "red " * 25_000, "日" * 100_000]
    found = encoder.encode(texts, "document")
    assert (found[[0, 2]] == 0).all()
    np.testing.assert_allclose(found[1], encoder.encode(["red"], "document")[0], atol=1e-6)


@pytest.mark.parametrize("texts", [[None], ["red", None], [b"red"], [3.5]])
def test_only_text_is_encoded(texts):
    with pytest.raises(UsageError, match=rf"Only text can be encoded; item {len(texts) - 1} is"):
        table().encode(texts, "document")


@pytest.mark.parametrize(
    ("tensors", "subwords", "problem"),
    [
        ({}, SUBWORDS, r"'table' of 'x' should be float32 or int8 \(9, 8\); there is none"),
        ({"table": rows()[:, :4]}, SUBWORDS, r"it is float32 \(9, 4\)"),
        ({"table": rows()[:-1]}, SUBWORDS, r"it is float32 \(8, 8\)"),
        ({"table": rows().astype(np.float64)}, SUBWORDS, "it is float64"),
        ({"table": rows().astype(np.int8)}, SUBWORDS, r"'scales' of 'x' .*; there is none"),
        ({"table": rows()}, None, "has no subwords"),
    ],
)
def test_artefacts_that_are_no_table(tensors, subwords, problem):
    with pytest.raises(EncoderError, match=problem):
        TokenTable(Artefact("skipgram", "x", {"dim": DIM}, tensors, subwords))


def test_threads_share_a_table():
    encoder = table(quantised=True)
    texts = ["red lamps", "abs ab a b house"] * 50
    expected = encoder.encode(texts, "document")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(encoder.encode(texts, "document")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((each == expected).all() for each in found)
    assert len(found) == 4


def test_neither_a_table_nor_lsa_imports_anything_heavy(tmp_path):
    from vecsearch.encoders.lsa import LSA

    table(quantised=True).save(tmp_path / "table")
    components = np.eye(2, dtype=np.float32)
    LSA.of("lsa", analyzer("english"), ["lamp", "red"], components[0] + 1, components).save(
        tmp_path / "lsa"
    )
    script = (
        "import sys, vecsearch\n"
        "from vecsearch import Document, Index, load_encoder\n"
        "from vecsearch.encoders import locate_encoder\n"
        "for kind in ('table', 'lsa'):\n"
        "    folder = f'{sys.argv[1]}/{kind}'\n"
        "    encoder = load_encoder(folder)\n"
        "    assert encoder.encode(['red lamps'], 'query').any()\n"
        "    assert locate_encoder(folder).fingerprint == encoder.fingerprint\n"
        "    Index.create(f'{folder}.index', encoder, documents=[Document('d', 'red lamp')])\n"
        "    index = Index.open(f'{folder}.index')\n"
        "    assert [hit.id for hit in index.searcher().search('red', by='dense')] == ['d']\n"
        "heavy = 'torch transformers sentence_transformers tokenizers sklearn scipy peft'\n"
        "print(sorted(set(heavy.split()) & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[]\n", "")
