"""Workshop 1, watch it grok: the split, guessing, the two moments of a run, and what moves between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from grokbook.book.workshop import verdicts
from grokbook.book.workshop.verdicts import Found, number, self_check
from grokbook.data import tokens as prompts
from grokbook.runs.run import Run

HALFWAY_COLUMNS = ("test_accuracy", "test_loss", "weight_norm", "ffs_neuron_logit", "gini_embedding")
"""Columns of a history that exercise 1.6 is about."""


@self_check
def split_sizes(n_train: Any, n_test: Any, *, p: int, fraction: float) -> Found:
    """Exercise 1.1: how many of the p² ordered pairs are trained on, rounded down, and how many are not."""
    pairs, train = p * p, prompts.n_train(p * p, fraction)
    given = np.asarray([number(n_train, "n_train"), number(n_test, "n_test")])
    facts = {"pairs": pairs, "train": train, "test": pairs - train}
    if np.array_equal(given, [train, pairs - train]):
        return verdicts.right(**facts)

    def split(of: int, train: int) -> list[int]:
        return [train, of - train]

    unordered = p * (p + 1) // 2
    mistakes = {
        "swapped": [pairs - train, train],
        "rounded": split(pairs, math.ceil(fraction * pairs)),
        "unordered": split(unordered, int(fraction * unordered)),
        "residues": split(p, int(fraction * p)),
        "all": [train, pairs],
        "parts": [fraction * pairs, (1 - fraction) * pairs],
    }
    return verdicts.mistaken(verdicts.near(given, mistakes, tolerance=1e-9))


@self_check
def guessing(accuracy: Any, loss: Any, *, p: int) -> Found:
    """Exercise 1.2: accuracy and cross-entropy (nats) of one who gives each of the p answers the same chance."""
    chance, uniform = number(accuracy, "the accuracy"), number(loss, "the loss")
    if not verdicts.close(chance, 1 / p):
        mistakes = {"percent_accuracy": 100 / p, "questions": 1 / (p * p), "half": 0.5, "wrong": 1 - 1 / p}
        return verdicts.mistaken(verdicts.near(chance, mistakes), "accuracy")
    mistakes = {
        "bits": math.log2(p),
        "decimal": math.log10(p),
        "sign": -math.log(p),
        "probability": 1 / p,
        "wrong_loss": 1 - 1 / p,
        "tokens": math.log(p + len(prompts.SPECIAL_TOKENS)),
    }
    return verdicts.compare(uniform, math.log(p), mistakes, chance=1 / p)


@self_check
def two_moments(memorised: Any, generalised: Any, run: Run) -> Found:
    """Exercise 1.3: the first evaluated step with train accuracy 99 %, and from which test accuracy stays there."""
    history, threshold = run.history, run.config.grok_accuracy
    first = run.first_step("train_accuracy", threshold)
    # The book's rule asks for 1,000 steps; "to the end" is the same unless a run falls again after that.
    stays = {_stays(history, "test_accuracy", threshold), run.grok_step}
    early, late = _step(memorised, "memorised"), _step(generalised, "generalised")
    reached = run.first_step("test_accuracy", threshold)
    if early == first and late in stays:
        return verdicts.right(delay=_delay_text(first, run).capitalize())
    if early != first:
        mistakes = {
            "memorised_place": first is not None and _at(history, early) == first,
            "memorised_test": early == reached,
            "memorised_all": early == run.first_step("train_accuracy", 1.0),
        }
        return verdicts.mistaken(mistakes, "memorised", early=early)
    mistakes = {
        "place": _at(history, late) in stays - {None},
        "reached": late == reached,
        "train": late == first,
        "never": None in stays,
    }
    return verdicts.mistaken(mistakes, late=late)


@self_check
def worse_than_guessing(step: Any, times: Any, run: Run) -> Found:
    """Exercise 1.4: the step of the highest test loss, and that loss in units of what a guess costs, log p."""
    history, p, guess = run.history, run.config.p, math.log(run.config.p)
    row, column = int(history["test_loss"].to_numpy().argmax()), history["step"].to_numpy()
    worst, highest = int(column[row]), float(history["test_loss"].iloc[row])
    given, ratio = _step(step, "the step"), number(times, "the ratio")
    if given != worst:
        places = {
            "place": given == row,
            "train": given == column[history["train_loss"].to_numpy().argmax()],
            "lowest": given == column[history["test_loss"].to_numpy().argmin()],
        }
        return verdicts.mistaken(places, "step", given=given)
    mistakes = {
        "loss": highest,
        "logarithm": (highest / math.log2(p), highest / math.log10(p)),
        "inverse": guess / highest,
        "difference": highest - guess,
        "train_loss": float(history["train_loss"].iloc[row]) / guess,
    }
    return verdicts.compare(ratio, highest / guess, mistakes, worst=worst, highest=highest)


@self_check
def shrinking(share: Any, run: Run) -> Found:
    """Exercise 1.5: by which share of its highest value the norm of the weights has fallen at the end."""
    norm = run.history["weight_norm"].to_numpy(dtype=float)
    top, start, end = norm.max(), norm[0], norm[-1]
    mistakes = {
        "left": end / top,
        "times": top / end,
        "start": 1 - end / start,
        "end": (top - end) / end,
        "percent": 100 * (1 - end / top),
        "difference": top - end,
    }
    peak = int(run.history["step"].iloc[int(norm.argmax())])
    return verdicts.compare(number(share, "the share"), 1 - end / top, mistakes, peak=peak)


@self_check
def halfway(function: Any, run: Run) -> Found:
    """Exercise 1.6: a function (steps, values) → the first step at which half of the way to the end is made."""
    history = run.history
    steps = history["step"].to_numpy()
    moving = [name for name in HALFWAY_COLUMNS if history[name].iloc[0] != history[name].iloc[-1]]
    for name in moving:
        values = history[name].to_numpy(dtype=float)
        start, end = values[0], values[-1]
        # Copies: a function may work in place, and the history is not its to change.
        given = _step(
            verdicts.result(function, steps.copy(), values.copy(), what="your function `halfway`"), "what it returns"
        )
        past = (values - start) / (end - start) >= 0.5
        answers = (steps[past.argmax()], steps[np.flatnonzero(~past)[-1] + 1])  # for the first time, and to stay
        if given in answers:
            continue
        middle, above_last, above_highest = (
            values >= height for height in ((start + end) / 2, end / 2, values.max() / 2)
        )
        mistakes = {
            "place": _at(history, given) in answers,
            "falling": given == steps[middle.argmax()],
            "last": given in (steps[above_last.argmax()], steps[(~above_last).argmax()]),
            "highest": given in (steps[above_highest.argmax()], steps[(~above_highest).argmax()]),
        }
        return verdicts.mistaken(mistakes, name=name, given=given, start=start, end=end, middle=(start + end) / 2)
    return verdicts.right(count=len(moving))


@self_check
def delays(answer: Any, runs: Mapping[str, Run]) -> Found:
    """Exercise 1.7: per run, grok step over the step at which it had memorised; infinite where it has not grokked."""
    if not isinstance(answer, Mapping) or set(answer) != set(runs):
        raise verdicts.Unreadable(f"I expect a dictionary with a number for each of {', '.join(map(repr, runs))}.")
    memorised = {name: run.first_step("train_accuracy", run.config.grok_accuracy) for name, run in runs.items()}
    for name, run in runs.items():
        first, grokked = memorised[name], run.grok_step
        given = math.inf if answer[name] is None else number(answer[name], f"the delay {name!r}")
        if first is None or grokked is None:
            if not (given == math.inf or math.isnan(given)):
                return verdicts.wrong("never", name=name)
        elif not verdicts.close(given, grokked / first):
            mistakes = {
                "difference": grokked - first,
                "inverse": first / grokked,
                "grok_step": grokked,
                "last_step": run.steps / first,
            }
            return verdicts.mistaken(verdicts.near(given, mistakes), name=name, grokked=grokked, first=first)
    return verdicts.right(all="; ".join(f"{name}: {_delay_text(memorised[name], run)}" for name, run in runs.items()))


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
        raise verdicts.Unreadable(f"I expect a step for {what}, a whole number or None.")
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
