"""The layers of one run in the Fourier basis, at a time and through training."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from grokbook.figures.groups import curve, outcome
from grokbook.figures.sliders import add_slider, thinned
from grokbook.figures.style import (
    LAYERS,
    PALETTE,
    PLAIN_LAYERS,
    TRAIN,
    arrange,
    describe,
    label_of,
    share_step_axis,
)
from grokbook.figures.waves import wave_bars
from grokbook.fourier.transform import Spectrum
from grokbook.runs.grokking import records_map
from grokbook.runs.run import Run


def layer_spectra(run: Run, *, label: str | None = None, name: str | None = None) -> go.Figure:
    """Cosine norms (upwards) and sine norms (downwards) per frequency, of both layers; a slider over training."""
    label, steps = label or label_of(run), run.spectra.step.tolist()
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.12, subplot_titles=list(LAYERS.values())
    )
    mapped = run.spectra.logits_step.tolist()
    if len(mapped) < 2:  # published without its maps: the steps that had one
        mapped = [step for step in steps if records_map(step, run.steps) or step == run.steps]
    shown = thinned(steps, mapped)
    figure.add_traces(_bars(run, shown[-1]))
    # Frames carry heights alone: the rest is the same in all of them, and colours are the theme's.
    add_slider(
        figure,
        {steps[time]: [go.Bar(y=bar.y, customdata=bar.customdata) for bar in _bars(run, time)] for time in shown},
    )
    for row, layer in enumerate(LAYERS, start=1):
        limit = 1.05 * _largest(run.spectrum(layer, shown))
        figure.update_yaxes(range=[-limit, limit], title="norm", row=row, col=1)
    figure.update_xaxes(title="frequency k", row=2, col=1)
    figure.update_layout(barmode="relative", bargap=0.15)
    arrange(figure, height=560, legend_y=1.06, t=80, b=120)
    finding = "; ".join(
        f"{PLAIN_LAYERS[layer]}: FFS {_final(run, 'ffs', layer):.2f}, FCR {_final(run, 'fcr', layer):.2f}"
        for layer in LAYERS
    )
    return describe(
        figure,
        name=name or f"spectra-{run.config.hash}",
        title=f"{label}: spectra of both layers",
        caption=f"{label}: norms of the cosine (up) and sine (down, hatched) components per frequency. "
        f"At the end (step {run.steps:,}; {outcome([run])}) {finding}.",
        alt=f"Mirrored bar charts of the Fourier spectra of {label}, for the embedding and the neuron–logit map, "
        f"with a slider over training. At the end ({outcome([run])}), {finding}.",
    )


def spectrogram(run: Run, layer: str = "embedding", *, name: str | None = None) -> go.Figure:
    """Cosine and sine norms of one layer against frequency and step: all of training in one picture."""
    label, spectrum = label_of(run), _after_start(run, layer)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=["cosine", "sine"])
    for row, norms in ((1, spectrum.cosine), (2, spectrum.sine)):
        _add_heatmap(figure, run, norms, row=row, coloraxis="coloraxis")
        figure.update_yaxes(title="frequency k", row=row, col=1)
    if run.grok_step is not None:
        figure.add_vline(x=run.grok_step, line={"color": "white", "width": 1.5, "dash": "dash"})
    share_step_axis(figure, rows=2)
    figure.update_layout(
        coloraxis={
            "colorscale": "Viridis",
            "cmin": 0,
            "cmax": _largest(spectrum),
            "colorbar": {"title": "norm", "thickness": 12},
        }
    )
    arrange(figure, height=520, t=50)
    marked = f" Dashed: grok step {run.grok_step:,}." if run.grok_step is not None else " It did not grok."
    return describe(
        figure,
        name=name or f"spectrogram-{layer}-{run.config.hash}",
        title=f"{label}: {PLAIN_LAYERS[layer]} through training",
        caption=f"{label}: norms of the Fourier components of the {PLAIN_LAYERS[layer]} through training.{marked}",
        alt=f"Two heatmaps, cosine and sine, of frequency against step for the {PLAIN_LAYERS[layer]} of {label}."
        f"{marked}",
    )


def overview(run: Run, *, name: str = "overview") -> go.Figure:
    """Accuracy over the spectrum of the embedding (norm of cosine and sine together), on one step axis."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.45, 0.55])
    for part, colour, width in (("train", TRAIN, 1.5), ("test", PALETTE[1], 2.5)):
        figure.add_scatter(
            **curve(run, f"{part}_accuracy"),
            name=f"{part} accuracy",
            line={"color": colour, "width": width},
            row=1,
            col=1,
        )
    combined = _after_start(run, "embedding").combined
    bar = {"title": "norm", "thickness": 12, "len": 0.55, "y": 0, "yanchor": "bottom"}  # beside the spectrum alone
    _add_heatmap(figure, run, combined, row=2, colorscale="Viridis", colorbar=bar)
    share_step_axis(figure, rows=2)
    figure.update_yaxes(title="accuracy", tickformat=".0%", range=[-0.04, 1.06], row=1, col=1)
    figure.update_yaxes(title="frequency k in W<sub>E</sub>", row=2, col=1)
    arrange(figure, height=520, legend_y=1.01, l=65, t=40)
    text = (
        f"{label_of(run)}: accuracy (top) and the spectrum of the embedding (bottom) through training; "
        f"{outcome([run])}."
    )
    title = f"{label_of(run)}: accuracy and embedding through training"
    return describe(figure, name=name, title=title, caption=text, alt=text)


def _after_start(run: Run, layer: str) -> Spectrum:
    """The spectra of a layer without step 0, which has no place on a logarithmic axis."""
    return run.spectrum(layer, run.spectra.step > 0)


def _largest(spectrum: Spectrum) -> float:
    """The largest norm of any cosine or sine; the constant is not drawn."""
    return max(float(spectrum.cosine.max()), float(spectrum.sine.max()))


def _final(run: Run, measure: str, layer: str) -> float:
    return float(run.history[f"{measure}_{layer}"].iloc[-1])


def _bars(run: Run, time: int) -> list[go.Bar]:
    """Cosines (upwards) and sines (downwards) of both layers at one of the recorded times."""
    return [
        bar.update(showlegend=row == 1)
        for row, layer in enumerate(LAYERS, start=1)
        for bar in wave_bars(run.spectrum(layer, time), PLAIN_LAYERS[layer], axes=(f"x{row}", f"y{row}"))
    ]


def _frequencies(norms: Float[Tensor, "*time K"]) -> np.ndarray:
    """1, …, K."""
    return np.arange(1, norms.shape[-1] + 1)


def _add_heatmap(figure: go.Figure, run: Run, norms: Float[Tensor, "time K"], *, row: int, **colours: Any) -> None:
    """Draw norms at every recorded step but 0: steps to the right, frequencies upwards."""
    figure.add_heatmap(
        x=run.spectra.step[run.spectra.step > 0].numpy(),
        y=_frequencies(norms),
        z=norms.T.numpy(),
        hovertemplate="step %{x:,}, k = %{y}: norm %{z:.3g}<extra></extra>",
        row=row,
        col=1,
        **colours,
    )
