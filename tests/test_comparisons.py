"""Systems against a baseline: the family, the verdict and its sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vecsearch.bench.comparisons import compare, describe
from vecsearch.bench.results import Comparison
from vecsearch.bench.statistics import (
    bootstrap_interval,
    detectable,
    effect_size,
    holm,
    randomization_test,
)
from vecsearch.errors import UnknownName, UsageError
from vecsearch.measures import Scores


def scored(**measures):
    """Scores of queries q0, q1, ... by measure."""
    return Scores({name: {f"q{i}": float(each) for i, each in enumerate(values)} for name, values in measures.items()})  # fmt: skip


@pytest.fixture
def results():
    rng = np.random.default_rng(7)

    def corpus(n):
        base = rng.uniform(0.2, 0.6, n).round(2)
        better = base + rng.choice([0.0, 0.0, 0.1, 0.2, -0.05], n)
        alike = base + rng.choice([0.0, 0.0, 0.1, -0.1], n)
        worse = base - rng.choice([0.0, 0.1], n)
        systems = {"bm25": base, "minilm": better, "tfidf": alike, "noise": worse}
        return {name: scored(AP=values, RR=values[::-1] ** 2) for name, values in systems.items()}

    return {"large": corpus(225), "small": corpus(30)}


def test_every_figure_of_every_pair(results):
    found = compare(results, "bm25", ["AP", "RR"])
    assert [(c["corpus"], c["measure"], c["system"]) for c in found] == [
        (corpus, measure, system)
        for corpus in ("large", "small")
        for measure in ("AP", "RR")
        for system in ("minilm", "tfidf", "noise")
    ]
    for comparison in found:
        systems = results[comparison["corpus"]]
        theirs, ours = (
            systems[name].per_query[comparison["measure"]]
            for name in ("bm25", comparison["system"])
        )
        differences = np.array([ours[query] - theirs[query] for query in ours])
        differences[abs(differences) < 1e-12] = 0
        assert comparison["queries"] == len(differences)
        assert comparison["difference"] == pytest.approx(differences.mean())
        assert comparison["interval"] == list(bootstrap_interval(differences))
        assert (comparison["p"], comparison["exact"]) == randomization_test(differences)[:2]
        assert comparison["effect_size"] == effect_size(differences)
        assert comparison["detectable"] == detectable(differences, family=6)
        assert comparison["wins"] == sum(differences > 0)
        assert comparison["losses"] == sum(differences < 0)
        assert comparison["wins"] + comparison["ties"] + comparison["losses"] == len(differences)
    json.dumps(found, allow_nan=False)


def test_the_family_is_all_comparisons_by_one_measure(results):
    found = compare(results, "bm25", ["AP", "RR"])
    for measure in ("AP", "RR"):
        family = [c for c in found if c["measure"] == measure]
        assert [c["family"] for c in family] == [6] * 6
        assert [c["p_holm"] for c in family] == holm([c["p"] for c in family])
    assert compare(results, "bm25", ["AP"]) == [c for c in found if c["measure"] == "AP"]


def test_the_verdict_rests_on_the_corrected_p(results):
    found = compare(results, "bm25", ["AP"])
    for comparison in found:
        shown = comparison["p_holm"] < 0.05
        direction = "better" if comparison["difference"] > 0 else "worse"
        assert comparison["verdict"] == (direction if shown else "no difference shown")
    assert {c["verdict"] for c in found} == {"better", "worse", "no difference shown"}


def test_wins_and_ties_are_exact():
    base = [0.1 + 0.2, 0.5, 0.5, 0.5, 0.7]
    ours = [0.3, 0.5 + 1e-13, 0.5 - 1e-9, 0.6, 0.7]
    [found] = compare({"c": {"a": scored(AP=base), "b": scored(AP=ours)}}, "a", ["AP", "AP"])
    assert (found["wins"], found["ties"], found["losses"]) == (1, 3, 1)


def test_queries_are_paired_by_name_not_by_place():
    a = Scores({"AP": {"q1": 0.1, "q2": 0.9}})
    b = Scores({"AP": {"q2": 0.9, "q1": 0.1}})
    [found] = compare({"c": {"a": a, "b": b}}, "a", ["AP"])
    assert found["ties"] == 2


@pytest.fixture
def comparison():
    return Comparison(
        corpus="c", measure="nDCG@10", baseline="bm25", system="minilm", queries=1225,
        difference=0.0312, interval=[0.0119, 0.0502], p=0.004, p_holm=0.0042, family=1,
        exact=False, effect_size=0.3, wins=1020, ties=60, losses=145, detectable=0.0223,
        verdict="better", text="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {},
            "minilm is better than bm25 by .031 nDCG@10 (95% interval .012 to .050, p = .004); "
            "it wins 1,020, ties 60 and loses 145 of 1,225 queries.",
        ),
        (
            {"verdict": "worse", "difference": -0.0312, "interval": [-0.0502, -0.0119],
             "p_holm": 0.00002, "family": 8},
            "minilm is worse than bm25 by .031 nDCG@10 (95% interval .012 to .050, "
            "corrected p < .001); it wins 1,020, ties 60 and loses 145 of 1,225 queries.",
        ),
        (
            {"verdict": "no difference shown", "difference": 0.004, "interval": [-0.01, 0.019],
             "p_holm": 0.614, "queries": 225},
            "No difference shown between minilm and bm25: +.004 nDCG@10 (95% interval -.010 to "
            ".019, p = .61); 225 queries could have shown one of .022.",
        ),
        (
            {"verdict": "no difference shown", "difference": -0.00001, "interval": [-1, 1],
             "p_holm": 1.0, "queries": 3, "detectable": 1.0},
            "No difference shown between minilm and bm25: .000 nDCG@10 (95% interval -1.000 to "
            "1.000, p = 1.00); 3 queries are too few to show any.",
        ),
        (
            {"verdict": "no difference shown", "difference": -0.3, "interval": [-0.3, -0.3],
             "p_holm": 1.0, "queries": 1, "ties": 0, "detectable": 1.0},
            "No difference shown between minilm and bm25: -.300 nDCG@10 (95% interval -.300 to "
            "-.300, p = 1.00); 1 query is too few to show any.",
        ),
        (
            {"verdict": "no difference shown", "queries": 9, "ties": 9},
            "No difference shown between minilm and bm25: they have the same nDCG@10 for every "
            "query.",
        ),
    ],
)  # fmt: skip
def test_the_sentence(comparison, change, sentence):
    assert describe({**comparison, **change}) == sentence


def test_few_queries_show_nothing():
    systems = {"bm25": scored(AP=[0.1] * 4), "minilm": scored(AP=[0.9] * 4)}
    [found] = compare({"c": systems}, "bm25", ["AP"])
    assert (found["p"], found["detectable"], found["effect_size"]) == (0.125, 1.0, None)
    assert found["text"].endswith("4 queries are too few to show any.")


@pytest.mark.parametrize(("differing", "told"), [(5, True), (6, False)])
def test_too_few_queries_that_differ(differing, told):
    """Six differences of one sign are the fewest whose p, 2 / 2^6, is below .05."""
    base = np.full(40, 0.5)
    changed = base.copy()
    changed[:differing] += 0.1 * (-1) ** np.arange(differing)
    (found,) = compare({"c": {"a": scored(AP=base), "b": scored(AP=changed)}}, "a", ["AP"])
    sentence = f"only {differing} of 40 queries differ, too few to show any."
    assert found["text"].endswith(sentence) is told
    assert ("could have shown" in found["text"]) is not told


def test_the_same_system_twice():
    systems = {"bm25": scored(AP=[0.1, 0.5]), "again": scored(AP=[0.1, 0.5])}
    [found] = compare({"c": systems}, "bm25", ["AP"])
    assert (found["p"], found["ties"], found["interval"]) == (1.0, 2, [0.0, 0.0])
    assert found["detectable"] == 1.0


def test_what_cannot_be_compared(results):
    with pytest.raises(UnknownName, match="Did you mean 'bm25'"):
        compare(results, "bm52", ["AP"])
    with pytest.raises(
        UnknownName, match=r"There is no score of 'bm25' by 'P@1'\. Known: AP, RR\."
    ):
        compare(results, "bm25", ["P@1"])
    systems = {"bm25": scored(AP=[0.1, 0.5]), "minilm": scored(AP=[0.1, 0.5, 0.6])}
    with pytest.raises(UsageError, match=r"'c', 'minilm' and 'bm25' .* query 'q2'\.$"):
        compare({"c": systems}, "bm25", ["AP"])
    systems["minilm"] = Scores({"AP": {"x": 0.1, "y": 0.2}})
    with pytest.raises(UsageError, match=r"query 'q0' and 3 more\.$"):
        compare({"c": systems}, "bm25", ["AP"])
    nothing = {"bm25": scored(AP=[]), "minilm": scored(AP=[])}
    with pytest.raises(UsageError, match="no values"):
        compare({"c": nothing}, "bm25", ["AP"])
    assert compare({}, "bm25", ["AP"]) == []
