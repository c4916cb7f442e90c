"""Workshop 1, watch it grok: the split, guessing, the two moments of a run, and what moves between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from grokbook.book.workshop.verdicts import (
    PERCENT,
    Unreadable,
    Verdict,
    close,
    compare,
    number,
    result,
    right,
    self_check,
    told,
    wrong,
)
from grokbook.data import tokens as prompts
from grokbook.runs.run import Run

HALFWAY_COLUMNS = ("test_accuracy", "test_loss", "weight_norm", "ffs_neuron_logit", "gini_embedding")
"""Columns of a history that exercise 1.6 is about."""
PLACE = "is a place in the table. The step is in its column `step`."


@self_check
def split_sizes(n_train: Any, n_test: Any, *, p: int, fraction: float) -> Verdict:
    """Exercise 1.1: how many of the p² ordered pairs are trained on, rounded down, and how many are not."""
    pairs, train = p * p, prompts.n_train(p * p, fraction)
    given = np.asarray([number(n_train, "n_train"), number(n_test, "n_test")])
    if np.array_equal(given, [train, pairs - train]):
        return right(f"{train} of {pairs} pairs are shown, {pairs - train} are kept back.")

    def split(of: int, train: int) -> list[int]:
        return [train, of - train]

    unordered = p * (p + 1) // 2
    mistakes = [
        ([pairs - train, train], "Train and test are swapped: the fraction r is trained on."),
        (split(pairs, math.ceil(fraction * pairs)), "The paper rounds down: ⌊r·p²⌋ pairs are trained on."),
        (
            split(unordered, int(fraction * unordered)),
            "You count (a, b) and (b, a) as one pair. The network is shown ordered pairs: p² of them.",
        ),
        (split(p, int(fraction * p)), f"These are shares of {p} residues. A pair has two of them: p² pairs."),
        ([train, pairs], "The test pairs are those that are *not* trained on, not all of them."),
        (
            [fraction * pairs, (1 - fraction) * pairs],
            "There are only whole pairs: round the train pairs down, and the others are the test pairs.",
        ),
    ]
    otherwise = "There are p² pairs; ⌊r·p²⌋ are trained on, all others are for testing."
    return told(given, mistakes, otherwise, tolerance=1e-9)


@self_check
def guessing(accuracy: Any, loss: Any, *, p: int) -> Verdict:
    """Exercise 1.2: accuracy and cross-entropy (nats) of one who gives each of the p answers the same chance."""
    chance, uniform = number(accuracy, "the accuracy"), number(loss, "the loss")
    if not close(chance, 1 / p):
        mistakes = [
            (100 / p, "That is in percent; an accuracy is between 0 and 1."),
            (1 / (p * p), "There are p² questions, but p answers: a guess is one of p."),
            (0.5, "Right or wrong are two cases, and not equally likely: one of p answers is right."),
            (1 - 1 / p, "That is how often a guess is wrong."),
        ]
        return told(chance, mistakes, f"One of {p} answers is right. How often does a guess hit it?")
    tokens = p + len(prompts.SPECIAL_TOKENS)
    mistakes = [
        (math.log2(p), "That is in bits. Losses here are in nats: the natural logarithm."),
        (math.log10(p), "That is the logarithm to base 10. Losses here are in nats: the natural logarithm."),
        (-math.log(p), "The sign is turned round: −log(1/p) is positive."),
        (1 / p, "That is the probability. The loss is minus its logarithm."),
        (1 - 1 / p, "That is how often a guess is wrong. The loss is −log of the probability of the right answer."),
        (math.log(tokens), "That is a guess among all tokens, signs included. An answer is one of p residues."),
    ]
    passed = f"A guess is right in {1 / p:.1%} of all cases, at a loss of {math.log(p):.2f} nats."
    otherwise = (
        "The accuracy is right. The loss of one question is −log of the probability that the right answer was given."
    )
    return compare(uniform, math.log(p), mistakes, passed, otherwise)


@self_check
def two_moments(memorised: Any, generalised: Any, run: Run) -> Verdict:
    """Exercise 1.3: the first evaluated step with train accuracy 99 %, and from which test accuracy stays there."""
    history, threshold = run.history, run.config.grok_accuracy
    first = run.first_step("train_accuracy", threshold)
    # The book's rule asks for 1,000 steps; "to the end" is the same unless a run falls again after that.
    stays = {_stays(history, "test_accuracy", threshold), run.grok_step}
    early, late = _step(memorised, "memorised"), _step(generalised, "generalised")
    if early == first and late in stays:
        return right(f"{_delay_text(first, run)}.".capitalize())
    if early != first:
        if first is not None and _at(history, early) == first:
            return wrong(f"`memorised` = {early} {PLACE}")
        if early == run.first_step("test_accuracy", threshold):
            return wrong("`memorised` is about the train accuracy; yours is where the test accuracy gets there.")
        if early == run.first_step("train_accuracy", 1.0):
            return wrong("`memorised` asks for 99 %, yours is the first step with 100 %.")
        return wrong("`memorised`: the first row with `train_accuracy` of at least 0.99, and of that row the `step`.")
    if _at(history, late) in stays - {None}:
        return wrong(f"`generalised` = {late} {PLACE}")
    if late == run.first_step("test_accuracy", threshold):
        return wrong(
            "`generalised` is the first time that 99 % is reached; afterwards the accuracy falls below it again."
        )
    if late == first:
        return wrong("`generalised` is about the test accuracy; yours is the step of the train accuracy.")
    if None in stays:
        return wrong("This run never stays at a test accuracy of 99 %: `generalised` is None.")
    return wrong(
        "`memorised` is right. `generalised`: the first step from which `test_accuracy` is at least 0.99 in every row."
    )


@self_check
def worse_than_guessing(step: Any, times: Any, run: Run) -> Verdict:
    """Exercise 1.4: the step of the highest test loss, and that loss in units of what a guess costs, log p."""
    history, p, guess = run.history, run.config.p, math.log(run.config.p)
    row, column = int(history["test_loss"].to_numpy().argmax()), history["step"].to_numpy()
    worst, highest = int(column[row]), float(history["test_loss"].iloc[row])
    given, ratio = _step(step, "the step"), number(times, "the ratio")
    if given != worst:
        if given == row:
            return wrong(f"{given} {PLACE}")
        if given == column[history["train_loss"].to_numpy().argmax()]:
            return wrong("That is where the *train* loss is highest.")
        if given == column[history["test_loss"].to_numpy().argmin()]:
            return wrong("That is where the test loss is lowest.")
        return wrong("In which row is `test_loss` highest, and which `step` does it belong to?")
    mistakes = [
        (highest, "The step is right. That is the loss itself: divide it by the loss of a guess, log p."),
        (highest / math.log2(p), "The step is right. Divide by the *natural* logarithm of p."),
        (highest / math.log10(p), "The step is right. Divide by the *natural* logarithm of p."),
        (guess / highest, "The step is right. The ratio is upside down: how many times the guess?"),
        (highest - guess, "The step is right. That is a difference: how many *times* the guess?"),
        (float(history["train_loss"].iloc[row]) / guess, "The step is right. That is the train loss at this step."),
    ]
    passed = f"At step {worst:,} the test loss is {highest:.2f} nats, {highest / guess:.1f} times that of a guess."
    otherwise = "The step is right. The ratio: the test loss there, divided by `math.log(p)`."
    return compare(ratio, highest / guess, mistakes, passed, otherwise)


@self_check
def shrinking(share: Any, run: Run) -> Verdict:
    """Exercise 1.5: by which share of its highest value the norm of the weights has fallen at the end."""
    norm = run.history["weight_norm"].to_numpy(dtype=float)
    top, start, end = norm.max(), norm[0], norm[-1]
    mistakes = [
        (end / top, "That is what is *left* of it. By which share has it fallen?"),
        (top / end, "That is how many times larger it was. By which share of its highest value has it fallen?"),
        (1 - end / start, "You compare with the start. The norm rises first: take its highest value."),
        ((top - end) / end, "You divide by the end. Divide by the highest value."),
        (100 * (1 - end / top), PERCENT),
        (top - end, "That is the difference. Divide it by the highest value."),
    ]
    peak = int(run.history["step"].iloc[int(norm.argmax())])
    passed = f"The norm is highest at step {peak:,}, and {1 - end / top:.0%} lower at the end."
    otherwise = "One minus the last value over the highest."
    return compare(number(share, "the share"), 1 - end / top, mistakes, passed, otherwise)


@self_check
def halfway(function: Any, run: Run) -> Verdict:
    """Exercise 1.6: a function (steps, values) → the first step at which half of the way to the end is made."""
    history = run.history
    steps = history["step"].to_numpy()
    moving = [name for name in HALFWAY_COLUMNS if history[name].iloc[0] != history[name].iloc[-1]]
    for name in moving:
        values = history[name].to_numpy(dtype=float)
        start, end = values[0], values[-1]
        # Copies: a function may work in place, and the history is not its to change.
        given = _step(result(function, steps.copy(), values.copy(), what="your function `halfway`"), "what it returns")
        past = (values - start) / (end - start) >= 0.5
        answers = (steps[past.argmax()], steps[np.flatnonzero(~past)[-1] + 1])  # for the first time, and to stay
        if given in answers:
            continue
        at, middle, way = f"For `{name}` it returns {given}.", (start + end) / 2, f"{start:.3g} to {end:.3g}"
        if _at(history, given) in answers:
            return wrong(f"{at} That is a place in the list: return `steps[place]`.")
        if given == steps[(values >= middle).argmax()]:
            return wrong(f"{at} This number *falls* from {way}: half of the way is reached from above.")
        for height, which in ((end / 2, "last"), (values.max() / 2, "highest")):
            above = values >= height
            if given in (steps[above.argmax()], steps[(~above).argmax()]):
                return wrong(
                    f"{at} That is half of the {which} value. Half of the way is between {start:.3g} and {end:.3g}."
                )
        return wrong(f"{at} Half of the way from {way} is at {middle:.3g}. When is it passed?")
    return right(f"Tried on {len(moving)} columns, those that rise and those that fall.")


@self_check
def delays(answer: Any, runs: Mapping[str, Run]) -> Verdict:
    """Exercise 1.7: per run, grok step over the step at which it had memorised; infinite where it has not grokked."""
    if not isinstance(answer, Mapping) or set(answer) != set(runs):
        raise Unreadable(f"I expect a dictionary with a number for each of {', '.join(map(repr, runs))}.")
    memorised = {name: run.first_step("train_accuracy", run.config.grok_accuracy) for name, run in runs.items()}
    for name, run in runs.items():
        first, grokked = memorised[name], run.grok_step
        given = math.inf if answer[name] is None else number(answer[name], f"the delay {name!r}")
        if first is None or grokked is None:
            if not (given == math.inf or math.isnan(given)):
                return wrong(f"The run {name!r} has not grokked: its delay is `math.inf`.")
            continue
        mistakes = [
            (grokked - first, f"{name!r}: that is the difference. How many *times* as many steps?"),
            (first / grokked, f"{name!r}: the ratio is upside down."),
            (grokked, f"{name!r}: that is the grok step. Divide it by the step at which the run had memorised."),
            (run.steps / first, f"{name!r}: that goes to the last step of the run. Take the grok step."),
        ]
        if not close(given, grokked / first):
            otherwise = f"{name!r}: the grok step {grokked:,} over the step {first:,} at which it had memorised."
            return told(given, mistakes, otherwise)
    return right("; ".join(f"{name}: {_delay_text(memorised[name], run)}" for name, run in runs.items()) + ".")


def _stays(history: pd.DataFrame, column: str, threshold: float) -> int | None:
    """The first evaluated step from which a column is at the threshold to the end."""
    below = np.flatnonzero(history[column].to_numpy(dtype=np.float32) < np.float32(threshold))
    after = below[-1] + 1 if len(below) else 0
    return int(history["step"].iloc[after]) if after < len(history) else None


def _at(history: pd.DataFrame, place: int | None) -> int | None:
    """The step at a place in the history; None where there is none."""
    return int(history["step"].iloc[place]) if place is not None and 0 <= place < len(history) else None


def _step(answer: Any, what: str) -> int | None:
    if answer is None:
        return None
    value = number(answer, what)
    if not value.is_integer():
        raise Unreadable(f"I expect a step for {what}, a whole number or None.")
    return int(value)


def _delay_text(memorised: int | None, run: Run) -> str:
    if memorised is None:
        return f"not even the train pairs are right within {run.steps:,} steps"
    if run.grok_step is None:
        return f"memorised at step {memorised:,}, and not generalised within {run.steps:,}"
    return (
        f"memorised at step {memorised:,}, generalised at step {run.grok_step:,}: "
        f"{run.grok_step / memorised:.0f} times as many steps"
    )
