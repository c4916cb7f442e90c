"""Tables on operations that are the same learning problem, and on an embedding for each operand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from grokbook.analysis.renamings import Reading, renaming
from grokbook.data.operations import Operation, pretty
from grokbook.figures.groups import NOT_YET_RUN, Row, as_table, grouped, span, steps_text
from grokbook.figures.style import LAYER_SYMBOLS
from grokbook.figures.tables import number_text
from grokbook.fourier.measures import fcr, ffs
from grokbook.paper.explained import Explained
from grokbook.paper.predicted import End, Predicted
from grokbook.paper.same_task import Cell, Pool
from grokbook.paper.separate import Comparison


@as_table
def class_table(one: Sequence[Sequence[Operation]], two: Sequence[Sequence[Operation]]) -> Iterator[Row]:
    """Operations that are one problem with two embeddings, and what is one of them with one: joined by "=".

    Operations that are alone either way share the last row. "Problems" counts those with one embedding.

    Args:
        one: classes with one embedding.
        two: classes with two, of the same operations.
    """
    home = {str(member): members for members in one for member in members}
    alone = [members[0].pretty for members in two if len(members) == 1]
    for members in two:
        if len(members) > 1:
            inside = grouped((str(home[str(member)][0]), member.pretty) for member in members)
            yield {
                "one problem with two embeddings": f"{members[0].pretty} and {len(members) - 1} more",
                "with one embedding": "; ".join(" = ".join(names) for names in inside.values()),
                "problems": len(inside),
            }
    if alone:
        yield {
            "one problem with two embeddings": f"each alone: {len(alone)}",
            "with one embedding": "; ".join(alone),
            "problems": len(alone),
        }


@as_table
def renaming_table(classes: Iterable[Sequence[Operation]], p: int) -> Iterator[Row]:
    """By which renaming each operation of a class comes from its first one, f: σ(f(π(a), π(b)))."""
    for first, *others in classes:
        for operation in others:
            by = renaming(first, operation, p)
            yield {
                "operation": operation.pretty,
                "is f =": first.pretty,
                "with π(x) =": "–" if by is None else by.pi.text,
                "and σ(c) =": "–" if by is None or by.formula is None else by.formula.text.replace("x", "c"),
            }


@as_table
def pool_table(pools: Iterable[Pool]) -> Iterator[Row]:
    """One row per class and fraction at which chance can be tested: its runs together, and those of each operation.

    p: how often shuffled runs differ as much between operations, :func:`grokbook.analysis.pooling.p_value`.
    """
    for pool in pools:
        if not math.isnan(pool.p_value):
            yield {
                "one problem": " = ".join(map(pretty, pool.members)),
                "r": f"{pool.fraction:g}",
                "grokked": f"{len(pool.grok_steps)} of {len(pool.outcomes)}",
                "grok steps": steps_text(pool.grok_steps) if pool.grok_steps else "–",
                "p": f"{pool.p_value:.2f}",
            }


@as_table
def differing_table(cells: Iterable[Cell], pools: Iterable[Pool]) -> Iterator[Row]:
    """Where the paper's Table 5 differs within a class: what it says of each operation, and what happened here."""
    here = {(name, pool.fraction): found for pool in pools for name, found in pool.members.items()}
    for one in cells:
        for name, says in one.says.items():
            ends = here.get((name, one.fraction), [])
            yield {
                "r": f"{one.fraction:g}",
                "operation": pretty(name),
                "paper": says.text,
                "here": ", ".join(_end(end.grok_step, end.best_test_accuracy) for end in ends) or NOT_YET_RUN,
            }


def _end(grok_step: int | None, best: float) -> str:
    return f"best {best:.1%}" if grok_step is None else f"grok step {grok_step:,}"


@as_table
def own_table(readings: Iterable[Reading]) -> Iterator[Row]:
    """FFS and FCR of layers over the residues and over the operation's own coordinate, over the seeds of each.

    Of runs whose weights are stored.
    """
    shown = grouped(((each.what, each.layer), each) for each in readings if each.own is not None)
    for (what, layer), found in shown.items():
        row: Row = {"model of": what, "layer": LAYER_SYMBOLS[layer], "runs": len(found)}
        for name, measure in (("FFS", ffs), ("FCR", fcr)):
            over_x = sorted(measure(each.over_residues) for each in found)
            own = sorted(measure(each.own) for each in found if each.own is not None)
            row[f"{name} over x"] = span([f"{value:.2f}" for value in over_x])
            row[f"{name}, own"] = span([f"{value:.2f}" for value in own])
        yield row


@as_table
def control_table(rows: Iterable[Predicted]) -> Iterator[Row]:
    """One row per operation and fraction: when its runs were to grok, how likely within the budget, and what they did.

    Ends are those of seeds in their order.
    """
    tasks = grouped(((row.operation, row.fraction), row) for row in rows)
    for (operation, fraction), runs in tasks.items():
        said = runs[0]
        low, high = said.interval
        yield {
            "operation": pretty(operation),
            "r": f"{fraction:g}",
            "to grok": f"{said.probability:.1%}",
            "median step": f"{said.steps:,.0f}",
            "80 % of runs": f"{low:,.0f}–{high:,.0f}",
            "found": _ends(runs),
        }


def _ends(rows: Sequence[Predicted]) -> str:
    """How runs ended, seed by seed, or that none is known."""
    ends = [row.end for row in rows]
    return ", ".join(map(_of_seed, ends)) if any(ends) else NOT_YET_RUN


def _of_seed(end: End | None) -> str:
    return NOT_YET_RUN if end is None else _end(end.steps if end.grokked else None, end.best or 0.0)


@as_table
def comparison_table(one: Iterable[Comparison], two: Iterable[Comparison]) -> Iterator[Row]:
    """Median grok steps of operations over those of the problem that two embeddings make of them, seeds in brackets."""
    found = {"one embedding": list(one), "two embeddings": list(two)}
    operations = dict.fromkeys((row.operation, row.reference) for rows in found.values() for row in rows)
    for operation, reference in operations:
        of_each = {name: [row for row in rows if row.operation == operation] for name, rows in found.items()}
        yield {
            "operation": pretty(operation),
            "with two it is": pretty(reference),
            **{name: "; ".join(map(_factor, rows)) or NOT_YET_RUN for name, rows in of_each.items()},
        }


def _factor(row: Comparison) -> str:
    at = f"r = {row.fraction:g}, {len(row.steps)} against {len(row.others)} runs"
    if not math.isnan(row.factor):
        return f"{number_text(row.factor)} ({at})"
    grokked = sum(math.isfinite(step) for step in row.steps)
    return f"{grokked} of {len(row.steps)} grokked ({at})"


@as_table
def explained_table(rows: Iterable[Explained]) -> Iterator[Row]:
    """What the shared embedding would explain: the deciding number with one embedding, predicted and found with two."""
    for row in rows:
        yield {
            "claim": row.claim,
            "number": row.number,
            "one embedding": _numbers(row.one),
            "two, predicted": row.predicted,
            "two, found": _numbers(row.two),
            "so": row.verdict,
        }


def _numbers(values: Sequence[float]) -> str:
    """The smallest and the largest of some numbers; of those that are infinite, how many do not grok."""
    if not values:
        return NOT_YET_RUN
    finite = sorted(value for value in values if math.isfinite(value))
    never = f"{len(values) - len(finite)} of {len(values)} do not grok" if len(finite) < len(values) else ""
    shown = span([number_text(float(f"{value:.2g}")) for value in finite], " to ") if finite else ""
    return ", ".join(part for part in (shown, never) if part)
