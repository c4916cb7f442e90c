"""The law of the grok step: what it says in closed form, and that a fit finds a law that made the runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from grokbook.analysis import grok_law
from grokbook.analysis.grok_law import Case, Law

LAW = Law(intercept=4.5, noise=120.0, fraction=-1.0, spread=0.8)


def test_the_median_is_as_likely_passed_as_not():
    steps = LAW.steps(0.7, 78.0, 0.4)
    assert math.log(steps) == pytest.approx(4.5 + 120 / (0.49 * 78) - math.log(0.4))
    assert LAW.probability(0.7, 78.0, 0.4, round(steps)) == pytest.approx(0.5, abs=1e-3)


def test_the_interval_holds_four_in_five():
    low, high = LAW.interval(0.7, 78.0, 0.4)
    share = LAW.probability(0.7, 78.0, 0.4, round(high)) - LAW.probability(0.7, 78.0, 0.4, round(low))
    assert share == pytest.approx(0.8, abs=1e-3)


def test_more_signal_groks_sooner_and_none_never():
    assert LAW.steps(1.0, 58.0, 0.3) < LAW.steps(0.7, 58.0, 0.3) < LAW.steps(0.7, 35.0, 0.3)
    assert LAW.steps(0.0, 58.0, 0.3) == math.inf
    assert LAW.probability(0.0, 58.0, 0.3, 10**9) == 0
    assert LAW.interval(0.0, 58.0, 0.3) == (math.inf, math.inf)


def test_a_fit_finds_the_law_that_made_the_runs():
    generator = np.random.default_rng(0)
    cases = []
    for _ in range(4000):
        rho, p, fraction = generator.uniform(0.4, 1), int(generator.choice([31, 59, 97])), generator.uniform(0.2, 0.9)
        seen = grok_law.pairs(p, fraction)
        steps = LAW.steps(rho, seen, fraction) * math.exp(LAW.spread * generator.standard_normal())
        cases.append(Case(rho, seen, fraction, max(1, int(min(steps, 40_000))), steps <= 40_000))
    assert 0.2 < np.mean([case.grokked for case in cases]) < 0.8
    assert grok_law.fit(cases) == pytest.approx(LAW, rel=0.05)


def test_a_residue_stands_in_twice_as_many_pairs_where_operands_have_one_embedding():
    assert grok_law.pairs(97, 0.3) == pytest.approx(2 * 0.3 * 97)
    assert grok_law.pairs(97, 0.3, "separate") == grok_law.pairs(97, 0.3, "mlp") == pytest.approx(0.3 * 97)


def test_a_fit_needs_both_kinds_of_runs():
    case = Case(1.0, 58.0, 0.3, 5000, True)
    for cases in ([], [case], [case, case], [case._replace(grokked=False)]):
        with pytest.raises(ValueError, match="grokked and runs that did not"):
            grok_law.fit(cases)
