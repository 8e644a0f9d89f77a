"""The bench's statistics against scipy, against counting by hand, and by simulation."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vecsearch.bench import statistics
from vecsearch.bench.statistics import (
    bootstrap_interval,
    correlation,
    detectable,
    effect_size,
    holm,
    randomization_test,
    spearman,
)
from vecsearch.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent

# Differences of scores: on a grid, so that they tie, and 0 more often than anything.
grid = st.integers(-20, 20).map(lambda i: i / 20) | st.just(0.0)
few = st.lists(grid, min_size=1, max_size=9)
many = st.lists(grid, min_size=17, max_size=40)
p_values = st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.04]), max_size=12)


def zero_heavy(rng, shape):
    """Symmetric differences as those of Success@10: mostly 0, else 1 or -1."""
    return rng.choice([0.0, 0.0, 0.0, 1.0, -1.0], shape)


def real_looking(rng, shape):
    """Symmetric differences, as of nDCG@10: half are 0, the rest discrete."""
    gains = np.append(np.zeros(4), 1 / np.log2(np.arange(2, 6)))
    return rng.choice(gains, shape) - rng.choice(gains, shape)


# --- the randomization test


def counted(differences):
    """The p value by its definition: every choice of signs, in exact arithmetic."""
    whole = [round(each * 20) for each in differences]
    sums = [
        sum(sign * each for sign, each in zip(signs, whole, strict=True))
        for signs in itertools.product([1, -1], repeat=len(whole))
    ]
    return sum(abs(each) >= abs(sum(whole)) for each in sums) / len(sums)


@settings(max_examples=60)
@given(few)
def test_randomization_counts_every_choice_of_signs(differences):
    test = randomization_test(differences)
    assert test.p == pytest.approx(counted(differences), abs=1e-12)
    assert test.exact
    assert test.permutations == 2 ** sum(each != 0 for each in differences)


def test_randomization_exact_as_scipy():
    differences = np.random.default_rng(1).normal(0.3, 1, 14)
    result = scipy.stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert randomization_test(differences).p == pytest.approx(result.pvalue, abs=1e-12)


@pytest.mark.parametrize("n", [17, 23, 24, 25, 60])  # around whole bytes of signs
def test_randomization_drawn_as_scipy(n):
    differences = real_looking(np.random.default_rng(n), n) + 0.07
    result = scipy.stats.permutation_test(
        (differences,),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        vectorized=True,
        rng=np.random.default_rng(2),
    )
    test = randomization_test(differences)
    assert not test.exact
    assert test.permutations == 100_000
    error = math.sqrt(test.p * (1 - test.p) * (1 / 20_000 + 1 / 100_000))
    assert test.p == pytest.approx(result.pvalue, abs=4 * error + 1e-4)


def test_randomization_draws_the_binomial_of_equal_sizes():
    # 40 differences of one size: the sum of signs is binomial, and p is known.
    differences = [0.25] * 27 + [-0.25] * 13 + [0.0] * 30
    known = 2 * scipy.stats.binom.sf(26, 40, 0.5)
    assert randomization_test(differences).p == pytest.approx(known, abs=0.003)


def test_randomization_is_exact_up_to_sixteen_that_differ():
    assert randomization_test([0.1] * 16 + [0.0] * 50).p == 2 / 2**16
    assert not randomization_test([0.1] * 17).exact
    smallest = randomization_test([0.1 * 1.01**i for i in range(60)])
    assert smallest.p == 1 / 100_001


def test_a_sum_that_is_equal_but_for_rounding_counts():
    # .1 + .2 isn't .3 in floats: {.1, .2, -.3} sums to 5.6e-17, others to 0 or -5.6e-17.
    assert randomization_test([0.1, 0.2, -0.3]).p == 1.0
    # Half of the draws of .7 + .2 - .9 + ... tie with the observed sum of 0.
    assert randomization_test([0.7, 0.2, -0.9] * 7).p == 1.0


def test_without_differences_nothing_is_shown():
    assert randomization_test([0.0, -0.0, 0.0]) == (1.0, True, 1)
    assert randomization_test([0.4]) == (1.0, True, 2)


@settings(max_examples=40)
@given(few | many, st.randoms(use_true_random=False), st.integers(0, 20))
def test_p_depends_on_nothing_else(differences, random, zeros):
    p = randomization_test(differences, 2_000).p
    assert 0 < p <= 1
    assert randomization_test([-each for each in differences], 2_000).p == p
    shuffled = [*differences, *[0.0] * zeros]
    random.shuffle(shuffled)
    assert randomization_test(shuffled, 2_000).p == p
    assert randomization_test([each / 3 for each in differences], 2_000).p == p
    assert randomization_test([each * 1e-9 for each in differences], 2_000).p == p


def test_another_seed_draws_others():
    differences = np.random.default_rng(3).normal(0.1, 1, 50)
    same = {randomization_test(differences, 1_000, 1).p for _ in range(3)}
    assert len(same) == 1
    assert len({randomization_test(differences, 1_000, seed).p for seed in range(9)}) > 1


# --- the interval


def symmetric_bootstrap_t(values, resamples):
    """The half width by scipy: the quantile of |t| over resamples, times the standard error."""

    def studentized(x, axis=-1):
        error = np.std(x, ddof=1, axis=axis) / math.sqrt(x.shape[axis])
        return np.abs(np.mean(x, axis=axis) - np.mean(values)) / error

    result = scipy.stats.bootstrap(
        (np.asarray(values),),
        studentized,
        n_resamples=resamples,
        method="percentile",
        confidence_level=0.95,
        alternative="less",
        rng=np.random.default_rng(5),
    )
    return result.confidence_interval.high * scipy.stats.sem(values)


@pytest.mark.parametrize("n", [25, 80, 2_000])  # the largest by counts of equal values
def test_interval_as_scipy_resamples(n):
    values = real_looking(np.random.default_rng(n), n) * 0.4 + 0.05
    reach = symmetric_bootstrap_t(values, 5_000)
    student = scipy.stats.t.ppf(0.975, n - 1) * scipy.stats.sem(values)
    low, high = bootstrap_interval(values)
    assert (low + high) / 2 == pytest.approx(np.mean(values))
    assert (high - low) / 2 == pytest.approx(max(reach, student), rel=0.04)


def test_interval_widens_with_the_level():
    values = real_looking(np.random.default_rng(8), 60)
    widths = [np.diff(bootstrap_interval(values, level))[0] for level in (0.5, 0.8, 0.95, 0.99)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1] / 2


@settings(max_examples=40)
@given(few | many, st.randoms(use_true_random=False))
def test_interval_holds_the_mean_whatever_the_order(values, random):
    low, high = bootstrap_interval(values, resamples=500)
    assert -1 <= low <= np.mean(values) + 1e-12
    assert np.mean(values) - 1e-12 <= high <= 1
    assert (low == high) == (len(set(values)) == 1)
    random.shuffle(values)
    assert bootstrap_interval(values, resamples=500) == (low, high)
    mirrored = bootstrap_interval([-each for each in values], resamples=500)
    if low > -1 and high < 1 and len(set(values)) > 1:
        assert sum(mirrored) == pytest.approx(-low - high)


def test_interval_of_few_values_is_no_narrower_than_students():
    low, high = bootstrap_interval([0.0, 0.001])
    assert (high - low) / 2 == pytest.approx(0.0005 * scipy.stats.t.ppf(0.975, 1), rel=0.1)
    low, high = bootstrap_interval([0.0] * 299 + [0.3])  # a third of resamples is constant
    assert low < 0 < 0.002 < high < 0.005


def test_interval_of_few_differences_hardly_changes_by_a_tiny_one():
    """A resample that drew the tiny one alone has an error, but it tells nothing of the sample's."""
    alone = bootstrap_interval([-0.5, 0.2, *[0.0] * 38])
    low, high = bootstrap_interval([-0.5, 0.2, 0.001, *[0.0] * 37])
    assert low == pytest.approx(alone.low, abs=0.005)
    assert high == pytest.approx(alone.high, abs=0.005)


def test_interval_of_equal_values_is_that_value():
    assert bootstrap_interval([0.3]) == (0.3, 0.3)
    assert bootstrap_interval([0.1] * 10) == pytest.approx((0.1, 0.1))
    low, high = bootstrap_interval([0.1] * 10 + [0.1 + 2e-17, 0.1 + 3e-17])
    assert low == pytest.approx(high)


def test_interval_stays_within_the_bounds():
    scores = [1.0] * 19 + [0.2]
    assert bootstrap_interval(scores, bounds=(0, 1)).high == 1
    assert bootstrap_interval(scores, bounds=(0, 2)).high > 1
    assert bootstrap_interval([1.0, 0.0, 0.0], bounds=(0, 1)).low == 0


def test_ten_thousand_queries_are_resampled_in_bounded_memory():
    import tracemalloc

    values = np.random.default_rng(1).random(10_570)
    tracemalloc.start()
    bootstrap_interval(values, resamples=500)
    randomization_test(values - 0.5, 5_000)
    correlation(values[:2_000], values[::-1][:2_000])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


# --- Holm, effect size, power


def naive_holm(p):
    """Holm's by its definition: the largest over all p values up to one's own."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted = [0.0] * len(p)
    for place, i in enumerate(order):
        earlier = [(len(p) - j) * p[order[j]] for j in range(place + 1)]
        adjusted[i] = min(1.0, max(earlier))
    return adjusted


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@given(p_values, st.randoms(use_true_random=False))
def test_holm_by_definition(p, random):
    adjusted = holm(p)
    assert adjusted == pytest.approx(naive_holm(p))
    assert all(before <= after <= 1 for before, after in zip(p, adjusted, strict=True))
    pairs = sorted(zip(p, adjusted, strict=True))
    assert [each for _, each in pairs] == sorted(adjusted)
    order = list(range(len(p)))
    random.shuffle(order)
    assert holm([p[i] for i in order]) == [adjusted[i] for i in order]


def test_effect_size_is_the_mean_in_standard_deviations():
    values = np.random.default_rng(1).normal(0.2, 0.5, 30)
    t, _ = scipy.stats.ttest_1samp(values, 0)
    assert effect_size(values) == pytest.approx(t / math.sqrt(30))
    assert effect_size([0.1, 0.1, 0.1]) is None
    assert effect_size([0.1]) is None


def test_detectable_by_hand():
    # s = 1, n = 50, z(.975) = 1.95996, z(.8) = .84162
    values = np.resize([1.0, -1.0], 50) / math.sqrt(50 / 49)
    assert detectable(values) == pytest.approx(2.80159 / math.sqrt(50 - 1.92073), rel=1e-5)
    z = NormalDist().inv_cdf(1 - 0.01 / 10)
    errors = z + NormalDist().inv_cdf(0.9)
    known = errors / math.sqrt(50 - z * z / 2)
    assert detectable(values, family=5, level=0.01, power=0.9) == pytest.approx(known)
    assert detectable([0.0] * 50) == 0


def test_five_queries_detect_nothing():
    assert detectable([0.1, 0.2, 0.3, 0.1, 0.5]) == math.inf
    assert detectable([0.1, 0.2, 0.3, 0.1, 0.5, 0.4]) < math.inf
    assert detectable([0.1, 0.2, 0.3, 0.1, 0.5, 0.4], family=2) == math.inf


# --- correlation


@settings(max_examples=60)
@given(st.lists(st.tuples(grid, grid), min_size=2, max_size=30))
def test_spearman_as_scipy(pairs):
    x, y = zip(*pairs, strict=True)
    assume(len(set(x)) > 1 and len(set(y)) > 1)
    assert spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)
    assert spearman(y, x) == pytest.approx(spearman(x, y), abs=1e-12)
    assert spearman(x, np.exp(y)) == pytest.approx(spearman(x, y), abs=1e-12)


def test_correlation_as_scipy():
    rng = np.random.default_rng(4)
    x = rng.integers(1, 12, 70).astype(float)
    y = 0.05 * x + rng.normal(0, 0.5, 70).round(1)
    found = correlation(x, y)
    assert found.rho == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    shuffled = scipy.stats.permutation_test(
        (x,),
        lambda x: scipy.stats.spearmanr(x, y).statistic,
        permutation_type="pairings",
        n_resamples=1_000,
        rng=np.random.default_rng(1),
    )
    assert found.p == pytest.approx(shuffled.pvalue, abs=0.03)
    resampled = scipy.stats.bootstrap(
        (x, y),
        lambda x, y: scipy.stats.spearmanr(x, y).statistic,
        paired=True,
        vectorized=False,
        n_resamples=1_000,
        method="percentile",
        rng=np.random.default_rng(1),
    )
    assert found.interval == pytest.approx(tuple(resampled.confidence_interval), abs=0.04)


def test_correlation_of_what_goes_together_and_what_does_not():
    rising = np.arange(40.0)
    assert correlation(rising, rising**3) == (pytest.approx(1), pytest.approx((1, 1)), 1 / 10_001)
    assert correlation(rising, -rising).rho == pytest.approx(-1)
    assert correlation(rising, np.ones(40)) == (0.0, (0.0, 0.0), 1.0)
    assert correlation([3.0], [4.0]) == (0.0, (0.0, 0.0), 1.0)
    noise = correlation(rising, np.random.default_rng(1).permutation(40).astype(float))
    assert noise.interval.low < 0 < noise.interval.high
    assert noise.p > 0.05
    assert correlation(rising, np.sin(rising), seed=1) == correlation(rising, np.sin(rising), 1)


# --- bad input


@pytest.mark.parametrize(
    "function", [bootstrap_interval, randomization_test, effect_size, detectable]
)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "There are no values"),
        ([[0.1, 0.2]], "one per query"),
        ([0.1, math.nan], "Value 2 is nan"),
        ([math.inf, 0.1], "Value 1 is inf"),
    ],
)
def test_bad_values(function, values, message):
    with pytest.raises(UsageError, match=message):
        function(values)


def test_bad_pairs_and_bounds():
    with pytest.raises(UsageError, match="3 values can't be paired with 2"):
        spearman([1, 2, 3], [1, 2])
    with pytest.raises(UsageError, match="no values"):
        correlation([], [])
    with pytest.raises(UsageError, match=r"Values from 0.5 to 3 aren't all between .* -1 and 1"):
        bootstrap_interval([0.5, 3.0])
    with pytest.raises(UsageError, match="between the bounds 0 and 1"):
        bootstrap_interval([-0.5, 0.3], bounds=(0, 1))


# --- simulation: bench/simulation.py does the same with more kinds of differences


def shares(n, draw, repetitions, shift=0.0):
    """How often a test is below .05, any of five by Holm, and how often the interval holds 0."""
    rng = np.random.default_rng(n)
    below = family = held = 0
    for seed in range(repetitions):
        differences = draw(rng, (5, n)) + shift
        p = [randomization_test(each, 1_000, seed).p for each in differences]
        below += p[0] < 0.05
        family += min(holm(p)) < 0.05
        low, high = bootstrap_interval(differences[0], resamples=500, seed=seed, bounds=(-9, 9))
        held += low <= shift <= high
    return below / repetitions, family / repetitions, held / repetitions


@pytest.mark.slow
@pytest.mark.parametrize("draw", [real_looking, zero_heavy])
@pytest.mark.parametrize("n", [20, 80])
def test_simulated_errors_are_as_rare_as_they_should_be(n, draw):
    repetitions = 800
    error = 3 * math.sqrt(0.05 * 0.95 / repetitions)
    below, family, held = shares(n, draw, repetitions)
    assert below <= 0.05 + error
    assert family <= 0.05 + error
    assert held >= 0.95 - error
    if draw is real_looking:  # where p has few values, even fewer are below .05
        assert below >= 0.05 - error
        assert held <= 0.95 + error


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 80])
def test_simulated_power_at_the_detectable_difference(n):
    rng = np.random.default_rng(1)
    shift = detectable(np.resize(real_looking(rng, 100_000), 100_000)) * math.sqrt(100_000 / n)
    below, _, held = shares(n, real_looking, 800, shift)
    assert below == pytest.approx(0.8, abs=0.06)
    assert held == pytest.approx(0.95, abs=0.03)


def test_the_committed_simulation_shows_what_the_docstrings_say():
    table = json.loads((ROOT / "bench/results/simulation.json").read_text())["table"]
    assert {row["n"] for row in table} == {20, 50, 100, 300}
    for n in (20, 50, 100, 300):
        every = [row for row in table if row["n"] == n]
        rows = [row for row in every if row["population"] != "few large, some tiny"]
        (rare,) = [row for row in every if row not in rows]
        missing = {20: (0.48, 0.28), 50: (0.78, 0.58), 100: (0.95, 0.72), 300: (0.99, 0.92)}
        found = [rare[name]["rate"] for name in ("coverage", "coverage, percentile")]
        assert found == pytest.approx(missing[n], abs=0.0051)

        def mean(name, rows=rows):
            return np.mean([row[name]["rate"] for row in rows])

        others = [mean(f"coverage, {name}") for name in ("percentile", "BCa", "bootstrap-t")]
        stated = {20: (0.89, 0.85, 0.91), 50: (0.93, 0.91, 0.92), 100: (0.93, 0.92, 0.93), 300: (0.94,) * 3}  # fmt: skip
        assert others == pytest.approx(stated[n], abs=0.0051)
        assert mean("coverage") == pytest.approx(0.98 if n == 20 else 0.96, abs=0.0051)
        assert 0.945 <= mean("coverage_with_difference") <= 0.965
        assert mean("false_positives") <= 0.05
        assert mean("family_wise") <= 0.05
        assert mean("power") == pytest.approx(0.8, abs=0.03)


def test_what_is_offered():
    assert all(hasattr(statistics, name) for name in statistics.__all__)
