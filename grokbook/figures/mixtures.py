"""Several operations in one run, each beside the same operation alone (paper §5.3, Appendix D)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import plotly.graph_objects as go

from grokbook.analysis.mixtures import order, over_alone, part
from grokbook.data.operations import Operation, pretty
from grokbook.figures.groups import NOT_YET_RUN, Row, as_table, best_accuracies, budgets, grok_steps, grouped
from grokbook.figures.layout import arrange, describe, in_rows, stacked
from grokbook.figures.points import add_best, explain_marks, fraction_of, grokked_at
from grokbook.figures.style import PALETTE
from grokbook.runs.config import as_kept
from grokbook.runs.run import Run

TOGETHER, ALONE = "in one run", "alone"


class Task(NamedTuple):
    """An operation at one share of the pairs: as part of a mixture, and alone. One run per seed, in both."""

    operation: str | Operation
    mixture: tuple[str | Operation, ...]
    """All operations of the mixture."""
    fraction: float
    together: Sequence[Run]
    """Parts of mixtures, see :func:`grokbook.analysis.mixtures.part`."""
    alone: Sequence[Run]


def mixture_tasks(operations: Sequence[str | Operation], fractions: Iterable[float], runs: Iterable[Run]) -> list[Task]:
    """A task for each fraction and each operation of a mixture, with those of the runs that belong to it.

    Runs are mixtures and single runs from scratch; what belongs to none of the tasks is left aside.

    Raises:
        ValueError: there are runs of several moduli.
    """
    mixture = as_kept(operations)
    found = {run.config: run for run in runs if not run.config.frozen_weights}.values()
    if len({run.config.p for run in found}) > 1:
        raise ValueError("mixture_tasks needs runs of one modulus")

    def at(fraction: float, of: tuple[str | Operation, ...]) -> list[Run]:
        return [run for run in found if run.config.fraction == fraction and run.config.operations == of]

    return [
        Task(each, mixture, fraction, [part(run, each) for run in at(fraction, mixture)], at(fraction, (each,)))
        for fraction, each in product(fractions, mixture)
    ]


def mixture_accuracy(tasks: Sequence[Task], *, name: str = "mixture-accuracy") -> go.Figure:
    """Best test accuracy against r, a plot for each operation, in a mixture and alone (paper Fig 4); needs a run."""
    runs = [run for task in tasks for run in (*task.together, *task.alone)]
    if not runs:
        raise ValueError("mixture_accuracy needs at least one run")
    operations = grouped((task.operation, task) for task in tasks)
    figure = stacked([pretty(operation) for operation in operations], 0.09, at_left=True, shared_xaxes=True)
    told = []
    for (operation, its_tasks), place in in_rows(operations.items()):
        for label, colour, dash, size, runs_of in (
            (ALONE, PALETTE[1], "dash", 16, [run for task in its_tasks for run in task.alone]),
            (TOGETHER, PALETTE[0], "solid", 8, [run for task in its_tasks for run in task.together]),
        ):
            add_best(figure, label, runs_of, fraction_of, line={"color": colour, "dash": dash}, size=size, **place)
            told.append(f"{pretty(operation)} {label}: {grokked_at(runs_of, fraction_of, 'r = ', '{:g}'.format)}")
    explain_marks(figure)
    figure.update_yaxes(tickformat=".0%", range=[-0.05, 1.08], dtick=0.5, title="best test accuracy")
    fractions = sorted({task.fraction for task in tasks})
    figure.update_xaxes(tickvals=fractions, range=[fractions[0] - 0.03, fractions[-1] + 0.03])
    figure.update_xaxes(title="share r of the pairs", row=len(operations), col=1)
    summary = "; ".join(told)
    return describe(
        arrange(figure, height=130 + 170 * len(operations), legend_y=1.06, t=75),
        name=name,
        title=f"{', '.join(map(pretty, operations))}: in one run, and alone",
        caption="Best test accuracy of each operation against r: one mark per run (of two sizes, so that none hides "
        "another), lines through the means over seeds. "
        f"Budgets: {budgets(runs)}. {summary}.",
        alt=f"{len(operations)} plots of best test accuracy against the share of pairs, each with a line for the "
        f"operation in a mixture and one for the operation alone. {summary}.",
    )


@as_table
def mixture_table(tasks: Sequence[Task]) -> Iterator[Row]:
    """One row per task with runs: best and last test accuracy and grok steps, in the mixture and alone, of each seed.

    "over alone": the best accuracy in the mixture over the one alone in as many steps.
    """
    several = len({task.mixture for task in tasks}) > 1
    for task in tasks:
        if not task.together and not task.alone:
            continue
        others = [pretty(operation) for operation in task.mixture if operation != task.operation]
        alone = {run.config.seed: run for run in task.alone}
        pairs = [(run, alone[run.config.seed]) for run in task.together if run.config.seed in alone]
        ends = [f"{run.history['test_accuracy'].iloc[-1]:.1%}" for run in task.together]
        yield {
            "r": f"{task.fraction:g}",
            "operation": pretty(task.operation),
            **({"with": ", ".join(others)} if several else {}),
            "seeds": ", ".join(str(run.config.seed) for run in task.together) or "–",
            f"best {TOGETHER}": best_accuracies(task.together) or NOT_YET_RUN,
            "at the end": ", ".join(ends) or NOT_YET_RUN,
            "grok step": grok_steps(task.together) or NOT_YET_RUN,
            f"best {ALONE}": best_accuracies(task.alone) or NOT_YET_RUN,
            f"grok step {ALONE}": grok_steps(task.alone) or NOT_YET_RUN,
            "over alone": ", ".join(f"{over_alone(one, other):.2f}" for one, other in pairs) or "–",
        }


def mixture_findings(tasks: Sequence[Task]) -> list[str]:
    """Whether all operations grok in one run, and in which order: a sentence for each fraction that has runs."""
    by_fraction = grouped((task.fraction, task) for task in tasks if task.together)
    return [_finding(fraction, of_fraction) for fraction, of_fraction in by_fraction.items()]


def _finding(fraction: float, tasks: Sequence[Task]) -> str:
    """Whether all grok at a fraction, and in which order they come to half of the test pairs, and grok."""
    by_seed = grouped((run.config.seed, (pretty(task.operation), run)) for task in tasks for run in task.together)
    complete = sum(all(run.grok_step is not None for _, run in parts) for parts in by_seed.values())
    told = []
    orders_by: dict[str, Callable[[Run], int | None]] = {
        "in which they reach 50 %": lambda run: run.first_step("test_accuracy", 0.5),
        "of their grok steps": lambda run: run.grok_step,
    }
    for what, step_of in orders_by.items():
        found = {seed: order({name: step_of(run) for name, run in parts}) for seed, parts in by_seed.items()}
        seeds_of = grouped((", ".join(names), str(seed)) for seed, names in found.items() if names)
        orders = [f"{names} (seed{'s' * (len(of) > 1)} {', '.join(of)})" for names, of in seeds_of.items()]
        told += [f"; in the order {what}: {'; '.join(orders)}"] if orders else []
    runs = f"{complete or 'none'} of {len(by_seed)} run{'s' * (len(by_seed) > 1)}"
    return f"r = {fraction:g}: all of them grok in {runs}{''.join(told)}."
