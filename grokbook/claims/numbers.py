"""The numbers that claims are judged by, each from one run or a few."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from grokbook import measures
from grokbook.fourier import Spectrum
from grokbook.operations import Operation
from grokbook.runs import Run


def relative(run: Run, column: str) -> float:
    """A column of the history at the end, over its value before training: 1 means unchanged."""
    values = run.history[column]
    return float(values.iloc[-1] / values.iloc[0])


def cosine_share(run: Run, layer: str, time: int = -1) -> float:
    """Share of a layer's squared norms that cosines have, against sines; 1/2 is balanced."""
    spectrum = Spectrum.of_rows(getattr(run.spectra, layer)[time].double())
    cosine, sine = float(spectrum.cosine.square().sum()), float(spectrum.sine.square().sum())
    return cosine / (cosine + sine)


def cosine_map_share(run: Run, time: int = -1, operation: int = 0) -> float:
    """Share of cos × cos in the squared norms of the 2-D logits, constants aside; 1/4 is balanced."""
    squares = run.spectra.logits[time, operation].double().square()[1:, 1:]
    return float(squares[::2, ::2].sum() / squares.sum())


def map_correlation(run: Run, one: int, other: int) -> float:
    """Correlation between the 2-D logits' squared norms of two operations of a mixture, constants aside."""
    return measures.map_correlation(run.spectra.logits[-1, one], run.spectra.logits[-1, other])


def speed_up(scratch: Run, pre_grokked: Run) -> float:
    """How many times as fast a run groks with a module as without.

    Where one of the two does not grok, its whole record stands for its grok step: a bound, at least so much where the
    one from scratch fails, at most so much where the pre-grokked one does. NaN where neither groks.
    """
    if scratch.grok_step is None and pre_grokked.grok_step is None:
        return math.nan
    slow, fast = (run.steps if run.grok_step is None else run.grok_step for run in (scratch, pre_grokked))
    return slow / max(fast, 1)


def grokked(run: Run) -> float:
    """1 if the run has grokked, else 0."""
    return float(run.grok_step is not None)


def in_step(run: Run, column: str) -> float:
    """Rank correlation between a measure and test accuracy over training, with the sign of a measure that falls.

    1: whenever test accuracy is higher, the measure is lower. Evaluations before train accuracy is at 99 % do not
    count: what happens while a run memorises is not about generalisation.
    """
    history = run.history
    late = history[history["train_accuracy"].cummax() >= 0.99]
    if len(late) < 3 or late[column].nunique() < 2 or late["test_accuracy"].nunique() < 2:
        return math.nan
    return -float(late[column].rank().corr(late["test_accuracy"].rank()))


def of_operation(run: Run, operation: str) -> pd.Series:
    """Test accuracy of one operation of a mixture."""
    return run.history[f"test_accuracy[{Operation.parse(operation)}]"]


def best(run: Run, operation: str) -> float:
    """The highest test accuracy of one operation of a mixture."""
    return float(of_operation(run, operation).max())


def plateau(run: Run, operation: str, risen: float) -> float:
    """The same where it shows that there is a rise to stall after: NaN if it never exceeds ``risen``."""
    highest = best(run, operation)
    return highest if highest > risen else math.nan


def reached(run: Run, operation: str, accuracy: float = 0.99) -> float:
    """The first step at which test accuracy of one operation of a mixture is that high; infinity if it never is."""
    steps = run.history["step"][of_operation(run, operation) >= np.float32(accuracy)]
    return float(steps.iloc[0]) if len(steps) else math.inf


def largest_change(run: Run, column: str) -> float:
    """How far a column of the history ever is from its value before training, as a share of that."""
    values = run.history[column]
    return float((values / values.iloc[0] - 1).abs().max())


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)
