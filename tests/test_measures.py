"""Measures against ir_measures (whose provider is pytrec_eval, trec_eval's own code) and by hand.

ir_measures' own RR@k and Judged@k take equal scores in another order than trec_eval: they are the
oracle where no two scores are equal, and elsewhere trec_eval's RR is, and a naive count.
"""

from __future__ import annotations

import csv
import math
import random

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import in_order

from vecsearch.errors import UnknownName, UsageError
from vecsearch.measures import Measure, Scores, evaluate, parse_measure
from vecsearch.runs import ranked

# What trec_eval computes itself.
TREC = ["nDCG@1", "nDCG@3", "nDCG@10", "nDCG", "P@1", "P@5", "R@2", "R@100", "RR"]
TREC += ["AP", "AP@2", "AP@100", "Success@1", "Success@5", "Bpref"]

# Ids whose order differs between code points, UTF-16 units and locales.
IDS = ["a", "B", "b", "é", "ä", "z", "Z", "10", "9", "ﬀ", "𝔞", "日本", "a1", "", "~"]
documents = st.sampled_from(IDS)
queries = st.sampled_from(["q1", "q2", "q3", "ü"])
# Many ties, some of which are ties in float32 only.
tied = st.sampled_from([0.0, -0.0, 0.5, 0.5 + 1e-12, 0.1, float(np.float32(0.1)), -1.0, 1e30])
grades = st.integers(-2, 4)
# pytrec_eval reads beyond its memory where every grade of a query is negative.
judgments = st.dictionaries(documents, grades, min_size=1).filter(lambda j: max(j.values()) >= 0)
qrels_of = st.dictionaries(queries, judgments, min_size=1, max_size=4)


def runs_of(scores):
    rankings = st.dictionaries(documents, scores, min_size=1, max_size=len(IDS))
    return st.dictionaries(queries, rankings, min_size=1, max_size=4)


def oracle(provider, names, qrels, run):
    """Per-query values and means by ir_measures: {measure: {query: value}}, {measure: mean}."""
    measures = [ir_measures.parse_measure(name) for name in names]
    evaluator = provider.evaluator(measures, qrels)
    per_query = {name: {} for name in names}
    for metric in evaluator.iter_calc(run):
        per_query[str(metric.measure)][metric.query_id] = metric.value
    means = {str(measure): value for measure, value in evaluator.calc_aggregate(run).items()}
    return per_query, means


def assert_equal_to_oracle(provider, names, qrels, run):
    expected, expected_means = oracle(provider, names, qrels, run)
    measures = [parse_measure(name) for name in names]
    scores = evaluate(run, qrels, measures)
    for name, measure in zip(names, measures, strict=True):
        assert scores.per_query[name] == pytest.approx(expected[name], abs=1e-6)
        assert scores.mean(measure) == pytest.approx(expected_means[name], abs=1e-6)


def test_the_oracle_is_trec_evals_own_code():
    assert ir_measures.pytrec_eval.is_available()


@settings(max_examples=200)
@given(qrels_of, runs_of(tied))
def test_equal_to_trec_eval_on_tied_runs(qrels, run):
    if run.keys().isdisjoint(qrels):
        with pytest.raises(UsageError, match="no query in common"):
            evaluate(run, qrels, [Measure("AP")])
    else:
        assert_equal_to_oracle(ir_measures.pytrec_eval, TREC, qrels, run)


@settings(max_examples=60)
@given(qrels_of, runs_of(st.floats(allow_nan=False)))
def test_equal_to_trec_eval_on_any_scores(qrels, run):
    run = {**run, next(iter(qrels)): {"a": 1.0}}
    assert_equal_to_oracle(ir_measures.pytrec_eval, TREC, qrels, run)


@settings(max_examples=60)
@given(qrels_of, st.dictionaries(queries, st.lists(documents, min_size=1, unique=True)))
def test_equal_to_the_providers_of_what_trec_eval_lacks(qrels, orders):
    run = {query: {d: -float(i) for i, d in enumerate(order)} for query, order in orders.items()}
    run = {**run, next(iter(qrels)): {"a": 1.0}}
    assert_equal_to_oracle(ir_measures.msmarco, ["RR@1", "RR@3", "RR@10"], qrels, run)
    assert_equal_to_oracle(ir_measures.judged, ["Judged@1", "Judged@10", "Judged"], qrels, run)


@settings(max_examples=100)
@given(qrels_of, runs_of(tied), st.integers(1, 8))
def test_all_measures_take_equal_scores_in_trec_evals_order(qrels, run, k):
    run = {**run, next(iter(qrels)): {"a": 1.0}}
    whole, _ = oracle(ir_measures.pytrec_eval, ["RR"], qrels, run)
    scores = evaluate(run, qrels, [f"RR@{k}", f"Judged@{k}"])
    for query, grades in qrels.items():
        reciprocal = whole["RR"][query]
        cut = reciprocal if reciprocal * k > 1 - 1e-6 else 0.0
        assert scores.per_query[f"RR@{k}"][query] == pytest.approx(cut, abs=1e-6)
        best = [name for name, _ in in_order(run.get(query, {}))[:k]]
        share = sum(name in grades for name in best) / max(len(best), 1)
        assert scores.per_query[f"Judged@{k}"][query] == pytest.approx(share, abs=1e-12)


def test_near_identical_documents_score_the_same_by_every_measure():
    run = {"q": dict.fromkeys([f"note-{n:02}" for n in range(30)], 0.5)}
    scores = evaluate(run, {"q": {"note-29": 1}}, ["nDCG@10", "RR@10", "RR", "Success@1", "R@1"])
    assert {name: each["q"] for name, each in scores.per_query.items()} == dict.fromkeys(
        ["nDCG@10", "RR@10", "RR", "Success@1", "R@1"], 1.0
    )
    assert evaluate(run, {"q": {"note-29": 1}}, ["Judged@10"]).mean("Judged@10") == 0.1


@pytest.mark.parametrize("name", ["nfcorpus", "scifact"])
def test_equal_to_ir_measures_on_real_judgments(shared_data, name):
    qrels: dict[str, dict[str, int]] = {}
    with (shared_data(name) / "qrels" / "test.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    # A run that finds some of what is relevant among unjudged documents, coarse scores that tie,
    # and no answer to every tenth query.
    rng = random.Random(7)
    pool = sorted({document for judged in qrels.values() for document in judged})
    run = {}
    for number, (query, judged) in enumerate(qrels.items()):
        if number % 10:
            found = rng.sample(pool, 80) + rng.sample(sorted(judged), (len(judged) + 1) // 2)
            run[query] = {document: round(rng.random(), 1) for document in found}
    assert_equal_to_oracle(ir_measures.pytrec_eval, TREC, qrels, run)
    missing = next(iter(qrels))
    assert evaluate(run, qrels, [Measure("AP")]).per_query["AP"][missing] == 0


def test_ndcg_worked_by_hand():
    qrels = {"q": {"a": 3, "b": 2, "c": 1, "d": 0, "e": -1}}
    run = {"q": {"e": 9.0, "a": 8.0, "x": 7.0, "c": 6.0}}  # grades in rank order: -1 3 - 1
    dcg = 3 / math.log2(3) + 1 / math.log2(5)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    scores = evaluate(run, qrels, [Measure("nDCG", 10), Measure("nDCG", 2)])
    assert scores.per_query["nDCG@10"]["q"] == pytest.approx(dcg / ideal, abs=1e-12)
    assert dcg / ideal == pytest.approx(0.4879, abs=1e-4)
    cut = (3 / math.log2(3)) / (3 + 2 / math.log2(3))
    assert scores.per_query["nDCG@2"]["q"] == pytest.approx(cut, abs=1e-12)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("P@4", 2 / 4),
        ("P@10", 2 / 10),
        ("R@2", 1 / 3),
        ("RR", 1 / 2),
        ("RR@1", 0.0),
        ("AP", (1 / 2 + 2 / 4) / 3),
        ("Success@1", 0.0),
        ("Success@2", 1.0),
        ("Judged@3", 2 / 3),
        ("Judged@10", 3 / 5),
        # R = 3, N = 2: one of the two nonrelevant stands above both found, and "b" isn't found.
        ("Bpref", (2 * (1 - 1 / 2)) / 3),
    ],
)
def test_other_measures_worked_by_hand(measure, value):
    qrels = {"q": {"a": 3, "b": 2, "c": 1, "n": 0, "m": 0}}
    run = {"q": {"n": 9.0, "a": 8.0, "x": 7.0, "c": 6.0, "y": 5.0}}  # grades: 0 3 - 1 -
    scores = evaluate(run, qrels, [parse_measure(measure)])
    assert scores.per_query[measure]["q"] == pytest.approx(value, abs=1e-12)


def test_every_judged_query_counts_in_the_mean_and_no_other():
    qrels = {"found": {"a": 1}, "unanswered": {"a": 1}, "nothing relevant": {"a": 0}}
    run = {"found": {"a": 1.0}, "nothing relevant": {"a": 1.0}, "unjudged": {"a": 1.0}, "empty": {}}
    for name in [*TREC, "RR@10", "Judged@10"]:
        scores = evaluate(run, qrels, [parse_measure(name)])
        assert scores.per_query[name].keys() == qrels.keys()
        assert scores.per_query[name]["unanswered"] == 0
    assert evaluate(run, qrels, [Measure("AP")]).mean(Measure("AP")) == pytest.approx(1 / 3)


def test_negative_grades_alone_are_as_good_as_none():
    scores = evaluate(
        {"q": {"a": 1.0}}, {"q": {"a": -1, "b": -2}}, [parse_measure(m) for m in TREC]
    )
    assert {scores.per_query[name]["q"] for name in TREC} == {0.0}


def test_an_empty_ranking_scores_zero():
    qrels = {"q": {"a": 1, "n": 0}}
    for name in [*TREC, "RR@10", "Judged@10"]:
        assert evaluate({"q": {}}, qrels, [parse_measure(name)]).mean(parse_measure(name)) == 0


@pytest.mark.parametrize(
    ("text", "measure", "written"),
    [
        ("nDCG@10", Measure("nDCG", 10), "nDCG@10"),
        ("ndcg@10", Measure("nDCG", 10), "nDCG@10"),
        (" NDCG ", Measure("nDCG"), "nDCG"),
        ("r@100", Measure("R", 100), "R@100"),
        ("Recall@100", Measure("R", 100), "R@100"),
        ("precision@5", Measure("P", 5), "P@5"),
        ("MRR@10", Measure("RR", 10), "RR@10"),
        ("rr", Measure("RR"), "RR"),
        ("MAP", Measure("AP"), "AP"),
        ("ap@100", Measure("AP", 100), "AP@100"),
        ("success@5", Measure("Success", 5), "Success@5"),
        ("judged@10", Measure("Judged", 10), "Judged@10"),
        ("bpref", Measure("Bpref"), "Bpref"),
    ],
)
def test_measures_are_values_that_can_be_written_down(text, measure, written):
    assert parse_measure(text) == measure
    assert str(measure) == written
    assert parse_measure(str(measure)) == measure
    assert str(ir_measures.parse_measure(written)) == written


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nDGC", r"no measure 'nDGC'. Did you mean 'nDCG'\? Known: AP, Bpref, .*nDCG\."),
        ("f1@10", "no measure 'f1'. Known: AP"),
        ("", "no measure ''"),
        ("@10", "no measure ''"),
        ("nDCG@", "cutoff of 'nDCG@' must be a whole number of at most 9 digits, as in nDCG@10"),
        ("P@ten", "cutoff of 'P@ten' must be a whole number of at most 9 digits, as in P@10"),
        ("P@1.5", "whole number"),
        ("P@-1", "whole number"),
        ("P@1_0", "whole number"),
        ("P@" + "9" * 5000, "whole number"),
        ("nDCG@0", "cutoff of nDCG@0 must be 1 or more"),
        ("P", "P needs a cutoff, as in P@10"),
        ("recall", "R needs a cutoff, as in R@10"),
        ("Success", "Success needs a cutoff"),
        ("bpref@10", "Bpref takes no cutoff"),
    ],
)
def test_a_measure_that_cannot_be_read_says_what_would_be_right(text, says):
    with pytest.raises(UsageError, match=says):
        parse_measure(text)


def test_a_measure_made_by_hand_is_checked_too():
    with pytest.raises(UnknownName, match=r"no measure 'ndcg'\. Did you mean 'nDCG'\? Known: AP"):
        Measure("ndcg", 10)
    with pytest.raises(UsageError, match="must be 1 or more"):
        Measure("nDCG", -1)


def test_nothing_to_compare_is_an_error_and_never_a_low_score():
    measures = [Measure("AP")]
    with pytest.raises(UsageError, match="no judgments"):
        evaluate({"q": {"a": 1.0}}, {}, measures)
    with pytest.raises(UsageError, match="answers no query"):
        evaluate({}, {"q": {"a": 1}}, measures)
    with pytest.raises(UsageError, match=r"no query in common: .*'PLAIN-2', .*'17'"):
        evaluate({"PLAIN-2": {"a": 1.0}}, {"17": {"a": 1}}, measures)


def test_a_score_that_is_nan_is_an_error():
    with pytest.raises(UsageError, match="Query 'q' gives document 'b' a score that is NaN"):
        evaluate({"q": {"a": 1.0, "b": math.nan}}, {"q": {"a": 1}}, [Measure("AP")])


def test_a_mean_that_was_not_computed_is_named():
    scores = Scores({"AP": {"q": 1.0}})
    with pytest.raises(UnknownName, match=r"measure 'P@5'.*Known: AP"):
        scores.mean(Measure("P", 5))


def test_ties_are_broken_by_falling_document_id_in_float32():
    scores = {"a": 0.5, "b": 0.5 + 1e-12, "c": 0.7, "é": 0.5, "z": 0.5}
    assert ranked("q", scores) == ["c", "é", "z", "b", "a"]


def test_scores_are_shown_by_their_means():
    qrels = {f"q{n}": {"a": 1} for n in range(3)}
    scores = evaluate({"q0": {"a": 1.0}}, qrels, ["ndcg@10", "nDCG@10", "MAP"])
    assert repr(scores) == "Scores(queries=3, means={'nDCG@10': 0.3333, 'AP': 0.3333})"
    assert repr(evaluate({"q0": {"a": 1.0}}, qrels, [])) == "Scores(queries=0, means={})"
    assert repr(Scores({"AP": {}})) == "Scores(queries=0, means={})"
