"""What operations are by their formulas, and the paper's Tables 1, 3 and 5 beside that and beside what was run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from grokbook.data.operations import Operation, Polynomial, pretty
from grokbook.figures.groups import grouped
from grokbook.figures.tables import step_text
from grokbook.paper import results, taxonomy
from grokbook.paper.table_5 import Cell, Group, agreement, by_group, count, grokking
from grokbook.runs.outcomes import Outcome

_MARKS = {True: "groks", False: "does not grok", None: "lost"}
"""Of Table 1."""


def grid_counts(grid: Sequence[Cell]) -> str:
    """How many of the runs are there, in a sentence."""
    runs = count(grid)
    twice = "" if runs.in_table == runs.wanted else f" ({runs.in_table} in Table 5, which has some in two groups)"
    return f"{runs.run:,} of {runs.wanted:,} different runs are there{twice}."


def fraction_table(grid: Sequence[Cell]) -> pd.DataFrame:
    """One row per fraction: how many cells were run, with how many seeds, and how they ended."""
    rows = []
    for fraction in sorted({cell.fraction for cell in grid}):
        cells = [cell for cell in grid if cell.fraction == fraction]
        found = agreement(cells)
        rows.append(
            {
                "r": f"{fraction:g}",
                "cells": found.cells,
                "run": found.run,
                "with several seeds": sum(len(cell.outcomes) > 1 for cell in cells),
                "grok": sum(cell.groks is True for cell in cells),
                "seeds differ": found.divided,
                "fail above 90 %": found.on_their_way,
                "agree with the paper": found.agree,
            }
        )
    return pd.DataFrame(rows)


def agreement_table(grid: Sequence[Cell]) -> pd.DataFrame:
    """One row per group of Table 5, and one for all: how many cells were run, and how they compare with the paper."""
    rows = []
    for label, cells in {**{group.label: cells for group, cells in by_group(grid).items()}, "all": grid}.items():
        found = agreement(cells)
        rows.append(
            {
                "group": label,
                "cells": found.cells,
                "run": found.run,
                "agree": found.agree,
                "disagree": found.here_alone + found.paper_alone,
                "groks here alone": found.here_alone,
                "groks in the paper alone": found.paper_alone,
                "seeds differ": found.divided,
                "fail above 90 %": found.on_their_way,
            }
        )
    return pd.DataFrame(rows)


def disagreement_table(grid: Sequence[Cell]) -> pd.DataFrame:
    """One row per cell that was run and does not agree with the paper: both values, seeds, and budgets in steps."""
    rows = [
        {
            "operation": cell.label,
            "r": f"{cell.fraction:g}",
            "paper": cell.reported.text,
            "here": "; ".join(
                f"best {each.best_test_accuracy:.1%}" if each.grok_step is None else f"groks at {each.grok_step:,}"
                for each in cell.outcomes
            ),
            "seeds": ", ".join(str(outcome.config.seed) for outcome in cell.outcomes),
            "budget": " or ".join(f"{budget:,}" for budget in cell.budgets),
            "budget in the paper": f"{results.MAX_STEPS:,}",
        }
        for cell in grid
        if cell.agrees is False and cell.reported is not None
    ]
    columns = ["operation", "r", "paper", "here", "seeds", "budget", "budget in the paper"]
    return pd.DataFrame(rows, columns=columns)


def kind_outcome_table(grid: Sequence[Cell], fraction: float = 0.3) -> pd.DataFrame:
    """Table 1 from the cells: how many operations of each group grok, at one fraction and at any that was run."""
    rows = []
    for group, cells in by_group(grid).items():
        at, anywhere = grokking(cells, fraction), grokking(cells)
        rows.append(
            {
                "kind": group.label,
                "Table 1": _MARKS[group.marked],
                "operations": len({cell.operation for cell in cells}),
                f"grok at r = {fraction:g}": _share(at),
                "grok at any r": _share(anywhere),
                f"against the mark at r = {fraction:g}": _against(at, group.marked),
            }
        )
    return pd.DataFrame(rows)


def _share(groks: Mapping[Operation, bool]) -> str:
    """All, some or none of the operations that were run."""
    if not groks:
        return "not run"
    yes = sum(groks.values())
    word = "all" if yes == len(groks) else "some" if yes else "none"
    return f"{word}: {yes} of {len(groks)} run"


def _against(groks: Mapping[Operation, bool], marked: bool | None) -> str:
    if marked is None or not groks:
        return "–"
    return ", ".join(operation.pretty for operation, does in groks.items() if does is not marked) or "none"


def delay_table(grid: Sequence[Cell]) -> pd.DataFrame:
    """One row per fraction: by how much cells that grok do so later than they know the train set (``Cell.delay``)."""
    rows = []
    for fraction in sorted({cell.fraction for cell in grid}):
        delays = [cell.delay for cell in grid if cell.fraction == fraction and cell.delay is not None]
        shown = [f"{value:.3g}" for value in (statistics.median(delays), min(delays), max(delays))] if delays else "–––"
        rows.append(
            {"r": f"{fraction:g}", "cells that grok": len(delays)}
            | dict(zip(("median delay", "smallest", "largest"), shown, strict=True))
        )
    return pd.DataFrame(rows)


def repeat_table(trainings: Iterable[Sequence[Outcome]]) -> pd.DataFrame:
    """One row per training of each run, the first one first: where it was trained, and how it ended."""
    return pd.DataFrame(
        {
            "run": ", ".join(filter(None, (pretty(outcome.config.operations[0]), outcome.config.module))),
            "p": outcome.config.p,
            "r": f"{outcome.config.fraction:g}",
            "seed": outcome.config.seed,
            "trained on": outcome.facts["device"] or "–",
            "commit": outcome.facts["commit"] or "–",
            "budget": f"{outcome.config.max_steps:,}",
            "grok step": step_text(outcome.grok_step),
            "best test accuracy": f"{outcome.best_test_accuracy:.1%}",
        }
        for each in trainings
        for outcome in each
    )


def origin_table(grid: Sequence[Cell]) -> pd.DataFrame:
    """One row per device, library and commit that runs were trained with: how many, their steps, first and last day."""
    outcomes = [outcome for cell in grid for outcome in cell.outcomes]
    rows = grouped(
        (tuple(str(each.facts[name] or "–") for name in ("device", "torch", "commit")), each) for each in outcomes
    )
    columns = ["device", "torch", "commit", "runs", "steps", "first", "last"]
    found = []
    for key in sorted(rows):
        days = sorted((outcome.facts["started"] or "–")[:10] for outcome in rows[key])
        steps = sum(outcome.steps for outcome in rows[key])
        found.append((*key, len(rows[key]), f"{steps:,}", days[0], days[-1]))
    return pd.DataFrame(found, columns=columns)


# --- without runs ---------------------------------------------------------------------------------

_YES_NO = {True: "yes", False: "–"}


def formula_table(operations: Sequence[Polynomial]) -> pd.DataFrame:
    """One row per operation: properties that follow from its formula."""
    rows = []
    for operation in operations:
        even = [name for name, holds in (("a", operation.even_in_a), ("b", operation.even_in_b)) if holds]
        divisors = [("a+b", operation.divisible_by_sum), ("a−b", operation.divisible_by_difference)]
        rows.append(
            {
                "operation": operation.pretty,
                "degree": operation.degree,
                "cross term": _YES_NO[operation.has_cross_term],
                "function of a±b": _YES_NO[operation.factorizable],
                "divisible by": ", ".join(name for name, holds in divisors if holds) or "–",
                "symmetric": _YES_NO[operation.symmetric],
                "even in": ", ".join(even) or "–",
            }
        )
    return pd.DataFrame(rows)


def taxonomy_table(operations: Sequence[Operation]) -> pd.DataFrame:
    """One row per operation: the words of Table 3, its kind, and whether that is its group in Table 5."""
    return pd.DataFrame(
        {
            "operation": operation.pretty,
            "words of Table 3": ", ".join(taxonomy.terms(operation)) or "–",
            "kind": Group(operation.kind).label,
            "group in Table 5": taxonomy.verdict(operation),
        }
        for operation in operations
    )


def kind_table(operations: Sequence[Operation], fraction: float = 0.3) -> pd.DataFrame:
    """One row per kind: the paper's Table 1 beside what its Table 5 says at this fraction of each operation."""
    return pd.DataFrame(
        {
            "kind": Group(standing.kind).label,
            "by its formula": taxonomy.MEANINGS[standing.kind],
            "Table 1": _MARKS[standing.marked],
            f"Table 5: at r = {fraction:g}": f"{len(standing.grok)} of {len(standing.grok) + len(standing.fail)}",
            "all from r =": "–" if standing.all_from is None else f"{standing.all_from:g}",
            "agrees": "yes" if standing.verdict == "agrees" else standing.verdict,
        }
        for standing in taxonomy.standings(operations, fraction)
    )
