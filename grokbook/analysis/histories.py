"""How far a number of a run's history gets, and when."""

from __future__ import annotations

import math

from grokbook.runs.run import Run


def relative(run: Run, column: str) -> float:
    """A column of the history at the end, over its value before training: 1 means unchanged."""
    values = run.history[column]
    return float(values.iloc[-1] / values.iloc[0])


def largest_change(run: Run, column: str) -> float:
    """How far a column of the history ever is from its value before training, as a share of that."""
    values = run.history[column]
    return float((values / values.iloc[0] - 1).abs().max())


def apart(run: Run, column: str) -> float:
    """How far a column and test accuracy are from going half of their ways at the same time, as a factor of steps.

    1: at the same evaluation. NaN if one of the two goes nowhere.
    """
    measure, accuracy = run.halfway(column), run.halfway("test_accuracy")
    return math.nan if measure is None or accuracy is None else max(measure / accuracy, accuracy / measure)
