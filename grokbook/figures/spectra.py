"""One run in the Fourier basis: bars of cosines (upwards) and sines (downwards, hatched), and all of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from grokbook.figures.groups import curve, outcome
from grokbook.figures.layout import add_slider, arrange, describe, in_rows, share_legend, share_step_axis, stacked
from grokbook.figures.style import COSINE, LAYERS, PALETTE, PLAIN_LAYERS, SINE, STEP_AXIS, TRAIN, label_of
from grokbook.fourier import measures
from grokbook.fourier.transform import Spectrum, key_frequencies
from grokbook.runs.grokking import records_map
from grokbook.runs.run import Run

# --- bars -----------------------------------------------------------------------------------------


def bars(spectra: Spectrum | Mapping[str, Spectrum], *, name: str = "bars", title: str = "Spectra") -> go.Figure:
    """Bars of one or several spectra of equally many frequencies, one plot below the other, by what stands above it.

    Raises:
        ValueError: there is none, or one is of several layers or times.
    """
    shown = {"": spectra} if isinstance(spectra, Spectrum) else dict(spectra)
    if not shown:
        raise ValueError("bars needs at least one spectrum")
    figure = stacked(list(shown), 0.25 / len(shown), shared_xaxes=True)
    for row, (label, spectrum) in enumerate(shown.items(), start=1):
        spectrum.check_single()
        figure.add_traces(_wave_bars(spectrum, label or title, row))
        _norm_axis(figure, spectrum, row)
    share_legend(figure)
    figure.update_xaxes(title="frequency k", row=len(shown), col=1)
    told = "; ".join(f"{label}: {_told(spectrum)}" if label else _told(spectrum) for label, spectrum in shown.items())
    return describe(
        arrange(figure, height=150 + 170 * len(shown), legend_y=1.06, t=70),
        name=name,
        title=title,
        caption=f"Norms of the cosine (up) and sine (down, hatched) components per frequency. {told}.",
        alt=f"{len(shown)} mirrored bar charts of norms against frequency. {told}.",
    )


def layer_spectra(run: Run, *, label: str | None = None, name: str | None = None) -> go.Figure:
    """Cosine norms (upwards) and sine norms (downwards) per frequency, of both layers; a slider over training."""
    label, steps = label or label_of(run), run.spectra.step.tolist()
    figure = stacked(list(LAYERS.values()), 0.12, shared_xaxes=True)
    mapped = run.spectra.logits_step.tolist()
    if len(mapped) < 2:  # published without its maps: the steps that had one
        mapped = [step for step in steps if records_map(step, run.steps) or step == run.steps]
    shown = [time for time, step in enumerate(steps) if step in mapped]  # sliders of a run agree
    drawn = {
        steps[time]: [
            bar
            for row, (layer, title) in enumerate(PLAIN_LAYERS.items(), start=1)
            for bar in _wave_bars(run.spectrum(layer, time), title, row)
        ]
        for time in shown
    }
    figure.add_traces(drawn[steps[shown[-1]]])
    share_legend(figure)
    add_slider(figure, {step: _heights(of_layers) for step, of_layers in drawn.items()})
    for row, layer in enumerate(LAYERS, start=1):
        _norm_axis(figure, run.spectrum(layer, shown), row)
    figure.update_xaxes(title="frequency k", row=2, col=1)
    last = run.history.iloc[-1]
    finding = "; ".join(
        f"{title}: FFS {last[f'ffs_{layer}']:.2f}, FCR {last[f'fcr_{layer}']:.2f}"
        for layer, title in PLAIN_LAYERS.items()
    )
    return describe(
        arrange(figure, height=560, legend_y=1.06, t=80, b=120),
        name=name or f"spectra-{run.config.hash}",
        title=f"{label}: spectra of both layers",
        caption=f"{label}: norms of the cosine (up) and sine (down, hatched) components per frequency. "
        f"At the end (step {run.steps:,}; {outcome([run])}) {finding}.",
        alt=f"Mirrored bar charts of the Fourier spectra of {label}, for the embedding and the neuron–logit map, "
        f"with a slider over training. At the end ({outcome([run])}), {finding}.",
    )


def _wave_bars(spectrum: Spectrum, of: str, row: int) -> list[go.Bar]:
    """The norms of cosines and sines of one layer at one time as traces; ``of``: what the pointer says they are of."""
    return [
        go.Bar(
            x=np.arange(1, len(norms) + 1),
            y=sign * norms.numpy(),
            customdata=norms.numpy(),
            name="cosine" if wave == "cos" else "sine",
            legendgroup=wave,
            xaxis=f"x{row}",
            yaxis=f"y{row}",
            marker={"color": colour, "pattern": {"shape": pattern, "solidity": 0.5}, "line": {"width": 0}},
            hovertemplate=f"k = %{{x}}: {wave} norm %{{customdata:.3g}}<extra>{of}</extra>",
        )
        for wave, norms, sign, colour, pattern in (
            ("cos", spectrum.cosine, 1, COSINE, ""),
            ("sin", spectrum.sine, -1, SINE, "/"),
        )
    ]


def _heights(drawn: list[go.Bar]) -> list[go.Bar]:
    """What a frame carries of bars: the rest is the same in all frames, and colours are the theme's."""
    return [go.Bar(y=bar.y, customdata=bar.customdata) for bar in drawn]


def _norm_axis(figure: go.Figure, spectrum: Spectrum, row: int, title: str = "norm") -> None:
    """An axis that holds all bars of a spectrum, at whatever time."""
    limit = 1.05 * _largest(spectrum)
    figure.update_yaxes(title=title, range=[-limit, limit], row=row, col=1)
    figure.update_layout(barmode="relative", bargap=0.15)


def _largest(spectrum: Spectrum) -> float:
    return max(float(spectrum.cosine.max()), float(spectrum.sine.max()))


def _told(spectrum: Spectrum) -> str:
    key = key_frequencies(spectrum)
    which = f" (k = {', '.join(map(str, key))})" if 0 < len(key) <= 8 else ""
    measured = f"FFS {measures.ffs(spectrum):.2f}, FCR {measures.fcr(spectrum):.2f}"
    return f"{measured}, {len(key)} of {len(spectrum.cosine)} frequencies above half of the largest{which}"


# --- accuracy, and the embedding below ------------------------------------------------------------


def opening(run: Run, *, name: str = "grokking") -> go.Figure:
    """Accuracy against step with a mark that moves along, over the spectrum of W_E at that step."""
    label, steps = label_of(run), run.spectra.step.tolist()
    figure = stacked(["", ""], 0.2, row_heights=[0.42, 0.58])
    drawn = [_wave_bars(run.spectrum("embedding", time), PLAIN_LAYERS["embedding"], 2) for time in range(len(steps))]
    # Step 0 has no place on a logarithmic axis: the mark waits at its left edge.
    marks = [{"x": [max(step, 1)] * 2, "y": [0, 1]} for step in steps]
    line = {"color": PALETTE[0], "width": 1.5, "dash": "dot"}
    # What moves comes first: a frame replaces the first traces.
    figure.add_scatter(**marks[-1], mode="lines", line=line, hoverinfo="skip", showlegend=False)
    figure.add_traces(drawn[-1])
    _add_accuracies(figure, run)
    at = run.history.set_index("step")
    said = {step: f" · train {at['train_accuracy'][step]:.0%}, test {at['test_accuracy'][step]:.0%}" for step in steps}
    moved = zip(steps, marks, drawn, strict=True)
    add_slider(figure, {step: [go.Scatter(mark), *_heights(bars)] for step, mark, bars in moved}, said)
    _norm_axis(figure, run.spectrum("embedding", slice(None)), 2)
    figure.update_xaxes(STEP_AXIS, row=1, col=1)
    figure.update_xaxes(title="frequency k in W<sub>E</sub>", row=2, col=1)
    key = ", ".join(map(str, key_frequencies(run.spectrum("embedding"))))
    return describe(
        arrange(figure, height=560, legend_y=1.02, t=50, b=120),
        name=name,
        title=f"{label} modulo {run.config.p}, through training",
        caption=f"Above: share of right answers on the pairs that are trained on (thin, grey) and on all others; the "
        f"dotted line marks the step of the slider. Below: how strongly the embedding holds a wave of each frequency, "
        f"cosines up, sines (hatched) down. {label}, r = {run.config.fraction:g}, seed {run.config.seed}: "
        f"{outcome([run])}. Key frequencies at the end, those above half of the largest: k = {key}.",
        alt=f"Train and test accuracy of {label} against step, over a mirrored bar chart of the embedding's Fourier "
        f"spectrum, with a slider over training. It {outcome([run])}; at the end the key frequencies are {key}.",
    )


def snapshot(run: Run, *, name: str | None = None) -> go.Figure:
    """Train and test accuracy up to the last step, over the spectrum of the embedding at that step.

    The run may be in training still, see :meth:`grokbook.training.record.Moment.glance`.
    """
    figure = stacked(["", ""], 0.2, row_heights=[0.5, 0.5])
    _add_accuracies(figure, run)
    figure.add_traces(_wave_bars(run.spectrum("embedding"), PLAIN_LAYERS["embedding"], 2))
    # Of all training, so that axes stand still.
    _norm_axis(figure, run.spectrum("embedding", slice(None)), 2, "norm in W<sub>E</sub>")
    figure.update_xaxes(STEP_AXIS, row=1, col=1)
    figure.update_xaxes(title="frequency k", row=2, col=1)
    now = run.history.iloc[-1]
    reached = f"train accuracy {now['train_accuracy']:.1%}, test accuracy {now['test_accuracy']:.1%}"
    label = f"{label_of(run)} (p = {run.config.p}, r = {run.config.fraction:g}, seed {run.config.seed})"
    return describe(
        arrange(figure, height=520, legend_y=1.02, l=65, t=50),
        name=name or f"snapshot-{run.config.hash}",
        title=f"{label} at step {run.steps:,}",
        caption=f"{label}: accuracy up to step {run.steps:,}, and the norms of the cosine (up) and sine (down, "
        f"hatched) components of the embedding at that step. {reached[0].upper()}{reached[1:]}; {outcome([run])}.",
        alt=f"Curves of train and test accuracy on a logarithmic step axis, and mirrored bars of the embedding's "
        f"spectrum at step {run.steps:,}. {label}: {reached}; {outcome([run])}.",
    )


def overview(run: Run, *, name: str = "overview") -> go.Figure:
    """Accuracy over the spectrum of the embedding (norm of cosine and sine together), on one step axis."""
    figure = stacked(["", ""], 0.06, shared_xaxes=True, row_heights=[0.45, 0.55])
    _add_accuracies(figure, run)
    bar = {"title": "norm", "thickness": 12, "len": 0.55, "y": 0, "yanchor": "bottom"}  # beside the spectrum alone
    combined = run.spectrum("embedding", run.spectra.step > 0).combined
    _add_heatmap(figure, run, combined, colorscale="Viridis", colorbar=bar, row=2, col=1)
    share_step_axis(figure, rows=2)
    figure.update_yaxes(title="frequency k in W<sub>E</sub>", row=2, col=1)
    label = label_of(run)
    text = f"{label}: accuracy (top) and the spectrum of the embedding (bottom) through training; {outcome([run])}."
    return describe(
        arrange(figure, height=520, legend_y=1.01, l=65, t=40),
        name=name,
        title=f"{label}: accuracy and embedding through training",
        caption=text,
        alt=text,
    )


def _add_accuracies(figure: go.Figure, run: Run) -> None:
    for part, colour, width in (("train", TRAIN, 1.5), ("test", PALETTE[1], 2.5)):
        line = {"color": colour, "width": width}
        figure.add_scatter(**curve(run, f"{part}_accuracy"), name=f"{part} accuracy", line=line, row=1, col=1)
    figure.update_yaxes(title="accuracy", tickformat=".0%", range=[-0.04, 1.06], row=1, col=1)


# --- all of training in one picture ---------------------------------------------------------------


def spectrogram(run: Run, layer: str = "embedding", *, name: str | None = None) -> go.Figure:
    """Cosine and sine norms of one layer against frequency and step: all of training in one picture."""
    label, spectrum = label_of(run), run.spectrum(layer, run.spectra.step > 0)
    figure = stacked(["cosine", "sine"], 0.1, shared_xaxes=True)
    for norms, place in in_rows((spectrum.cosine, spectrum.sine)):
        _add_heatmap(figure, run, norms, coloraxis="coloraxis", **place)
    figure.update_yaxes(title="frequency k")
    if run.grok_step is not None:
        figure.add_vline(x=run.grok_step, line={"color": "white", "width": 1.5, "dash": "dash"})
    share_step_axis(figure, rows=2)
    shades = {"colorscale": "Viridis", "cmin": 0, "cmax": _largest(spectrum)}
    figure.update_layout(coloraxis={**shades, "colorbar": {"title": "norm", "thickness": 12}})
    marked = f" Dashed: grok step {run.grok_step:,}." if run.grok_step is not None else " It did not grok."
    return describe(
        arrange(figure, height=520, t=50),
        name=name or f"spectrogram-{layer}-{run.config.hash}",
        title=f"{label}: {PLAIN_LAYERS[layer]} through training",
        caption=f"{label}: norms of the Fourier components of the {PLAIN_LAYERS[layer]} through training.{marked}",
        alt=f"Two heatmaps, cosine and sine, of frequency against step for the {PLAIN_LAYERS[layer]} of {label}."
        f"{marked}",
    )


def _add_heatmap(figure: go.Figure, run: Run, norms: Float[Tensor, "time K"], **how: Any) -> None:
    """Draw norms at every recorded step but 0, which has no place on a logarithmic axis."""
    figure.add_heatmap(
        x=run.spectra.step[run.spectra.step > 0].numpy(),
        y=np.arange(1, norms.shape[1] + 1),
        z=norms.T.numpy(),
        hovertemplate="step %{x:,}, k = %{y}: norm %{z:.3g}<extra></extra>",
        **how,
    )
