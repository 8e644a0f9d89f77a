"""The bag that is trained by contrast: its sums, what it begins as, and that it learns."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from topics import SUBWORDS, TOPICS, WORDS, found, written

from vecsearch.encoders import load_encoder
from vecsearch.errors import UsageError
from vecsearch.training.bag import TokenBag, bag_model, counted, piece_idf

TEXTS = ["the t0w1 the t0w2", "t1w1 of the t1w1", "of", "", "what is this?"]
texts_ = st.lists(
    st.lists(st.sampled_from(["the", "of", "t0w1", "t3w2", "unknown", "?"]), max_size=8).map(
        " ".join
    ),
    max_size=6,
)


def pieces_of(text):
    return SUBWORDS.encode([text]).ids.tolist()


@given(texts_)
def test_counts(texts):
    ids, offsets, counts = counted(SUBWORDS.encode(texts), SUBWORDS.size)
    assert len(offsets) == len(texts) + 1
    for text, start, end in zip(texts, offsets, offsets[1:], strict=False):
        found = dict(zip(ids[start:end].tolist(), counts[start:end].tolist(), strict=True))
        assert found == Counter(pieces_of(text))


@settings(max_examples=30)
@given(texts_)
def test_idf(texts):
    weights = piece_idf(SUBWORDS, iter(texts))
    for id in range(SUBWORDS.size):
        holding = sum(id in pieces_of(text) for text in texts)
        expected = math.log((1 + len(texts)) / (1 + holding)) + 1
        assert weights[id] == pytest.approx(expected, rel=1e-6)


def test_the_untrained_twin_is_random_rows_by_idf():
    model = bag_model(SUBWORDS, TEXTS, dim=16, seed=3)
    rows = model.encoder().rows / piece_idf(SUBWORDS, TEXTS)[:, np.newaxis]
    random = np.random.default_rng(3).standard_normal((SUBWORDS.size, 16), np.float32) / 4
    np.testing.assert_allclose(rows, random, rtol=1e-5)
    again = bag_model(SUBWORDS, iter(TEXTS), dim=16, seed=3).encoder()
    assert again.fingerprint == model.encoder().fingerprint
    assert bag_model(SUBWORDS, TEXTS, dim=16, seed=4).encoder().fingerprint != again.fingerprint


def test_a_vector_is_the_weighted_sum_of_rows():
    model = bag_model(SUBWORDS, TEXTS, dim=16)
    model.module.eval()
    embedded = model.embed(TEXTS, "query").detach().numpy()
    folded = model.module.folded()
    for text, vector in zip(TEXTS, embedded, strict=True):
        counts = Counter(pieces_of(text))
        expected = sum((folded[id] * (1 + math.log(n)) for id, n in counts.items()), np.zeros(16))
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    encoded = model.encoder().encode(TEXTS, "document")
    unit = F.normalize(torch.from_numpy(embedded), dim=1).numpy()
    np.testing.assert_allclose(encoded, unit, atol=1e-6)
    assert not encoded[3:].any()  # without a word, or without a known one


def test_gradients_by_finite_differences():
    torch.manual_seed(0)
    bag = TokenBag(torch.randn(5, 3).double(), torch.rand(5).double() + 0.5, 0.0)
    ids, offsets = torch.tensor([0, 2, 4, 2]), torch.tensor([0, 3, 3, 4])
    counts = torch.tensor([1.0, 2.0, 1.0, 3.0], dtype=torch.float64)

    def forward(rows, log_weights):
        state = {"rows": rows, "log_weights": log_weights}
        return torch.func.functional_call(bag, state, (ids, offsets, counts))

    assert torch.autograd.gradcheck(forward, (bag.rows, bag.log_weights))


def test_dropout_makes_two_views_in_training_only():
    model = bag_model(SUBWORDS, TEXTS, dim=16, dropout=0.5)
    text = [" ".join(WORDS[0])]
    model.module.train()
    torch.manual_seed(1)
    one, other = (model.embed(text, "document") for _ in range(2))
    assert not torch.equal(one, other)
    torch.manual_seed(1)
    assert torch.equal(model.embed(text, "document"), one)
    model.module.eval()
    assert torch.equal(model.embed(text, "document"), model.embed(text, "document"))


def test_initial_rows_stay_the_callers_own():
    initial = np.ones((SUBWORDS.size, 4), np.float32)
    model = bag_model(SUBWORDS, TEXTS, dim=4, initial=initial)
    weights = piece_idf(SUBWORDS, TEXTS)[:, np.newaxis]
    np.testing.assert_allclose(model.encoder().rows, initial * weights, rtol=1e-6)
    with torch.no_grad():
        model.module.rows.zero_()
    assert initial.all()


def test_an_encoder_stays_as_it_was(tmp_path):
    model = bag_model(SUBWORDS, TEXTS, dim=8)
    encoder = model.encoder()
    before = encoder.encode(TEXTS, "query").copy()
    with torch.no_grad():
        model.module.rows.add_(torch.randn(model.module.rows.shape))
    np.testing.assert_array_equal(encoder.encode(TEXTS, "query"), before)
    encoder.save(tmp_path)
    np.testing.assert_array_equal(load_encoder(tmp_path).encode(TEXTS, "query"), before)


def test_it_learns_which_words_belong_together():
    rng = np.random.default_rng(0)
    model = bag_model(SUBWORDS, TEXTS, dim=32)
    untrained = found(model.encoder())
    optimiser = torch.optim.Adam(model.module.parameters(), lr=0.02)
    model.module.train()
    torch.manual_seed(0)
    for _ in range(60):
        queries = model.embed([written(rng, topic, 0, 5) for topic in range(TOPICS)], "query")
        documents = model.embed([written(rng, topic, 5, 10) for topic in range(TOPICS)], "document")
        scores = F.normalize(queries) @ F.normalize(documents).T / 0.05
        optimiser.zero_grad()
        F.cross_entropy(scores, torch.arange(TOPICS)).backward()
        optimiser.step()
    assert untrained < 0.5
    assert found(model.encoder()) > 0.9


@pytest.mark.parametrize(
    "numbers", [{"dim": 0}, {"dropout": 1}, {"dropout": -0.1}, {"initial": np.zeros((2, 512))}]
)
def test_numbers_that_can_not_be(numbers):
    with pytest.raises(UsageError):
        bag_model(SUBWORDS, TEXTS, **numbers)
