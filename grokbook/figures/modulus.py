"""One operation at several moduli: accuracy against the number of pairs, and what the modulus changes (Appendix J)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.analysis import labels
from grokbook.data.operations import Operation
from grokbook.data.tokens import n_operands, n_train
from grokbook.figures.groups import Row, as_table, best_accuracies, budgets, grok_steps, grouped
from grokbook.figures.labels import counts_in_words
from grokbook.figures.layout import arrange, describe
from grokbook.figures.points import add_best, explain_marks, fraction_of, grokked_at
from grokbook.figures.style import DASHES, PALETTE, label_of
from grokbook.runs.run import Run

Against = Literal["pairs", "fraction"]


def modulus_accuracy(runs: Sequence[Run], against: Against = "pairs", *, name: str | None = None) -> go.Figure:
    """Best test accuracy against the number, or the share, of training pairs: one line per modulus (paper Fig 20).

    Raises:
        ValueError: there is no run, or they are not all on the same operations.
    """
    if len({run.config.operations for run in runs}) != 1:
        raise ValueError("modulus_accuracy needs runs, all on the same operation")
    figure, x = make_subplots(rows=1, cols=1), {"pairs": training_pairs, "fraction": fraction_of}[against]
    moduli = sorted({run.config.p for run in runs})
    places = [x(run) for run in runs]
    if against == "pairs":
        title, limits, unit, write = "training pairs", [0, 1.06 * max(places)], "", "{:,.0f}".format
    else:
        title, limits = "share r of the pairs", [min(places) - 0.05, max(places) + 0.05]
        unit, write = "r = ", "{:g}".format
    findings = []
    for index, p in enumerate(moduli):
        at_p = [run for run in runs if run.config.p == p]
        line = {"color": PALETTE[index % len(PALETTE)], "dash": DASHES[index % len(DASHES)]}
        size = min(5 + 4 * (len(moduli) - index), 17)
        add_best(figure, f"p = {p}", at_p, x, line=line, size=size, row=1, col=1)
        findings.append(f"p = {p}: {grokked_at(at_p, x, unit, write)}")
    explain_marks(figure)
    figure.update_xaxes(title=title, range=limits, tickformat="," if against == "pairs" else None)
    figure.update_yaxes(title="best test accuracy", tickformat=".0%", range=[-0.05, 1.08])
    told = "; ".join(findings)
    return describe(
        arrange(figure, height=430, legend_y=1.02),
        name=name or f"modulus-{against}",
        title=f"{label_of(runs[0])}: accuracy against the {'number' if against == 'pairs' else 'share'} of pairs",
        caption=f"{label_of(runs[0])}: best test accuracy against {title}; one mark per run (of several sizes, so "
        f"that none hides another), lines through the means over seeds. {told}. Budgets: {budgets(runs)}.",
        alt=f"Line chart of best test accuracy against {title}, a line for each of {len(moduli)} moduli. {told}.",
    )


@as_table
def modulus_table(runs: Sequence[Run]) -> Iterator[Row]:
    """One row per modulus and fraction: training pairs, and how the seeds ended."""
    ordered = sorted(runs, key=lambda run: (run.config.p, run.config.fraction, run.config.seed))
    for (p, fraction), group in grouped(((run.config.p, run.config.fraction), run) for run in ordered).items():
        yield {
            "p": p,
            "r": f"{fraction:g}",
            "training pairs": f"{training_pairs(group[0]):,}",
            "seeds": ", ".join(str(run.config.seed) for run in group),
            "best test accuracy": best_accuracies(group),
            "grok step": grok_steps(group),
            "budget": budgets(group),
        }


@as_table
def modulus_labels_table(operation: str, moduli: Sequence[int]) -> Iterator[Row]:
    """One row per modulus: how many pairs there are, and how often the labels of the operation occur among them."""
    for p in moduli:
        (surveyed,) = labels.survey([Operation.parse(operation)], p, 0.5, [0])  # counts are those of the whole table
        yield {
            "p": p,
            "pairs": f"{p * p:,}",
            "p mod 3": p % 3,
            "pairs with label 0": int(surveyed.counts[0]),
            "labels × how often they occur": counts_in_words(surveyed.histogram),
        }


def training_pairs(run: Run) -> int:
    """How many pairs a run was trained on, of each of its operations."""
    return n_train(n_operands(run.config.p, run.config.operands) ** 2, run.config.fraction)
