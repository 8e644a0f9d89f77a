"""Fusions of retrievers equal the formulas, in the one order, and choose the right passage."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import by_level, in_order, min_max, reciprocal, weighted_sum
from toy import HashEncoder, fruit

from vecsearch import ALL, BM25, Arm, Document, Index, Lexical, ReciprocalRank, WeightedSum
from vecsearch.errors import UsageError
from vecsearch.retrieve.base import ranking_of, top_k
from vecsearch.retrieve.dense import Dense

# Documents "a" to "h" of one to three rows, over two segments: a has row 0, b has rows 1 and 2, ...
SIZES = {"a": 1, "b": 2, "c": 3, "d": 1, "e": 1, "f": 2, "g": 1, "h": 1}
OWNERS = [name for name, size in SIZES.items() for _ in range(size)]
ROWS = len(OWNERS)


class Fixed(NamedTuple):
    """A retriever whose scores are given by row, for any query."""

    scores: dict[int, float]
    name: str = "fixed"

    def best(self, allowed):
        """The best row of each document, (score, row); of equal rows the first."""
        best = {}
        for row in sorted(self.scores):
            score = float(np.float32(self.scores[row]))
            if allowed[row] and (OWNERS[row] not in best or score > best[OWNERS[row]][0]):
                best[OWNERS[row]] = score, row
        return best

    def ranking(self, allowed, depth):
        return in_order({name: score for name, (score, _) in self.best(allowed).items()})[:depth]

    def retrieve(self, queries, k, allow):
        allowed = np.ones(ROWS, bool) if allow is ALL else allow
        best = self.best(allowed)
        rows = [best[name][1] for name, _ in self.ranking(allowed, k)]
        scores = [score for _, score in self.ranking(allowed, k)]
        one = np.array(rows, np.int64), np.array(scores, np.float32)
        return top_k([one for _ in queries], k)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    index = Index.create(tmp_path_factory.mktemp("fusion") / "index", None, "plain", passages=1)
    documents = [Document(name, "\n\n".join("x" * size)) for name, size in SIZES.items()]
    for batch in (documents[:6], documents[6:]):
        with index.writer() as writer:
            writer.add(batch)
    made = index.searcher().snapshot
    assert len(made.parts) == 2
    assert [made.id_of(row) for row in range(made.rows)] == OWNERS
    return made


def fuse(fusion, k, allow=ALL):
    """The documents, scores and rows that a fusion finds."""
    rows, scores = ranking_of(fusion.retrieve(["any"], k, allow), 0)
    return [
        (OWNERS[row], score, row) for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
    ]


def made(snapshot, arms, depth, constant):
    """A fusion of fixed arms: reciprocal rank where there is a constant."""
    parts = [Arm(Fixed(scores), weight) for scores, weight in arms]
    if constant is None:
        return WeightedSum(snapshot, parts, depth=depth)
    return ReciprocalRank(snapshot, parts, constant=constant, depth=depth)


def check(snapshot, arms, k, depth, allow, constant=None):
    """Compare a fusion with its oracle, and each row with the arm that adds most."""

    def scale(ranking):
        return min_max(ranking) if constant is None else reciprocal(ranking, constant)

    allowed = np.ones(ROWS, bool) if allow is ALL else allow
    retrievers = [(Fixed(scores), weight) for scores, weight in arms]
    rankings = [(arm.ranking(allowed, ROWS), weight) for arm, weight in retrievers]
    found = fuse(made(snapshot, arms, depth, constant), k, allow)
    assert [(name, score) for name, score, _ in found] == by_level(rankings, scale, depth, k)
    if k <= depth:
        plain = weighted_sum([(scale(ranking[:depth]), weight) for ranking, weight in rankings])
        assert [(name, score) for name, score, _ in found] == in_order(plain)[:k]
    for name, score, row in found:
        cut = depth
        while not any(name in dict(ranking[:cut]) for ranking, _ in rankings):
            cut *= 2
        assert (score < 0) == (cut > depth)
        shares = [(scale(ranking[:cut]), weight) for ranking, weight in rankings]
        gains = [weight * each[name] if name in each else -math.inf for each, weight in shares]
        chosen, _ = retrievers[gains.index(max(gains))]
        assert row == chosen.best(allowed)[name][1]
    return found


# Few values, so that ties abound: one that is a tie in 32 bits only, others that are so near to
# each other, or so far away, that the scores of two levels meet.
values = st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 1.0 + 2e-7, 2.0, -3.0, 0.1, -1e30, -3e38])
tables = st.dictionaries(st.integers(0, ROWS - 1), values, max_size=ROWS)
arms = st.lists(
    st.tuples(tables, st.sampled_from([0.0, 1e-46, 0.3, 0.5, 1.0, 2.0])), min_size=1, max_size=3
)
masks = st.one_of(st.just(ALL), st.lists(st.booleans(), min_size=ROWS, max_size=ROWS).map(np.array))
sizes = st.integers(1, 10)


@settings(max_examples=200)
@given(arms, sizes, sizes, masks)
@example([({}, 1.0), ({0: 1.0}, 1.0)], 3, 3, ALL)
@example([({0: 2.0}, 0.5), ({0: -7.0, 1: -8.0}, 0.5)], 3, 1, ALL)
def test_a_weighted_sum_is_its_formula(snapshot, arms, k, depth, allow):
    check(snapshot, arms, k, depth, allow)


@settings(max_examples=200)
@given(arms, sizes, sizes, masks, st.sampled_from([0, 1, 60, 2.5]))
def test_reciprocal_rank_is_its_formula(snapshot, arms, k, depth, allow, constant):
    check(snapshot, arms, k, depth, allow, constant)


constants = st.sampled_from([None, 0, 2.5, 60, 1e300])


@settings(max_examples=100)
@given(arms, sizes, masks, constants)
@example([({0: 1.0, 1: 1.0}, 0.0), ({3: 1.0, 6: 1.0}, 0.0)], 1, ALL, None)
def test_an_answer_is_the_start_of_every_longer_one(snapshot, arms, depth, allow, constant):
    fusion = made(snapshot, arms, depth, constant)
    longest = fuse(fusion, 3 * ROWS, allow)
    for k in range(1, 2 * len(SIZES)):
        assert fuse(fusion, k, allow) == longest[:k]
    # It has every document that an arm has, and a run file of it sorts as it is ranked.
    allowed = np.ones(ROWS, bool) if allow is ALL else allow
    everything = {name for scores, _ in arms for name in Fixed(scores).best(allowed)}
    names = [name for name, _, _ in longest]
    assert len(names) == len(everything)
    assert set(names) == everything
    assert names == [name for name, _ in in_order({name: score for name, score, _ in longest})]


def test_by_hand(snapshot):
    arms = [Arm(Fixed({0: 4.0, 1: 2.0, 3: 3.0}), 0.5), Arm(Fixed({2: 0.9, 6: 0.5, 0: 0.1}), 0.5)]
    # a: 1 and 0; c: 0.5; b: 0 and 1; d: 0.5.
    assert fuse(WeightedSum(snapshot, arms), 9) == [
        ("b", 0.5, 2),
        ("a", 0.5, 0),
        ("d", 0.25, 6),
        ("c", 0.25, 3),
    ]
    found = fuse(ReciprocalRank(snapshot, arms), 9)
    assert [(name, row) for name, _, row in found] == [("b", 2), ("a", 0), ("d", 6), ("c", 3)]
    expected = [(1 / 63 + 1 / 61) / 2, (1 / 61 + 1 / 63) / 2, 1 / 62 / 2, 1 / 62 / 2]
    assert [score for _, score, _ in found] == pytest.approx(expected, rel=1e-6)


def test_an_arm_with_one_result_gives_it_all(snapshot):
    found = check(snapshot, [({0: -5.0}, 0.7), ({1: 3.0, 0: 2.0}, 0.3)], 5, 100, ALL)
    assert [(name, round(score, 6)) for name, score, _ in found] == [("a", 0.7), ("b", 0.3)]


def test_an_arm_whose_scores_are_equal_gives_all_of_it_to_all(snapshot):
    found = check(snapshot, [({0: 2.0, 1: 2.0, 3: 2.0}, 1.0), ({0: 1.0, 6: 0.0}, 0.5)], 5, 9, ALL)
    assert [(name, score) for name, score, _ in found] == [("a", 1.5), ("c", 1), ("b", 1), ("d", 0)]


def test_an_arm_that_finds_nothing(snapshot):
    alone = check(snapshot, [({0: 2.0, 1: 1.0}, 0.5)], 5, 9, ALL)
    assert check(snapshot, [({}, 0.5), ({0: 2.0, 1: 1.0}, 0.5)], 5, 9, ALL) == alone
    assert check(snapshot, [({}, 0.5), ({}, 0.5)], 5, 9, ALL) == []


def test_levels_by_hand(snapshot):
    # Ranked a, b, c, d, e, f, g and g, h, a, b; the first level is a, b, g, h.
    first = {0: 8.0, 1: 7.0, 3: 6.0, 6: 5.0, 7: 4.0, 8: 3.0, 10: 2.0}
    second = {10: 4.0, 11: 3.0, 0: 2.0, 1: 1.0}
    arms = [(first, 2.0), (second, 1.0)]
    found = check(snapshot, arms, 9, 2, ALL)
    assert [name for name, _, _ in found] == ["a", "g", "h", "b", "c", "d", "e", "f"]
    assert [score for _, score, _ in found] == pytest.approx(
        [2, 1, 0, 0, 2 / 3 - 3, -3, 2 / 3 - 6, 1 / 3 - 6]
    )
    found = check(snapshot, arms, 9, 2, ALL, 60)
    assert [name for name, _, _ in found] == ["a", "b", "g", "h", "c", "d", "e", "f"]
    level_1 = [2 / 61, 2 / 62, 1 / 61, 1 / 62]
    level_2 = [2 / 63 - 3 / 61, 2 / 64 - 3 / 61]
    level_3 = [2 / 65 - 6 / 61, 2 / 66 - 6 / 61]
    assert [score for _, score, _ in found] == pytest.approx(level_1 + level_2 + level_3)


def test_levels_never_meet(snapshot):
    # Of ever greater ranges, so that in the end the best of a level seem as good as the first.
    values = [1 + 3e-7, 1 + 2e-7, 1, -1e30, -1.000001e30, -1.000002e30, -1.000003e30, -3e38]
    rows = [OWNERS.index(name) for name in SIZES]
    found = check(snapshot, [(dict(zip(rows, values, strict=True)), 1.0)], 8, 2, ALL)
    assert [name for name, _, _ in found] == ["a", "b", "c", "d", "g", "f", "e", "h"]
    scores = [score for _, score, _ in found]
    assert scores[:5] == pytest.approx([1, 0, 0, -1, -1], abs=1e-6)
    assert scores[1] > scores[2]
    assert scores[3] > scores[4]
    # Arms that weigh nothing: nearer to 0 there is no number.
    found = check(snapshot, [(dict.fromkeys(rows, 1.0), 0.0)], 8, 1, ALL)
    assert [name for name, _, _ in found] == ["h", "g", "f", "e", "d", "c", "b", "a"]
    assert found[0][1] == 0 > found[1][1] > found[2][1] == found[3][1] > found[4][1] > -1e-40


def test_fusions_of_fusions(snapshot):
    first, second = Fixed({0: 1.0, 3: 0.5, 1: 0.2}), Fixed({6: 1.0, 1: 0.7, 7: 0.1})
    inner = WeightedSum(snapshot, [Arm(first, 1.0), Arm(second, 1.0)])
    outer = ReciprocalRank(snapshot, [Arm(inner, 1.0), Arm(second, 0.5)], constant=0)
    ranked = [name for name, _, _ in fuse(inner, 10)]
    expected = weighted_sum(
        [
            ({name: 1 / (i + 1) for i, name in enumerate(ranked)}, 1.0),
            (reciprocal(second.ranking(np.ones(ROWS, bool), 100), 0), 0.5),
        ]
    )
    assert [(name, score) for name, score, _ in fuse(outer, 10)] == in_order(expected)


@pytest.mark.parametrize("k", [1, 5, 30, 150, 269, 1000])
@pytest.mark.parametrize("where", [None, "n < 40"])
def test_hybrid_is_half_bm25_and_half_dense(tmp_path_factory, k, where):
    index = Index.create(tmp_path_factory.mktemp("hybrid") / "i", HashEncoder(), "english")
    for batch in (range(200), range(200, 260), range(260, 270)):
        with index.writer() as writer:
            writer.add(fruit(batch))
    searcher = index.searcher()
    snapshot = searcher.snapshot
    assert searcher.default == searcher.retriever().name == "hybrid"
    assert len(snapshot.parts) > 1
    queries = ["red apple", "ripe", "number7", "of no", "green plum about pears"]
    hybrid = searcher.rank_many(queries, k, where)
    bm25 = searcher.rank_many(queries, 300, where, "bm25")
    dense = searcher.rank_many(queries, 300, where, "dense")
    for mine, one, other in zip(hybrid, bm25, dense, strict=True):
        assert mine == by_level([(one, 0.5), (other, 0.5)], min_max, 100, k)
    arms = [
        Arm(Lexical(snapshot, searcher.analyzer, BM25()), 0.5),
        Arm(Dense(snapshot, HashEncoder), 0.5),
    ]
    assert searcher.rank_many(queries, k, where, WeightedSum(snapshot, arms)) == hybrid


def test_what_can_not_be_fused(snapshot):
    arm = Arm(Fixed({}), 1.0)
    for make in (WeightedSum, ReciprocalRank):
        with pytest.raises(UsageError, match="at least one retriever"):
            make(snapshot, [])
        with pytest.raises(UsageError, match="depth of a fusion is at least 1, not 0"):
            make(snapshot, [arm], depth=0)
        for weight in (-1.0, math.nan, math.inf):
            with pytest.raises(UsageError, match="weight is at least 0 and finite, not"):
                make(snapshot, [arm, Arm(arm.retriever, weight)])
        with pytest.raises(UsageError, match="k is the number"):
            make(snapshot, [arm]).retrieve(["any"], 0, ALL)
    for constant in (-1, math.nan, math.inf):
        with pytest.raises(UsageError, match="constant of reciprocal rank"):
            ReciprocalRank(snapshot, [arm], constant=constant)
