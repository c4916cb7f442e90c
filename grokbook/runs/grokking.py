"""When a run is evaluated, when it has grokked, and when it ends.

It is evaluated often at the start, evenly on a logarithmic axis, and every ``eval_every`` steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from grokbook.runs.config import RunConfig
from grokbook.runs.history import per_operation

EVALUATIONS_PER_DECADE = 16
"""Log-spaced evaluations; one-dimensional spectra are recorded at each of them."""
MAPS_PER_DECADE = 8
"""Log-spaced recordings of the 2-D logits, p times as large."""


@lru_cache
def log_steps(per_decade: int, last: int) -> frozenset[int]:
    """0 and the rounded powers 10^(i / per_decade) up to ``last``."""
    steps, i = {0}, 0
    while (step := round(10 ** (i / per_decade))) <= last:
        steps.add(step)
        i += 1
    return frozenset(steps)


def next_evaluation(step: int, eval_every: int, last: int) -> int:
    """The first evaluated step after ``step``; the ``last`` step is always evaluated."""
    regular = (step // eval_every + 1) * eval_every
    logarithmic = (s for s in log_steps(EVALUATIONS_PER_DECADE, last) if s > step)
    return min(regular, min(logarithmic, default=last), last)


def evaluates(step: int, eval_every: int) -> bool:
    """Whether ``step`` is evaluated in a run of any length that reaches it (the last step is, besides)."""
    return step % eval_every == 0 or step in log_steps(EVALUATIONS_PER_DECADE, step)


def records_spectra(step: int, last: int) -> bool:
    """Whether the one-dimensional spectra are recorded at ``step`` (the final step is, besides)."""
    return step in log_steps(EVALUATIONS_PER_DECADE, last)


def records_map(step: int, last: int) -> bool:
    """Whether the 2-D logits are recorded at ``step`` (the final step is, besides)."""
    return step in log_steps(MAPS_PER_DECADE, last)


def grok_step(config: RunConfig, history: Mapping[str, Sequence[float]] | pd.DataFrame) -> int | None:
    """The grok step of a history, possibly of a run still in progress.

    That is the first evaluated step at which test accuracy is at least ``grok_accuracy`` and stays there for
    ``sustain`` steps, once the train set is known; see :func:`first_sustained`. In a mixture the worst operation
    counts. Any columns by name will do: a data frame, or plain lists.
    """

    def worst(column: str) -> np.ndarray:
        # Histories are stored in float32: compared in that precision, a run in progress and its record agree.
        names = per_operation(config, column) or [column]
        return np.min([np.asarray(history[name], dtype=np.float32) for name in names], axis=0)

    threshold = float(np.float32(config.grok_accuracy))
    train, test = worst("train_accuracy"), worst("test_accuracy")
    return first_sustained(np.asarray(history["step"]), train, test, threshold, config.sustain)


def ending(config: RunConfig, grok_step: int | None) -> int:
    """The step at which a run ends: its budget, or a tail beyond its grok step, if by then it is seen to have grokked.

    That takes an evaluation at least ``sustain`` steps later, which a tail no longer than that may not reach.
    """
    if grok_step is None:
        return config.max_steps
    seen = next_evaluation(grok_step + config.sustain - 1, config.eval_every, config.max_steps)
    return min(config.max_steps, max(grok_step + config.tail, seen))


def first_sustained(
    steps: ArrayLike, train_accuracy: ArrayLike, test_accuracy: ArrayLike, threshold: float = 0.99, sustain: int = 1000
) -> int | None:
    """The first evaluated step from which a run has grokked, or None while the record does not show it.

    A step counts when (1) train accuracy has reached `threshold` there or earlier, (2) test accuracy is at least
    `threshold` at this and every evaluation up to `sustain` steps later, and (3) the record reaches that far.
    Evaluations may be irregularly spaced. A record that grows can turn None into a step, but never moves a step or
    takes it back, so one rule stops a run and judges a finished history. NaN is below any threshold.
    ``ValueError``: the three records differ in length, the steps do not increase, or sustain is negative.
    """
    step = np.asarray(steps, dtype=np.int64)
    train, test = (np.asarray(accuracy, dtype=np.float64) for accuracy in (train_accuracy, test_accuracy))
    if step.ndim != 1 or not step.shape == train.shape == test.shape:
        raise ValueError("steps and accuracies must be vectors of one length")
    if (np.diff(step) <= 0).any():
        raise ValueError("steps must increase")
    if sustain < 0:
        raise ValueError(f"sustain must not be negative, not {sustain}")
    if len(step) == 0:
        return None

    never = np.iinfo(np.int64).max
    learned = np.maximum.accumulate(train >= threshold)
    failures = np.where(test >= threshold, never, step)
    next_failure = np.minimum.accumulate(failures[::-1])[::-1]
    grokked = learned & (next_failure > step + sustain) & (step + sustain <= step[-1])
    return int(step[grokked.argmax()]) if grokked.any() else None
