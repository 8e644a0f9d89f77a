"""Nearest neighbours equal brute force, whatever the segments, deletes, filters and passages."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_ranks, in_order, nearest
from toy import HashEncoder

from vecsearch import ALL, Document, Index, OwnVectors
from vecsearch.errors import UsageError
from vecsearch.retrieve.base import ranking_of
from vecsearch.retrieve.dense import Dense


class Given:
    """An encoder whose vectors are given: the text "7" has row 7 of a table."""

    name = "given"
    fingerprint = "given"

    def __init__(self, table):
        self.table = np.asarray(table, np.float32)
        self.dim = self.table.shape[1]

    def encode(self, texts, role):
        return self.table[[int(text) for text in texts]]

    def save(self, folder):
        (folder / "given.txt").write_text("a table in memory")


class Collection:
    """Documents of given vectors over several segments; `names` says whose each vector is."""

    def __init__(self, folder, table, documents=None, commits=1, deleted=()):
        """documents: the vectors of each document; by default one each."""
        documents = documents or [[i] for i in range(len(table))]
        passages = 1 if any(len(vectors) > 1 for vectors in documents) else None
        self.encoder = Given(table)
        self.index = Index.create(folder, self.encoder, "plain", passages=passages)
        made = [
            Document(f"d{i}", "\n\n".join(map(str, vectors)), meta={"n": i})
            for i, vectors in enumerate(documents)
        ]
        start = 0
        for number in range(commits, 0, -1):
            size = len(made) - start if number == 1 else (len(made) - start) * 3 // 4
            with self.index.writer() as writer:
                writer.add(made[start : start + size])
            start += size
        if deleted:
            with self.index.writer() as writer:
                writer.delete(f"d{i}" for i in deleted)
        self.searcher = self.index.searcher()
        self.dense = Dense(self.searcher.snapshot, lambda: self.encoder)
        gone = set(deleted)
        living = [i for i in range(len(made)) if i not in gone]
        self.names = [f"d{i}" for i in living for _ in documents[i]]
        self.vectors = self.encoder.table[[v for i in living for v in documents[i]]]

    def nearest(self, vector, k, where=None):
        mask = self.searcher.mask(where)
        return self.named(self.dense.nearest(np.array([vector], np.float32), k, mask), 0)

    def named(self, found, query):
        rows, scores = ranking_of(found, query)
        names = [self.searcher.snapshot.id_of(row) for row in rows.tolist()]
        return list(zip(names, scores.tolist(), strict=True))

    def expected(self, vector, most=None):
        """Score all documents with a vector, or those before number `most`."""
        known = [i for i, row in enumerate(self.vectors) if any(row)]
        names = [self.names[i] for i in known]
        scores = nearest(names, self.vectors[known], np.asarray(vector, np.float32))
        return {name: s for name, s in scores.items() if most is None or int(name[1:]) < most}


def unit(shape, seed):
    table = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


ROWS = 3000


@pytest.fixture(scope="module", params=["whole", "deleted", "passages"])
def collection(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "index"
    table = unit((ROWS, 37), 1)
    deleted = range(0, ROWS, 7) if request.param == "deleted" else ()
    documents = None
    if request.param == "passages":
        # From one row a document to hundreds.
        bounds = [0, 1, 2, 3, 400, 410, 1000, *range(1003, ROWS, 3), ROWS]
        documents = [list(range(a, b)) for a, b in pairwise(bounds)]
    made = Collection(folder, table, documents, commits=3, deleted=deleted)
    assert len(made.searcher.snapshot.parts) == 3
    return made


# Shares on both sides of the one below which vectors are gathered, and one that leaves a document.
@pytest.mark.parametrize("share", [None, 0.5, 0.13, 0.12, 0.1, 0.01, 0.001])
def test_equals_brute_force(collection, share):
    documents = collection.searcher.snapshot.living
    most = None if share is None else max(1, round(share * documents))
    where = None if most is None else f"n < {most}"
    for vector in unit((12, 37), 2):
        for k in (1, 10, 500, ROWS + 1):
            found = collection.nearest(vector, k, where)
            assert_ranks(found, collection.expected(vector, most), k, abs_=2e-6)


def test_a_scattered_mask(collection):
    rng = np.random.default_rng(4)
    snapshot = collection.searcher.snapshot
    alive = collection.searcher.mask()
    for share in (0.5, 0.1, 0.02):
        mask = rng.random(snapshot.rows) < share
        mask &= True if alive is ALL else alive
        passing = np.flatnonzero(mask)
        names = [snapshot.id_of(row) for row in passing.tolist()]
        matrix = np.concatenate([part.segment.vectors for part in snapshot.parts])[passing]
        queries = unit((5, 37), 6)
        found = collection.dense.nearest(queries, 20, mask)
        for i, vector in enumerate(queries):
            assert_ranks(collection.named(found, i), nearest(names, matrix, vector), 20, abs_=2e-6)
            rows, _ = ranking_of(found, i)
            assert mask[rows].all()


# Small whole numbers: sums are exact, equal scores abound, and so the order must be exact.
numbers = st.integers(-1, 1)
tables = st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=30)


@settings(max_examples=40)
@given(tables, st.data(), st.integers(1, 3), st.integers(1, 12))
def test_ties_are_exact(tmp_path_factory, table, data, commits, k):
    sizes = data.draw(st.lists(st.sampled_from([1, 1, 2, 9]), min_size=1, max_size=12), "rows")
    places = st.integers(0, len(table) - 1)
    documents = [data.draw(st.lists(places, min_size=n, max_size=n)) for n in sizes]
    deleted = data.draw(st.sets(st.integers(0, len(documents) - 1)), "deleted")
    query = data.draw(st.lists(st.integers(-2, 2), min_size=3, max_size=3).filter(any), "query")
    most = data.draw(st.integers(0, len(documents)), "most")
    folder = tmp_path_factory.mktemp("ties") / "index"
    made = Collection(folder, table, documents, commits, sorted(deleted))
    assert made.nearest(query, k) == in_order(made.expected(query))[:k]
    if made.names:
        found = made.nearest(query, k, f"n < {most}")
        assert found == in_order(made.expected(query, most))[:k]


@pytest.mark.parametrize("k", [1, 3, 63, 64, 65, 200])
@pytest.mark.parametrize("where", [None, "n >= 0", "n < 30"])
def test_duplicates_are_in_trec_evals_order_up_to_the_cutoff(tmp_path, k, where):
    one, other = unit((2, 64), 7)
    table = np.stack([one if i % 3 else other for i in range(300)])
    made = Collection(tmp_path / "i", table, commits=3, deleted=[298])
    found = made.nearest(one, k, where)
    most = 30 if where == "n < 30" else 300
    living = [i for i in range(most) if i != 298]
    equal = sorted((f"d{i}" for i in living if i % 3), reverse=True)
    less = sorted((f"d{i}" for i in living if not i % 3), reverse=True)
    assert [name for name, _ in found] == (equal + less)[:k]


def test_ties_are_in_the_same_order_in_a_batch(tmp_path):
    """An index finds other ones of equal rows for many queries than for one; nobody sees that."""
    rng = np.random.default_rng(10)
    table = rng.integers(-2, 3, (900, 5)).astype(np.float32)  # sums are exact, and many are equal
    queries = rng.integers(-2, 3, (40, 5)).astype(np.float32)
    queries = queries[np.any(queries, axis=1)]
    made = Collection(tmp_path / "i", table, commits=2)
    found = made.dense.nearest(queries, 10, ALL)
    for i, query in enumerate(queries):
        expected = in_order(made.expected(query))[:10]
        assert made.named(found, i) == made.nearest(query, 10) == expected


def test_the_best_passage_is_the_first_of_the_best(tmp_path):
    table = np.array([[1, 0], [0, 1], [0, 1], [-1, 0]], np.float32)
    made = Collection(tmp_path / "i", table, [[0, 3, 1, 2, 0], [3, 3], [3, 0]])
    hits = made.searcher.search("1", 3, by="dense")
    assert [(hit.id, hit.passage.strip(), hit.score) for hit in hits] == [
        ("d0", "1", 1.0),
        ("d2", "3", 0.0),
        ("d1", "3", 0.0),
    ]


def test_scores_do_not_depend_on_where_a_vector_lies(tmp_path):
    """Nor on how many queries, documents or results there are beside it."""
    table = unit((700, 51), 8)
    queries = unit((60, 51), 9)
    one = Collection(tmp_path / "one", table)
    many = Collection(tmp_path / "many", table, commits=4, deleted=range(0, 700, 11))
    assert len(many.searcher.snapshot.parts) == 4
    everything = one.dense.nearest(queries, 700, ALL)
    pairs = {(i, name): s for i in range(60) for name, s in one.named(everything, i)}
    assert len(pairs) == 60 * 700
    for made in (one, many):
        for where in (None, "n < 350", "n < 30"):
            for k in (5, 700):
                found = made.dense.nearest(queries, k, made.searcher.mask(where))
                for i, query in enumerate(queries):
                    mine = made.named(found, i)
                    assert len(mine) >= 5
                    assert all(score == pairs[i, name] for name, score in mine)
                    if i % 20 == 0:
                        assert made.nearest(query, k, where) == mine


def test_a_query_without_a_vector_finds_nothing(tmp_path):
    made = Collection(tmp_path / "i", np.vstack([unit((5, 8), 1), np.zeros((1, 8))]))
    assert made.searcher.search("5", by="dense") == []
    assert made.nearest(np.zeros(8), 3) == []
    mixed = made.dense.nearest(np.vstack([np.zeros(8), made.vectors[2], np.zeros(8)]), 3, ALL)
    assert (mixed.rows[[0, 2]] == -1).all()
    assert (mixed.scores[[0, 2]] == -np.inf).all()
    assert made.named(mixed, 1)[0] == ("d2", pytest.approx(1, abs=1e-6))
    # A document without one is neither near nor far, and so isn't found.
    for vector in (made.vectors[0], -made.vectors[0]):
        assert {name for name, _ in made.nearest(vector, 6)} == {f"d{n}" for n in range(5)}


def test_hardly_any_documents(tmp_path):
    empty = Collection(tmp_path / "empty", unit((3, 8), 1), deleted=[0, 1, 2])
    assert empty.nearest(np.ones(8), 3) == []
    assert empty.searcher.search("0", by="dense") == empty.searcher.search("0", by="hybrid") == []
    index = Index.create(tmp_path / "none", HashEncoder(), "plain")
    for by in ("dense", "hybrid", "bm25"):
        assert index.searcher().search("a", by=by) == []
    one = Collection(tmp_path / "one", unit((1, 8), 1))
    assert [name for name, _ in one.nearest(-one.vectors[0], 5)] == ["d0"]
    assert one.nearest(one.vectors[0], 5, "n > 0") == []


def test_rankings_are_padded_columns(collection):
    rows, scores = collection.dense.nearest(unit((4, 37), 3), ROWS + 5, ALL)
    assert rows.shape == scores.shape == (4, ROWS + 5)
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)
    assert ((rows == -1) == (scores == -np.inf)).all()
    assert (rows[:, -5:] == -1).all()
    assert collection.dense.nearest(np.zeros((0, 37), np.float32), 3, ALL).rows.shape == (0, 3)


def test_k_is_at_least_one(collection):
    with pytest.raises(UsageError, match="at least 1"):
        collection.dense.retrieve(["0"], 0, ALL)


def test_vectors_of_any_layout(collection):
    queries = np.asfortranarray(unit((6, 37), 12).astype(np.float64))
    plain = collection.dense.nearest(np.ascontiguousarray(queries, np.float32), 5, ALL)
    found = collection.dense.nearest(queries, 5, ALL)
    assert (found.rows == plain.rows).all()
    assert (found.scores == plain.scores).all()


def test_without_faiss_the_same_rows_are_found(monkeypatch):
    from vecsearch.retrieve.nearest import exact, scan

    rng = np.random.default_rng(7)
    vectors = np.repeat(rng.standard_normal((60, 24)).astype(np.float32), 3, axis=0)
    queries = rng.standard_normal((5, 24)).astype(np.float32)
    for allow in (None, rng.random(len(vectors)) < 0.3):
        for k in (1, 20, len(vectors)):
            rows, scores = scan.scan(queries, vectors, k, allow)
            _, theirs = exact._kernel(queries, vectors, k, allow)
            np.testing.assert_allclose(scores, theirs, atol=1e-5)
            passing = np.arange(len(vectors)) if allow is None else np.flatnonzero(allow)
            for row, score, query in zip(rows, scores, queries, strict=True):
                real = row[row >= 0]
                assert set(real) <= set(passing)
                assert len(set(real)) == len(real) == min(k, len(passing))
                np.testing.assert_allclose(score[row >= 0], vectors[real] @ query, atol=1e-5)
                assert set(score[row < 0]) <= {-np.inf}
            # Of equal scores the first row comes first, as where all are sorted.
            products = np.einsum("ij,j->i", vectors, queries[0])[passing]
            order = np.argsort(-products, kind="stable")[:k]
            assert rows[0, : len(order)].tolist() == passing[order].tolist()
    monkeypatch.delitem(sys.modules, "faiss", raising=False)
    scans = scan.Scans()
    assert scans.suit(10**8)
    assert not scans.suit(10**9)


FORKED = """
import os, sys
import numpy as np
from vecsearch import Index

searcher = Index.open(sys.argv[1]).searcher()
rng = np.random.default_rng(1)
queries = rng.standard_normal((300, 64)).astype(np.float32)

def ids():
    found = searcher.search_many([""] * 300, k=5, by="dense", vectors=queries)
    return [[hit.id for hit in hits] for hits in found]

while "faiss" not in sys.modules:
    before = ids()
before = ids()
child = os.fork()
if not child:
    os._exit(ids() != before)
print(os.waitpid(child, 0)[1])
"""


def test_a_forked_process_searches_too(tmp_path):
    """OpenMP would have it wait for ever for the threads of its parent."""
    vectors = np.random.default_rng(0).standard_normal((3000, 64)).astype(np.float32)
    Index.create(
        tmp_path / "index",
        OwnVectors(64),
        documents=(Document(f"d{i}", "", vector=each) for i, each in enumerate(vectors)),
    )
    done = subprocess.run(
        [sys.executable, "-c", FORKED, tmp_path / "index"],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout == "0\n"
