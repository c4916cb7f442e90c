"""What figures take from runs: groups of them, curves of their histories, how they ended in words, rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

import pandas as pd

from grokbook.figures.style import label_of
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")
Group = Mapping[str, Sequence[Run]]
"""Runs under the label they are drawn with: usually one per seed."""
Row = dict[str, Any]
"""The cells of a row of a table, by their columns."""
NOT_YET_RUN = "not yet run"


def by_operation(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group runs under their operations' pretty names, in the order in which they come.

    A run that comes twice counts once: a+b and b+a, say, are one config.

    Raises:
        ValueError: two tables with different labels have one name.
    """
    distinct: dict[RunConfig, Run] = {}
    for run in runs:
        distinct.setdefault(run.config, run)
    groups = grouped((label_of(run), run) for run in distinct.values())
    for label, group in groups.items():
        if len({run.config.operations for run in group}) > 1:
            raise ValueError(f"two different tables are called {label}: give one of them another name")
    return groups


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """Second parts under their first ones, both in the order in which they come."""
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def curve(run: Run, column: str) -> dict[str, Any]:
    """A column of the history against step, as a scatter trace takes it; step 0 has no place on a logarithmic axis."""
    history = run.history[run.history["step"] > 0]
    return {"x": history["step"].to_numpy(), "y": history[column].to_numpy(), "mode": "lines"}


# --- tables ---------------------------------------------------------------------------------------


def as_table(rows: Callable[P, Iterable[Row]]) -> Callable[P, pd.DataFrame]:
    """Make a function that yields the rows of a table into one that returns it as a data frame."""

    @wraps(rows)
    def table(*args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        return pd.DataFrame(rows(*args, **kwargs))

    table.__annotations__ = rows.__annotations__ | {"return": pd.DataFrame}
    vars(table)["__signature__"] = signature(rows).replace(return_annotation=pd.DataFrame)
    return table


def each_run(groups: Group) -> Iterator[tuple[Row, Run]]:
    """Every run, after the cells that name it in a table."""
    return (({"run": label, "seed": run.config.seed}, run) for label, runs in groups.items() for run in runs)


def cell(value: int | float | None, form: str = "") -> str:
    """A number as tables show it, in this format; a dash where there is none."""
    return "–" if value is None else format(value, form)


# --- words ----------------------------------------------------------------------------------------


def span(ordered: Sequence[str], to: str = "–") -> str:
    """The first and the last of some numbers, or the one that all of them are."""
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]}{to}{ordered[-1]}"


def steps_text(steps: Iterable[int], to: str = "–") -> str:
    """The smallest and the largest of some numbers of steps."""
    return span([f"{step:,}" for step in sorted(steps)], to)


def outcome(runs: Sequence[Run]) -> str:
    """How the runs of a group ended, in words; a mixture has grokked when all of its operations have."""
    all_of = "all operations " if any(len(run.config.operations) > 1 for run in runs) else ""
    grokked = {run.grok_step for run in runs if run.grok_step is not None}
    if not grokked:
        best, budget = max(run.best_test_accuracy for run in runs), max(run.steps for run in runs)
        return f"not {all_of}grokked within {budget:,} steps (best test accuracy {best:.1%})"
    of = "" if len(runs) == 1 else f" in {sum(run.grok_step is not None for run in runs)} of {len(runs)} seeds"
    return f"{all_of}grokked{of} at step{'s' * (len(grokked) > 1)} {steps_text(grokked)}"


def brief_outcome(runs: Sequence[Run]) -> str:
    """How the runs of a group ended, in as few words as a list of many groups can bear."""
    steps = [run.grok_step for run in runs if run.grok_step is not None]
    if not steps:
        return f"best {max(run.best_test_accuracy for run in runs):.1%}"
    of = "" if len(steps) == len(runs) else f" in {len(steps)} of {len(runs)} seeds"
    return f"grok step {steps_text(steps)}{of}"


def grok_steps(runs: Sequence[Run]) -> str:
    """The grok step of each run, "–" where it does not grok; empty without any."""
    return ", ".join(cell(run.grok_step, ",") for run in runs)


def grok_or_best(runs: Sequence[Run]) -> str:
    """Grok steps, or the best test accuracies of runs that do not grok; "not yet run" without any."""
    ended = [f"{run.best_test_accuracy:.1%}" if run.grok_step is None else f"{run.grok_step:,}" for run in runs]
    return ", ".join(ended) or NOT_YET_RUN


def best_accuracies(runs: Sequence[Run]) -> str:
    """The best test accuracy of each run; empty without any."""
    return ", ".join(f"{run.best_test_accuracy:.1%}" for run in runs)


def budgets(runs: Sequence[Run]) -> str:
    """The steps that runs could have had, in words."""
    return f"{steps_text((run.config.max_steps for run in runs), ' to ')} steps"


def change(runs: Sequence[Run], column: str) -> str:
    """First and last value of a measure; where seeds differ by then, the smallest and the largest of each."""
    return " → ".join(
        span([f"{value:.2f}" for value in sorted(run.history[column].iloc[i] for run in runs)]) for i in (0, -1)
    )
