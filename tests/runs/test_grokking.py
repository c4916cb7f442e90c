import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schedule import walk

from grokbook.runs import grokking
from grokbook.runs.grokking import first_sustained


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


def test_the_grok_step_with_irregular_evaluations() -> None:
    steps = [0, 10, 100, 130, 700, 1129, 1130, 5000]
    train = [0, 1, 1, 1, 1, 1, 1, 1]
    test = [0, 0.2, 0.98, 0.99, 1, 1, 1, 1]
    assert first_sustained(steps, train, test) == 130


@pytest.mark.parametrize(("end", "expected"), [(1099, None), (1100, 100)])
def test_the_grok_step_needs_a_record_that_reaches_far_enough(end: int, expected: int | None) -> None:
    assert first_sustained([0, 100, end], [1, 1, 1], [0, 1, 1], sustain=1000) == expected


def test_the_grok_step_never() -> None:
    assert first_sustained([0, 1000, 3000], [0, 1, 1], [0, 0.5, 0.98]) is None
    assert first_sustained([], [], []) is None


def test_the_grok_step_after_a_dip() -> None:
    steps = [0, 500, 1000, 1500, 2000, 2500]
    assert first_sustained(steps, [1] * 6, [0, 1, 0.9, 1, 1, 1]) == 1500
    assert first_sustained(steps, [1] * 6, [0, 1, 0.9, 1, 1, 0.9]) is None
    # A dip beyond the window does not undo what was sustained.
    assert first_sustained(steps, [1] * 6, [0, 1, 1, 1, 0.9, 0.9]) == 500


def test_a_dip_at_the_last_step_of_the_window_counts() -> None:
    assert first_sustained([0, 1000, 1001, 3000], [1] * 4, [1, 0.9, 1, 1]) == 1001
    assert first_sustained([0, 1001, 1002, 3000], [1] * 4, [1, 0.9, 1, 1]) == 0


def test_the_grok_step_waits_for_the_training_set() -> None:
    steps = [0, 100, 200, 2000]
    assert first_sustained(steps, [0, 0.98, 0.99, 1], [1, 1, 1, 1]) == 200
    assert first_sustained(steps, [0, 0.99, 0.5, 0.5], [1, 1, 1, 1]) == 100  # once reached is enough
    assert first_sustained(steps, [0, 0, 0, 0.98], [1, 1, 1, 1]) is None


def test_the_grok_step_takes_nan_for_failure() -> None:
    assert first_sustained([0, 500, 2000], [1, 1, 1], [1, math.nan, 1]) is None
    assert first_sustained([0, 500, 2000], [math.nan, 1, 1], [1, 1, 1]) == 500


def test_the_grok_step_with_its_own_threshold_and_window() -> None:
    assert first_sustained([0, 5, 9], [1, 1, 1], [0.1, 0.6, 0.4], threshold=0.5, sustain=0) == 5
    assert first_sustained([0, 5, 9], [1, 1, 1], [0.1, 0.6, 0.4], threshold=0.5, sustain=4) is None


@given(
    gaps=st.lists(st.integers(1, 900), min_size=1, max_size=12),
    data=st.data(),
    sustain=st.integers(0, 2000),
)
def test_the_grok_step_never_changes_its_mind(gaps: list[int], data: st.DataObject, sustain: int) -> None:
    steps = np.cumsum(gaps)
    accuracies = st.lists(st.sampled_from([0.5, 0.99, 1.0]), min_size=len(gaps), max_size=len(gaps))
    train, test = np.array(data.draw(accuracies)), np.array(data.draw(accuracies))
    first = None
    for end in range(1, len(steps) + 1):
        now = first_sustained(steps[:end], train[:end], test[:end], sustain=sustain)
        assert first is None or now == first
        first = now
    assert first == grok_step_by_definition(steps.tolist(), train.tolist(), test.tolist(), sustain)


def grok_step_by_definition(steps: list[int], train: list[float], test: list[float], sustain: int) -> int | None:
    for index, step in enumerate(steps):
        learned = max(train[: index + 1]) >= 0.99
        window = [test[j] for j, later in enumerate(steps) if step <= later <= step + sustain]
        if learned and min(window) >= 0.99 and steps[-1] >= step + sustain:
            return step
    return None


def test_the_worst_operation_of_a_mixture_counts(tiny) -> None:
    config = tiny("a+b", "ab", max_steps=5000)
    steps = [0, 1000, 2000, 3000]
    history = {"step": steps, "train_accuracy": [1.0] * 4, "test_accuracy": [0, 1, 1, 1]}
    history |= {name: [1.0] * 4 for name in grokking.per_operation(config, "train_accuracy")}
    first, second = grokking.per_operation(config, "test_accuracy")
    history |= {first: [0, 1, 1, 1], second: [0, 0.985, 1, 1]}
    assert grokking.grok_step(config, pd.DataFrame(history)) == 2000


@pytest.mark.parametrize(
    ("steps", "accuracy", "sustain", "message"),
    [
        ([0, 1], [1], 10, "length"),
        ([0, 5, 5], [1, 1, 1], 10, "increase"),
        ([0, 1], [1, 1], -1, "sustain"),
    ],
)
def test_the_grok_step_refuses_records_that_make_no_sense(
    steps: list[int], accuracy: list[float], sustain: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        first_sustained(steps, [1] * len(steps), accuracy, sustain=sustain)


@pytest.mark.parametrize(("tail", "end"), [(1, 40), (30, 40), (35, 45), (500, 100)])
def test_a_run_ends_a_tail_after_its_grok_step_but_not_before_that_is_seen(tiny, tail: int, end: int) -> None:
    """Grokked at 10 and sustained for 30 steps, which the evaluation at 40 shows; the budget is 100."""
    assert grokking.ending(tiny(max_steps=100, eval_every=20, sustain=30, tail=tail), 10) == end
