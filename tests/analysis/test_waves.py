"""The correlation with waves: closed forms, what it does not depend on, another optimiser, what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from grokbook.analysis import waves
from grokbook.analysis.waves import correlation
from grokbook.data import Operation

CLOSED_FORMS = {
    "a+b": (1, 1),
    "ab": (1, 1),
    "ab+a+b": (1, 1),
    "a-b": (1, 1 / math.sqrt(2)),
    "2a+b": (1, 1 / 2),
    "2a-3b": (1, 1 / 2),
    "(a+b)^2": (1 / math.sqrt(2),) * 2,
    "(a-b)^2": (1 / math.sqrt(2),) * 2,
    "(a+b)^3": (1 / math.sqrt(3),) * 2,
    "(a-b)^3": (1 / math.sqrt(3), 1 / math.sqrt(6)),
    "(a+b)^4": (1 / 2,) * 2,
    "(a+b)^5": (1, 1),
    "(a+b)^6": (1 / math.sqrt(6),) * 2,
}
"""ρ and ρ_sym at p = 97: h(a+b) with h d to one has 1/√d, and what one wave for both operands costs."""


@pytest.mark.parametrize(("operation", "expected"), CLOSED_FORMS.items())
def test_closed_forms(operation, expected):
    found = correlation(operation, 97)
    assert (found.rho, found.rho_sym) == pytest.approx(expected, abs=1e-5)
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("operation", "rho", "rho_sym"),
    [
        ("ab+b", 1, 0.508),
        ("a^2+b", 0.995, 0.553),
        ("a^3+2b", 0.996, 0.597),
        ("a^2-b^2", 0.990, 0.780),
        ("a^2+b^2", 0.990, 0.990),
        ("a^2+ab+b^2", 0.339, 0.339),
    ],
)
def test_numbers_of_the_papers_operations(operation, rho, rho_sym):
    found = correlation(operation, 97)
    assert (found.rho, found.rho_sym) == pytest.approx((rho, rho_sym), abs=6e-4)


@pytest.mark.parametrize("operation", ["a^2-b", "a^3+ab"])
def test_the_waves_have_the_correlation_that_is_told(operation):
    p = 31
    found = correlation(operation, p)
    labels = Operation.parse(operation).labels(p)
    for optimum in found.free, found.symmetric:
        for wave in optimum.u, optimum.v:
            assert abs(wave.mean()) < 1e-9
            assert np.mean(np.abs(wave) ** 2) == pytest.approx(1)
        of_labels = optimum.w[labels]
        assert abs(of_labels.mean()) < 1e-6
        assert np.mean(np.abs(of_labels) ** 2) == pytest.approx(1)
        assert np.mean(np.outer(optimum.u, optimum.v) * of_labels).real == pytest.approx(optimum.value, abs=1e-6)
    assert (found.symmetric.u == found.symmetric.v).all()
    assert found.rho_sym <= found.rho + 1e-9


def relabelled(table, pi, tau, sigma):
    return sigma[table[np.ix_(pi, tau)]]


@given(st.randoms(use_true_random=False))
def test_renaming_changes_nothing(random):
    p = 13
    generator = np.random.default_rng(random.randrange(2**32))
    table = Operation.parse("a^2-b").labels(p)
    pi, tau, sigma = (generator.permutation(p) for _ in range(3))
    plain = correlation("a^2-b", p)
    renamed = correlation(Operation.from_table("apart", relabelled(table, pi, tau, sigma)), p)
    assert renamed.rho == pytest.approx(plain.rho, abs=1e-4)
    together = correlation(Operation.from_table("together", relabelled(table, pi, pi, sigma)), p)
    assert together.rho_sym == pytest.approx(plain.rho_sym, abs=1e-4)


def by_gradient(labels: np.ndarray, one_wave: bool, starts: int = 8) -> float:
    """The same maximum with scipy's BFGS over the real and imaginary parts of u, v and w."""
    p = len(labels)
    generator = np.random.default_rng(1)

    def waves_of(x):
        u, v, w = (part[0] + 1j * part[1] for part in x.reshape(3, 2, p))
        v = u if one_wave else v
        u, v = ((wave - wave.mean()) / np.std(wave) for wave in (u, v))
        w = w - w[labels].mean()
        return u, v, w / np.sqrt(np.mean(np.abs(w[labels]) ** 2))

    def loss(x):
        u, v, w = waves_of(x)
        return -np.mean(np.outer(u, v) * w[labels]).real

    found = (minimize(loss, generator.standard_normal(6 * p), method="BFGS").fun for _ in range(starts))
    return -min(found)


@pytest.mark.parametrize("one_wave", [False, True])
@pytest.mark.parametrize(("operation", "p"), [("ab+a^2+2b", 5), ("a^2b+b", 7)])
def test_another_optimiser_finds_the_same(operation, p, one_wave):
    found = correlation(operation, p)
    assert found.left_out == ()
    expected = by_gradient(Operation.parse(operation).labels(p), one_wave)
    assert (found.rho_sym if one_wave else found.rho) == pytest.approx(expected, abs=1e-4)


def test_the_noise_floor_falls_with_p():
    generator = np.random.default_rng(0)
    tables = (generator.integers(0, p, (p, p)) for p in (13, 31, 97))
    floors = [correlation(Operation.from_table("random", table), len(table)) for table in tables]
    assert [x.rho for x in floors] == sorted([x.rho for x in floors], reverse=True)
    assert floors[-1].rho_sym == pytest.approx(0.22, abs=0.01)
    assert floors[-1].rho == pytest.approx(0.31, abs=0.01)  # a random symmetric table has that for both


def test_the_same_seed_gives_the_same_numbers():
    one, again, other = correlation("a^3+ab", 31), correlation("a^3+ab", 31), correlation("a^3+ab", 31, seed=1)
    assert one.free.value == again.free.value
    assert (one.free.u == again.free.u).all()
    assert (one.free.u != other.free.u).any()


def test_labels_with_few_pairs_are_left_out_and_named():
    found = correlation("a^2+ab+b^2", 59)  # 0 is the label of (0, 0) alone: p ≡ 2 mod 3
    assert found.left_out == (0,)
    assert found.free.w[0] == 0
    assert found.rho < 0.5


def test_a_climb_that_is_cut_short_has_no_correlation(monkeypatch):
    monkeypatch.setattr(waves, "STAGES", ((64, 2), (4, 3)))
    found = correlation("a^3+ab^2+b", 31)
    assert not found.free.converged
    assert math.isnan(found.rho)
    assert math.isnan(found.rho_sym)
    assert found.free.value < 1


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("a^2+3", r"a\^2\+3 does not depend on b mod 7"),
        ("b", "b does not depend on a mod 7"),
        ("a+7b", r"a\+7b does not depend on b mod 7"),
        ("7a+7b", "same value"),
        ("a+", "cannot read"),
    ],
)
def test_refuses_what_is_no_operation_of_two(operation, message):
    with pytest.raises(ValueError, match=message):
        correlation(operation, 7)


def test_refuses_a_table_with_one_frequent_label():
    table = np.zeros((7, 7), int)
    table[3, 4] = 1
    with pytest.raises(ValueError, match="fewer than two"):
        correlation(Operation.from_table("spike", table), 7)
