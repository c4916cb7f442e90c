"""Layers of grokked runs over the logarithms of the residues, where products are sums. Not in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from grokbook import fourier, model
from grokbook.figures.groups import Group, outcome
from grokbook.figures.style import LAYERS, PALETTE, PLAIN_LAYERS, arrange, describe, label_of
from grokbook.figures.tables import LAYER_SYMBOLS
from grokbook.fourier import Spectrum
from grokbook.runs import Run
from grokbook.training import initial_weights

MARKERS = ("circle-open", "x-thin-open")
"""Of the lines, which are told apart without their colours."""
NAMED = 8
"""The most frequencies that a caption lists."""


def logarithm_spectra(run: Run, *, shift: int = 0, name: str | None = None) -> go.Figure:
    """Both layers at the end over waves in log(x + shift), as bars, and over other waves, as lines.

    The others are waves over the residues, and those in log x if there is a shift. Cosine and sine are taken together:
    nothing tells a network that multiplies where its waves over the logarithm should start.

    Args:
        run: one with its weights.
        shift: 1 for an operation that is a product in a + 1 and b + 1.
        name: of the figure's file.

    Raises:
        ValueError: the run was published without its weights.
    """
    if run.weights is None:
        raise ValueError(f"{run.config.label} was published without its weights: its rows cannot be put in order")
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.12, subplot_titles=list(LAYERS.values())
    )
    others = (None, 0) if shift else (None,)
    findings = []
    matrices = model.layers(run.weights, run.config.p)
    for row, layer in enumerate(LAYERS, start=1):
        spectra = {waves: _spectrum(matrices[layer], waves) for waves in (shift, *others)}
        place: dict[str, Any] = {"showlegend": row == 1, "row": row, "col": 1}
        figure.add_bar(**_norms(spectra[shift], shift), marker={"color": PALETTE[0], "line": {"width": 0}}, **place)
        for waves, colour, symbol in zip(others, PALETTE[1:], MARKERS, strict=False):
            figure.add_scatter(
                **_norms(spectra[waves], waves),
                mode="lines+markers",
                line={"color": colour, "width": 1},
                marker={"color": colour, "symbol": symbol, "size": 6},
                **place,
            )
        figure.update_yaxes(title="norm", rangemode="tozero", row=row, col=1)
        findings.append(f"{PLAIN_LAYERS[layer]}: {_finding(spectra)}")
    figure.update_xaxes(title="frequency", row=2, col=1)
    figure.update_layout(bargap=0.15)
    arrange(figure, height=520, legend_y=1.06, t=80)
    label, lines = label_of(run), " and ".join(map(_variable, others))
    counted = f"Frequencies above half of the largest, of {run.config.p // 2}: {'; '.join(findings)}."
    return describe(
        figure,
        name=name or f"logarithms-{run.config.hash}",
        title=f"{label}: waves over {_variable(shift)}",
        caption=f"{label}: norms of waves over {_variable(shift)} (bars) and over {lines} (lines), cosine and sine of "
        f"a frequency together, at the end (step {run.steps:,}; {outcome([run])}). {counted}",
        alt=f"Norms against frequency in both layers of {label}: bars for waves over {_variable(shift)}, lines for "
        f"waves over {lines}. {counted}",
    )


def logarithm_table(groups: Group, shifts: Sequence[int] = (0, 1)) -> pd.DataFrame:
    """How many frequencies over x, and over each log(x + shift), are above half of the largest, in both layers.

    The last row is about the weights from which the first run started. Runs without their weights are left out.
    """
    weights = {
        (label, run.config.seed): (run.config, run.weights)
        for label, runs in groups.items()
        for run in runs
        if run.weights is not None
    }
    if weights:
        first, _ = next(iter(weights.values()))
        weights["random start", first.seed] = (first, initial_weights(first, {}))
    rows = []
    for (label, seed), (config, each) in weights.items():
        row: dict[str, Any] = {"run": label, "seed": seed}
        matrices = model.layers(each, config.p)
        for layer, symbol in LAYER_SYMBOLS.items():
            for waves in (None, *shifts):
                counted = len(fourier.key_frequencies(_spectrum(matrices[layer], waves)))
                row[f"{symbol} over {_variable(waves)}"] = f"{counted} of {config.p // 2}"
        rows.append(row)
    return pd.DataFrame(rows)


def _spectrum(matrix: Float[Tensor, "p n"], waves: int | None) -> Spectrum:
    """Over the residues, or over their logarithms with the shift that is given."""
    return fourier.spectrum(matrix) if waves is None else fourier.multiplicative_spectrum(matrix, waves)


def _variable(waves: int | None) -> str:
    """What the waves are over."""
    if waves is None:
        return "x"
    return f"log(x {'+' if waves > 0 else '−'} {abs(waves)})" if waves else "log x"


def _norms(spectrum: Spectrum, waves: int | None) -> dict[str, Any]:
    """Norms by frequency, as a trace takes them."""
    heights = spectrum.combined.numpy()
    return {
        "x": np.arange(1, len(heights) + 1),
        "y": heights,
        "name": f"over {_variable(waves)}",
        "legendgroup": _variable(waves),
        "hovertemplate": f"frequency %{{x}} over {_variable(waves)}: norm %{{y:.3g}}<extra></extra>",
    }


def _finding(spectra: Mapping[int | None, Spectrum]) -> str:
    """How many frequencies stand out over each variable, and over the first of them, which."""
    key = {waves: fourier.key_frequencies(spectrum) for waves, spectrum in spectra.items()}
    counts = [f"{len(found)} over {_variable(waves)}" for waves, found in key.items()]
    few = next(iter(key.values()))
    named = f" ({', '.join(map(str, few))})" if len(few) <= NAMED else ""
    return ", ".join([f"{counts[0]}{named}", *counts[1:]])
