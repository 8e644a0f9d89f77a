"""LSA equals scikit-learn's own pipeline on the same terms, for texts of the corpus and others."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vecsearch.encoders.artefact import Artefact, read_artefact
from vecsearch.encoders.base import Encoder, WordEncoder
from vecsearch.encoders.lsa import LSA
from vecsearch.errors import EncoderError, UsageError
from vecsearch.text import analyzer
from vecsearch.training.lsa import train_lsa

DRAWN = np.random.default_rng(0)
WORDS = ["lamp", "lamps", "house", "houses", "light", "lighting", "the", "of", "日本", "über", "x1"]
CORPUS = [" ".join(DRAWN.choice(WORDS, DRAWN.integers(1, 20))) for _ in range(40)]
OTHERS = ["lamps in the light", "LAMPS lamp", "über über über", "x1, x1 houses!"]
ODD = ["", "of the", "never seen", "\ud800"]
DIM = 4


@pytest.mark.parametrize("language", ["english", "plain"])
def test_equals_scikit_learns_pipeline(language):
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    rules = analyzer(language)
    peer = make_pipeline(
        TfidfVectorizer(analyzer=rules.terms, sublinear_tf=True),
        TruncatedSVD(DIM, algorithm="arpack"),
        Normalizer(),
    )
    encoder = train_lsa(iter(CORPUS), DIM, rules, 0)
    inside, outside = peer.fit_transform(CORPUS), peer.transform(OTHERS)
    # ARPACK finds the directions exactly; each may point either way.
    found = encoder.encode(CORPUS, "document")
    assert (found.shape, found.dtype) == ((len(CORPUS), DIM), np.float32)
    signs = np.sign((found * inside).sum(axis=0))
    np.testing.assert_allclose(found, inside * signs, atol=1e-4)
    np.testing.assert_allclose(encoder.encode(OTHERS, "query"), outside * signs, atol=1e-4)


def test_texts_without_a_known_term_have_no_vector():
    encoder = train_lsa(CORPUS, DIM, analyzer("english"), 0)
    assert (encoder.encode(ODD, "query") == 0).all()
    assert encoder.encode([], "query").shape == (0, DIM)
    with pytest.raises(UsageError, match="item 1 is NoneType"):
        encoder.encode(["lamp", None], "query")


def test_where_nobody_says_there_are_as_many_dimensions_as_the_texts_have():
    few = CORPUS[:3]
    assert train_lsa(few, None, analyzer("english")).dim == 3
    with pytest.raises(UsageError, match=r"3 texts of \d+ terms give 1 to 3 dimensions, not 256"):
        train_lsa(few, 256, analyzer("english"))
    many = [f"{number} {number + 1}" for number in range(300)]
    assert train_lsa(many, None, analyzer("english")).dim == 256


def test_the_seed_decides():
    first, again, other = (
        train_lsa(CORPUS, DIM, analyzer("english"), seed).fingerprint for seed in (0, 0, 1)
    )
    assert first == again != other


def test_saved_and_read_it_is_the_same(tmp_path):
    encoder = train_lsa(CORPUS, DIM, analyzer("english"), 0)
    assert isinstance(encoder, Encoder)
    encoder.save(tmp_path)
    again = LSA(read_artefact(tmp_path))
    assert (again.name, again.dim, again.fingerprint) == ("lsa", DIM, encoder.fingerprint)
    texts = [*CORPUS, *OTHERS, *ODD]
    assert (again.encode(texts, "query") == encoder.encode(texts, "query")).all()


def test_each_term_has_an_exact_share():
    encoder = train_lsa(CORPUS, DIM, analyzer("english"), 0)
    assert isinstance(encoder, WordEncoder)
    for text in ["Lamps of the house light lamps", *CORPUS[:5], *ODD]:
        words = Counter(encoder.analyzer.terms(text))
        shares = np.array([encoder.word_shares(words, axis) for axis in np.eye(DIM, dtype="f4")])
        assert shares.shape == (DIM, len(words))
        whole = encoder.encode([text], "document")[0]
        np.testing.assert_allclose(shares.sum(axis=1), whole, atol=1e-5)
        for i, word in enumerate(words):  # each has the direction of its own vector
            alone = encoder.encode([word], "document")[0]
            length = np.linalg.norm(shares[:, i])
            np.testing.assert_allclose(shares[:, i], length * alone, atol=1e-5)


@pytest.mark.parametrize(
    ("texts", "dim", "problem"),
    [
        ([], 2, "no term"),
        (["", "?"], 2, "no term"),
        (["lamp", "lamps"], 1, "but one term"),
        (CORPUS, 0, "give 1 to 6 dimensions, not 0"),
        (CORPUS, 7, "give 1 to 6 dimensions, not 7"),
        (CORPUS[:3], 4, "3 texts of .* give 1 to 3 dimensions, not 4"),
    ],
)
def test_nothing_to_learn(texts, dim, problem):
    with pytest.raises(UsageError, match=problem):
        train_lsa(texts, dim, analyzer("english"), 0)


def test_as_many_dimensions_as_there_are():
    encoder = train_lsa(CORPUS, 6, analyzer("english"), 0)
    assert encoder.encode(CORPUS, "document").shape == (len(CORPUS), 6)
    one = train_lsa(["lamp light"], 1, analyzer("english"), 0)
    np.testing.assert_allclose(np.abs(one.encode(["lamp"], "query")), 1, atol=1e-6)


def test_what_the_corpus_raises_is_passed_on():
    def texts():
        yield "lamp"
        raise UsageError("That is no corpus.")

    with pytest.raises(UsageError, match="That is no corpus"):
        train_lsa(texts(), 1, analyzer("english"), 0)


def parts(**changes):
    components = np.ones((2, 3), np.float32)
    terms = np.frombuffer(b"lamp\nlight", np.uint8)
    tensors = {"components": components, "idf": components[:, 0], "terms": terms}
    config = {"dim": 3, "analyzer": analyzer("plain").to_dict()}
    return {"config": config, "tensors": tensors, **changes}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tensors": {}}, "'terms' of 'x' .* there is none"),
        (
            {"tensors": {**parts()["tensors"], "terms": np.frombuffer(b"lamp", np.uint8)}},
            r"'components' of 'x' should be float32 \(1, 3\)",
        ),
        ({"tensors": {**parts()["tensors"], "idf": np.ones(2)}}, "'idf' .* it is float64"),
        ({"config": {"dim": 3}}, "'x' can't be used"),
        ({"config": {"dim": 3, "analyzer": 5}}, "'x' can't be used"),
    ],
)
def test_artefacts_that_are_no_lsa(changes, problem):
    assert LSA(Artefact("lsa", "x", **parts())).encode(["lamp"], "query").any()
    with pytest.raises(EncoderError, match=problem):
        LSA(Artefact("lsa", "x", **parts(**changes)))
