"""Codes looked up by compiled loops: what FAISS finds, whatever queries and masks there are."""

from __future__ import annotations

import numpy as np
import pytest
from test_dense import unit

from vecsearch.retrieve.nearest import lookup
from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.building import Builder
from vecsearch.retrieve.nearest.exact import Flat, inner_products
from vecsearch.retrieve.nearest.library import load_faiss
from vecsearch.retrieve.nearest.lookup import LookUp
from vecsearch.retrieve.nearest.measuring import NEVER_EXACT
from vecsearch.retrieve.nearest.structure import Effort, Structure
from vecsearch.types import ALL

KERNELS = lookup._load()
ROWS = 6013  # a list's last block isn't full
TABLE = unit((ROWS, 36), 1)
QUERIES = unit((40, 36), 2)

pytestmark = pytest.mark.skipif(KERNELS is None, reason="the processor can't look up so many bytes")


@pytest.fixture(scope="module", params=["pq2", "pq4", "pq8", "ivf16-pq4"])
def index(request):
    """Of 18, 10, 6 and 10 numbers: no multiples of four, by which they are looked up."""
    return Builder(TABLE).build(Structure.named(request.param)).index


def rows_of(index, table, queries, candidates, allow=ALL, wanted=None, probes=10):
    looking = LookUp(index, table)
    return looking.rows(KERNELS, queries, wanted or candidates, probes, candidates, allow)


def best_scores(queries, table, rows, k):
    return -np.sort(-inner_products(queries, table, rows), axis=1)[:, :k]


@pytest.mark.parametrize("candidates", [1, 30, 700, ROWS])
def test_the_rows_are_those_of_faiss(index, candidates):
    faiss = load_faiss()
    probes = min(10, faiss.extract_index_ivf(index).nlist)
    told = faiss.SearchParametersPreTransform(index_params=faiss.SearchParametersIVF(nprobe=probes))
    _, theirs = index.search(QUERIES, candidates, params=told)
    mine = rows_of(index, TABLE, QUERIES, candidates, probes=probes)
    for one, other in zip(mine.tolist(), theirs.tolist(), strict=True):
        found = [row for row in one if row >= 0]
        assert len(found) == len(set(found)) >= sum(row >= 0 for row in other)
        # Sums are of rounded numbers: which of two that are alike is the last may differ.
        assert len(set(found) & set(other)) >= 0.9 * len(found) - 1


def test_the_best_of_them_are_found(index):
    """Their order is that of the vectors, however many more than wanted there are."""
    all_ = rows_of(index, TABLE, QUERIES, 300)
    some = rows_of(index, TABLE, QUERIES, 300, wanted=10)
    assert some.shape == (40, 26)
    expected = best_scores(QUERIES, TABLE, all_, 10)
    assert best_scores(QUERIES, TABLE, some, 10).tobytes() == expected.tobytes()


@pytest.mark.parametrize("share", [0.5, 0.02, 0.001, 0.0])
def test_only_what_passes_is_found(index, share):
    allow = np.random.default_rng(3).random(ROWS) < share
    allow.flags.writeable = False
    lists = load_faiss().extract_index_ivf(index).nlist
    rows = rows_of(index, TABLE, QUERIES, 200, allow, probes=lists)
    assert np.all((rows >= 0).sum(axis=1) == min(200, allow.sum()))
    assert np.all(allow[rows[rows >= 0]])
    exact = Flat(TABLE).search(QUERIES, 5, allow)[1]
    if allow.sum() >= 5:
        found = best_scores(QUERIES, TABLE, rows, 5)
        assert np.mean(found >= exact[:, -1:]) > 0.8


@pytest.mark.parametrize("threads", [1, 3])
def test_a_query_finds_the_same_alone_and_among_others(index, threads):
    faiss = load_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        together = np.sort(rows_of(index, TABLE, QUERIES, 50, probes=7))
    finally:
        faiss.omp_set_num_threads(before)
    for i, query in enumerate(QUERIES):
        alone = np.sort(rows_of(index, TABLE, query[None], 50, probes=7))
        assert alone.tolist() == together[i : i + 1].tolist()


def test_what_the_first_blocks_promise_may_be_too_much():
    """All that is near is in the one block that is looked at beforehand."""
    query = QUERIES[:1]
    near = query + 0.05 * unit((32, 36), 4)
    far = TABLE - (TABLE @ query.T) * query
    table = np.concatenate([near, far]).astype(np.float32)
    index = Builder(table).build(Structure("pq2")).index
    rows = rows_of(index, table, query, 100)
    assert set(range(32)) < set(rows[0].tolist())
    assert (rows >= 0).all()


@pytest.mark.parametrize("table", [np.tile(TABLE[:1], (3000, 1)), np.zeros((3000, 36), np.float32)])
def test_rows_that_are_all_alike(table):
    index = Builder(table).build(Structure("pq4")).index
    rows = rows_of(index, table, np.concatenate([QUERIES[:3], np.zeros((1, 36), np.float32)]), 20)
    assert all(len(set(row)) == 20 and min(row) >= 0 for row in rows.tolist())


def test_lists_that_are_empty():
    """As where there are fewer distinct vectors than lists."""
    table = np.repeat(TABLE[:8], 400, axis=0)
    index = Builder(table).build(Structure("pq4", lists=16)).index
    rows = rows_of(index, table, QUERIES[:3], 20)
    assert all(len(set(row)) == 20 and min(row) >= 0 for row in rows.tolist())


def test_an_index_is_looked_up_once_that_is_worth_it(index, monkeypatch):
    used = []
    best_rows = KERNELS.best_rows
    monkeypatch.setattr(KERNELS, "best_rows", lambda *given: used.append(0) or best_rows(*given))
    loading = lookup.Loading(1e7, lookup._load)
    monkeypatch.setattr(lookup, "LOADING", loading)
    search = Approximate(index, TABLE, Effort(10, 10, 400), NEVER_EXACT).search
    before = search(QUERIES[:1], 10, ALL)
    assert not used
    loading.at_once()
    after = search(QUERIES[:1], 10, ALL)
    assert used
    assert before[1].tobytes() == after[1].tobytes()


@pytest.mark.parametrize("name", ["ivf16-sq8", "hnsw8-float32"])
def test_other_indexes_are_left_to_faiss(name, monkeypatch):
    monkeypatch.setattr(lookup, "LOADING", lookup.Loading(0, lookup._load))
    index = Builder(TABLE).build(Structure.named(name)).index
    assert LookUp(index, TABLE).kernels(1000, 10) is None
    rows, _ = Approximate(index, TABLE, Effort(10, 16, 40), NEVER_EXACT).search(QUERIES, 10, ALL)
    assert (rows >= 0).all()
