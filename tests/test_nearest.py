"""Approximate search keeps what it promises: recall, k results, exact scores, under any filter."""

from __future__ import annotations

import json
import math
import shutil
import threading

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from test_dense import unit
from toy import litter

from vecsearch import ALL, Document, Index
from vecsearch.cli import main
from vecsearch.encoders import OwnVectors
from vecsearch.errors import IndexCorrupt, RecallWarning, UsageError
from vecsearch.retrieve.nearest import lookup, trials, tuning
from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.bound import lower_bound
from vecsearch.retrieve.nearest.building import (
    Builder,
    TooLong,
    from_bytes,
    memory_of,
    offered,
    to_bytes,
)
from vecsearch.retrieve.nearest.choosing import Trial, choose, sequence
from vecsearch.retrieve.nearest.exact import Flat
from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.retrieve.nearest.planner import Costs, plan, wider
from vecsearch.retrieve.nearest.structure import Effort, Structure
from vecsearch.retrieve.nearest.trials import structures
from vecsearch.retrieve.nearest.tuning import Request
from vecsearch.writer import Writer

ROWS, DIM = 4000, 30


def clustered(count, seed):
    """Vectors around 50 centres, as texts are around topics, and the centre of each."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(0, 50, count)
    table = unit((50, DIM), 99)[topics] + 0.6 * unit((count, DIM), seed)
    return (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float32), topics


TABLE, TOPICS = clustered(ROWS, 1)
QUERIES, ASKED = clustered(600, 2)
HELD_OUT, _ = clustered(2000, 3)


# --- how sure a recall is


def test_the_bound_is_below_the_mean_and_nears_it():
    rng = np.random.default_rng(5)
    values = rng.choice([1.0, 0.9, 0.5], 4000, p=[0.8, 0.15, 0.05])
    bounds = [lower_bound(values[:n]) for n in (50, 400, 4000)]
    assert bounds == sorted(bounds)
    assert values.mean() - 0.01 < bounds[-1] < values.mean()
    assert lower_bound(values, 0.5) > lower_bound(values, 0.95) > lower_bound(values, 0.999)
    assert lower_bound(np.zeros(100)) == lower_bound(np.zeros(0)) == 0
    assert 0.97 < lower_bound(np.ones(400)) < 1


@pytest.mark.parametrize("spread", [0.02, 0.3, 1.0])
def test_the_bound_misses_at_most_as_often_as_it_says(spread):
    """Few values are low and far from the others, where Student's t promises too much."""
    rng = np.random.default_rng(6)
    mean = 1 - 0.04 * spread
    missed = 0
    for _ in range(300):
        low = rng.random(200) < 0.04
        missed += lower_bound(1 - spread * low) > mean
    assert missed <= 0.05 * 300 + 3 * np.sqrt(0.05 * 0.95 * 300)


# --- which way is taken


def trial(recall, microseconds):
    return Trial(Structure("pq4"), Effort(10, 1, 50), recall, microseconds)


def test_only_what_nothing_beats_is_tested_the_strongest_first():
    trials = [trial(0.9, 10), trial(0.97, 20), trial(0.96, 30), trial(0.995, 40), trial(1, 50)]
    assert [t.recall for t in sequence(trials, 0.95, 100)] == [0.995, 0.97, 0.9]
    assert [t.recall for t in sequence(trials, 0.95, 35)] == [0.97, 0.9]
    assert sequence(trials, 0.95, 5) == []


def test_the_first_that_fails_ends_it():
    recalls = {0.99: 1.0, 0.98: 0.0, 0.97: 1.0}
    tested = []

    def values(each):
        tested.append(each.recall)
        return np.full(500, recalls[each.recall])

    found = choose([trial(r, 1) for r in recalls], values, 0.95)
    assert found is not None
    assert (found[0].recall, tested) == (0.99, [0.99, 0.98])
    assert choose([trial(0.98, 1)], values, 0.95) is None


def test_a_promise_is_broken_at_most_as_often_as_it_says():
    """Many trials near the target: taking any that passes once would promise too much."""
    rng = np.random.default_rng(7)
    truths = {0.94 + 0.004 * i: 20.0 + i for i in range(12)}
    broken = 0
    for _ in range(200):
        seen = [trial(t + rng.normal(0, 0.003), us) for t, us in truths.items()]
        by_time = {us: t for t, us in truths.items()}
        found = choose(
            sequence(seen, 0.95, 100),
            lambda each, known=by_time: 1.0 * (rng.random(800) < known[each.microseconds]),
            0.95,
        )
        broken += found is not None and by_time[found[0].microseconds] < 0.95
    assert broken <= 0.05 * 200 + 3 * np.sqrt(0.05 * 0.95 * 200)


def test_the_cheapest_way_is_taken():
    costs = Costs(row=0.1, row_in_batch=0.01, fetch=0.1, scan=300, probe=100)

    def way(passing, rows=100_000, in_batch=False):
        return plan(costs, rows, passing, Effort(10, 1, 100), 1, in_batch=in_batch).way

    assert way(None) == "tuned"
    assert way(None, rows=500) == "exact"
    assert [way(n) for n in (0, 10, 1000, 4000, 99_000)] == [
        "exact",
        "exact",
        "exact",
        "selector",
        "over-fetch",
    ]
    assert way(10_000, in_batch=True) == "exact"


def test_loops_that_widen_need_nothing_but_a_selector():
    costs = Costs(row=0.1, row_in_batch=0.01, fetch=0.1, scan=300, probe=100)
    effort = Effort(10, 64, 100, 0.3)

    def planned(passing, widens=True):
        return plan(costs, 100_000, passing, effort, 64, in_batch=False, widens=widens)

    assert [planned(n).way for n in (None, 0, 1000, 25_000, 99_000)] == [
        "tuned",
        "exact",
        "exact",
        "selector",
        "selector",
    ]
    assert planned(25_000).effort == effort
    # Of twice as many lists, as the root of a quarter says, but never more than all.
    mask, scored = 20, 20
    assert planned(25_000).estimates == {"exact": 2520, "selector": mask + 200 + scored}
    assert planned(4000).estimates["selector"] == mask + 300 + scored
    without = planned(10_000, widens=False)
    assert (without.way, without.effort) == ("selector", Effort(10, 64, 100))


def test_an_effort_is_read_as_it_was_kept():
    for effort in (Effort(10, 1, 50), Effort(10, 512, 200, 0.19)):
        assert Effort.from_dict(effort.to_dict()) == effort
    assert Effort.from_dict({"k": 10, "probes": 8, "candidates": 70}) == Effort(10, 8, 70)
    assert Effort(10, 512, 200, 0.19).for_k(20, graph=False) == Effort(20, 512, 400, 0.19)


def test_the_cheapest_way_through_a_graph():
    costs = Costs(row=0.1, row_in_batch=0.01, fetch=2, scan=0, probe=10)
    effort = Effort(10, 50, 20)

    def planned(passing, rows=100_000):
        return plan(costs, rows, passing, effort, None, in_batch=False)

    assert planned(None).way == "tuned"
    assert planned(None, rows=500).way == "exact"
    assert [planned(n).way for n in (0, 10, 5000)] == ["exact"] * 3
    chosen = planned(50_000)
    # Half of the rows pass, so 1.41 times as many are kept in sight.
    assert (chosen.way, chosen.effort) == ("over-fetch", Effort(10, 71, 71))
    # A tenth passes: 200 are in sight so that there are 20 to be scored.
    assert planned(10_000).effort == Effort(10, 200, 200)


def test_too_little_passed_for_the_risk_of_a_second_search():
    """All codes are scanned in any case: over-fetching would save next to nothing."""
    costs = Costs(row=0.1, row_in_batch=0.01, fetch=0.1, scan=300, probe=300)
    chosen = plan(costs, 100_000, 90_000, Effort(10, 1, 100), 1, in_batch=False)
    assert chosen.estimates["over-fetch"] < chosen.estimates["selector"]
    assert chosen.way == "selector"


def test_what_follows_an_over_fetch_is_the_cheaper_of_the_others():
    """So what is chosen never takes much longer than what would have been best."""
    costs = Costs(row=0.05, row_in_batch=0.01, fetch=0.01, scan=5000, probe=20)
    for rows, passing in (
        (1_000_000, 50_000),
        (1_000_000, 200_000),
        (100_000, 90_000),
        (50_000, 2_000),
    ):
        for in_batch in (False, True):
            chosen = plan(costs, rows, passing, Effort(10, 8, 100), 256, in_batch=in_batch)
            told = chosen.estimates
            assert told[chosen.follows] == min(told["exact"], told["selector"])
            if chosen.way == "over-fetch":  # and too few passed
                assert told["over-fetch"] + told[chosen.follows] <= 1.63 * told[chosen.follows]
            else:  # and enough would have passed
                assert told[chosen.way] <= 1.63 * told["over-fetch"]


def test_of_no_rows_all_are_scored():
    costs = Costs(row=0.1, row_in_batch=0.01, fetch=0.1, scan=300, probe=100)
    assert plan(costs, 0, 0, Effort(10, 8, 100), 64, in_batch=False).way == "exact"


def test_a_graph_is_walked_again_unless_exact_scores_are_cheaper():
    costs = Costs(row=0.1, row_in_batch=0.01, fetch=2, scan=0, probe=10)
    effort = Effort(10, 50, 20)
    # A fifth passes: for as much as 50 in sight give without a filter, 50 / sqrt(1 / 5) do.
    assert wider(costs, effort, 0.2, 50_000) == Effort(10, 112, 112)
    # A tenth: not 158 but 200 have to be, of which 20 are scored.
    assert wider(costs, effort, 0.1, 50_000) == Effort(10, 200, 200)
    assert wider(costs, effort, 0.2, 3_000) is None
    assert wider(costs, effort, 0.0, 50_000) is None


# --- exact search for many queries at once


@pytest.mark.parametrize("share", [None, 0.6, 0.05, 0.0005])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_a_score_is_the_same_in_every_batch(share, k):
    table = np.concatenate([TABLE, TABLE[:700], 3 * TABLE[:9], np.zeros((5, DIM), np.float32)])
    allow = ALL if share is None else np.random.default_rng(8).random(len(table)) < share
    flat = Flat(table)
    rows, scores = flat.search(QUERIES[:300], k, allow)
    for i in range(0, 300, 17):
        _, alone = flat.search(QUERIES[i : i + 1], k, allow)
        assert scores[i].tobytes() == alone[0].tobytes()
        found = rows[i][rows[i] >= 0]
        assert len(set(found.tolist())) == len(found)
        passing = len(table) if allow is ALL else allow.sum()
        assert len(found) == min(k, passing)
        assert allow is ALL or allow[found].all()
        assert scores[i][: len(found)] == pytest.approx(table[found] @ QUERIES[i], abs=1e-5)


@pytest.mark.parametrize("table", [np.tile(TABLE[:1], (900, 1)), np.zeros((900, DIM), np.float32)])
def test_rows_that_rounding_cannot_tell_apart(table):
    rows, scores = Flat(table).search(QUERIES[:40], 5, ALL)
    assert (rows >= 0).all()
    assert (scores == scores[:, :1]).all()


# --- approximate search


BUILDER = Builder(TABLE)

KINDS = {
    "pq2": Effort(10, 1, 100),
    "pq4": Effort(10, 1, 200),
    "ivf32-pq2": Effort(10, 32, 100, 0.2),
    "rabitq": Effort(10, 1, 400),
    "ivf32-rabitq": Effort(10, 20, 200),
    "ivf32-sq8": Effort(10, 32, 100, 0.2),
    "hnsw8-float32": Effort(10, 100, 20),
    "hnsw8-bf16": Effort(10, 100, 20),
    "hnsw8-sq8": Effort(10, 100, 30),
}
GRAPHS = [name for name in KINDS if name.startswith("hnsw")]
"""Every kind of index, and an effort at which it finds nearly everything."""


def costs_of(kind):
    """Costs by which every way is taken somewhere."""
    if kind.links:
        return Costs(0.1, 0.1, 0.2, 0, 5)
    return Costs(0.1, 0.005, 0.05, 40 + 0.1 * KINDS[kind.name].candidates, 20)


def structure_of(name):
    structure = Structure.named(name)
    assert structure.name == name
    if not offered(structure):
        pytest.skip("this FAISS doesn't have it")
    return structure


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request):
    return structure_of(request.param)


@pytest.fixture(
    scope="module",
    params=[(name, "FAISS") for name in KINDS]
    + [(name, "compiled loops") for name in KINDS if "pq" in name],
    ids=lambda param: " by ".join(param),
)
def approximate(request):
    """An index of each kind, searched by FAISS, and by compiled loops where they know its codes."""
    kind, loops = structure_of(request.param[0]), None
    index = from_bytes(to_bytes(BUILDER.build(kind).index), TABLE)
    if request.param[1] == "compiled loops":
        loops = lookup._load()
        if loops is None:
            pytest.skip("this processor or this numba has no such loops")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "LOADING", lookup.Loading(0 if loops else math.inf, lambda: loops))
        yield Approximate(index, TABLE, KINDS[kind.name], costs_of(kind))


def recall_of(index, queries, k, allow):
    _, best = Flat(TABLE).search(queries, k, allow)
    _, found = index.search(queries, k, allow)
    wanted = np.isfinite(best)
    least = np.where(wanted, best, np.inf).min(axis=1, keepdims=True)
    return np.count_nonzero((found >= least) & wanted) / max(np.count_nonzero(wanted), 1)


def filters():
    rng = np.random.default_rng(9)
    for share in (0.95, 0.5, 0.1, 0.01, 0.001):
        yield f"random {share}", rng.random(ROWS) < share
    yield "one topic", ASKED[0] == TOPICS
    yield "all but one topic", ASKED[0] != TOPICS
    yield "half of the topics", TOPICS < 25
    yield "one row", np.arange(ROWS) == 77
    yield "nothing", np.zeros(ROWS, np.bool_)


@pytest.mark.parametrize(("name", "allow"), list(filters()))
def test_filters_keep_recall_and_leave_no_holes(approximate, name, allow):
    same_topic = QUERIES[ASKED[0] == ASKED]
    for queries in (QUERIES[:150], same_topic):
        for step in (1, 150):  # one by one, and at once
            parts = [
                approximate.search(queries[i : i + step], 10, allow)
                for i in range(0, min(len(queries), 40 if step == 1 else 150), step)
            ]
            rows = np.concatenate([part[0] for part in parts])
            scores = np.concatenate([part[1] for part in parts])
            wanted = min(10, int(allow.sum()))
            assert (rows[:, :wanted] >= 0).all()
            assert (rows[:, wanted:] == -1).all()
            assert allow[rows[:, :wanted]].all()
            assert all(len(set(row[:wanted])) == wanted for row in rows.tolist())
            for i in range(0, len(rows), 11):
                _, exact = Flat(TABLE).search_rows(queries[i : i + 1], 10, rows[i, :wanted])
                assert scores[i, :wanted].tobytes() == exact[0, :wanted].tobytes()
        assert not allow.any() or recall_of(approximate, queries, 10, allow) > 0.97


@settings(max_examples=25)
@given(data=st.data())
def test_any_filter_leaves_no_holes(approximate, data):
    """Against brute force: as many as pass, exact scores in order, whichever way is taken."""
    seed = data.draw(st.integers(0, 1000), label="seed")
    share = data.draw(st.floats(0, 1), label="share")
    k = data.draw(st.integers(1, 60), label="k")
    near = data.draw(st.floats(-1, 1), label="how near what passes is to the query")
    rng = np.random.default_rng(seed)
    query = QUERIES[seed % len(QUERIES)][None]
    allow = rng.random(ROWS) + near * (TABLE @ query[0]) < share
    rows, scores = approximate.search(query, k, allow)
    passing = np.flatnonzero(allow)
    wanted = min(k, len(passing))
    assert set(rows[0, :wanted].tolist()) <= set(passing.tolist())
    assert len(set(rows[0, :wanted].tolist())) == wanted
    assert (rows[0, wanted:] == -1).all()
    assert np.isneginf(scores[0, wanted:]).all()
    best = np.sort(TABLE[passing] @ query[0])[::-1][:wanted]
    assert scores[0, :wanted] == pytest.approx(TABLE[rows[0, :wanted]] @ query[0], abs=1e-5)
    assert (np.diff(scores[0, :wanted]) <= 0).all()
    # Each place is at most as good as by brute force; most are as good.
    assert (scores[0, :wanted] <= best + 1e-5).all()
    assert wanted == 0 or np.mean(scores[0, :wanted] >= best[-1] - 1e-5) >= 0.7


def test_every_way_is_taken_somewhere(approximate):
    ways = {approximate._plan(10, int(allow.sum()), 1).way for _, allow in filters()}
    of_lists = {"selector"} if approximate.lists else set()
    of_faiss = set() if approximate._widens else {"over-fetch"}
    assert ways == {"exact", *of_faiss, *of_lists}
    told = approximate.describe(10, TOPICS < 25)
    assert f"of {ROWS:,} rows pass" in told
    assert ("selector" if approximate.lists else "rows in sight") in told
    assert ("the fewer rows pass" in told) == (approximate._widens and approximate.lists > 1)


@pytest.mark.parametrize("queries", [1, 12])
def test_what_follows_an_over_fetch_is_exact_where_that_is_cheaper(monkeypatch, queries):
    """The codes are so coarse that the selector would miss some."""
    monkeypatch.setattr(lookup, "LOADING", lookup.Loading(math.inf, lambda: None))
    index = from_bytes(to_bytes(BUILDER.build(structure_of("pq2")).index), TABLE)
    costs = Costs(row=0.01, row_in_batch=0.01, fetch=0.001, scan=5000, probe=1)
    approximate = Approximate(index, TABLE, Effort(10, 1, 10), costs)
    asked = np.repeat(QUERIES[:1], queries, axis=0)
    products = TABLE @ asked[0]
    allow = products < np.median(products)  # nothing passes near the query
    assert approximate._plan(10, int(allow.sum()), queries).way == "over-fetch"
    rows, scores = approximate.search(asked, 10, allow)
    best, highest = Flat(TABLE).search(asked, 10, allow)
    assert (rows.tolist(), scores.tobytes()) == (best.tolist(), highest.tobytes())


def test_more_is_scored_for_a_greater_k(approximate):
    assert recall_of(approximate, QUERIES[:100], 1, ALL) > 0.97
    assert recall_of(approximate, QUERIES[:100], 40, ALL) > 0.97
    rows, _ = approximate.search(QUERIES[:3], ROWS + 2, ALL)
    assert ((rows >= 0).sum(axis=1) == ROWS).all()


def test_a_batch_finds_what_single_queries_find(approximate):
    rows, scores = approximate.search(QUERIES[:50], 10, ALL)
    for i in range(50):
        row, score = approximate.search(QUERIES[i : i + 1], 10, ALL)
        assert row[0].tolist() == rows[i].tolist()
        assert score[0].tobytes() == scores[i].tobytes()


def test_the_same_vectors_give_the_same_index(kind):
    assert to_bytes(Builder(TABLE).build(kind).index) == to_bytes(BUILDER.build(kind).index)


def test_a_graph_does_not_depend_on_threads():
    faiss = load_faiss()
    graph = Structure.named("hnsw8-float32")
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        several = to_bytes(Builder(TABLE).build(graph).index)
    finally:
        faiss.omp_set_num_threads(threads)
    assert several == to_bytes(BUILDER.build(graph).index)


def test_memory_is_what_was_foretold(kind):
    index = BUILDER.build(kind).index
    learnt = 40_000  # a rotation, centroids: what doesn't grow with rows
    foretold = kind.bytes_per_vector(DIM) * ROWS
    assert foretold * 0.9 <= memory_of(index) <= 1.1 * foretold + learnt
    if kind.codes == "float32":
        assert memory_of(index) == len(to_bytes(index)) + TABLE.nbytes


def test_what_takes_too_long_is_given_up_early():
    builder = Builder(TABLE)
    with pytest.raises(TooLong) as first:
        builder.build(Structure.named("hnsw32-bf16"), most=0.001)
    assert first.value.seconds > 0.001
    with pytest.raises(TooLong) as again:
        builder.build(Structure.named("hnsw32-sq8"), most=0.001)
    assert again.value is first.value  # the same graph is not begun again
    with pytest.raises(TooLong):
        builder.build(Structure.named("pq2"), most=0.0)
    assert builder.build(Structure.named("hnsw32-sq8")).index.ntotal == ROWS


# --- the contract


def documents(table, first=0):
    for i, vector in enumerate(table, first):
        yield Document(f"d{i}", f"word{i % 7}", meta={"n": i}, vector=vector)


def compact_to(folder, name, **wanted):
    """Compact an index with one kind of index alone to be tried, which is to win."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "structures", lambda *_: [Structure.named(name)])
        # What is faster depends on the machine.
        for room in (tuning, trials):
            patch.setattr(room, "microseconds", lambda i, *_, **__: 1e3 * isinstance(i, Flat))
        return Index.open(folder).compact(0.9, vectors=QUERIES, **wanted)


@pytest.fixture(scope="module", params=["pq2", "ivf32-rabitq", "ivf32-sq8", *GRAPHS])
def tuned(request, tmp_path_factory):
    """An index that was tuned on 600 queries; copied by those who change it."""
    folder = tmp_path_factory.mktemp("tuned") / "index"
    Index.create(folder, OwnVectors(DIM), documents=documents(TABLE))
    assert compact_to(folder, request.param).name == request.param
    return folder


@pytest.fixture
def copy(tuned, tmp_path):
    shutil.copytree(tuned, tmp_path / "copy")
    return tmp_path / "copy"


def scores_of(searcher, vectors, where=None):
    return [
        [score for _, score in ranking]
        for ranking in searcher.rank_many([""] * len(vectors), 10, where, "dense", vectors=vectors)
    ]


def recall_against(searcher, vectors, table, where=None):
    found = scores_of(searcher, vectors, where)
    _, best = Flat(table).search(vectors, 10, ALL)
    return np.mean([[s >= row[-1] for s in mine] for mine, row in zip(found, best, strict=True)])


def test_held_out_queries_get_the_recall(tuned):
    index = Index.open(tuned)
    contract = index.info()["nearest"]
    assert contract["structure"] is not None
    assert contract["bound"] >= 0.9
    assert (contract["selected_on"], contract["proved_on"]) == (150, 450)
    assert contract["outgrown"] is None
    assert recall_against(index.searcher(), HELD_OUT, TABLE) >= 0.9
    [(promised, again)] = index.check_recall(vectors=HELD_OUT)
    assert promised.target == 0.9
    assert again.recall == pytest.approx(
        recall_against(index.searcher(), HELD_OUT, TABLE), abs=0.01
    )
    assert index.verify() == []
    assert litter(tuned) == set()


def test_what_is_added_is_found_at_once_and_what_is_deleted_never(copy):
    index = Index.open(copy)
    more, _ = clustered(300, 4)
    with index.writer() as writer:
        writer.add(documents(more, ROWS))
        writer.delete(f"d{i}" for i in range(0, ROWS, 5))
    searcher = index.searcher()
    assert [part.segment.nearest is None for part in searcher.snapshot.parts] == [False, True]
    alive = np.concatenate([TABLE[np.arange(ROWS) % 5 > 0], more])
    assert recall_against(searcher, HELD_OUT[:300], alive) >= 0.9
    for i in range(0, 300, 13):
        assert searcher.search(k=1, vector=more[i])[0].id == f"d{ROWS + i}"
    gone = {f"d{i}" for i in range(0, ROWS, 5)}
    for i in range(0, ROWS, 100):
        assert gone.isdisjoint(hit.id for hit in searcher.search(vector=TABLE[i]))
    assert index.check_recall(vectors=HELD_OUT)[0][1].bound >= 0.9


def test_an_interrupted_tuning_leaves_what_there_was(copy, monkeypatch):
    index = Index.open(copy)
    before, contract = index.manifest(), index.info()["nearest"]

    def interrupted(self, structure, most):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning.Builder, "build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        index.compact(0.95, vectors=QUERIES)
    assert index.manifest() == before
    assert index.info()["nearest"] == contract
    assert litter(copy) == set()
    assert recall_against(index.searcher(), QUERIES[:100], TABLE) >= 0.9


def test_growth_is_said_once(copy):
    index = Index.open(copy)
    with index.writer() as writer:
        writer.add(documents(TABLE[:1200] + 0, ROWS))
    searcher = index.searcher()
    with pytest.warns(RecallWarning, match="1,200 came later.*exact and slower"):
        searcher.search(vector=QUERIES[0])
    searcher.search(vector=QUERIES[0])  # warnings are errors here
    assert "came later" in index.info()["nearest"]["outgrown"]
    with index.writer() as writer:
        writer.delete_where(f"n < {ROWS // 2}")
        writer.delete_where(f"n >= {ROWS}")
    with pytest.warns(RecallWarning, match="2,000 of their 4,000 documents are gone"):
        index.searcher().search(vector=QUERIES[0])
    # Compacting without a recall makes search exact again.
    index.compact()
    assert index.info()["nearest"] is None
    assert index.check_recall(vectors=QUERIES) == []
    assert litter(copy) == set()


def test_an_index_of_one_segment_is_searched_exactly_again(copy):
    index = Index.open(copy)
    assert index.info()["nearest"] is not None
    index.compact()
    assert index.info()["nearest"] is None
    assert recall_against(index.searcher(), QUERIES, TABLE) == 1
    assert litter(copy) == set()


def test_a_reader_goes_on_while_it_is_compacted(copy):
    index = Index.open(copy)
    with index.writer() as writer:
        writer.add(documents(clustered(50, 10)[0], ROWS))
    reader = index.searcher()  # what it reads lazily is gone before it reads it
    generation = index.manifest().generation
    before = index.searcher()
    expected = scores_of(before, HELD_OUT[:40])
    seen = []
    stop = threading.Event()

    def read():
        while not stop.is_set():
            seen.append(scores_of(before, HELD_OUT[:40]))

    thread = threading.Thread(target=read)
    thread.start()
    contract = index.compact(0.9, vectors=QUERIES, seconds=0)
    stop.set()
    thread.join()
    assert contract is not None
    assert index.manifest().generation == generation + 1
    assert seen
    assert all(each == expected for each in seen)
    assert scores_of(reader, HELD_OUT[:40]) == expected
    assert len(index.searcher().snapshot.parts) == 1
    assert litter(copy) == set()


def test_flipped_bytes_are_a_sentence(copy):
    [file] = copy.glob("segments/*/nearest.*.faiss")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    searcher = Index.open(copy).searcher()
    with pytest.raises(IndexCorrupt, match=r"nearest.*isn't what was written"):
        searcher.search(vector=QUERIES[0])
    assert [problem.path for problem in Index.open(copy).verify()] == [file]
    assert len(searcher.search("word1", by="bm25")) == 10
    file.write_bytes(data[:-1])
    with pytest.raises(IndexCorrupt, match=r"nearest.*bytes where the manifest says"):
        Index.open(copy).searcher()
    file.unlink()
    with pytest.raises(IndexCorrupt, match=r"nearest.*missing"):
        Index.open(copy).searcher()


def test_an_index_that_was_never_tuned_has_the_plain_format(tuned, tmp_path):
    Index.create(tmp_path / "plain", OwnVectors(DIM), documents=documents(TABLE[:5]))
    plain = json.loads((tmp_path / "plain" / "manifest.json").read_text())["body"]
    assert plain["version"] == 2
    assert all("nearest" not in segment for segment in plain["segments"])
    assert json.loads((tuned / "manifest.json").read_text())["body"]["version"] == 3


def test_few_rows_are_searched_exactly(tmp_path):
    index = Index.create(tmp_path / "i", OwnVectors(DIM), documents=documents(TABLE[:500]))
    contract = index.compact(0.99, vectors=QUERIES)
    assert contract is not None
    assert (contract.name, contract.bound) == ("flat", 1.0)
    assert recall_against(index.searcher(), QUERIES, TABLE[:500]) == 1
    few = Index.create(tmp_path / "few", OwnVectors(DIM), documents=documents(TABLE[:20]))
    few.compact(np.float32(0.99), k=np.int64(10), vectors=QUERIES)
    assert few.check_recall()[0][1].bound == 1  # whatever 20 queries could prove
    empty = Index.create(tmp_path / "empty", OwnVectors(DIM))
    assert empty.compact(0.9, vectors=QUERIES) is None


def test_without_queries_documents_ask_and_that_is_said(tmp_path):
    index = Index.create(tmp_path / "i", OwnVectors(DIM), documents=documents(TABLE))
    with pytest.warns(RecallWarning, match="documents ask"):
        contract = index.compact(0.9, seconds=0)
    assert contract is not None
    assert contract.source == "documents"
    [(_, again)] = index.check_recall()
    assert again.source == "documents"


def test_memory_is_kept_to():
    def names(memory, rows=ROWS, dim=DIM):
        found = {each.name for each in structures(rows, dim, memory)}
        return {name for name in found if "rabitq" not in name}  # an older FAISS hasn't it

    graphs = {"hnsw32-float32", "hnsw32-bf16", "hnsw32-sq8"}
    lists = {"ivf64-pq2", "ivf64-pq4", "ivf64-pq8", "ivf64-sq8"}
    assert names(None) == names(1000) == {"pq2", "pq4", "pq8", *lists, *graphs}
    # 30 numbers: 4 bytes at a width of 4, and 8 for the row's number.
    assert names(12) == {"pq4", "ivf64-pq4", "pq8", "ivf64-pq8"}
    assert names(5) == set()
    # Of 1,024 bytes of a vector: a half, a quarter, an eighth, a sixteenth, a thirty-second.
    most = [names(1024 / times, 200_000, 256) for times in (2, 4, 8, 16, 32)]
    assert [len(each) for each in most] == [7, 6, 6, 4, 2]


def test_the_fastest_within_memory_is_taken(tmp_path):
    index = Index.create(tmp_path / "i", OwnVectors(DIM), documents=documents(TABLE))
    contract = index.compact(0.9, vectors=QUERIES, memory_per_vector=24)
    assert contract is not None
    assert contract.bytes <= 24 * ROWS
    assert all(each.bytes <= 24 * ROWS for each in contract.alternatives)


def test_what_there_is_no_time_for_is_said(tmp_path, monkeypatch):
    index = Index.create(tmp_path / "i", OwnVectors(DIM), documents=documents(TABLE))
    contract = index.compact(0.9, vectors=QUERIES, seconds=0)
    assert contract is not None
    assert [each.name for each in contract.alternatives if each.name != "pq4"] == []
    assert {each.name for each in contract.left_out} >= {"pq2", "hnsw32-bf16"}
    assert all(each.seconds is None for each in contract.left_out)

    build = Builder.build

    def slow(self, structure, most=math.inf):
        if structure.links:
            raise TooLong(321.0)
        return build(self, structure, most)

    monkeypatch.setattr(tuning.Builder, "build", slow)
    contract = index.compact(0.9, vectors=QUERIES)
    assert {each.seconds for each in contract.left_out} == {321.0}
    assert index.info()["nearest"]["left_out"][0]["name"] == "hnsw32-bf16"
    told = CliRunner().invoke(main, ["info", str(index.folder)]).output
    assert "left out: hnsw32-bf16, since building it takes about 321 s" in told
    assert "hnsw32: a graph" in told


def test_what_was_tuned_before_there_were_other_kinds_is_read():
    assert Structure.from_dict({"lists": 1, "width": 4}) == Structure("pq4")
    assert Structure.from_dict({"lists": 64, "width": 2}).name == "ivf64-pq2"
    for wrong in ({"codes": "pq3", "lists": 1, "links": 0}, {"lists": 1, "width": 3}):
        with pytest.raises(ValueError, match="no structure is called"):
            Structure.from_dict(wrong)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(1.0), "between 0 and 1"),
        (Request(0), "between 0 and 1"),
        (Request(float("nan")), "between 0 and 1"),
        (Request(0.9, k=0), "at least 1"),
        (Request(0.9, memory=0), "bytes for each vector"),
        (Request(0.9, seconds=-1), "seconds"),
    ],
)
def test_what_cannot_be_wanted(request_, message):
    with pytest.raises(UsageError, match=message):
        request_.check()


def test_queries_that_prove_nothing(tmp_path, copy, monkeypatch):
    index = Index.open(copy)
    with pytest.raises(UsageError, match="at least 100 queries"):
        index.compact(0.9, vectors=QUERIES[:50])
    generation = index.manifest().generation
    with index.writer() as writer:
        writer.delete(["d0"])
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "compact", lambda self: pytest.fail("it was begun"))
        with pytest.raises(UsageError, match=r"100 queries that have a vector.*; 50 were given"):
            index.compact(0.9, vectors=np.concatenate([QUERIES[:50], 0 * QUERIES[:80]]))
    assert index.manifest().generation == generation + 1
    with pytest.raises(UsageError, match="a list of texts, not one text"):
        index.compact(0.9, queries="what is a lighthouse?")
    with pytest.raises(UsageError, match="not both"):
        index.compact(0.9, queries=["a"], vectors=QUERIES)
    with pytest.raises(UsageError, match="owner's own"):
        index.compact(0.9, queries=["a"] * 200)
    words = Index.create(tmp_path / "words", None, documents=[Document("a", "b")])
    with pytest.raises(UsageError, match="no embeddings"):
        words.compact(0.9)
    assert words.check_recall() == []
    assert index.info()["nearest"]["bound"] >= 0.9


def test_the_command_line(copy, tmp_path):
    np.save(tmp_path / "q.npy", QUERIES)

    def run(*words, code=0):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done.output

    asked = ("--vectors", tmp_path / "q.npy")
    told = run("verify", copy, "--recall", *asked)
    assert "recall@10 of 0.9 is kept" in told
    told = run("info", copy)
    assert (
        f"chosen: {json.loads(run('info', copy, '--json'))['nearest']['structure']['codes']}"
        in (told.replace("ivf32-", "").replace("hnsw8-", ""))
    )
    assert "lost: flat" in told
    assert json.loads(run("info", copy, "--json"))["nearest"]["target"] == 0.9
    told = run("compact", copy, "--recall", "0.8", "-k", 5, "--seconds", 0, *asked)
    assert "recall@5 of at least 0.8" in told
    assert "searching exactly" in told
    assert "go with --recall" in run("verify", copy, *asked, code=2)
    for without in (asked, ("-k", 10), ("--seconds", 60), ("--memory-per-vector", 9)):
        assert "goes with --recall" in run("compact", copy, *without, code=2)
    assert "between 0 and 1" in run("compact", copy, "--recall", 2, *asked, code=2)
    run("compact", copy, "--recall", "0.8", "--memory-per-vector", 1, *asked)
    assert "flat" in run("info", copy)
    assert "is kept" in run("verify", copy, "--recall")
    assert "no longer tuned: --recall 0.8 tunes it again." in run("compact", copy)
    assert "no longer" not in run("compact", copy)
    assert json.loads(run("info", copy, "--json"))["nearest"] is None
