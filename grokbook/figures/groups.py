"""What figures take from runs: groups of them, curves of their histories, and how they ended in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from grokbook.config import RunConfig
from grokbook.figures.style import label_of
from grokbook.runs import Run

Group = Mapping[str, Sequence[Run]]
"""Runs under the label they are drawn with: usually one per seed."""


def by_operation(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group runs under their operations' pretty names, in the order in which they come.

    A run that comes twice counts once: a+b and b+a, say, are one config.
    """
    distinct: dict[RunConfig, Run] = {}
    for run in runs:
        distinct.setdefault(run.config, run)
    groups: dict[str, list[Run]] = {}
    for run in distinct.values():
        groups.setdefault(label_of(run), []).append(run)
    return groups


def after_start(run: Run) -> pd.DataFrame:
    """The history without step 0, which has no place on a logarithmic axis."""
    return run.history[run.history["step"] > 0]


def curve(run: Run, column: str) -> dict[str, Any]:
    """A column of the history against step, as a scatter trace takes it."""
    history = after_start(run)
    return {"x": history["step"].to_numpy(), "y": history[column].to_numpy(), "mode": "lines"}


def outcome(runs: Sequence[Run]) -> str:
    """How the runs of a group ended, in words."""
    steps = [run.grok_step for run in runs]
    grokked = [step for step in steps if step is not None]
    if not grokked:
        best = max(run.best_test_accuracy for run in runs)
        return f"not grokked within {max(run.steps for run in runs):,} steps (best test accuracy {best:.1%})"
    where = f"step {grokked[0]:,}" if len(set(grokked)) == 1 else f"steps {min(grokked):,}–{max(grokked):,}"
    of = "" if len(runs) == 1 else f" in {len(grokked)} of {len(runs)} seeds"
    return f"grokked{of} at {where}"


def change(runs: Sequence[Run], column: str) -> str:
    """First and last value of a measure, averaged over seeds."""
    first, last = (np.mean([run.history[column].iloc[i] for run in runs]) for i in (0, -1))
    return f"{first:.2f} → {last:.2f}"
