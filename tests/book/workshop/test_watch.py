"""Answers to workshop 1, right and wrong, on histories made by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from garbage import assert_refused

from grokbook import Run
from grokbook.book.workshop import watch

STEPS = [0, 1, 5, 20, 50, 100, 200, 300, 400, 500]
GROKS = {
    "step": STEPS,
    "train_accuracy": [0.1, 0.3, 0.7, 0.992, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    "test_accuracy": [0.1, 0.0, 0.1, 0.2, 0.4, 0.995, 0.97, 0.99, 0.995, 1.0],
    "train_loss": [3.0, 3.5, 2.0, 0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6],
    "test_loss": [3.0, 3.6, 5.0, 7.0, 6.0, 3.0, 1.0, 0.9, 0.2, 0.1],
    "weight_norm": [40.0, 41.0, 45.0, 50.0, 48.0, 44.0, 38.0, 30.0, 26.0, 20.0],
    "ffs_neuron_logit": [1.0, 1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3],
    "gini_embedding": [0.02, 0.02, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5],
}


@pytest.fixture
def run(tiny, wave_run) -> Run:
    """p = 11, grokked at step 300: 99 % is reached at step 100, and lost again."""
    config = tiny(p=11, sustain=200, max_steps=1000)
    return replace(wave_run, config=config, history=watch.pd.DataFrame(GROKS))


@pytest.fixture
def never(run) -> Run:
    """The same without the last three rows, so not grokked."""
    return replace(run, history=run.history.iloc[:7].copy())


def wrong(verdict, part: str) -> None:
    assert not verdict
    assert part in verdict.message


def test_the_run_is_what_the_tests_take_it_for(run, never):
    assert (run.grok_step, never.grok_step) == (300, None)


def test_sizes_of_the_split():
    assert watch.split_sizes(72, 49, p=11, fraction=0.6)  # 72.6 rounded down
    assert watch.split_sizes(np.int64(29), [71], p=10, fraction=0.29)  # where floats make it 28.99…
    for answers, part in (
        ((49, 72), "swapped"),
        ((73, 48), "rounds down"),
        ((39, 27), "as one pair"),
        ((6, 5), "11 residues"),
        ((72, 121), "*not* trained on"),
        ((72.6, 48.4), "whole pairs"),
        ((70, 51), "There are p² pairs"),
    ):
        wrong(watch.split_sizes(*answers, p=11, fraction=0.6), part)


def test_what_a_guess_is_worth():
    assert watch.guessing(1 / 11, math.log(11), p=11)
    assert watch.guessing(0.0909, 2.398, p=11)
    for answers, part in (
        ((100 / 11, 2.4), "percent"),
        ((1 / 121, 2.4), "p² questions"),
        ((0.5, 2.4), "two cases"),
        ((10 / 11, 2.4), "a guess is wrong"),
        ((0.2, 2.4), "How often"),
        ((1 / 11, math.log2(11)), "in bits"),
        ((1 / 11, math.log10(11)), "base 10"),
        ((1 / 11, -math.log(11)), "sign"),
        ((1 / 11, 1 / 11), "minus its logarithm"),
        ((1 / 11, 10 / 11), "how often a guess is wrong"),
        ((1 / 11, math.log(16)), "among all tokens"),
        ((1 / 11, 1.0), "The accuracy is right"),
    ):
        wrong(watch.guessing(*answers, p=11), part)


def test_two_moments(run, never):
    assert watch.two_moments(20, 300, run)
    assert watch.two_moments(np.int64(20), np.float32(300), run)
    assert watch.two_moments(20, None, never)
    for answers, part in (
        ((3, 300), "`memorised` = 3 is a place"),
        ((100, 300), "is about the train accuracy"),
        ((50, 300), "asks for 99 %"),
        ((5, 300), "`memorised`: the first row"),
        ((None, 300), "`memorised`: the first row"),
        ((20, 7), "`generalised` = 7 is a place"),
        ((20, 100), "falls below it again"),
        ((20, 20), "is about the test accuracy"),
        ((20, 400), "`memorised` is right"),
        ((20, None), "`memorised` is right"),
        ((20, 0.5), "a whole number or None"),
    ):
        wrong(watch.two_moments(*answers, run), part)
    wrong(watch.two_moments(20, 100, never), "falls below")
    wrong(watch.two_moments(20, 50, never), "never stays")


def test_to_the_end_counts_as_well_as_the_book_s_rule(run):
    """A run that falls below 99 % once more after it has grokked, by the rule, is answered right either way."""
    history = run.history.copy()
    history.loc[8, "test_accuracy"] = 0.9
    late = replace(run, config=replace(run.config, sustain=50), history=history)
    assert late.grok_step not in (None, 500)
    assert watch.two_moments(20, 500, late)
    assert watch.two_moments(20, late.grok_step, late)


def test_worse_than_guessing(run):
    guess = math.log(11)
    assert watch.worse_than_guessing(20, 7 / guess, run)
    for answers, part in (
        ((3, 7 / guess), "a place in the table"),
        ((1, 7 / guess), "*train* loss"),
        ((500, 7 / guess), "lowest"),
        ((50, 7 / guess), "In which row"),
        ((20, 7), "the loss itself"),
        ((20, 7 / math.log2(11)), "natural"),
        ((20, 7 / math.log10(11)), "natural"),
        ((20, guess / 7), "upside down"),
        ((20, 7 - guess), "a difference"),
        ((20, 0.5 / guess), "train loss"),
        ((20, 1), "The ratio"),
    ):
        wrong(watch.worse_than_guessing(*answers, run), part)


def test_the_norm_shrinks(run):
    assert watch.shrinking(0.6, run)
    for answer, part in (
        (0.4, "what is *left*"),
        (2.5, "times larger"),
        (0.5, "compare with the start"),
        (1.5, "divide by the end"),
        (60, "percent"),
        (30, "the difference"),
        (0.7, "One minus"),
    ):
        wrong(watch.shrinking(answer, run), part)


def by(condition):
    return lambda steps, values: steps[np.argmax(condition(values))]


RIGHT = by(lambda v: (v - v[0]) / (v[-1] - v[0]) >= 0.5)


def test_halfway(run):
    assert watch.halfway(RIGHT, run)
    assert watch.halfway(lambda s, v: float(RIGHT(s, v)), run)
    last = lambda s, v: s[np.flatnonzero((v - v[0]) / (v[-1] - v[0]) < 0.5)[-1] + 1]  # noqa: E731
    assert watch.halfway(last, run)
    for function, part in (
        (lambda s, v: np.argmax((v - v[0]) / (v[-1] - v[0]) >= 0.5), "a place in the list"),
        (by(lambda v: v >= (v[0] + v[-1]) / 2), "*falls* from 3 to 0.1"),
        (lambda s, v: RIGHT(s, v) if v[0] != 40 else s[np.argmax(v < v.max() / 2)], "half of the highest"),
        (lambda s, v: 123, "When is it passed?"),
        (lambda s, v: None, "returns nothing"),
        (lambda s, v: s[10_000], "raised IndexError"),
    ):
        wrong(watch.halfway(function, run), part)


def test_a_function_that_works_in_place_changes_no_history(run):
    def in_place(steps, values):
        first = RIGHT(steps, values)
        values -= values[0]
        steps -= steps
        return first

    before = run.history.copy()
    assert watch.halfway(in_place, run)
    assert run.history.equals(before)


def test_half_of_the_last_value_is_told_apart(run):
    history = run.history.assign(test_accuracy=[0.6, 0.6, 0.6, 0.65, 0.7, 0.75, 0.85, 0.9, 0.95, 1.0])
    raised = replace(run, history=history)
    assert watch.halfway(RIGHT, raised)
    wrong(watch.halfway(by(lambda v: v >= v[-1] / 2), raised), "half of the last value")


def test_a_column_that_does_not_move_is_left_out(run):
    still = replace(run, history=run.history.assign(ffs_neuron_logit=0.5))
    assert "4 columns" in watch.halfway(RIGHT, still).message


def test_delays(run, never):
    runs = {"one": run, "other": never}
    assert watch.delays({"one": 15.0, "other": math.inf}, runs)
    for none in (None, float("nan"), np.float64("inf")):
        assert watch.delays({"one": 15, "other": none}, runs)
    for answer, part in (
        ({"one": 280, "other": math.inf}, "the difference"),
        ({"one": 20 / 300, "other": math.inf}, "upside down"),
        ({"one": 300, "other": math.inf}, "that is the grok step"),
        ({"one": 25, "other": math.inf}, "the last step"),
        ({"one": 3, "other": math.inf}, "the grok step 300 over the step 20"),
        ({"one": math.inf, "other": math.inf}, "the grok step 300 over"),
        ({"one": 15, "other": 10}, "has not grokked"),
        ({"one": 15, "other": -math.inf}, "has not grokked"),
        ({"one": 15}, "'one', 'other'"),
        ([15, math.inf], "I expect a dictionary"),
        ({"one": ..., "other": 1}, "Nothing here yet"),
    ):
        wrong(watch.delays(answer, runs), part)


def test_a_run_that_never_memorised_has_no_delay(run):
    early = replace(run, history=run.history.iloc[:3].copy())
    assert watch.delays({"early": math.inf}, {"early": early})
    assert watch.two_moments(None, None, early)


def test_nothing_else_passes_or_raises(run):
    checks = {
        lambda one, other: watch.split_sizes(one, other, p=11, fraction=0.6): 2,
        lambda one, other: watch.guessing(one, other, p=11): 2,
        lambda one, other: watch.two_moments(one, other, run): 2,
        lambda one, other: watch.worse_than_guessing(one, other, run): 2,
        lambda answer: watch.shrinking(answer, run): 1,
        lambda answer: watch.halfway(answer, run): 1,
        lambda answer: watch.delays(answer, {"one": run}): 1,
    }
    for check, answers in checks.items():
        assert_refused(check, answers)
