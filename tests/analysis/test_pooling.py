"""Permutation tests against counts by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from grokbook.analysis import pooling

NEVER = math.inf


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([[1, 2, 3], [4, 5, 6]], 2 / 20),  # the two extreme ones of 20 ways to choose three of six
        ([[1], [2, 3, 4]], 2 / 4),
        ([[1, 2], [1, 2]], 1),
        ([[5, NEVER], [6, NEVER]], 1),
        ([[1, 2, 3], [NEVER, NEVER, NEVER]], 2 / 20),
    ],
)
def test_small_samples_are_shuffled_in_every_way(samples, expected):
    assert pooling.p_value(samples) == pytest.approx(expected)


@pytest.mark.parametrize("samples", [[], [[1, 2]], [[1, 2], []], [[1], [2]], [[NEVER, NEVER], [NEVER]], [[3, 3], [3]]])
def test_what_shuffling_cannot_tell_is_not_a_number(samples):
    assert math.isnan(pooling.p_value(samples))


def test_many_runs_of_one_distribution_do_not_differ_and_shifted_ones_do():
    draws = np.random.default_rng(1).normal(size=(5, 8))
    assert pooling.p_value(draws.tolist()) == pytest.approx(stats.kruskal(*draws).pvalue, abs=0.05)
    draws[0] += 3
    assert pooling.p_value(draws.tolist()) < 0.01


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=3), min_size=2, max_size=3))
def test_only_the_order_of_times_counts(samples):
    stretched = [[10**time for time in sample] for sample in samples]
    assert pooling.p_value(stretched) == pytest.approx(pooling.p_value(samples), nan_ok=True)


def test_several_tests_are_one_by_fishers_rule():
    # Of two uniform numbers, the probability that their product is at most x is x (1 - ln x).
    assert pooling.combined([0.2, math.nan, 0.1]) == pytest.approx(0.02 * (1 - math.log(0.02)))
    assert math.isnan(pooling.combined([math.nan]))
