"""Skip-gram: the pairs that it draws, its loss, and that it learns."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from topics import SUBWORDS, TOPICS, found, written

from vecsearch.encoders.subwords import Subwords
from vecsearch.errors import UsageError
from vecsearch.text import analyzer
from vecsearch.training.bag import piece_idf
from vecsearch.training.skipgram import DRAWN, GROUP, SkipGram, SkipGramSettings, SkipGramTask

NUMBERS = [f"n{i}" for i in range(60)]
COUNTING = Subwords(analyzer("plain"), NUMBERS)


def task(texts, subwords=COUNTING, **settings):
    return SkipGramTask(subwords, texts, SkipGramSettings(**{"dim": 16, "groups": 8, **settings}))


def test_pairs_stand_within_the_window_of_one_text():
    texts = [" ".join(NUMBERS[:20]), "", " ".join(NUMBERS[20:50]), NUMBERS[50]]
    drawn = task(texts, window=3, frequent=1).pairs(0)
    assert drawn.centres.shape == drawn.contexts.shape == (8, GROUP)
    assert drawn.negatives.shape == (8, DRAWN)
    distance = np.abs(drawn.centres - drawn.contexts)
    assert set(np.unique(distance)) == {1, 2, 3}
    assert np.array_equal(drawn.centres < 20, drawn.contexts < 20)
    assert max(drawn.centres.max(), drawn.contexts.max()) < 50
    # A window of 1, 2 or 3, then a distance within it: 11, 5 and 2 of 18.
    shares = np.bincount(distance.ravel(), minlength=4)[1:] / distance.size
    np.testing.assert_allclose(shares, np.array([11, 5, 2]) / 18, atol=0.04)


def test_negatives_are_drawn_by_frequency_to_three_quarters():
    texts = [f"{NUMBERS[0]} " * 81 + f"{NUMBERS[1]} " * 16 + NUMBERS[2]]
    drawn = task(texts, groups=200).pairs(0).negatives
    shares = np.bincount(drawn.ravel(), minlength=60) / drawn.size
    np.testing.assert_allclose(shares[:3], np.array([27, 8, 1]) / 36, atol=0.02)
    assert not shares[3:].any()


def test_the_frequent_are_passed_over():
    rng = np.random.default_rng(0)
    words = rng.permutation(["n0"] * 6400 + ["n1"] * 400)
    drawn = task([" ".join(words)], frequent=0.01, groups=40).pairs(0)
    # Of 16 to 1 the square root is left, on both sides: 4 to 1.
    for side in (drawn.centres, drawn.contexts):
        assert (side == 0).mean() == pytest.approx(0.8, abs=0.03)


def test_what_a_step_draws_follows_from_seed_and_step():
    texts = [" ".join(NUMBERS)]
    one, other = task(texts), task(texts)
    for left, right in zip(one.pairs(7), other.pairs(7), strict=True):
        assert np.array_equal(left, right)
    assert not np.array_equal(one.pairs(7).centres, one.pairs(8).centres)
    assert not np.array_equal(one.pairs(7).centres, task(texts, seed=1).pairs(7).centres)


def test_the_loss_pair_by_pair():
    torch.manual_seed(0)
    module = SkipGram(10, SkipGramSettings(dim=4, negatives=3))
    torch.nn.init.normal_(module.centres)
    torch.nn.init.normal_(module.contexts)
    ids = [torch.randint(10, shape) for shape in ((2, 5), (2, 5), (2, 6))]
    centres, contexts = (each.detach().double().numpy() for each in module.parameters())
    total = 0.0
    for group in range(2):
        for i in range(5):
            centre = centres[ids[0][group, i]]
            far = [np.log1p(np.exp(centre @ contexts[n])) for n in ids[2][group]]
            near = np.log1p(np.exp(-centre @ contexts[ids[1][group, i]]))
            total += near + 3 * np.mean(far)
    assert module(*ids).item() == pytest.approx(total / 10, rel=1e-5)


def test_texts_differ_half_as_unevenly_in_all_directions():
    rng = np.random.default_rng(0)
    texts = [written(rng, topic, 0, 10) for topic in range(TOPICS) for _ in range(50)]
    learner = task(texts, SUBWORDS)
    with torch.no_grad():
        learner.module.centres.add_(torch.arange(16.0) / 50)  # a direction common to all

    def pooled(rows):
        counts = (Counter(SUBWORDS.encode([text]).ids.tolist()) for text in texts)
        return np.array([sum(rows[id] * (1 + math.log(n)) for id, n in c.items()) for c in counts])

    idf = piece_idf(SUBWORDS, texts)[:, np.newaxis]
    plain = pooled(learner.module.centres.detach().double().numpy() * idf)
    lengths = np.linalg.norm(plain, axis=1, keepdims=True)
    evened = pooled(learner.encoder().rows.astype(np.float64)) / lengths
    before = np.linalg.svd(plain / lengths)[1] ** 2 / len(texts)
    after = np.linalg.svd(evened)[1] ** 2 / len(texts)
    assert before[0] > 100 * before[1]
    np.testing.assert_allclose(after, np.sqrt(before), rtol=1e-2)


def test_it_learns_which_words_belong_together():
    rng = np.random.default_rng(0)
    texts = [written(rng, topic, 0, 10) for topic in range(TOPICS) for _ in range(100)]
    learner = task(texts, SUBWORDS, frequent=0.02)
    untrained = learner.encoder()
    optimiser = torch.optim.Adam(learner.module.parameters(), lr=0.02)
    losses = []
    for step in range(80):
        optimiser.zero_grad()
        losses.append(learner.backward(step))
        optimiser.step()
    assert np.mean(losses[-5:]) < 0.8 * losses[0]
    assert found(untrained) < 0.5
    assert found(learner.encoder()) > 0.9
    assert found(untrained) < 0.5  # later training doesn't change it


@pytest.mark.parametrize(
    "settings", [{"dim": 0}, {"window": 0}, {"negatives": 0}, {"groups": 0}, {"frequent": 0}]
)
def test_settings_that_can_not_be(settings):
    with pytest.raises(UsageError, match="at least 1"):
        SkipGramSettings(**settings)


@pytest.mark.parametrize("texts", [[], ["", "??"], ["n1", "n2 unknown"]])
def test_texts_without_a_pair(texts):
    with pytest.raises(UsageError, match="two subwords or more"):
        task(texts)


def test_it_says_what_it_is_made_of_so_that_no_other_task_takes_its_checkpoint():
    texts = [" ".join(NUMBERS)]
    one = task(texts)
    assert one.batch == one.pairs(0).centres.size
    assert one.identity == task(texts).identity
    assert one.identity != task(texts, window=3).identity
    assert one.identity != task([" ".join(reversed(NUMBERS))]).identity
