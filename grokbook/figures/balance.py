"""Cosines against sines: which of the two a layer is biased to. The share is not in the paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from grokbook.analysis.balance import biased
from grokbook.figures.groups import Group, outcome
from grokbook.figures.style import LAYER_SYMBOLS, LAYERS, PALETTE, PLAIN_LAYERS, TRAIN, arrange, describe, label_of
from grokbook.figures.tables import per_run
from grokbook.fourier.measures import cosine_share
from grokbook.runs.run import Run


def balance_table(groups: Group) -> pd.DataFrame:
    """The share of the squared norms that cosines have at the end, against sines, in both layers."""
    return per_run(
        groups,
        lambda run: {
            f"cosines {symbol}": f"{cosine_share(run.spectrum(layer)):.0%}" for layer, symbol in LAYER_SYMBOLS.items()
        },
    )


def balance_scatter(runs: Sequence[Run], *, name: str = "balance") -> go.Figure:
    """Cosines' share of the embedding and of the neuron–logit map at the end, a mark per seed.

    Args:
        runs: on one operation, with one modulus and one fraction.
        name: of the figure's file.

    Raises:
        ValueError: there are none, or they are not alike.
    """
    if len({(run.config.operations, run.config.p, run.config.fraction) for run in runs}) != 1:
        raise ValueError("this takes runs on one operation, with one modulus and one fraction")
    shares = {layer: [cosine_share(run.spectrum(layer)) for run in runs] for layer in LAYERS}
    figure = go.Figure()
    for grokked, symbol in ((True, "circle"), (False, "diamond-open")):
        shown = [i for i, run in enumerate(runs) if (run.grok_step is not None) is grokked]
        if shown:
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
    arrange(figure, height=520, legend_y=1.02, l=75)
    first = runs[0].config
    of = f"{label_of(runs[0])} (p = {first.p}, r = {first.fraction:g})"
    found = "; ".join(f"{PLAIN_LAYERS[layer]}: {_spread(of_layer)}" for layer, of_layer in shares.items())
    return describe(
        figure,
        name=name,
        title=f"{of}: cosines against sines, seed by seed",
        caption=f"Share of the squared norms that cosines have at the end, of {len(runs)} runs on {of}; lines: half. "
        f"{found[0].upper()}{found[1:]}.",
        alt=f"A mark per run: share of cosines in the embedding to the right, in the neuron–logit map up. {found}.",
    )


def _spread(shares: Sequence[float]) -> str:
    """Where shares lie, and how many of them are biased."""
    cosines, sines = biased(shares)
    return (
        f"{min(shares):.0%} to {max(shares):.0%}, {np.median(shares):.0%} in the middle, two thirds or more in "
        f"{cosines} of {len(shares)}, one third or less in {sines}"
    )
