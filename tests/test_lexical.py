"""Bag-of-words retrieval equals scikit-learn, bm25s and the formulas, in the one order."""

from __future__ import annotations

import json
import random
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_ranks, bm25, in_order, tfidf
from sklearn.feature_extraction.text import TfidfVectorizer

from vecsearch import ALL, BM25, Document, Index, Lexical, TfIdf, analyzer
from vecsearch.errors import UsageError
from vecsearch.passages import split
from vecsearch.retrieve.base import ranking_of

SAMPLE = Path(__file__).resolve().parent.parent / "corpora" / "lighthouse"
VARIANTS = ["lucene", "robertson", "atire", "bm25+", "bm25l"]
PARAMETERS = [(1.2, 0.75), (0.9, 0.4), (2.0, 1.0), (1.5, 0.0)]
TFIDFS = [TfIdf(), TfIdf(sublinear=True), TfIdf(smooth=False), TfIdf(l2=False)]
TFIDFS.append(TfIdf(sublinear=True, smooth=False, l2=False))


class Collection:
    """A corpus, its index without embeddings, and the terms of its rows."""

    def __init__(self, folder, documents, queries, name="english", commits=1):
        self.terms = analyzer(name).terms
        self.documents = documents
        self.queries = queries
        self.searcher = build(folder, documents, name, commits)
        self.rows = [
            (each.id, self.terms(f"{each.title} {each.text}" if each.title else each.text))
            for each in documents
        ]

    def search(self, query, k, weighting, where=None):
        lexical = Lexical(self.searcher.snapshot, self.searcher.analyzer, weighting)
        return self.searcher.rank_many([query], k, where, lexical)[0]


def build(folder, documents, name="plain", commits=1, passages=None):
    """Index documents, in several commits that are each too small to be merged with the last."""
    index = Index.create(folder, None, name, passages=passages)
    start = 0
    for number in range(commits, 0, -1):
        size = len(documents) - start if number == 1 else (len(documents) - start) * 3 // 4
        with index.writer() as writer:
            writer.add(documents[start : start + size])
        start += size
    searcher = index.searcher()
    assert len(searcher.snapshot.parts) == commits or len(documents) < 4**commits
    return searcher


def read(folder, most):
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    documents = [Document(r["_id"], r["text"], r.get("title", "")) for r in records]
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = [json.loads(line)["text"] for line in lines]
    return documents, random.Random(1).sample(queries, min(most, len(queries)))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return Collection(tmp_path_factory.mktemp("sample") / "index", *read(SAMPLE, 100), commits=3)


@pytest.fixture(scope="module", params=["scifact", "nfcorpus", "cranfield"])
def judged(request, tmp_path_factory, shared_data):
    folder = tmp_path_factory.mktemp(request.param) / "index"
    return Collection(folder, *read(shared_data(request.param), 30), commits=2)


def check_tfidf(collection, weighting, k):
    vectorizer = TfidfVectorizer(
        analyzer=lambda terms: terms,
        sublinear_tf=weighting.sublinear,
        smooth_idf=weighting.smooth,
        norm="l2" if weighting.l2 else None,
    )
    matrix = vectorizer.fit_transform([terms for _, terms in collection.rows])
    asked = vectorizer.transform([collection.terms(query) for query in collection.queries])
    table = (matrix @ asked.T).toarray()
    for column, query in enumerate(collection.queries):
        scores = zip(collection.rows, table[:, column].tolist(), strict=True)
        expected = {name: score for (name, _), score in scores if score}
        assert_ranks(collection.search(query, k, weighting), expected, k)


def check_bm25(collection, weighting, k):
    peer = bm25s.BM25(
        k1=weighting.k1,
        b=weighting.b,
        delta=weighting.delta,
        method=weighting.variant,
        dtype="float64",
    )
    peer.index([terms for _, terms in collection.rows], show_progress=False)
    names = [name for name, _ in collection.rows]
    vocabularies = [set(terms) for _, terms in collection.rows]
    for query in collection.queries:
        terms = collection.terms(query)
        scores = peer.get_scores(terms)
        sharing = [not vocabulary.isdisjoint(terms) for vocabulary in vocabularies]
        expected = {names[i]: float(scores[i]) for i in np.flatnonzero(sharing)}
        assert_ranks(collection.search(query, k, weighting), expected, k)


@pytest.mark.parametrize("weighting", TFIDFS, ids=str)
@pytest.mark.parametrize("k", [10, 1000])
def test_tfidf_equals_scikit_learn(sample, weighting, k):
    check_tfidf(sample, weighting, k)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("k1", "b"), PARAMETERS)
def test_bm25_equals_bm25s(sample, variant, k1, b):
    check_bm25(sample, BM25(k1, b, variant), 1000)
    check_bm25(sample, BM25(k1, b, variant, delta=1.0), 5)


@pytest.mark.slow
@pytest.mark.parametrize("weighting", TFIDFS, ids=str)
def test_tfidf_equals_scikit_learn_on_judged_collections(judged, weighting):
    check_tfidf(judged, weighting, 100)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("k1", "b"), PARAMETERS[:2])
def test_bm25_equals_bm25s_on_judged_collections(judged, variant, k1, b):
    check_bm25(judged, BM25(k1, b, variant), 100)


# Small collections of every shape, against the formulas: empty rows, rows of one repeated word,
# words that every row holds, queries with repeated and with unknown words.
words = st.sampled_from(["a", "b", "c", "d"])
texts = st.lists(words, max_size=6).map(" ".join)
asked = st.lists(st.sampled_from(["a", "b", "c", "unknown"]), min_size=1, max_size=5).map(" ".join)
weightings = st.one_of(
    st.builds(
        BM25,
        st.sampled_from([0.0, 0.5, 1.2, 10.0]),
        st.sampled_from([0.0, 0.75, 1.0]),
        st.sampled_from(VARIANTS),
        st.sampled_from([0.0, 0.5, 1.0]),
    ),
    st.builds(TfIdf, st.booleans(), st.booleans(), st.booleans()),
)


def oracle(rows, query, weighting):
    if isinstance(weighting, BM25):
        return bm25(rows, query, weighting.variant, weighting.k1, weighting.b, weighting.delta)
    options = {name: getattr(weighting, name) for name in ("sublinear", "smooth", "l2")}
    return tfidf(rows, query, **options)


@settings(max_examples=60)
@given(st.lists(texts, max_size=12), asked, weightings, st.integers(1, 15), st.integers(1, 3))
def test_scores_are_those_of_the_formulas(tmp_path_factory, texts, query, weighting, k, commits):
    documents = [Document(f"d{i}", text) for i, text in enumerate(texts)]
    folder = tmp_path_factory.mktemp("any") / "index"
    collection = Collection(folder, documents, [query], "plain", commits)
    found = collection.search(query, k, weighting)
    expected = oracle(collection.rows, query.split(), weighting) if texts else {}
    assert_ranks(found, expected, k)


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.lists(words, max_size=3), min_size=1, max_size=4), min_size=1, max_size=6),
    asked,
    weightings,
    st.integers(1, 8),
    st.integers(1, 3),
)
def test_passages_count_as_their_document(tmp_path_factory, texts, query, weighting, k, commits):
    documents = [
        Document(f"d{i}", "\n\n".join(" ".join(passage) for passage in passages))
        for i, passages in enumerate(texts)
    ]
    searcher = build(tmp_path_factory.mktemp("any") / "i", documents, "plain", commits, passages=3)
    rows = [
        (each.id, each.text[start:end].split())
        for each in documents
        for start, end in split(each.text, 3, 0)
    ]
    lexical = Lexical(searcher.snapshot, searcher.analyzer, weighting)
    hits = searcher.search(query, k, by=lexical)
    assert_ranks([(hit.id, hit.score) for hit in hits], oracle(rows, query.split(), weighting), k)
    # The passage is the first that has the document's score.
    for hit in hits:
        mine = [(hit.id, hit.document.text[a:b].split()) for a, b in split(hit.document.text, 3, 0)]
        others = [row for row in rows if row[0] != hit.id]
        alone = [(f"row {i}", terms) for i, (_, terms) in enumerate(mine)]
        scores = oracle(others + alone, query.split(), weighting)
        best = [
            i for i in range(len(alone)) if scores.get(f"row {i}", -1) >= hit.score * (1 - 1e-6)
        ]
        assert hit.passage.split() == mine[best[0]][1]
        assert hit.span == split(hit.document.text, 3, 0)[best[0]]


def test_one_document_of_many_passages_leaves_room_for_others(tmp_path):
    long = Document("long", "\n\n".join(["fox fox fox"] * 500))
    others = [Document(f"other{i}", "a fox seen") for i in range(20)]
    searcher = build(tmp_path / "i", [long, *others], passages=3)
    hits = searcher.search("fox", 10, by="bm25")
    assert [hit.id for hit in hits[:2]] == ["long", "other9"]
    assert len(hits) == 10
    assert hits[0].span == (0, 11)


def test_a_repeated_word_counts_as_often_as_it_is_asked(sample):
    once = dict(sample.search("lamp", 500, BM25()))
    thrice = dict(sample.search("lamp lamp lamp", 500, BM25()))
    assert thrice == pytest.approx({name: 3 * score for name, score in once.items()}, rel=1e-6)


def test_unknown_words_change_nothing(sample):
    for weighting in (BM25(), BM25(variant="bm25+"), TfIdf()):
        plain = sample.search("brass lamp", 500, weighting)
        assert plain
        assert sample.search("brass zyxwvut lamp 🦑", 500, weighting) == plain
        assert sample.search("zyxwvut 🦑", 500, weighting) == []


def test_a_word_that_every_document_has_finds_every_document(tmp_path):
    documents = [Document(f"d{i}", "every " + "x " * i) for i in range(9)]
    collection = Collection(tmp_path / "i", documents, [], "plain", commits=2)
    for variant in VARIANTS:
        weighting = BM25(variant=variant)
        expected = oracle(collection.rows, ["every"], weighting)
        assert len(expected) == 9
        assert_ranks(collection.search("every", 20, weighting), expected, 20)
    # A negative idf counts as none, and none is no reason to be left out.
    zeros = collection.search("every", 20, BM25(variant="robertson"))
    assert zeros == [(f"d{i}", 0.0) for i in reversed(range(9))]


@pytest.mark.parametrize("by", ["bm25", "tfidf"])
def test_hardly_any_text(tmp_path, by):
    assert build(tmp_path / "none", []).search("a", by=by) == []
    empty = [Document(f"d{i}", "") for i in range(3)]
    assert build(tmp_path / "empty", empty).search("a", by=by) == []
    assert build(tmp_path / "passages", empty, passages=5).search("a", by=by) == []
    one = build(tmp_path / "one", [Document("only", "a b")])
    assert [hit.id for hit in one.search("a", by=by)] == ["only"]
    assert one.search("c", by=by) == []
    assert one.search("", by=by) == one.search(" \n\t", by=by) == one.search("?!", by=by) == []
    mixed = build(tmp_path / "mixed", [*empty, Document("full", "a b")])
    assert [hit.id for hit in mixed.search("a", by=by)] == ["full"]


def test_empty_documents_count_in_the_statistics(tmp_path):
    documents = [
        Document("full", "a b"),
        Document("other", "a"),
        Document("e1", ""),
        Document("e2", ""),
    ]
    collection = Collection(tmp_path / "i", documents, [], "plain")
    assert_ranks(
        collection.search("a", 5, BM25()), bm25(collection.rows, ["a"], "lucene", 1.2, 0.75, 0.5), 5
    )


@pytest.fixture(scope="module")
def equals(tmp_path_factory):
    """Many equal documents, in no order of ids, over three segments, one of them deleted."""
    names = [f"{i:x}" for i in range(300)] + ["é", "ﬀ", "𝔞", "Z", "~"]
    random.Random(3).shuffle(names)
    documents = [Document(name, "same words here", meta={"n": i}) for i, name in enumerate(names)]
    folder = tmp_path_factory.mktemp("equals") / "index"
    searcher = build(folder, documents, commits=3)
    assert len(searcher.snapshot.parts) == 3
    return searcher, names


@pytest.mark.parametrize("k", [1, 2, 50, 304, 305, 306, 1000])
@pytest.mark.parametrize("by", ["bm25", "tfidf"])
def test_ties_are_in_trec_evals_order_up_to_the_cutoff(equals, by, k):
    searcher, names = equals
    hits = searcher.search("same", k, by=by)
    assert [hit.id for hit in hits] == sorted(names, key=str.encode, reverse=True)[:k]
    assert len({hit.score for hit in hits}) == 1


@pytest.mark.parametrize("n", [0, 1, 7, 100])
def test_a_filter_goes_before_the_cutoff(equals, n):
    searcher, names = equals
    for by in ("bm25", "tfidf"):
        hits = searcher.search("same", 10, f"n < {n}", by)
        assert [hit.id for hit in hits] == sorted(names[:n], reverse=True)[:10]


def test_a_filter_changes_no_score(sample):
    snapshot = sample.searcher.snapshot
    mask = np.random.default_rng(5).random(snapshot.rows) < 0.3
    passing = {snapshot.id_of(row) for row in np.flatnonzero(mask).tolist()}
    assert len(passing) > 20
    for weighting in (BM25(), BM25(variant="bm25l"), TfIdf()):
        lexical = Lexical(snapshot, sample.searcher.analyzer, weighting)
        for query in sample.queries:
            everything = dict(sample.search(query, 1000, weighting))
            kept = in_order({name: score for name, score in everything.items() if name in passing})
            for k in (1, 5, 1000):
                rows, scores = ranking_of(lexical.retrieve([query], k, mask), 0)
                found = [
                    (snapshot.id_of(row), score)
                    for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
                ]
                assert found == kept[:k]


def test_rankings_are_padded_columns(sample):
    lexical = Lexical(sample.searcher.snapshot, sample.searcher.analyzer, BM25())
    rows, scores = lexical.retrieve(["lamp", "zyxwvut", "gasket LP-4417"], 7, ALL)
    assert rows.shape == scores.shape == (3, 7)
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)
    assert (rows[1] == -1).all()
    assert (scores[1] == -np.inf).all()
    assert ((rows == -1) == (scores == -np.inf)).all()
    assert lexical.retrieve([], 7, ALL).rows.shape == (0, 7)


def test_many_queries_are_as_one_by_one(sample):
    together = sample.searcher.rank_many(["", *sample.queries, " "], 20, by="bm25")
    assert together[0] == together[-1] == []
    assert together[1:-1] == [sample.search(query, 20, BM25()) for query in sample.queries]


def test_more_than_there_is_can_be_asked_for(sample):
    everything = sample.search("lamp", 10**12, BM25())
    assert everything == sample.search("lamp", 1000, BM25())


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_at_least_one(sample, k):
    with pytest.raises(UsageError, match=f"at least 1; it can't be {k}"):
        sample.search("lamp", k, BM25())


@pytest.mark.parametrize(
    "options",
    [{"k1": -1}, {"b": -0.1}, {"b": 1.1}, {"delta": -1}, {"k1": np.nan}, {"k1": np.inf}],
)
def test_parameters_that_mean_nothing(options):
    with pytest.raises(UsageError, match="BM25 wants"):
        BM25(**options)


class Odd(TfIdf):
    """TF-IDF but for what is given."""

    name = "odd"

    def __init__(self, **given):
        super().__init__(l2=given.pop("l2", False))
        for method, value in given.items():
            object.__setattr__(self, method, value)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("weighting", "said"),
    [
        (Odd(query=lambda *of: -1.0), "-1 as query's weight of 'lamp'"),
        (Odd(query=lambda *of: np.nan), "nan as query's weight of 'lamp'"),
        (
            Odd(idf=lambda df, n: np.log((n - df + 0.5) / (df + 0.5)) - 9),
            r"-[\d.]+ as idf of 'lamp'",
        ),
        (Odd(idf=lambda df, n: np.full(np.shape(df), np.inf)), "inf as idf of 'lamp'"),
        (Odd(idf=lambda df, n: np.where(df == 1, np.nan, 1.0), l2=True), "nan as idf"),
        (Odd(tf=lambda counts, *of: -1.0 * counts), r"-\d+ as tf"),
        (Odd(tf=lambda counts, *of: np.where(counts > 1, np.nan, counts)), "nan as tf"),
        (Odd(tf=lambda counts, *of: 1 / (1 + counts)), r"[\d.]+ as the tf .* and 1 where"),
        (Odd(tf=lambda counts, *of: 1.0), r"a tf of the shape \(1,\) for counts of"),
    ],
)
def test_a_weighting_that_gives_what_cant_be_added_up(
    sample, monkeypatch, weighting, said, compiled
):
    monkeypatch.setattr("vecsearch.retrieve.scoring._LOADING._kernels", None)
    monkeypatch.setattr("vecsearch.retrieve.scoring._LOADING._spent", 9.0 if compiled else 0.0)
    with pytest.raises(UsageError, match=f"The weighting 'odd' gives {said}"):
        sample.search("the lamp of the harbour", 5, weighting)


def test_an_unknown_variant():
    with pytest.raises(UsageError, match=r"'lucine'\. Did you mean 'lucene'"):
        BM25(variant="lucine")
