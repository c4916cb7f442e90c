"""Scores of predictions beside simpler ones, and what would count against them."""

import math

import pytest
from prediction_rows import kept, missed, rows

from grokbook.paper import predicted
from grokbook.paper.prediction_criteria import criteria
from grokbook.paper.prediction_scores import LAW, PREDICTORS, score

NAMES = ["A", "B", "C", "E"]


pytestmark = pytest.mark.usefixtures("few_resamples")


@pytest.fixture(scope="module")
def known():
    return predicted.known_rows()


@pytest.fixture(scope="module")
def of_known(known):
    return score(known, known, apart=True)


def met(name, found, known):
    return [each.met for each in criteria(name, found, score(found, known), known)]


def test_the_law_orders_known_runs_better_than_what_is_simpler(of_known):
    ours = of_known.estimates[LAW]
    assert (of_known.runs, of_known.groups) == (320, 26)
    assert ours["AUC"].value > 0.97
    assert ours["accuracy"].value > 0.94
    assert ours["step factor"].value < 2.2
    for measure in ours:
        assert ours[measure].low <= ours[measure].value <= ours[measure].high
        assert of_known.no_better(measure) == []


def test_nothing_but_the_base_rate_ranks_nothing(of_known):
    assert of_known.estimates["always the base rate"]["AUC"] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_counts_for_the_law(name, known):
    scores = score(rows(name, kept), known)
    ours = scores.estimates[LAW]
    assert ours["AUC"].value == ours["accuracy"].value == 1
    assert ours["step factor"].value == pytest.approx(1, abs=1e-3)
    assert list(scores.estimates) == list(PREDICTORS)


def test_what_is_missed_counts_against_it(known):
    scores = score(rows("A", missed), known)
    assert scores.estimates[LAW]["AUC"].value == scores.estimates[LAW]["accuracy"].value == 0
    assert set(scores.no_better("AUC")) == {*PREDICTORS} - {LAW}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_scored_where_nothing_is_known(name, known):
    scores = score(predicted.rows(name), known)
    assert scores.runs == scores.groups == 0
    assert all(math.isnan(each.value) for of in scores.estimates.values() for each in of.values())


def test_criteria_are_open_until_runs_decide_them(known):
    assert met("A", predicted.rows("A"), known) == [None] * 3
    assert met("A", rows("A", kept), known) == [False] * 3
    assert met("A", rows("A", missed), known) == [True, True, True]
    half = rows("A", lambda row: kept(row) if row.symmetric else None)
    assert met("A", half, known) == [None] * 3
    assert met("E", rows("E", kept), known) == [False]
    assert met("E", rows("E", missed), known) == [True]


def test_cells_of_table_5_decide_their_own_criteria(known):
    assert met("B", predicted.rows("B"), known) == [None] * 5
    assert met("B", rows("B", kept), known)[2:] == [False, False, False]
    failing = rows("B", lambda row: 0.5 if row.operation == "2a+b" else None)
    assert met("B", failing, known) == [None, None, True, None, None]
    unlikely = rows("B", lambda row: 900 if row.operation == "(a-b)^3" else None)
    assert met("B", unlikely, known)[4] is True


def test_two_powers_with_one_gcd_that_part_decide_at_once(known):
    assert met("C", predicted.rows("C"), known) == [None, None]
    assert met("C", rows("C", kept), known) == [False, False]
    ends = {"(a+b)^2": 900, "(a+b)^4": 0.5}
    parted = rows("C", lambda row: ends.get(row.operation) if row.p == 59 else None)
    first, second = criteria("C", parted, score(parted, known), known)
    assert (first.met, second.met) == (True, None)
    assert first.found == "p = 59, gcd 2: n = 2 groks, n = 4 does not"
    groks = rows("C", lambda row: 900 if row.operation == "a^2+ab+b^2" else None)
    assert met("C", groks, known) == [None, True]
