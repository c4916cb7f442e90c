"""Runs as points against a number of theirs: a mark per run, a line through the means over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from grokbook.figures.groups import outcome
from grokbook.figures.style import TRAIN
from grokbook.runs.run import Run


class Line(NamedTuple):
    """Runs that are drawn in one colour, with one line."""

    label: str
    colour: str
    dash: str
    runs: Sequence[Run]
    size: int = 9
    """Of its marks, in pixels: where marks of several lines coincide, the larger ones are to be drawn first."""


_MARKS: tuple[tuple[bool, str, dict[str, Any]], ...] = (
    (True, "grokked", {"symbol": "circle", "line": {"width": 0}}),
    (False, "not within its budget", {"symbol": "diamond-open", "line": {"width": 1.5}}),
)
"""Whether runs grokked, in words, and how they are drawn."""


def add_best(figure: go.Figure, line: Line, x: Callable[[Run], float], *, row: int = 1, legend: bool = True) -> None:
    """Draw the best test accuracy of runs against a number of theirs; whether a run grokked shows in its symbol.

    Args:
        figure: made by ``make_subplots``.
        line: the runs; without any, only its entry in the legend is drawn.
        x: the number.
        row: the plot it is drawn in.
        legend: whether the line has an entry in the legend.
    """
    places = sorted({x(run) for run in line.runs})
    means = [float(np.mean([run.best_test_accuracy for run in line.runs if x(run) == place])) for place in places]
    place: dict[str, Any] = {"legendgroup": line.label, "row": row, "col": 1}
    figure.add_scatter(
        x=places if places else [None],
        y=means if means else [None],
        mode="lines",
        line={"color": line.colour, "dash": line.dash, "width": 2},
        name=line.label,
        showlegend=legend,
        hoverinfo="skip",
        **place,
    )
    for grokked, _, look in _MARKS:
        shown = [run for run in line.runs if (run.grok_step is not None) is grokked]
        if shown:
            figure.add_scatter(
                x=[x(run) for run in shown],
                y=[run.best_test_accuracy for run in shown],
                text=[_hover(run) for run in shown],
                mode="markers",
                marker=look | {"color": line.colour, "size": line.size},
                showlegend=False,
                hovertemplate=f"%{{text}}<extra>{line.label}</extra>",
                **place,
            )


def explain_marks(figure: go.Figure) -> None:
    """Entries in the legend that say what the symbols mean, the last ones."""
    for _, label, look in _MARKS:
        marker, place = look | {"color": TRAIN, "size": 9}, {"row": 1, "col": 1}
        figure.add_scatter(
            x=[None], y=[None], mode="markers", marker=marker, name=label, legendrank=2000, hoverinfo="skip", **place
        )


def fraction_of(run: Run) -> float:
    """The share r of the pairs that a run was trained on."""
    return run.config.fraction


def grokked_at(runs: Sequence[Run], x: Callable[[Run], float], unit: str, write: Callable[[float], str]) -> str:
    """At which of the numbers runs grokked, such as "grokked at r = 0.5, 0.6 (2 of 3 seeds), not grokked at r = 0.3".

    Args:
        runs: one or more per number.
        x: the number of a run.
        unit: what stands before the numbers.
        write: how a number is written.
    """
    if not runs:
        return "not yet run"
    yes, no = [], []
    for place in sorted({x(run) for run in runs}):
        there = [run.grok_step is not None for run in runs if x(run) == place]
        if any(there):
            yes.append(write(place) + ("" if all(there) else f" ({sum(there)} of {len(there)} seeds)"))
        else:
            no.append(write(place))
    told = (("grokked at", yes), ("not grokked at", no))
    return ", ".join(f"{word} {unit}{', '.join(places)}" for word, places in told if places)


def _hover(run: Run) -> str:
    final = float(run.history["test_accuracy"].iloc[-1])
    return (
        f"p = {run.config.p}, r = {run.config.fraction:g}, seed {run.config.seed}<br>"
        f"best {run.best_test_accuracy:.1%}, at the end {final:.1%}<br>{outcome([run])}"
    )
