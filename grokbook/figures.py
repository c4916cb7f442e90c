"""Plotly figures from runs: each a pure function of what it is given.

Every figure carries ``layout.meta`` with a ``name``, a ``caption`` that says what it shows, with numbers taken from
the runs, and ``alt``, a text for readers who do not see it. Colours are safe for colour-blind readers, and nothing is
told by colour alone. Backgrounds and text colours are left to the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from IPython.display import HTML
from plotly.subplots import make_subplots

from grokbook.fourier import frequency_labels
from grokbook.operations import Operation
from grokbook.runs import Run

Layer = Literal["embedding", "neuron_logit"]
Group = Mapping[str, Sequence[Run]]
"""Runs under the label they are drawn with: usually one per seed."""

LAYERS: Mapping[Layer, str] = {
    "embedding": "embedding W<sub>E</sub>",
    "neuron_logit": "neuron–logit map W<sub>L</sub>",
}
PLAIN_LAYERS: Mapping[Layer, str] = {"embedding": "embedding", "neuron_logit": "neuron–logit map"}
PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999", "#ee8866")
"""Paul Tol's bright scheme (and his orange): distinct for colour-blind readers, on light and on dark."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")
COSINE, SINE = PALETTE[0], "#ee8866"
STEP_AXIS = {"type": "log", "title": "step", "dtick": 1}


def pretty(operation: str) -> str:
    """How an operation is written in a figure."""
    return Operation.parse(operation).pretty


def by_operation(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group runs under their operations' pretty names, in the order in which they come."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(", ".join(map(pretty, run.config.operations)), []).append(run)
    return groups


def accuracy_curves(groups: Group, *, name: str = "accuracy") -> go.Figure:
    """Train (thin, dotted) and test accuracy against step; the grok step of each run is marked."""
    figure = go.Figure()
    for index, (label, runs) in enumerate(groups.items()):
        colour, dash = PALETTE[index % len(PALETTE)], DASHES[index % len(DASHES)]
        for seed_index, run in enumerate(runs):
            history = _after_start(run)
            common: dict[str, Any] = {"x": history["step"].to_numpy(), "legendgroup": label, "mode": "lines"}
            figure.add_scatter(
                **common,
                y=history["train_accuracy"].to_numpy(),
                line={"color": colour, "width": 1, "dash": "dot"},
                showlegend=False,
                hovertemplate="train %{y:.1%} at step %{x}<extra>" + label + "</extra>",
            )
            figure.add_scatter(
                **common,
                y=history["test_accuracy"].to_numpy(),
                line={"color": colour, "width": 2, "dash": dash},
                name=label,
                showlegend=seed_index == 0,
                hovertemplate="test %{y:.1%} at step %{x}<extra>" + label + "</extra>",
            )
            if run.grok_step is not None:
                figure.add_scatter(
                    x=[run.grok_step],
                    y=[float(history.loc[history["step"] == run.grok_step, "test_accuracy"].iloc[0])],
                    mode="markers",
                    marker={"color": colour, "size": 9, "symbol": "diamond"},
                    legendgroup=label,
                    showlegend=False,
                    hovertemplate=f"{label} grokked at step {run.grok_step}<extra></extra>",
                )
    figure.update_layout(
        xaxis=STEP_AXIS,
        yaxis={"title": "accuracy", "tickformat": ".0%", "range": [-0.03, 1.05]},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        height=430,
        margin={"l": 60, "r": 20, "t": 60, "b": 55},
    )
    summary = "; ".join(f"{label}: {_outcome(runs)}" for label, runs in groups.items())
    return _describe(
        figure,
        name=name,
        caption=f"Test accuracy against training step; dotted: train accuracy, diamond: grok step. {summary}.",
        alt=f"Curves of train and test accuracy on a logarithmic step axis. {summary}.",
    )


def layer_spectra(run: Run, *, label: str | None = None, name: str | None = None) -> go.Figure:
    """Cosine norms (upwards) and sine norms (downwards) per frequency, of both layers; a slider over training."""
    label, spectra = label or _label(run), run.spectra
    k = np.arange(1, run.config.p // 2 + 1)
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.12, subplot_titles=list(LAYERS.values())
    )

    def bars(time: int) -> list[go.Bar]:
        traces = []
        for axis, layer in enumerate(LAYERS, start=1):
            norms = getattr(spectra, layer)[time].numpy()
            for wave, values, colour, pattern in (
                ("cos", norms[1::2], COSINE, ""),
                ("sin", -norms[2::2], SINE, "/"),
            ):
                traces.append(
                    go.Bar(
                        x=k,
                        y=values.astype(np.float32),
                        customdata=np.abs(values).astype(np.float32),
                        name="cosine" if wave == "cos" else "sine",
                        legendgroup=wave,
                        showlegend=axis == 1,
                        xaxis=f"x{axis}",
                        yaxis=f"y{axis}",
                        marker={
                            "color": colour,
                            "pattern": {"shape": pattern, "solidity": 0.5},
                            "line": {"width": 0},
                        },
                        hovertemplate=f"k = %{{x}}: {wave} norm %{{customdata:.3g}}"
                        f"<extra>{PLAIN_LAYERS[layer]}</extra>",
                    )
                )
        return traces

    steps = spectra.step.tolist()
    shown = _thinned(steps, spectra.logits_step.tolist())
    figure.add_traces(bars(shown[-1]))
    _add_slider(figure, {steps[time]: bars(time) for time in shown})
    for axis, layer in enumerate(LAYERS, start=1):
        limit = 1.05 * float(getattr(spectra, layer)[shown, 1:].max())
        figure.update_yaxes(range=[-limit, limit], title="norm", row=axis, col=1)
    figure.update_xaxes(title="frequency k", row=2, col=1)
    figure.update_layout(
        barmode="relative",
        bargap=0.15,
        height=560,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.06, "x": 0},
        margin={"l": 60, "r": 20, "t": 80, "b": 120},
    )
    finding = "; ".join(
        f"{PLAIN_LAYERS[layer]}: FFS {_final(run, 'ffs', layer):.2f}, FCR {_final(run, 'fcr', layer):.2f}"
        for layer in LAYERS
    )
    return _describe(
        figure,
        name=name or f"spectra-{run.config.hash}",
        caption=f"{label}: norms of the cosine (up) and sine (down, hatched) components per frequency. "
        f"At the end (step {run.steps}) {finding}.",
        alt=f"Mirrored bar charts of the Fourier spectra of {label}, for the embedding and the neuron–logit map, "
        f"with a slider over training. At the end, {finding}.",
    )


def logit_map(run: Run, *, operation: int = 0, name: str | None = None) -> go.Figure:
    """The logits in the 2-D Fourier basis (paper Fig 3, third column), with a slider over training.

    Colours are relative to the largest component but constant × constant, which says nothing about a or b.
    """
    label, p = _label(run), run.config.p
    steps = run.spectra.logits_step.tolist()
    labels = frequency_labels(p)

    def heatmap(time: int) -> go.Heatmap:
        return go.Heatmap(
            z=_percent(run.spectra.logits[time, operation].float().numpy()),
            zmin=0,
            zmax=100,
            colorscale="Viridis",
            colorbar={"title": {"text": "% of max", "side": "right"}, "thickness": 12, "len": 0.9},
            hovertemplate="a: %{x}<br>b: %{y}<br>%{z} % of the largest<extra></extra>",
            x=labels,
            y=labels,
        )

    figure = go.Figure(heatmap(len(steps) - 1))
    # Frames carry z alone: the rest is the same in all of them.
    frames = {
        step: [go.Heatmap(z=_percent(run.spectra.logits[time, operation].float().numpy()))]
        for time, step in enumerate(steps)
    }
    _add_slider(figure, frames)
    ticks = [labels[0], *(f"cos {k}" for k in range(10, p // 2 + 1, 10))]
    for axis, over in (("xaxis", "a"), ("yaxis", "b")):
        figure.update_layout({axis: {"title": f"component over {over}", "tickvals": ticks, "type": "category"}})
    figure.update_layout(
        yaxis_scaleanchor="x", yaxis_constrain="domain", xaxis_constrain="domain", height=620,
        margin={"l": 70, "r": 20, "t": 30, "b": 130},
    )  # fmt: skip
    strongest = _strongest(run.spectra.logits[-1, operation].float().numpy(), labels)
    return _describe(
        figure,
        name=name or f"logits-{run.config.hash}-{operation}",
        caption=f"{label}: norm of the logits in the 2-D Fourier basis. Strongest components at the end: {strongest}.",
        alt=f"Heatmap of {p} by {p} Fourier components of the logits of {label}, with a slider over training. "
        f"Strongest at the end: {strongest}.",
    )


def spectrogram(run: Run, layer: Layer = "embedding", *, name: str | None = None) -> go.Figure:
    """Cosine and sine norms of one layer against frequency and step: all of training in one picture."""
    label, spectra = _label(run), run.spectra
    keep = spectra.step > 0
    steps = spectra.step[keep].numpy()
    norms = getattr(spectra, layer)[keep].numpy()
    k = np.arange(1, run.config.p // 2 + 1)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=["cosine", "sine"])
    top = float(norms[:, 1:].max())
    for row, columns in ((1, slice(1, None, 2)), (2, slice(2, None, 2))):
        figure.add_heatmap(
            x=steps,
            y=k,
            z=norms[:, columns].T.astype(np.float32),
            coloraxis="coloraxis",
            row=row,
            col=1,
            hovertemplate="step %{x}, k = %{y}: norm %{z:.3g}<extra></extra>",
        )
        figure.update_xaxes(type="log", dtick=1, row=row, col=1)
        figure.update_yaxes(title="frequency k", row=row, col=1)
    if run.grok_step is not None:
        figure.add_vline(x=run.grok_step, line={"color": "white", "width": 1.5, "dash": "dash"})
    figure.update_xaxes(title="step", row=2, col=1)
    figure.update_layout(
        coloraxis={
            "colorscale": "Viridis",
            "cmin": 0,
            "cmax": top,
            "colorbar": {"title": "norm", "thickness": 12},
        },
        height=520,
        margin={"l": 60, "r": 20, "t": 50, "b": 55},
    )
    marked = f" Dashed: grok step {run.grok_step}." if run.grok_step is not None else " It did not grok."
    return _describe(
        figure,
        name=name or f"spectrogram-{layer}-{run.config.hash}",
        caption=f"{label}: norms of the Fourier components of the {PLAIN_LAYERS[layer]} through training.{marked}",
        alt=f"Two heatmaps, cosine and sine, of frequency against step for the {PLAIN_LAYERS[layer]} of {label}."
        f"{marked}",
    )


def progress_measures(groups: Group, layer: Layer = "embedding", *, name: str | None = None) -> go.Figure:
    """FFS, FCR and test accuracy against step on one time axis (paper Fig 10 and 19); grok steps as vertical lines."""
    columns = {f"ffs_{layer}": "FFS", f"fcr_{layer}": "FCR", "test_accuracy": "test accuracy"}
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.05)
    for index, (label, runs) in enumerate(groups.items()):
        colour, dash = PALETTE[index % len(PALETTE)], DASHES[index % len(DASHES)]
        for seed_index, run in enumerate(runs):
            history = _after_start(run)
            for row, (column, title) in enumerate(columns.items(), start=1):
                figure.add_scatter(
                    x=history["step"].to_numpy(),
                    y=history[column].to_numpy(),
                    mode="lines",
                    line={"color": colour, "dash": dash, "width": 1.8},
                    name=label,
                    legendgroup=label,
                    showlegend=row == 1 and seed_index == 0,
                    hovertemplate=f"{title} %{{y:.3f}} at step %{{x}}<extra>{label}</extra>",
                    row=row,
                    col=1,
                )
            if run.grok_step is not None:
                figure.add_vline(x=run.grok_step, line={"color": colour, "width": 1, "dash": dash}, opacity=0.7)
    for row, title in enumerate(columns.values(), start=1):
        figure.update_yaxes(title=title, range=[-0.04, 1.06], row=row, col=1)
        figure.update_xaxes(type="log", dtick=1, row=row, col=1)
    figure.update_xaxes(title="step", row=3, col=1)
    figure.update_layout(
        height=640,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        margin={"l": 60, "r": 20, "t": 60, "b": 55},
    )
    summary = "; ".join(
        f"{label}: FFS {_change(runs, f'ffs_{layer}')}, FCR {_change(runs, f'fcr_{layer}')}"
        for label, runs in groups.items()
    )
    return _describe(
        figure,
        name=name or f"measures-{layer}",
        caption=f"FFS and FCR of the {PLAIN_LAYERS[layer]} with test accuracy; vertical lines mark grok steps. "
        f"From initialisation to the end — {summary}.",
        alt=f"Three stacked line charts over training: FFS, FCR, test accuracy. {summary}.",
    )


def overview(run: Run, *, name: str = "overview") -> go.Figure:
    """Accuracy over the spectrum of the embedding (norm of cosine and sine together), on one step axis."""
    history, spectra = _after_start(run), run.spectra
    keep = spectra.step > 0
    norms = spectra.embedding[keep].numpy()
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.45, 0.55])
    for part, dash, colour in (("train", "dot", PALETTE[6]), ("test", "solid", PALETTE[1])):
        figure.add_scatter(
            x=history["step"].to_numpy(),
            y=history[f"{part}_accuracy"].to_numpy(),
            name=f"{part} accuracy",
            mode="lines",
            line={"dash": dash, "color": colour, "width": 2.5},
            row=1,
            col=1,
        )
    figure.add_heatmap(
        x=spectra.step[keep].numpy(),
        y=np.arange(1, run.config.p // 2 + 1),
        z=np.hypot(norms[:, 1::2], norms[:, 2::2]).T.astype(np.float32),
        colorscale="Viridis",
        showscale=False,
        hovertemplate="step %{x}, k = %{y}: norm %{z:.3g}<extra></extra>",
        row=2,
        col=1,
    )
    figure.update_xaxes(type="log", dtick=1)
    figure.update_xaxes(title="step", row=2, col=1)
    figure.update_yaxes(title="accuracy", tickformat=".0%", range=[-0.04, 1.06], row=1, col=1)
    figure.update_yaxes(title="frequency k in W<sub>E</sub>", row=2, col=1)
    figure.update_layout(
        height=520,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
        margin={"l": 65, "r": 20, "t": 40, "b": 55},
    )
    text = (
        f"{_label(run)}: accuracy (top) and the spectrum of the embedding (bottom) through training; {_outcome([run])}."
    )
    return _describe(figure, name=name, caption=text, alt=text)


def table(frame: pd.DataFrame) -> HTML:
    """A data frame as the book shows tables: without its index."""
    return HTML(frame.to_html(index=False, border=0, justify="left"))


def outcome_table(groups: Group) -> pd.DataFrame:
    """One row per run: how it ended, and its measures at the end."""
    rows = []
    for label, runs in groups.items():
        for run in runs:
            final = run.history.iloc[-1]
            rows.append(
                {
                    "run": label,
                    "seed": run.config.seed,
                    "steps": run.steps,
                    "grok step": "–" if run.grok_step is None else str(run.grok_step),
                    "best test accuracy": f"{run.best_test_accuracy:.1%}",
                    **{
                        f"{measure.upper()} {symbol}": f"{final[f'{measure}_{layer}']:.2f}"
                        for layer, symbol in (("embedding", "W_E"), ("neuron_logit", "W_L"))
                        for measure in ("ffs", "fcr")
                    },
                }
            )
    return pd.DataFrame(rows)


def _after_start(run: Run) -> pd.DataFrame:
    """The history without step 0, which has no place on a logarithmic axis."""
    return run.history[run.history["step"] > 0]


def _label(run: Run) -> str:
    return ", ".join(map(pretty, run.config.operations))


def _final(run: Run, measure: str, layer: str) -> float:
    return float(run.history[f"{measure}_{layer}"].iloc[-1])


def _outcome(runs: Sequence[Run]) -> str:
    """How the runs of a group ended, in words."""
    steps = [run.grok_step for run in runs]
    grokked = [step for step in steps if step is not None]
    if not grokked:
        best = max(run.best_test_accuracy for run in runs)
        return f"not grokked within {max(run.steps for run in runs)} steps (best test accuracy {best:.1%})"
    where = f"step {grokked[0]}" if len(set(grokked)) == 1 else f"steps {min(grokked)}–{max(grokked)}"
    of = "" if len(runs) == 1 else f" in {len(grokked)} of {len(runs)} seeds"
    return f"grokked{of} at {where}"


def _change(runs: Sequence[Run], column: str) -> str:
    """First and last value of a measure, averaged over seeds."""
    first, last = (np.mean([run.history[column].iloc[i] for run in runs]) for i in (0, -1))
    return f"{first:.2f} → {last:.2f}"


def _percent(norms: np.ndarray) -> np.ndarray:
    """Whole percents of the largest component but the first (constant × constant); one byte per cell."""
    rest = norms.copy()
    rest[0, 0] = 0
    top = rest.max()
    return np.clip(np.rint(100 * norms.T / top if top else norms.T), 0, 100).astype(np.uint8)


def _strongest(norms: np.ndarray, labels: Sequence[str], count: int = 4) -> str:
    rest = norms.copy()
    rest[0, 0] = 0
    order = np.argsort(rest, axis=None)[::-1][:count]
    pairs = (np.unravel_index(index, norms.shape) for index in order)
    return ", ".join(f"{labels[i]} × {labels[j]}" for i, j in pairs)


def _thinned(steps: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Indices of those ``steps`` that are among the ``wanted`` ones: sliders of a run then agree."""
    among = set(wanted)
    return [index for index, step in enumerate(steps) if step in among]


def _add_slider(figure: go.Figure, frames: Mapping[int, list[Any]]) -> None:
    """Frames by training step, a slider that starts at the last of them, and a play button."""
    figure.frames = [
        go.Frame(name=str(step), data=traces, traces=list(range(len(traces)))) for step, traces in frames.items()
    ]
    animate: dict[str, Any] = {
        "mode": "immediate",
        "frame": {"duration": 0, "redraw": True},
        "transition": {"duration": 0},
    }
    figure.update_layout(
        sliders=[
            {
                "active": len(frames) - 1,
                "currentvalue": {"prefix": "step ", "xanchor": "left"},
                "pad": {"t": 45, "l": 60},
                "steps": [{"label": str(step), "method": "animate", "args": [[str(step)], animate]} for step in frames],
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "showactive": False,
                "x": 0,
                "xanchor": "left",
                "y": 0,
                "yanchor": "top",
                "pad": {"t": 62, "r": 10},
                "buttons": [
                    {
                        "label": "▶",
                        "method": "animate",
                        "args": [
                            None,
                            {**animate, "frame": {"duration": 250, "redraw": True}, "fromcurrent": False},
                        ],
                    }
                ],
            }
        ],
    )


def _describe(figure: go.Figure, *, name: str, caption: str, alt: str) -> go.Figure:
    figure.update_layout(meta={"name": name, "caption": caption, "alt": alt})
    return figure
