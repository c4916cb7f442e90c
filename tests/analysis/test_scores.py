"""Scores of predictions, on a few runs by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from grokbook.analysis import scores

PROBABILITY = np.array([0.9, 0.8, 0.3, 0.3, 0.1])
GROKKED = np.array([True, False, True, False, False])


def test_auc_counts_pairs_and_ties_by_half():
    assert scores.auc(PROBABILITY, GROKKED) == pytest.approx((3 + 1.5) / 6)
    assert scores.auc(PROBABILITY, PROBABILITY > 0.5) == 1
    assert math.isnan(scores.auc(PROBABILITY, np.full(5, True)))


def test_accuracy_is_the_share_on_the_right_side():
    assert scores.accuracy(PROBABILITY, GROKKED) == pytest.approx(3 / 5)


def test_log_loss():
    expected = -np.mean(np.log([0.9, 0.2, 0.3, 0.7, 0.9]))
    assert scores.log_loss(PROBABILITY, GROKKED) == pytest.approx(expected)
    assert scores.log_loss(np.array([0.0]), np.array([True])) == pytest.approx(-math.log(0.001))


def test_calibration_by_ranges():
    found = scores.calibration(np.array([0.05, 0.15, 0.5, 0.95, 1.0]), np.array([False, True, True, True, True]))
    assert found == [(pytest.approx(0.1), 0.5, 2), (0.5, 1.0, 1), (pytest.approx(0.975), 1.0, 2)]


def test_the_step_factor_is_the_same_both_ways():
    predicted, actual = np.array([100.0, 200.0, 50.0]), np.array([200.0, 100.0, 50.0])
    assert scores.step_factor(predicted, actual) == pytest.approx(2)
    assert scores.step_factor(actual, predicted) == pytest.approx(2)
    assert math.isnan(scores.step_factor(np.array([]), np.array([])))
