"""The encoder that vecsearch ships: it is there, small, without torch, and the default."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vecsearch import Document, Index, load_encoder
from vecsearch.bench.systems import parse_system
from vecsearch.encoders import DEFAULT, SHIPPED, available_encoders
from vecsearch.encoders.bags import HYBRID_WEIGHT
from vecsearch.errors import UsageError

FOLDER = SHIPPED["small"]
NEVER = ("torch", "sentence_transformers", "transformers", "tokenizers", "sklearn", "scipy")


@pytest.fixture(scope="module")
def small():
    return load_encoder("small")


def test_it_is_no_larger_than_promised_and_says_where_it_comes_from():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 16_000_000
    card = (FOLDER / "CARD.md").read_text(encoding="utf-8")
    assert json.loads((FOLDER / "trained.json").read_text())["fingerprint"] in card
    for source in ("Wikipedia", "SQuAD", "WordNet", "Human Phenotype Ontology", "ICD-10-CM"):
        assert source in card


def test_it_is_listed_first_and_needs_no_installation(small):
    first = available_encoders()[0]
    assert (first.name, first.install) == ("small", None) == (DEFAULT, None)
    assert (small.name, small.dim) == ("small", 256)


def test_words_of_one_meaning_are_near(small):
    pairs = [
        ("doctor", "physician"),
        ("car", "automobile"),
        ("heart attack", "myocardial infarction"),
        ("begin", "start"),
        ("lawyer", "attorney"),
        ("movie", "film"),
        ("kidney", "renal"),
        ("child", "infant"),
    ]
    left = small.encode([one for one, _ in pairs], "query")
    right = small.encode([other for _, other in pairs], "document")
    scores = left @ right.T
    assert (scores.argmax(axis=1) == np.arange(len(pairs))).all()


@pytest.mark.parametrize("role", ["query", "document"])
def test_bad_input_is_defined(small, role):
    texts = ["", "kidney " * 15_000, "x" * 100_000, "☃ ꙮ", "\ud800 kidney", "renal \udfff"]
    vectors = small.encode(texts, role)
    np.testing.assert_array_equal(vectors[[0, 3]], 0)  # nothing in them is known
    np.testing.assert_allclose(np.linalg.norm(vectors[[1, 2, 4, 5]], axis=1), 1, atol=1e-5)
    plain = small.encode(["kidney", "renal"], role)
    np.testing.assert_allclose(vectors[[1, 4, 5]], plain[[0, 0, 1]], atol=1e-5)
    with pytest.raises(UsageError, match="item 1 is NoneType"):
        small.encode(["kidney", None], role)
    with pytest.raises(UsageError, match="as a list"):
        small.encode("kidney", role)
    assert small.encode([], role).shape == (0, small.dim)


def test_an_index_has_it_where_nobody_says_and_is_searched_by_both(tmp_path, small):
    documents = [
        Document("a", "The physician examined the infant."),
        Document("b", "The automobile broke down on the motorway."),
        Document("c", "Bake the bread for forty minutes."),
    ]
    index = Index.create(tmp_path / "i", documents=documents)
    assert index.info()["encoder"] == "small"
    searcher = index.searcher()
    assert searcher.default == "hybrid"
    assert searcher.search("doctor and child")[0].id == "a"
    explanation = searcher.explain("doctor and child", "a")
    assert [part.weight for part in explanation.parts] == [1 - HYBRID_WEIGHT, HYBRID_WEIGHT]
    assert index.manifest().encoder.hybrid_weight == HYBRID_WEIGHT
    # It is named, not copied.
    assert index.info()["bytes"] < 100_000
    assert index.info()["fingerprint"] == small.fingerprint


def test_a_hybrid_of_the_bench_weighs_as_the_index_does():
    assert parse_system("hybrid") == parse_system("bm25+small")
    assert parse_system("bm25+small").fusion.weights == (1 - HYBRID_WEIGHT, HYBRID_WEIGHT)


def test_indexing_and_searching_with_it_import_no_torch(tmp_path):
    script = f"""
import sys
from vecsearch import Document, Index
index = Index.create({str(tmp_path / "i")!r}, documents=[Document("a", "A physician and an infant.")])
assert index.searcher().search("doctor", by="dense")[0].id == "a"
assert index.searcher().search("doctor")[0].id == "a"
print([name for name in {NEVER!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_wheel_would_hold_it():
    assert FOLDER.parent == Path(sys.modules["vecsearch.encoders"].__file__).parent
    ignored = subprocess.run(
        ["git", "check-ignore", str(FOLDER / "weights.safetensors")],
        cwd=FOLDER,
        capture_output=True,
        check=False,
    )
    assert ignored.returncode != 0  # hatch leaves out what git ignores
