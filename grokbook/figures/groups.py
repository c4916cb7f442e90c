"""What figures take from runs: groups of them, curves of their histories, and how they ended in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from grokbook.figures.style import label_of
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run

Group = Mapping[str, Sequence[Run]]
"""Runs under the label they are drawn with: usually one per seed."""


def by_operation(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group runs under their operations' pretty names, in the order in which they come.

    A run that comes twice counts once: a+b and b+a, say, are one config.

    Raises:
        ValueError: two tables with different labels have one name.
    """
    distinct: dict[RunConfig, Run] = {}
    for run in runs:
        distinct.setdefault(run.config, run)
    groups: dict[str, list[Run]] = {}
    for run in distinct.values():
        group = groups.setdefault(label_of(run), [run])
        if group[0].config.operations != run.config.operations:
            raise ValueError(f"two different tables are called {label_of(run)}: give one of them another name")
        group += [run] if run is not group[0] else []
    return groups


def after_start(run: Run) -> pd.DataFrame:
    """The history without step 0, which has no place on a logarithmic axis."""
    return run.history[run.history["step"] > 0]


def curve(run: Run, column: str) -> dict[str, Any]:
    """A column of the history against step, as a scatter trace takes it."""
    history = after_start(run)
    return {"x": history["step"].to_numpy(), "y": history[column].to_numpy(), "mode": "lines"}


def outcome(runs: Sequence[Run]) -> str:
    """How the runs of a group ended, in words; a mixture has grokked when all of its operations have."""
    all_of = "all operations " if any(len(run.config.operations) > 1 for run in runs) else ""
    steps = [run.grok_step for run in runs]
    grokked = [step for step in steps if step is not None]
    if not grokked:
        best, budget = max(run.best_test_accuracy for run in runs), max(run.steps for run in runs)
        return f"not {all_of}grokked within {budget:,} steps (best test accuracy {best:.1%})"
    where = f"step {grokked[0]:,}" if len(set(grokked)) == 1 else f"steps {min(grokked):,}–{max(grokked):,}"
    of = "" if len(runs) == 1 else f" in {len(grokked)} of {len(runs)} seeds"
    return f"{all_of}grokked{of} at {where}"


def brief_outcome(runs: Sequence[Run]) -> str:
    """How the runs of a group ended, in as few words as a list of many groups can bear."""
    steps = sorted(run.grok_step for run in runs if run.grok_step is not None)
    if not steps:
        return f"best {max(run.best_test_accuracy for run in runs):.1%}"
    where = f"{steps[0]:,}" if steps[0] == steps[-1] else f"{steps[0]:,}–{steps[-1]:,}"
    of = "" if len(steps) == len(runs) else f" in {len(steps)} of {len(runs)} seeds"
    return f"grok step {where}{of}"


def grok_steps(runs: Sequence[Run]) -> str:
    """The grok step of each run, "–" where it does not grok; empty without any."""
    return ", ".join("–" if run.grok_step is None else f"{run.grok_step:,}" for run in runs)


def grok_or_best(runs: Sequence[Run]) -> str:
    """Grok steps, or the best test accuracies of runs that do not grok; "not yet run" without any."""
    ended = [f"{run.best_test_accuracy:.1%}" if run.grok_step is None else f"{run.grok_step:,}" for run in runs]
    return ", ".join(ended) or "not yet run"


def best_accuracies(runs: Sequence[Run]) -> str:
    """The best test accuracy of each run; empty without any."""
    return ", ".join(f"{run.best_test_accuracy:.1%}" for run in runs)


def budgets(runs: Sequence[Run]) -> str:
    """The steps that runs could have had, in words."""
    steps = sorted({run.config.max_steps for run in runs})
    return f"{steps[0]:,} steps" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,} steps"


def change(runs: Sequence[Run], column: str) -> str:
    """First and last value of a measure; where seeds differ by then, the smallest and the largest of each."""
    return " → ".join(_range([f"{run.history[column].iloc[i]:.2f}" for run in runs]) for i in (0, -1))


def _range(values: Sequence[str]) -> str:
    """Numbers with as many digits: the smallest and the largest, or the one that all of them are."""
    lowest, highest = min(values, key=float), max(values, key=float)
    return lowest if lowest == highest else f"{lowest}–{highest}"
