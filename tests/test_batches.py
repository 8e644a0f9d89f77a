"""Many queries at once, by tiles of bfloat16: exactly what queries asked alone are given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_dense import unit

from vecsearch.retrieve.nearest import exact, tiled
from vecsearch.retrieve.nearest.exact import Flat, inner_products
from vecsearch.retrieve.nearest.loading import Loading

KERNELS = tiled._load()

tiles = pytest.mark.skipif(KERNELS is None, reason="the processor doesn't multiply bfloat16")


def narrowed(numbers):
    """Round float32 to bfloat16, ties to even, by the bits."""
    bits = np.asarray(numbers, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1) >> 16) << 16).astype(np.uint32).view(np.float32)


def found(queries, table, k, rows=None, threads=1):
    """Search by tiles; None where that isn't possible."""
    candidates, able = tiled.candidates(KERNELS, queries, table, rows, k, threads)
    if not able.all():
        assert not able.any()
        return None
    return exact._first(candidates, inner_products(queries, table, candidates), k)


def check(queries, table, k, rows=None, threads=1):
    """Compare rows and scores with those of each query alone, by FAISS's kernel."""
    mine = found(queries, table, k, rows, threads)
    assert mine is not None
    some = table if rows is None else np.ascontiguousarray(table[rows])
    alone_rows, alone_scores = exact._kernel(queries, some, k, None)
    assert mine[1].tobytes() == alone_scores.tobytes()
    if rows is not None:
        alone_rows = rows[alone_rows]
    clear = np.ones(mine[1].shape, np.bool_)  # where no neighbour has the same score
    equal = mine[1][:, 1:] == mine[1][:, :-1]
    clear[:, 1:] &= ~equal
    clear[:, :-1] &= ~equal
    clear[:, -1] = False  # a tie may go on beyond the end
    assert (mine[0][clear] == alone_rows[clear]).all()
    scores = inner_products(queries, table, mine[0])
    assert scores.tobytes() == mine[1].tobytes()


def decaying(count, dim, seed):
    """Vectors whose later numbers are smaller, as latent semantic analysis gives them."""
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((count, dim)) / np.sqrt(np.arange(1, dim + 1))
    return (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float32)


@tiles
@pytest.mark.parametrize("dim", [1, 2, 31, 32, 33, 100, 256])
@pytest.mark.parametrize("count", [8, 32, 45])
def test_any_shape(dim, count):
    table = np.random.default_rng(1).standard_normal((3001, dim)).astype(np.float32)
    queries = np.random.default_rng(2).standard_normal((count, dim)).astype(np.float32)
    for k in (1, 10, 150):
        check(queries, table, k)
    check(queries, table, 5, rows=np.arange(2, 3001, 3))


@tiles
@settings(max_examples=40)
@given(
    rows=st.integers(160, 9000),
    dim=st.integers(5, 80),
    count=st.integers(1, 70),
    k=st.integers(1, 10),
    scale=st.integers(-12, 12),
    threads=st.integers(1, 3),
    share=st.sampled_from([None, 0.3, 0.9]),
    seed=st.integers(0, 1000),
)
def test_any_batch(rows, dim, count, k, scale, threads, share, seed):
    rng = np.random.default_rng(seed)
    table = decaying(rows, dim, seed) * np.float32(10.0**scale)
    passing = None if share is None else np.flatnonzero(rng.random(rows) < share)
    queries = decaying(count, dim, seed + 1)
    check(queries, table, k, passing, threads)


@tiles
def test_any_number_of_threads_and_any_batch_gives_the_same():
    table, queries = decaying(20_000, 64, 3), decaying(300, 64, 4)
    table[10_000:10_900] = table[:900]  # ties
    one = found(queries, table, 9)
    for threads in (2, 3, 4):
        more = found(queries, table, 9, threads=threads)
        assert [each.tobytes() for each in more] == [each.tobytes() for each in one]
    by_numpy = exact._settled(queries, table, None, 9, None)
    assert [each.tobytes() for each in by_numpy] == [each.tobytes() for each in one]
    for first in range(0, 300, 70):
        part = found(queries[first : first + 70], table, 9)
        assert part[0].tobytes() == one[0][first : first + 70].tobytes()
        assert part[1].tobytes() == one[1][first : first + 70].tobytes()


@tiles
def test_the_best_are_found_where_bfloat16_has_the_order_wrong():
    """The best are rounded down in every number, and so many that are worse are rounded up."""
    dim, half = 96, 2.0**-8
    rng = np.random.default_rng(5)
    signs = rng.choice([-1.0, 1.0], dim)
    query = (signs * (1 + half * 0.999)).astype(np.float32)
    worse = np.full((60, dim), 1 + half * 1.001)
    worse[:, 7] -= rng.uniform(0.01, 0.06, 60)
    better = 1 + half * (0.99 + 0.001 * np.arange(5))[:, None] * np.ones(dim)
    table = np.concatenate([signs * worse, signs * better, unit((3000, dim), 6)])
    table = rng.permutation(table).astype(np.float32)
    by_exact = np.argsort(-(table.astype(np.float64) @ query))
    by_rough = np.argsort(-(narrowed(table).astype(np.float64) @ narrowed(query)))
    assert set(by_exact[:5]).isdisjoint(by_rough[:60])
    check(np.tile(query, (8, 1)), table, 5)


@tiles
@pytest.mark.parametrize("seed", range(3))
def test_the_room_is_no_less_than_the_error_and_not_much_more(seed):
    dim = 200
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], dim)
    near_half = 1 + 2.0**-8 * rng.uniform(0.99, 0.9999, (64, dim))
    table = np.concatenate([signs * near_half, unit((64, dim), seed)]).astype(np.float32)
    queries = np.concatenate([signs * near_half[:8], unit((8, dim), 9)]).astype(np.float32)
    asked = tiled._narrowed(KERNELS, queries)[0]
    wide, narrow = (each.astype(np.float64) for each in (table, narrowed(table)))
    longest = np.linalg.norm(wide, axis=1)
    worst = np.linalg.norm(wide - narrow, axis=1)
    room = np.outer(asked.near[:16], longest) + np.outer(asked.far[:16], worst)
    error = np.abs(queries.astype(np.float64) @ wide.T - narrowed(queries).astype(float) @ narrow.T)
    assert (2 * error <= room).all()
    assert (2 * error[:8, :64] >= 0.9 * room[:8, :64]).all()


@tiles
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("k", [1, 10, 500])
def test_rows_in_the_order_of_their_products(order, k):
    """The worst order: each row is among the best as yet, and more may be than there is room for."""
    table, queries = decaying(9000, 64, 6), decaying(9, 64, 7)
    table = np.ascontiguousarray(table[np.argsort(table @ queries[0])[::order]])
    _, able = tiled.candidates(KERNELS, queries, table, None, k, 1)
    assert able[1:].all()
    mine = exact._settled(queries, table, None, k, KERNELS)
    alone = exact._kernel(queries, table, k, None)
    assert [each.tobytes() for each in mine] == [each.tobytes() for each in alone]


@tiles
def test_a_query_with_too_many_candidates_leaves_the_others_alone():
    table, queries = decaying(9000, 64, 6), decaying(40, 64, 7)
    table[::9] = queries[5]
    _, able = tiled.candidates(KERNELS, queries, table, None, 10, 2)
    assert np.flatnonzero(~able).tolist() == [5]
    _, scores = exact._settled(queries, table, None, 10, KERNELS)
    assert scores.tobytes() == exact._kernel(queries, table, 10, None)[1].tobytes()


@tiles
@pytest.mark.parametrize(
    "table",
    [
        np.tile(unit((1, 40), 1), (3000, 1)),
        np.zeros((3000, 40), np.float32),
        np.full((3000, 40), 3e38, np.float32),
        np.full((3000, 40), 1e-30, np.float32) * unit((3000, 40), 1),
    ],
    ids=["equal", "zero", "huge", "tiny"],
)
def test_rows_that_bfloat16_cannot_tell_apart_are_left_to_the_kernel(table):
    assert found(unit((20, 40), 2), table, 5) is None
    if np.abs(table).max() < 1e38:
        _, scores = exact._settled(unit((20, 40), 2), table, None, 5, KERNELS)
        assert scores.tobytes() == exact._kernel(unit((20, 40), 2), table, 5, None)[1].tobytes()


@tiles
def test_numbers_too_great_for_products():
    huge = unit((3000, 40), 1) * np.float32(1e30)
    assert found(unit((20, 40), 2), huge, 5) is None  # their squares are no numbers
    assert found(unit((20, 40), 2) * np.float32(1e19), huge * np.float32(1e-11), 5) is None
    check(unit((20, 40), 2), huge * np.float32(1e-12), 5)


@tiles
def test_tiles_round_as_the_reference_does():
    """Products of whole numbers are exact, so what the loops keep is what numpy works out."""
    rng = np.random.default_rng(8)
    table = rng.integers(-128, 129, (2000, 70)).astype(np.float32)
    queries = rng.integers(-128, 129, (40, 70)).astype(np.float32)
    asked, lengths = tiled._narrowed(KERNELS, queries)
    room = tiled._room(KERNELS, 40, len(asked.near), 10)
    block = tiled._aligned((KERNELS.BLOCK, KERNELS.width(70)), np.uint16)
    work = KERNELS.Work(block, tiled._aligned((2, 2, 16, 16), np.float32))
    KERNELS.collect(table.ctypes.data, 2000, 70, np.zeros(0, np.int64), 0, 2000, asked, room, work)
    assert lengths == pytest.approx(np.linalg.norm(queries, axis=1))
    wanted = np.sort(queries @ table.T, axis=1)[:, -10:]
    assert (np.sort(room.heap[:40], axis=1) == wanted).all()
    assert room.lengths[0] == pytest.approx(np.linalg.norm(table, axis=1).max())


@tiles
@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 3])
def test_pairs_multiply_tiles(columns, steps):
    """Products of whole numbers are exact. What isn't multiplied stays as it was."""
    from numba import njit

    from vecsearch.kernels.pairs import multiply

    @njit
    def run(rows, row, tiles, column, sums):
        multiply(rows, row, tiles, column, sums)

    def words(numbers):
        return (numbers.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)

    rng = np.random.default_rng(columns)
    rows = rng.integers(-128, 129, (64, 32 * steps))
    queries = rng.integers(-128, 129, (16 * columns, 32 * steps))
    block = np.zeros((64, 32 * steps + 32), np.uint16)
    block[:, : 32 * steps] = words(rows)
    laid = words(queries).reshape(columns, 16, steps, 16, 2).transpose(0, 2, 3, 1, 4)
    for first in range(0, columns, 2):
        sums = np.full((2, 2, 16, 16), np.nan, np.float32)
        run(block, 32, np.ascontiguousarray(laid), 16 * first, sums)
        for half in range(2):
            if first + half < columns:
                some = queries[16 * (first + half) : 16 * (first + half + 1)]
                assert (sums[:, half].reshape(32, 16) == rows[32:] @ some.T).all()
            else:
                assert np.isnan(sums[:, half]).all()


def test_compiled_loops_are_loaded_once_they_are_worth_it():
    loaded = []
    loading = Loading(3e10, lambda: loaded.append("once"))
    for _ in range(4):
        assert loading.kernels(1e10) is None
        assert len(loaded) <= 1
    assert loaded == ["once"]


@tiles
@pytest.mark.parametrize("k", [1, 10, 40])
def test_a_batch_of_an_index_is_searched_by_tiles(monkeypatch, k):
    monkeypatch.setattr(tiled.LOADING, "_kernels", KERNELS)
    used = []
    collect = KERNELS.collect
    monkeypatch.setattr(KERNELS, "collect", lambda *given: used.append(1) or collect(*given))
    table, queries = decaying(6000, 48, 10), decaying(1100, 48, 11)
    flat = Flat(table)
    rows, scores = flat.search(queries, k, exact.ALL)
    allow = np.random.default_rng(12).random(6000) < 0.5
    _, filtered = flat.search(queries[:60], k, allow)
    assert len(used) >= 3
    for i in (0, 59, 1023, 1024, 1099):
        alone_rows, alone = flat.search(queries[i : i + 1], k, exact.ALL)
        assert alone[0].tobytes() == scores[i].tobytes()
        assert alone_rows[0].tolist() == rows[i].tolist()
    for i in (0, 59):
        assert flat.search(queries[i : i + 1], k, allow)[1][0].tobytes() == filtered[i].tobytes()
