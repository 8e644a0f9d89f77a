"""The compiled loops give what the plain path gives, bit for bit, whatever the history."""

from __future__ import annotations

import contextlib
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecsearch import ALL, BM25, Document, Index, TfIdf
from vecsearch.kernels import compiled
from vecsearch.kernels.best import nth_greatest
from vecsearch.kernels.bits import WIDE, as_great
from vecsearch.kernels.postings import places_of
from vecsearch.kernels.rough import MOST_TERMS
from vecsearch.retrieve import scoring
from vecsearch.retrieve.scoring import Scorer
from vecsearch.retrieve.terms import Terms

WEIGHTINGS = [
    BM25(),
    BM25(k1=0.0, b=1.0),
    BM25(variant="robertson"),
    BM25(variant="atire"),
    BM25(variant="bm25+"),
    BM25(variant="bm25l", delta=1.0),
    TfIdf(),
    TfIdf(sublinear=True, l2=False),
]


@contextlib.contextmanager
def way(compiled):
    """Score by compiled loops, or without."""
    loading = scoring._Loading()
    loading.spend(1e9 if compiled else -1e9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "_LOADING", loading)
        yield


def ranked(searcher, weighting, queries, k, allow, compiled):
    scorer = Scorer(searcher.snapshot, Terms(searcher.snapshot, weighting))
    with way(compiled):
        return scorer.rank([Counter(each) for each in queries], k, allow)


def check(searcher, weighting, queries, k, allow):
    plain = ranked(searcher, weighting, queries, k, allow, False)
    fast = ranked(searcher, weighting, queries, k, allow, True)
    for (rows, scores), (fast_rows, fast_scores) in zip(plain, fast, strict=True):
        assert fast_rows.tolist() == rows.tolist()
        assert fast_scores.tobytes() == scores.tobytes()


words = st.text("abcd", min_size=1, max_size=1)
texts = st.lists(words, max_size=12).map(" ".join)


@pytest.mark.parametrize("weighting", WEIGHTINGS, ids=str)
@given(
    commits=st.lists(st.lists(texts, min_size=1, max_size=6), min_size=1, max_size=3),
    doomed=st.sets(st.integers(0, 17), max_size=4),
    queries=st.lists(st.lists(words, max_size=4), min_size=1, max_size=4),
    k=st.integers(1, 4),
    passages=st.sampled_from([None, 3]),
    bits=st.sampled_from([1, 2, 16]),
    chance=st.randoms(use_true_random=False),
)
@settings(max_examples=25)
def test_any_history(
    tmp_path_factory, weighting, commits, doomed, queries, k, passages, bits, chance
):
    with pytest.MonkeyPatch.context() as patch:
        for room in ("postings", "postings_build", "postings_merge"):
            patch.setattr(f"vecsearch.store.{room}.BLOCK_BITS", bits)
        patch.setattr("vecsearch.retrieve.scoring.BLOCK_BITS", bits)
        folder = tmp_path_factory.mktemp("any") / "index"
        index = Index.create(folder, None, "plain", passages=passages)
        number = 0
        for commit in commits:
            with index.writer() as writer:
                for text in commit:
                    writer.add(Document(str(number), text))
                    number += 1
        with index.writer() as writer:
            writer.delete([str(each) for each in doomed if each < number])
        searcher = index.searcher()
        alive = searcher.mask()
        check(searcher, weighting, queries, k, alive)
        some = np.array([chance.random() < 0.5 for _ in range(searcher.snapshot.rows)], np.bool_)
        check(searcher, weighting, queries, k, some if alive is ALL else some & alive)


@pytest.fixture(scope="module")
def many_ties(tmp_path_factory):
    """Several blocks of short texts in two segments, of words of every frequency."""
    chance = random.Random(2)
    vocabulary = [f"w{i}" for i in range(60)]
    weights = [1 / (i + 1) for i in range(60)]
    with pytest.MonkeyPatch.context() as patch:
        for room in ("postings", "postings_build", "postings_merge"):
            patch.setattr(f"vecsearch.store.{room}.BLOCK_BITS", 10)
        patch.setattr("vecsearch.retrieve.scoring.BLOCK_BITS", 10)
        index = Index.create(tmp_path_factory.mktemp("ties") / "index", None, "plain")
        for first, last in ((0, 2500), (2500, 3300)):
            with index.writer() as writer:
                for number in range(first, last):
                    text = " ".join(chance.choices(vocabulary, weights, k=chance.randint(1, 4)))
                    writer.add(Document(str(number), text))
        with index.writer() as writer:
            writer.delete([str(each) for each in chance.sample(range(3300), 200)])
        yield index.searcher()


@given(
    queries=st.lists(
        st.lists(st.integers(0, 59).map("w{}".format), max_size=6), min_size=1, max_size=3
    ),
    k=st.sampled_from([1, 2, 3, 10, 40, 500, 5000]),
    share=st.sampled_from([None, 0.5, 0.01]),
    weighting=st.sampled_from(WEIGHTINGS),
    seed=st.integers(0, 9),
)
@settings(max_examples=150)
def test_many_ties_in_several_blocks(many_ties, queries, k, share, weighting, seed):
    allow = many_ties.mask()
    if share is not None:
        allow = allow & (np.random.default_rng(seed).random(len(allow)) < share)
    check(many_ties, weighting, queries, k, allow)
    check(many_ties, weighting, queries, k, ALL)  # deleted rows pass too


def test_as_many_terms_as_sums_can_hold_and_more(tmp_path):
    index = Index.create(tmp_path / "index", None, "plain")
    chance = random.Random(3)
    with index.writer() as writer:
        for number in range(30):
            words = (f"w{chance.randrange(20_000)}" for _ in range(2000))
            writer.add(Document(str(number), " ".join(words)))
    searcher = index.searcher()
    for terms in (MOST_TERMS, MOST_TERMS + 1):
        query = [f"w{i}" for i in range(terms)]
        check(searcher, BM25(), [query], 3, ALL)
        check(searcher, TfIdf(), [query, ["w1"]], 100, ALL)


@given(
    numbers=st.lists(st.integers(0, (1 << 31) - 1) | st.integers(0, 3), min_size=1, max_size=40),
    n=st.integers(1, 40),
)
def test_the_nth_greatest(numbers, n):
    n = min(n, len(numbers))
    found = nth_greatest(np.array(numbers, np.int32), n)
    assert found == sorted(numbers, reverse=True)[n - 1]


@given(
    numbers=st.sets(st.integers(0, 65_535), min_size=1, max_size=200).map(sorted),
    others=st.lists(st.integers(0, 65_535), max_size=20),
    data=st.data(),
)
def test_where_numbers_are(numbers, others, data):
    sought = data.draw(st.lists(st.sampled_from(numbers), max_size=20)) + others
    places = np.full(len(sought) + 1, -7, np.int32)
    places_of(np.array(sought, np.uint16), np.array(numbers, np.uint16), places)
    for number, place in zip(sought, places.tolist(), strict=False):
        assert 0 <= place < len(numbers)
        assert (numbers[place] == number) == (number in numbers)
    assert places[-1] == -7


@compiled
def compared(numbers, at, least):
    return as_great(numbers, at, least)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@given(at=st.integers(0, 36), least=st.integers(0, 255), seed=st.integers(0, 99))
def test_which_are_as_great(dtype, at, least, seed):
    chance = np.random.default_rng(seed)
    numbers = chance.integers(0, np.iinfo(dtype).max + 1, 100).astype(dtype)
    numbers[::3] = least
    expected = sum(int(number >= least) << i for i, number in enumerate(numbers[at : at + WIDE]))
    assert compared(numbers, at, dtype(least)) == expected


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """More than a block of rows, and words of every frequency."""
    chance = random.Random(0)
    vocabulary = [f"w{i}" for i in range(2000)]
    weights = [1 / (i + 1) for i in range(2000)]
    index = Index.create(tmp_path_factory.mktemp("large") / "index", None, "plain")
    with index.writer() as writer:
        for number in range(70_000):
            text = " ".join(chance.choices(vocabulary, weights, k=chance.randint(1, 12)))
            writer.add(Document(str(number), text))
    with index.writer() as writer:
        writer.delete([str(each) for each in chance.sample(range(70_000), 3000)])
    return index.searcher()


@pytest.mark.slow
@pytest.mark.parametrize("weighting", [BM25(), BM25(variant="bm25+"), TfIdf()], ids=str)
@pytest.mark.parametrize("k", [1, 10, 1000, 100_000])
def test_more_than_a_block(large, weighting, k):
    chance = random.Random(1)
    queries = [
        [f"w{int(2000 * chance.random() ** 3)}" for _ in range(chance.randint(1, 8))]
        for _ in range(30)
    ]
    queries += [["w0"], ["w0", "w1", "w2"], ["w1999"], ["nowhere"], []]
    check(large, weighting, queries, k, large.mask())


def test_the_loops_are_loaded_once_they_are_worth_it(tmp_path):
    index = Index.create(tmp_path / "index", None, "plain")
    with index.writer() as writer:
        writer.add([Document("one", "a b"), Document("two", "b c")])
    searcher = index.searcher()
    with way(False):
        assert scoring._LOADING.kernels() is None
        before = searcher.search("b", by="bm25")
        assert scoring._LOADING.kernels() is None
        scoring._LOADING.spend(2e9)
        assert searcher.search("b", by="bm25") == before
        assert scoring._LOADING.kernels() is not None
