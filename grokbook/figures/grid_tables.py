"""What operations are by their formulas, and the paper's Tables 1, 3 and 5 beside that and beside what was run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import pandas as pd

from grokbook.data.operations import Operation, Polynomial, pretty
from grokbook.figures.groups import Row, as_table, cell, grouped
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


@as_table
def fraction_table(grid: Sequence[Cell]) -> Iterator[Row]:
    """One row per fraction: how many cells were run, with how many seeds, and how they ended."""
    for fraction, cells in _by_fraction(grid):
        found = agreement(cells)
        yield {
            "r": f"{fraction:g}",
            "cells": found.cells,
            "run": found.run,
            "with several seeds": sum(len(each.outcomes) > 1 for each in cells),
            "grok": sum(each.groks is True for each in cells),
            "seeds differ": found.divided,
            "fail above 90 %": found.on_their_way,
            "agree with the paper": found.agree,
        }


def _by_fraction(grid: Sequence[Cell]) -> list[tuple[float, list[Cell]]]:
    return sorted(grouped((each.fraction, each) for each in grid).items())


@as_table
def agreement_table(grid: Sequence[Cell]) -> Iterator[Row]:
    """One row per group of Table 5, and one for all: how many cells were run, and how they compare with the paper."""
    for label, cells in [*((group.label, cells) for group, cells in by_group(grid).items()), ("all", grid)]:
        found = agreement(cells)
        yield {
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


@as_table
def disagreement_table(grid: Sequence[Cell]) -> Iterator[Row]:
    """One row per cell that was run and does not agree with the paper: both values, seeds, and budgets in steps."""
    for each in grid:
        if each.agrees is False and each.reported is not None:
            yield {
                "operation": each.label,
                "r": f"{each.fraction:g}",
                "paper": each.reported.text,
                "here": "; ".join(
                    f"best {run.best_test_accuracy:.1%}" if run.grok_step is None else f"groks at {run.grok_step:,}"
                    for run in each.outcomes
                ),
                "seeds": ", ".join(str(outcome.config.seed) for outcome in each.outcomes),
                "budget": " or ".join(f"{budget:,}" for budget in each.budgets),
                "budget in the paper": f"{results.MAX_STEPS:,}",
            }


@as_table
def kind_outcome_table(grid: Sequence[Cell], fraction: float = 0.3) -> Iterator[Row]:
    """Table 1 from the cells: how many operations of each group grok, at one fraction and at any that was run."""
    for group, cells in by_group(grid).items():
        at = grokking(cells, fraction)
        yield {
            "kind": group.label,
            "Table 1": _MARKS[group.marked],
            "operations": len({each.operation for each in cells}),
            f"grok at r = {fraction:g}": _share(at),
            "grok at any r": _share(grokking(cells)),
            f"against the mark at r = {fraction:g}": _against(at, group.marked),
        }


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


@as_table
def delay_table(grid: Sequence[Cell]) -> Iterator[Row]:
    """One row per fraction: by how much cells that grok do so later than they know the train set (``Cell.delay``)."""
    for fraction, cells in _by_fraction(grid):
        delays = [each.delay for each in cells if each.delay is not None]
        numbers = [statistics.median(delays), min(delays), max(delays)] if delays else [None] * 3
        told = (cell(number, ".3g") for number in numbers)
        columns = dict(zip(("median delay", "smallest", "largest"), told, strict=True))
        yield {"r": f"{fraction:g}", "cells that grok": len(delays), **columns}


@as_table
def repeat_table(trainings: Iterable[Sequence[Outcome]]) -> Iterator[Row]:
    """One row per training of each run, the first one first: where it was trained, and how it ended."""
    for outcome in chain.from_iterable(trainings):
        config = outcome.config
        yield {
            "run": ", ".join(filter(None, (pretty(config.operations[0]), config.module))),
            "p": config.p,
            "r": f"{config.fraction:g}",
            "seed": config.seed,
            "trained on": outcome.facts["device"] or "–",
            "commit": outcome.facts["commit"] or "–",
            "budget": f"{config.max_steps:,}",
            "grok step": cell(outcome.grok_step, ","),
            "best test accuracy": f"{outcome.best_test_accuracy:.1%}",
        }


def origin_table(grid: Sequence[Cell]) -> pd.DataFrame:
    """One row per device, library and commit that runs were trained with: how many, their steps, first and last day."""
    place = ["device", "torch", "commit"]
    rows = [
        (*(str(outcome.facts[name] or "–") for name in place), outcome.steps, (outcome.facts["started"] or "–")[:10])
        for each in grid
        for outcome in each.outcomes
    ]
    places = pd.DataFrame(rows, columns=[*place, "steps", "day"]).groupby(place)
    found = places.agg(runs=("day", "size"), steps=("steps", "sum"), first=("day", "min"), last=("day", "max"))
    return found.assign(steps=found["steps"].map("{:,}".format)).reset_index()


# --- without runs ---------------------------------------------------------------------------------

_YES_NO = {True: "yes", False: "–"}


@as_table
def formula_table(operations: Sequence[Polynomial]) -> Iterator[Row]:
    """One row per operation: properties that follow from its formula."""
    for operation in operations:
        divisors = {"a+b": operation.divisible_by_sum, "a−b": operation.divisible_by_difference}
        yield {
            "operation": operation.pretty,
            "degree": operation.degree,
            "cross term": _YES_NO[operation.has_cross_term],
            "function of a±b": _YES_NO[operation.factorizable],
            "divisible by": _those_of(divisors),
            "symmetric": _YES_NO[operation.symmetric],
            "even in": _those_of({"a": operation.even_in_a, "b": operation.even_in_b}),
        }


def _those_of(holds: Mapping[str, bool]) -> str:
    return ", ".join(name for name, does in holds.items() if does) or "–"


@as_table
def taxonomy_table(operations: Sequence[Operation]) -> Iterator[Row]:
    """One row per operation: the words of Table 3, its kind, and whether that is its group in Table 5."""
    for operation in operations:
        yield {
            "operation": operation.pretty,
            "words of Table 3": ", ".join(taxonomy.terms(operation)) or "–",
            "kind": Group(operation.kind).label,
            "group in Table 5": taxonomy.verdict(operation),
        }


@as_table
def kind_table(operations: Sequence[Operation], fraction: float = 0.3) -> Iterator[Row]:
    """One row per kind: the paper's Table 1 beside what its Table 5 says at this fraction of each operation."""
    for standing in taxonomy.standings(operations, fraction):
        yield {
            "kind": Group(standing.kind).label,
            "by its formula": taxonomy.MEANINGS[standing.kind],
            "Table 1": _MARKS[standing.marked],
            f"Table 5: at r = {fraction:g}": f"{len(standing.grok)} of {len(standing.grok) + len(standing.fail)}",
            "all from r =": cell(standing.all_from, "g"),
            "agrees": "yes" if standing.verdict == "agrees" else standing.verdict,
        }
