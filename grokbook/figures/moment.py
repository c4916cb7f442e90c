"""One run at one moment: how far it has come, and what its embedding looks like now."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.figures.groups import curve, outcome
from grokbook.figures.style import LOG_STEPS, PALETTE, PLAIN_LAYERS, TRAIN, arrange, describe, label_of
from grokbook.figures.waves import wave_bars
from grokbook.runs.run import Run


def snapshot(run: Run, *, name: str | None = None) -> go.Figure:
    """Train and test accuracy up to the last step, over the spectrum of the embedding at that step.

    Args:
        run: finished, or still in training (see :meth:`grokbook.training.record.Moment.glance`).
        name: of the figure's file.
    """
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.2, row_heights=[0.5, 0.5])
    for part, colour, width in (("train", TRAIN, 1.5), ("test", PALETTE[1], 2.5)):
        line = {"color": colour, "width": width}
        figure.add_scatter(**curve(run, f"{part}_accuracy"), name=f"{part} accuracy", line=line, row=1, col=1)
    rows = run.spectrum("embedding", slice(None))
    figure.add_traces(wave_bars(run.spectrum("embedding", -1), PLAIN_LAYERS["embedding"], axes=("x2", "y2")))
    limit = 1.05 * max(float(rows.cosine.max()), float(rows.sine.max()))  # of all training, so that axes stand still
    figure.update_xaxes(**LOG_STEPS, title="step", row=1, col=1)
    figure.update_yaxes(title="accuracy", tickformat=".0%", range=[-0.04, 1.06], row=1, col=1)
    figure.update_xaxes(title="frequency k", row=2, col=1)
    figure.update_yaxes(title="norm in W<sub>E</sub>", range=[-limit, limit], row=2, col=1)
    figure.update_layout(barmode="relative", bargap=0.15)
    arrange(figure, height=520, legend_y=1.02, l=65, t=50)
    now = run.history.iloc[-1]
    reached = f"train accuracy {now['train_accuracy']:.1%}, test accuracy {now['test_accuracy']:.1%}"
    label = f"{label_of(run)} (p = {run.config.p}, r = {run.config.fraction:g}, seed {run.config.seed})"
    return describe(
        figure,
        name=name or f"snapshot-{run.config.hash}",
        title=f"{label} at step {run.steps:,}",
        caption=f"{label}: accuracy up to step {run.steps:,}, and the norms of the cosine (up) and sine (down, "
        f"hatched) components of the embedding at that step. {reached[0].upper()}{reached[1:]}; {outcome([run])}.",
        alt=f"Curves of train and test accuracy on a logarithmic step axis, and mirrored bars of the embedding's "
        f"spectrum at step {run.steps:,}. {label}: {reached}; {outcome([run])}.",
    )
