"""Runs as points: their accuracies against a number of theirs, and cosines against sines of their layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from grokbook.analysis.balance import biased
from grokbook.figures.groups import NOT_YET_RUN, Group, Row, as_table, each_run, outcome
from grokbook.figures.layout import arrange, describe, share_legend
from grokbook.figures.style import LAYER_SYMBOLS, LAYERS, PALETTE, PLAIN_LAYERS, TRAIN, label_of
from grokbook.fourier.measures import cosine_share
from grokbook.runs.run import Run

_MARKS: tuple[tuple[bool, str, dict[str, Any]], ...] = (
    (True, "grokked", {"symbol": "circle", "line": {"width": 0}}),
    (False, "not within its budget", {"symbol": "diamond-open", "line": {"width": 1.5}}),
)
"""Whether runs grokked, in words, and how they are drawn."""


def add_best(
    figure: go.Figure, label: str, runs: Sequence[Run], x: Callable[[Run], float], *, line: Row, size: int, **place: int
) -> None:
    """Draw the best test accuracy of runs against a number of theirs; whether a run grokked shows in its symbol.

    The line goes through means; without any run, only its entry in the legend is drawn. The size is that of marks, in
    pixels: where those of several lines coincide, the larger ones are to be drawn first.
    """
    places: list[Any] = sorted({x(run) for run in runs})
    means: list[Any] = [float(np.mean([run.best_test_accuracy for run in runs if x(run) == place])) for place in places]
    figure.add_scatter(
        x=places or [None],
        y=means or [None],
        mode="lines",
        line={**line, "width": 2},
        name=label,
        legendgroup=label,
        hoverinfo="skip",
        **place,
    )
    for grokked, _, look in _MARKS:
        if shown := [run for run in runs if (run.grok_step is not None) is grokked]:
            figure.add_scatter(
                x=[x(run) for run in shown],
                y=[run.best_test_accuracy for run in shown],
                text=[_hover(run) for run in shown],
                mode="markers",
                marker=look | {"color": line["color"], "size": size},
                legendgroup=label,
                hovertemplate=f"%{{text}}<extra>{label}</extra>",
                **place,
            )


def explain_marks(figure: go.Figure) -> None:
    """Give the legend an entry for each line, and last those that say what the symbols mean."""
    nothing = {"x": [None], "y": [None], "mode": "markers", "legendrank": 2000, "hoverinfo": "skip"}
    for _, label, look in _MARKS:
        figure.add_scatter(**nothing, marker=look | {"color": TRAIN, "size": 9}, name=label, row=1, col=1)
    share_legend(figure)


def fraction_of(run: Run) -> float:
    """The share r of the pairs that a run was trained on."""
    return run.config.fraction


def grokked_at(runs: Sequence[Run], x: Callable[[Run], float], unit: str, write: Callable[[float], str]) -> str:
    """At which numbers x runs grokked, such as "grokked at r = 0.5, 0.6 (2 of 3 seeds), not grokked at r = 0.3".

    Numbers are written by ``write``, and the unit, "r = " here, stands before them.
    """
    if not runs:
        return NOT_YET_RUN
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


# --- cosines against sines: which of the two is a layer biased to? Not in the paper ----------------


@as_table
def balance_table(groups: Group) -> Iterator[Row]:
    """The share of the squared norms that cosines have at the end, against sines, in both layers."""
    for named, run in each_run(groups):
        shares = {symbol: cosine_share(run.spectrum(layer)) for layer, symbol in LAYER_SYMBOLS.items()}
        yield {**named, **{f"cosines {symbol}": f"{share:.0%}" for symbol, share in shares.items()}}


def balance_scatter(runs: Sequence[Run], *, name: str = "balance") -> go.Figure:
    """Cosines' share of the embedding and of the neuron–logit map at the end, a mark per seed.

    Raises:
        ValueError: the runs are not on one operation, with one modulus and one fraction, or there are none.
    """
    if len({(run.config.operations, run.config.p, run.config.fraction) for run in runs}) != 1:
        raise ValueError("this takes runs on one operation, with one modulus and one fraction")
    shares = {layer: [cosine_share(run.spectrum(layer)) for run in runs] for layer in LAYERS}
    figure = go.Figure()
    for grokked, symbol in ((True, "circle"), (False, "diamond-open")):
        if shown := [i for i, run in enumerate(runs) if (run.grok_step is not None) is grokked]:
            x, y = ([of_layer[i] for i in shown] for of_layer in shares.values())
            figure.add_scatter(
                x=x,
                y=y,
                text=[f"seed {runs[i].config.seed}: {outcome([runs[i]])}" for i in shown],
                mode="markers",
                marker={"color": PALETTE[0], "symbol": symbol, "size": 9},
                name="grokked" if grokked else "not grokked",
                hovertemplate="%{text}<br>W<sub>E</sub> %{x:.0%}, W<sub>L</sub> %{y:.0%}<extra></extra>",
            )
    for layer, update in zip(LAYERS, (figure.update_xaxes, figure.update_yaxes), strict=True):
        update(title=f"cosines, {LAYERS[layer]}", tickformat=".0%", range=[-0.03, 1.03])
    figure.add_vline(x=0.5, line={"color": TRAIN, "width": 1})
    figure.add_hline(y=0.5, line={"color": TRAIN, "width": 1})
    figure.update_layout(showlegend=True)
    first = runs[0].config
    of = f"{label_of(runs[0])} (p = {first.p}, r = {first.fraction:g})"
    found = "; ".join(f"{PLAIN_LAYERS[layer]}: {_spread(of_layer)}" for layer, of_layer in shares.items())
    return describe(
        arrange(figure, height=520, legend_y=1.02, l=75),
        name=name,
        title=f"{of}: cosines against sines, seed by seed",
        caption=f"Share of the squared norms that cosines have at the end, of {len(runs)} runs on {of}; lines: half. "
        f"{found[0].upper()}{found[1:]}.",
        alt=f"A mark per run: share of cosines in the embedding to the right, in the neuron–logit map up. {found}.",
    )


def _spread(shares: Sequence[float]) -> str:
    cosines, sines = biased(shares)
    return (
        f"{min(shares):.0%} to {max(shares):.0%}, {np.median(shares):.0%} in the middle, two thirds or more in "
        f"{cosines} of {len(shares)}, one third or less in {sines}"
    )
