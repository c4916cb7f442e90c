"""Grokking in one figure: the accuracies of a run, and the spectrum of its embedding at a step to be chosen."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.figures.groups import curve, outcome
from grokbook.figures.sliders import add_slider
from grokbook.figures.style import LOG_STEPS, PALETTE, PLAIN_LAYERS, TRAIN, arrange, describe, label_of
from grokbook.figures.waves import wave_bars
from grokbook.fourier.transform import key_frequencies
from grokbook.runs.run import Run


def opening(run: Run, *, name: str = "grokking") -> go.Figure:
    """Accuracy against step with a mark that moves along, over the spectrum of W_E at that step."""
    label, steps = label_of(run), run.spectra.step.tolist()
    spectrum = run.spectrum("embedding", slice(None))
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.2, row_heights=[0.42, 0.58])
    # What moves comes first: a frame replaces the first traces.
    figure.add_traces(_moving(run, len(steps) - 1))
    for part, colour, width in (("train", TRAIN, 1.5), ("test", PALETTE[1], 2.5)):
        figure.add_scatter(
            **curve(run, f"{part}_accuracy"),
            name=f"{part} accuracy",
            line={"color": colour, "width": width},
            xaxis="x",
            yaxis="y",
        )
    add_slider(
        figure,
        {step: _moving(run, time, brief=True) for time, step in enumerate(steps)},
        {step: _said(run, step) for step in steps},
    )
    limit = 1.05 * max(float(spectrum.cosine.max()), float(spectrum.sine.max()))
    figure.update_xaxes(LOG_STEPS | {"title": "step"}, row=1, col=1)
    figure.update_yaxes(title="accuracy", tickformat=".0%", range=[-0.04, 1.06], row=1, col=1)
    figure.update_xaxes(title="frequency k in W<sub>E</sub>", row=2, col=1)
    figure.update_yaxes(title="norm", range=[-limit, limit], row=2, col=1)
    figure.update_layout(barmode="relative", bargap=0.15)
    arrange(figure, height=560, legend_y=1.02, t=50, b=120)
    key = ", ".join(map(str, key_frequencies(run.spectrum("embedding"))))
    return describe(
        figure,
        name=name,
        title=f"{label} modulo {run.config.p}, through training",
        caption=f"Above: share of right answers on the pairs that are trained on (thin, grey) and on all others; the "
        f"dotted line marks the step of the slider. Below: how strongly the embedding holds a wave of each frequency, "
        f"cosines up, sines (hatched) down. {label}, r = {run.config.fraction:g}, seed {run.config.seed}: "
        f"{outcome([run])}. Key frequencies at the end, those above half of the largest: k = {key}.",
        alt=f"Train and test accuracy of {label} against step, over a mirrored bar chart of the embedding's Fourier "
        f"spectrum, with a slider over training. It {outcome([run])}; at the end the key frequencies are {key}.",
    )


def _moving(run: Run, time: int, *, brief: bool = False) -> list[Any]:
    """The mark at one of the recorded times, and the bars; ``brief``: only what differs from time to time."""
    step = int(run.spectra.step[time])
    # Step 0 has no place on a logarithmic axis: the mark waits at its left edge.
    mark = {"x": [max(step, 1)] * 2, "y": [0, 1]}
    bars = wave_bars(run.spectrum("embedding", time), PLAIN_LAYERS["embedding"], axes=("x2", "y2"))
    if brief:
        return [go.Scatter(mark), *(go.Bar(y=bar.y, customdata=bar.customdata) for bar in bars)]
    line = {"color": PALETTE[0], "width": 1.5, "dash": "dot"}
    return [go.Scatter(mark, mode="lines", line=line, hoverinfo="skip", showlegend=False), *bars]


def _said(run: Run, step: int) -> str:
    """The accuracies at a recorded step."""
    row = run.history[run.history["step"] == step].iloc[0]
    return f" · train {row['train_accuracy']:.0%}, test {row['test_accuracy']:.0%}"
