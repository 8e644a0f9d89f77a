"""Movers against ir_measures' values of each query and a naive reading of the rankings."""

from __future__ import annotations

from pathlib import Path

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import without_ties

from vecsearch import Index
from vecsearch.bench.movers import Move, detail, movers, telling_queries
from vecsearch.corpus import BeirFolder, documents
from vecsearch.errors import UnknownName, UsageError
from vecsearch.measures import Measure, parse_measure
from vecsearch.runs import ranked

SAMPLE = Path(__file__).resolve().parent.parent / "corpora" / "lighthouse"
NDCG = Measure("nDCG", 10)

names = st.sampled_from(["a", "b", "c", "d", "e", "f"])
scored = st.dictionaries(names, st.sampled_from([0.0, 0.5, 1.0, 2.0]))
graded = st.dictionaries(names, st.integers(-1, 3), min_size=1)
asked = st.sampled_from(["q1", "q2", "q3", "q4"])
runs = st.dictionaries(asked, scored).map(lambda run: {**run, "q1": {"a": 1.0}})
qrels_of = st.dictionaries(asked, graded).map(lambda qrels: {**qrels, "q1": {"b": 1}})


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Two real runs on the sample corpus, and its judgments."""
    corpus = BeirFolder(SAMPLE)
    folder = tmp_path_factory.mktemp("movers") / "index"
    index = Index.create(folder, "none", "english", documents=documents(corpus))
    searcher = index.searcher()
    queries = corpus.queries()
    made = []
    for by in ("tfidf", "bm25"):
        rankings = searcher.rank_many([each.text for each in queries], 100, None, by)
        made.append({q.id: dict(hits) for q, hits in zip(queries, rankings, strict=True)})
    return *made, corpus.qrels("test")


def naive_rank(scores, document):
    order = ranked("q", scores)
    return order.index(document) + 1 if document in order else None


@pytest.mark.parametrize("name", ["nDCG@10", "AP", "P@5", "RR@10"])
def test_the_differences_are_those_of_ir_measures(sample, name):
    tfidf, bm25, qrels = sample
    found = movers(tfidf, bm25, qrels, parse_measure(name), most=1000)
    values = [
        {metric.query_id: metric.value for metric in measure.iter_calc(qrels, run)}
        for measure in [ir_measures.parse_measure(name)]
        for run in map(without_ties, (tfidf, bm25))
    ]
    expected = {query: values[1][query] - values[0][query] for query in qrels}
    assert found.differences == pytest.approx(expected, abs=1e-6)
    assert {c.query: c.difference for c in found.gains} == pytest.approx(
        {query: each for query, each in expected.items() if each > 1e-9}, abs=1e-6
    )
    assert {c.query: c.difference for c in found.losses} == pytest.approx(
        {query: each for query, each in expected.items() if each < -1e-9}, abs=1e-6
    )
    assert name != "nDCG@10" or (found.gains and found.losses)


def test_the_documents_that_moved_on_the_sample(sample):
    tfidf, bm25, qrels = sample
    found = movers(tfidf, bm25, qrels, NDCG, most=3)
    assert len(found.gains) == 3
    for changed in (*found.gains, *found.losses):
        a, b, grades = tfidf[changed.query], bm25[changed.query], qrels[changed.query]
        assert {m.document for m in changed.relevant} == {d for d, g in grades.items() if g > 0}
        for move in (*changed.relevant, *changed.entered, *changed.left):
            assert move.rank_a == naive_rank(a, move.document)
            assert move.rank_b == naive_rank(b, move.document)
            assert move.grade == grades.get(move.document)


@settings(max_examples=150)
@given(runs, runs, qrels_of, st.integers(1, 4), st.sampled_from(["P@2", "AP", "nDCG@3"]))
def test_moves_as_naively_read(run_a, run_b, qrels, most, name):
    measure = parse_measure(name)
    found = movers(run_a, run_b, qrels, measure, most)
    a, b, k = found.scores_a, found.scores_b, measure.cutoff or 10
    assert a.keys() == b.keys() == qrels.keys()
    gains = [(a[q] - b[q], q) for q in qrels if b[q] > a[q]]
    losses = [(b[q] - a[q], q) for q in qrels if b[q] < a[q]]
    assert [c.query for c in found.gains] == [q for _, q in sorted(gains)][:most]
    assert [c.query for c in found.losses] == [q for _, q in sorted(losses)][:most]
    for changed in (*found.gains, *found.losses):
        grades = qrels[changed.query]
        first, second = run_a.get(changed.query, {}), run_b.get(changed.query, {})

        def move(document, first=first, second=second, grades=grades):
            ranks = naive_rank(first, document), naive_rank(second, document)
            return Move(document, grades.get(document), *ranks)

        everything = set(first) | set(second) | set(grades)
        relevant = {move(d) for d in everything if grades.get(d, 0) > 0}
        others = [move(d) for d in everything if grades.get(d, 0) <= 0]
        assert set(changed.relevant) == relevant
        assert len(changed.relevant) == len(relevant)
        by_grade = [m.grade for m in changed.relevant]
        assert by_grade == sorted(by_grade, reverse=True)
        in_a = [m for m in others if m.rank_a and m.rank_a <= k]
        in_b = [m for m in others if m.rank_b and m.rank_b <= k]
        assert changed.entered == tuple(
            sorted((m for m in in_b if m not in in_a), key=lambda m: m.rank_b)
        )
        assert changed.left == tuple(
            sorted((m for m in in_a if m not in in_b), key=lambda m: m.rank_a)
        )


def test_a_query_worked_by_hand():
    qrels = {"q": {"r1": 1, "r2": 2, "r3": 1, "n": 0}, "same": {"x": 1}}
    a = {"q": {"n": 9.0, "r1": 8.0, "u": 7.0}, "same": {"x": 1.0}}
    b = {"q": {"r2": 9.0, "r1": 8.0, "v": 7.0}, "same": {"x": 5.0}}
    found = movers(a, b, qrels, Measure("P", 3))
    assert found.losses == ()
    assert found.differences == {"q": pytest.approx(1 / 3), "same": 0}
    (gain,) = found.gains
    assert gain.relevant == (
        Move("r2", 2, None, 1),
        Move("r1", 1, 2, 2),
        Move("r3", 1, None, None),
    )
    assert gain.entered == (Move("v", None, None, 3),)
    assert gain.left == (Move("n", 0, 1, None), Move("u", None, 3, None))
    assert (gain.score_a, gain.score_b) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_a_query_that_a_run_lacks_counts_zero():
    qrels = {"q": {"r": 1}, "p": {"r": 1}}
    found = movers({"q": {"r": 1.0}, "p": {"r": 1.0}}, {"q": {"r": 1.0}}, qrels, NDCG)
    (loss,) = found.losses
    assert (loss.query, loss.score_a, loss.score_b) == ("p", 1, 0)
    assert loss.relevant == (Move("r", 1, 1, None),)
    with pytest.raises(UsageError, match="no query in common"):
        movers({"z": {"r": 1.0}}, {"q": {"r": 1.0}}, qrels, NDCG)


def test_the_detail_of_a_query():
    grades = {"r1": 2, "r2": 1, "n": 0, "far": 0, "bad": -1}
    runs = {
        "bm25": {"n": 3.0, "r1": 2.0, **{f"u{i:02}": -i for i in range(20)}, "r2": -99.0},
        "dense": {"r2": 1.0, "bad": 0.5},
        "empty": {},
    }
    runs["bm25"]["far"] = -100.0
    assert detail("q", runs, grades) == {
        "grades": {"r1": 2, "r2": 1, "n": 0, "bad": -1},
        "best": {
            "bm25": ["n", "r1", *(f"u{i:02}" for i in range(8))],
            "dense": ["r2", "bad"],
            "empty": [],
        },
        "ranks": {"bm25": {"r1": 2, "r2": 23}, "dense": {"r2": 1}, "empty": {}},
    }


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0])] * 3), max_size=8))
def test_telling_queries_are_those_with_the_largest_difference(rows):
    systems = {
        name: {f"q{i}": row[column] for i, row in enumerate(rows)}
        for column, name in enumerate(["x", "base", "y"])
    }
    found = telling_queries(systems, "base", most=5)

    def spread(query):
        base = systems["base"][query]
        return max(abs(systems[name][query] - base) for name in ("x", "y"))

    assert len(found) == min(5, len(rows))
    assert [spread(q) for q in found] == sorted(map(spread, systems["base"]), reverse=True)[:5]
    backwards = {name: dict(reversed(each.items())) for name, each in systems.items()}
    assert telling_queries(dict(reversed(backwards.items())), "base", most=5) == found


def test_of_equally_telling_queries_the_worst_answered_come_first():
    base = {"b": 0.5, "a": 0.5, "c": 0.0, "d": 1.0}
    assert telling_queries({"base": base}, "base") == ["c", "a", "b", "d"]
    with pytest.raises(UnknownName, match=r"no system 'bm52'\. Did you mean 'bm25'"):
        telling_queries({"bm25": base}, "bm52")
