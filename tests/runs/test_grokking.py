from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokbook.runs import grokking


@pytest.mark.parametrize(
    ("per_decade", "last", "expected"),
    [
        (1, 1000, {0, 1, 10, 100, 1000}),
        (1, 999, {0, 1, 10, 100}),
        (2, 40, {0, 1, 3, 10, 32}),
        (4, 20, {0, 1, 2, 3, 6, 10, 18}),
        (16, 1, {0, 1}),
    ],
)
def test_log_steps(per_decade, last, expected):
    assert grokking.log_steps(per_decade, last) == expected


def walk(eval_every: int, last: int) -> list[int]:
    steps = [0]
    while steps[-1] < last:
        steps.append(grokking.next_evaluation(steps[-1], eval_every, last))
    return steps


@given(st.integers(1, 300), st.integers(1, 3000))
def test_evaluations_are_the_union_of_both_schedules_and_the_end(eval_every, last):
    steps = walk(eval_every, last)
    regular = set(range(0, last + 1, eval_every))
    assert set(steps) == regular | grokking.log_steps(grokking.EVALUATIONS_PER_DECADE, last) | {last}
    assert steps == sorted(set(steps))


def test_a_paper_sized_run_is_evaluated_often_at_first_and_every_hundred_later():
    steps = walk(100, 40_000)
    assert steps[:8] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert max(b - a for a, b in pairwise(steps)) == 100


@given(st.integers(1, 100_000))
def test_every_map_has_its_spectra_and_both_are_evaluated(last):
    spectra = grokking.log_steps(grokking.EVALUATIONS_PER_DECADE, last)
    maps = grokking.log_steps(grokking.MAPS_PER_DECADE, last)
    assert maps <= spectra
    assert all(grokking.records_spectra(step, last) for step in spectra)
    assert all(grokking.records_map(step, last) for step in maps)
    assert all(grokking.next_evaluation(step - 1, 10**9, last) == step for step in spectra - {0})


def test_steps_between_are_not_recorded():
    assert not grokking.records_spectra(11, 1000)
    assert not grokking.records_map(12, 1000)
    assert grokking.records_spectra(12, 1000)
