"""Held-out scores against rankings written out, and what is claimed of a difference."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import HashEncoder

from vecsearch.bench.statistics import bootstrap_interval, detectable, randomization_test
from vecsearch.errors import EncoderError, UsageError
from vecsearch.measures import Scores
from vecsearch.training.validation import MEASURE, Validation, prove
from vecsearch.types import Document

WORDS = ["red", "green", "blue", "apple", "pear", "plum"]


def documents(count):
    return [
        Document(f"d{n}", f"{WORDS[n % 6]} number{n}", "" if n % 2 else WORDS[n % 5])
        for n in range(count)
    ]


QUERIES = {f"q{n}": f"{WORDS[n]} number{3 * n}" for n in range(6)}
QRELS = {f"q{n}": {f"d{3 * n}": 2, f"d{n}": 1, f"d{n + 6}": 0, "gone": 1} for n in range(5)}


def ndcg(scores, grades):
    """nDCG@10 of a query's scores by document, equal ones in falling order of ids."""
    order = sorted(scores, key=lambda name: (scores[name], name), reverse=True)[:10]

    def dcg(gains):
        return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))

    return dcg([grades.get(name, 0) for name in order]) / dcg(
        sorted(grades.values(), reverse=True)[:10]
    )


# ---- Scores


@given(dim=st.integers(1, 8), salt=st.text("ab", max_size=3))
@settings(max_examples=40)
def test_scores_are_those_of_exact_search(dim, salt):
    """One dimension gives cosines of 1 and -1 alone: nothing but ties."""
    encoder = HashEncoder(salt, dim)
    found = Validation(documents(30), QUERIES, QRELS).scores(encoder)
    corpus = {each.id: f"{each.title} {each.text}".strip() for each in documents(30)}
    vectors = encoder.encode(list(corpus.values()), "document")
    for query, grades in QRELS.items():
        cosines = vectors @ encoder.encode([QUERIES[query]], "query")[0]
        wanted = ndcg(dict(zip(corpus, np.float32(cosines), strict=True)), grades)
        if dim > 1:
            assert found.per_query[MEASURE][query] == pytest.approx(wanted, abs=1e-6)
        assert 0 <= found.per_query[MEASURE][query] <= 1
    assert found.per_query[MEASURE].keys() == QRELS.keys()
    assert Validation(documents(30), QUERIES, QRELS).mean(encoder) == found.mean(MEASURE)


class Fixed:
    """Vectors by the first letter of a text: all of one letter are alike."""

    name, dim, fingerprint = "fixed", 2, ""

    def __init__(self, rows=None):
        self.rows, self.asked = rows, []

    def encode(self, texts, role):
        self.asked.append((role, list(texts)))
        if self.rows is not None:
            return self.rows
        return np.array([[1, 0] if text[0] == "a" else [0, 1] for text in texts], np.float32)

    def save(self, folder):
        raise NotImplementedError


def test_ties_are_ordered_as_trec_eval_orders_them_and_zeros_rank_last():
    corpus = [Document(f"d{n}", "a") for n in (3, 1, 2)] + [Document("d9", "b")]
    validation = Validation(corpus, {"q": "a"}, {"q": {"d2": 1}})
    encoder = Fixed()
    assert validation.mean(encoder) == pytest.approx(1 / math.log2(3))  # d3, then d2
    assert [role for role, _ in encoder.asked] == ["document", "query"]


def test_many_queries_go_in_blocks():
    queries = {f"q{n}": f"{WORDS[n % 6]} number{n % 20}" for n in range(600)}
    qrels = {name: {f"d{n % 20}": 1} for n, name in enumerate(queries)}
    found = Validation(documents(20), queries, qrels).scores(HashEncoder()).per_query[MEASURE]
    for n in (0, 255, 256, 599):
        alone = Validation(documents(20), queries, {f"q{n}": qrels[f"q{n}"]})
        assert found[f"q{n}"] == alone.mean(HashEncoder())


def test_of_many_documents_the_judged_and_a_sample_are_taken():
    corpus = documents(500)
    encoder = Fixed()

    def taken(given, most=50, seed=0):
        validation = Validation(given, QUERIES, QRELS, most, seed)
        validation.scores(encoder)
        found = encoder.asked[-2][1]
        assert len(validation) == len(found)
        return set(found)

    judged = {
        f"{d.title} {d.text}".strip() for d in corpus if any(d.id in g for g in QRELS.values())
    }
    first = taken(corpus)
    assert len(first) == 50
    assert judged < first
    shuffled = random.Random(0).sample(corpus, len(corpus))
    assert taken(shuffled) == taken(iter(corpus)) == first
    assert taken(corpus, seed=1) != first
    assert taken(corpus, most=3) == judged
    assert len(taken(corpus, most=9999)) == 500
    assert {text.split()[-1] for text in first} - {
        f"number{n}" for n in range(100)
    }  # not the first ones


def test_what_cannot_be_validated_with_is_told():
    for chosen in [
        ([], QUERIES, QRELS),
        (documents(3), QUERIES, {}),
        (documents(3), {"q0": "x"}, QRELS),
    ]:
        with pytest.raises(UsageError, match=r"held-out|no documents"):
            Validation(*chosen)
    validation = Validation(documents(3), QUERIES, QRELS)
    for rows in (np.full((3, 2), np.nan), np.zeros((2, 2)), "words"):
        with pytest.raises(EncoderError):
            validation.scores(Fixed(rows))


# ---- Proof


def scores(values):
    return Scores({MEASURE: {f"q{n}": float(value) for n, value in enumerate(values)}})


def shifted(by, count=60, spread=0.1, seed=0):
    draw = np.random.default_rng(seed)
    before = draw.uniform(0.3, 0.6, count)
    return before, before + by + draw.normal(0, spread, count)


@pytest.mark.parametrize(
    ("by", "verdict"), [(0.1, "better"), (-0.1, "worse"), (0.002, "no difference shown")]
)
def test_a_proof_is_the_benchs_statistics(by, verdict):
    before, after = shifted(by)
    proof = prove(scores(before), scores(after))
    differences = after - before
    assert proof.queries == 60
    assert proof.before == pytest.approx(before.mean())
    assert proof.after == pytest.approx(after.mean())
    assert proof.difference == pytest.approx(differences.mean())
    assert proof.interval == pytest.approx(bootstrap_interval(differences))
    assert proof.p == randomization_test(differences).p
    assert proof.detectable == pytest.approx(detectable(differences))
    assert proof.verdict == verdict
    assert proof.improved == (verdict == "better")
    assert 0.02 < proof.detectable < 0.06


def test_a_proof_says_what_it_shows():
    better = prove(*map(scores, shifted(0.1))).sentence
    assert better.startswith("The encoder after training is better than the encoder before it by .")
    assert "95% interval ." in better
    none = prove(*map(scores, shifted(0.0))).sentence
    assert none.startswith("No difference shown between the encoder after training and")
    assert "60 queries could have shown one of .0" in none
    few = prove(scores([0.1, 0.2]), scores([0.2, 0.3]))
    assert few.verdict == "no difference shown"
    assert "too few" in few.sentence
    assert few.detectable == 1
    same = prove(scores([0.1] * 30), scores([0.1] * 30))
    assert same.verdict == "no difference shown"
    assert same.difference == same.detectable == 0
    assert "the same nDCG@10 for every query" in same.sentence


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        min_size=1,
        max_size=25,
    )
)
@settings(max_examples=60)
def test_a_gain_is_claimed_only_where_the_interval_is_above_zero(pairs):
    proof = prove(*(scores(values) for values in zip(*pairs, strict=True)))
    low, high = proof.interval
    assert proof.improved <= (low > 0 and proof.p < 0.05)
    assert (proof.verdict == "worse") <= (high < 0 and proof.p < 0.05)
    if proof.verdict == "no difference shown":
        assert proof.sentence.startswith("No difference shown")


def test_scores_of_other_queries_are_no_proof():
    with pytest.raises(UsageError, match="q2"):
        prove(scores([0.1, 0.2]), scores([0.1, 0.2, 0.3]))


def test_random_vectors_of_a_real_corpus_find_more_than_chance(shared_data):
    from vecsearch.bench.judged import open_judged

    corpus = open_judged(shared_data("cranfield"))
    qrels = {query: corpus.qrels[query] for query in list(corpus.qrels)[:25]}
    validation = Validation(corpus.documents(), corpus.queries, qrels, most=300)
    assert validation.mean(HashEncoder(dim=64)) > validation.mean(HashEncoder(dim=1)) + 0.05
