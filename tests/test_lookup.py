"""Codes looked up by compiled loops: what FAISS finds, whatever queries and masks there are."""

from __future__ import annotations

import numpy as np
import pytest
from test_dense import unit

from vecsearch.retrieve.nearest import lookup
from vecsearch.retrieve.nearest.approximate import Approximate
from vecsearch.retrieve.nearest.building import Builder
from vecsearch.retrieve.nearest.exact import Flat, inner_products
from vecsearch.retrieve.nearest.faiss_search import FaissSearch
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


def rows_of(index, table, queries, candidates, allow=ALL, probes=10, nearness=None):
    effort = Effort(1, probes, candidates, nearness)
    return LookUp(index, table).rows(KERNELS, queries, effort, allow)


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


@pytest.mark.parametrize("k", [1, 10, 400])
def test_the_best_of_them_are_found(index, k):
    """Their order is that of the vectors; where there are fewer candidates, the rest is padded."""
    scores = best_scores(QUERIES, TABLE, rows_of(index, TABLE, QUERIES, 300), k)
    rows, found = LookUp(index, TABLE).search(KERNELS, QUERIES, k, Effort(1, 10, 300), ALL)
    assert rows.shape == found.shape == (40, k)
    assert found[:, :300].tobytes() == scores.tobytes()
    assert inner_products(QUERIES, TABLE, rows)[:, :300].tobytes() == scores.tobytes()
    assert (rows[:, 300:] == -1).all()
    assert np.isneginf(found[:, 300:]).all()


@pytest.mark.parametrize("dim", [1, 7, 8, 16, 23, 24, 36, 100, 256])
def test_scores_are_those_of_faiss_to_the_last_bit(dim):
    if not lookup._exact(dim):
        pytest.skip("this build of FAISS adds up in another order")
    table, query = unit((500, dim), 5), unit((1, dim), 6)
    theirs = inner_products(query, table, np.arange(500)[None])[0]
    products = pytest.importorskip("vecsearch.kernels.products").products
    assert products(query[0], table).tobytes() == theirs.tobytes()


def test_faiss_scores_where_it_adds_up_in_another_order(index, monkeypatch):
    effort = Effort(1, 10, 300)
    mine = LookUp(index, TABLE).search(KERNELS, QUERIES, 10, effort, ALL)
    monkeypatch.setattr(lookup, "_exact", lambda *_: False)
    theirs = LookUp(index, TABLE).search(KERNELS, QUERIES, 10, effort, ALL)
    assert mine[1] == pytest.approx(theirs[1])
    assert np.mean(mine[0] == theirs[0]) > 0.99


def lists_of(index):
    """Return the list of each row, and the products of the queries with the lists' centroids."""
    faiss = load_faiss()
    lists = faiss.downcast_index(index.index)
    centroids = faiss.downcast_index(lists.quantizer).reconstruct_n(0, lists.nlist)
    of_row = np.empty(ROWS, np.int64)
    for each in range(lists.nlist):
        size = lists.invlists.list_size(each)
        of_row[faiss.rev_swig_ptr(lists.invlists.get_ids(each), size)] = each
    return of_row, index.chain.at(0).apply(QUERIES) @ centroids.T


@pytest.fixture(scope="module")
def lists():
    return Builder(TABLE).build(Structure.named("ivf16-pq4")).index


def test_only_near_lists_are_visited(lists):
    """And as many as hold the candidates; of two that are alike rounding may take another."""
    of_row, products = lists_of(lists)
    sizes = np.bincount(of_row, minlength=16)
    for nearness, candidates in ((0.6, 1), (0.6, 1500), (0.1, 100), (5.0, 700)):
        rows = rows_of(lists, TABLE, QUERIES, candidates, probes=16, nearness=nearness)
        for i, found in enumerate(rows):
            assert (found >= 0).all()
            order = np.argsort(-products[i])
            before = np.cumsum(sizes[order]) - sizes[order]
            near = products[i][order] >= nearness * products[i].max() - 0.01
            able = order[near | (before <= candidates + sizes.max())]
            assert set(of_row[found].tolist()) <= set(able.tolist())
    all_ = rows_of(lists, TABLE, QUERIES, 300, probes=16)
    some = rows_of(lists, TABLE, QUERIES, 300, probes=16, nearness=0.7)
    assert (np.sort(all_) != np.sort(some)).any(axis=1).mean() > 0.5


def test_all_lists_are_visited_where_nothing_near_passes(lists):
    of_row, products = lists_of(lists)
    for i in range(len(QUERIES)):
        allow = (products[i] < 0.5 * products[i].max())[of_row]
        query = QUERIES[i : i + 1]
        near = rows_of(lists, TABLE, query, 50, allow, probes=16, nearness=0.6)
        all_ = rows_of(lists, TABLE, query, 50, allow, probes=16)
        assert np.sort(near).tolist() == np.sort(all_).tolist()


def test_at_most_so_many_lists_are_visited(lists):
    of_row, _ = lists_of(lists)
    rows = rows_of(lists, TABLE, QUERIES, 200, probes=3, nearness=0.01)
    assert max(len(set(of_row[row[row >= 0]].tolist())) for row in rows) == 3


def test_faiss_visits_the_lists_that_are_near(lists):
    """It finds at least as much, since it visits somewhat more of them."""
    faiss_search = FaissSearch(lists)
    for share in (0.2, 0.5):
        effort = Effort(1, 16, 200, faiss_search.nearness(QUERIES, share))
        mine = best_scores(
            QUERIES, TABLE, LookUp(lists, TABLE).rows(KERNELS, QUERIES, effort, ALL), 10
        )
        theirs = best_scores(QUERIES, TABLE, faiss_search.rows(QUERIES, effort, ALL), 10)
        assert theirs.mean() >= mine.mean() - 1e-3
        _, products = lists_of(lists)
        near = products >= effort.nearness * products.max(axis=1, keepdims=True)
        assert near.mean() == pytest.approx(share, abs=0.02)


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
    scored = KERNELS.best_scored
    monkeypatch.setattr(KERNELS, "best_scored", lambda *given: used.append(0) or scored(*given))
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
