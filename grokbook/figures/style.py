"""What figures share: colours, dashes, names, the step axis, sizes, texts, and a slider over training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.data.operations import pretty as pretty
from grokbook.fourier import layers
from grokbook.runs.run import Run

PLAIN_LAYERS: Mapping[str, str] = {name: layer.title for name, layer in layers.LAYERS.items()}
"""Layers by name, as captions write them: "embedding", "neuron–logit map"."""
LAYER_SYMBOLS: Mapping[str, str] = {name: layer.symbol for name, layer in layers.LAYERS.items()}
LAYERS: Mapping[str, str] = {
    name: f"{title} {LAYER_SYMBOLS[name].replace('_', '<sub>')}</sub>" for name, title in PLAIN_LAYERS.items()
}
"""Layers by name, as axes write them, with their symbols."""
PALETTE = ("#144a94", "#a5400c", "#063a22", "#e23bb0", "#0f7486", "#a88300", "#4f33e8", "#9f7c72")
"""Distinct in lightness as well as in hue, for colour-blind readers and grey print. They are for light pages; the
book's style sheet names them, and what takes their place on dark ones."""
TRAIN = "#8b949c"
"""Train curves: pale, thin and solid, so that nobody takes them for a run's test curve."""
DASHES = ("solid", "dash", "dashdot", "6px 2px", "8px 2px 2px 2px 2px 2px", "12px 3px", "solid", "dash")
COSINE, SINE = PALETTE[0], PALETTE[1]
LOG_STEPS = {"type": "log", "dtick": 1}
STEP_AXIS = {**LOG_STEPS, "title": "step"}


def label_of(run: Run) -> str:
    """The operations of a run, as they are written in a figure."""
    return ", ".join(map(pretty, run.config.operations))


def titled_plots(titles: Sequence[str], gap: float, **how: Any) -> go.Figure:
    """Plots one below the other on one value axis, each with its title at the left above it.

    Args:
        titles: of the plots.
        gap: between two plots, in heights of the figure.
        how: whatever else ``make_subplots`` takes.
    """
    figure = make_subplots(
        rows=len(titles), cols=1, shared_xaxes=True, vertical_spacing=gap, subplot_titles=titles, **how
    )
    return figure.update_annotations(x=0, xanchor="left", font={"size": 13})


def share_step_axis(figure: go.Figure, rows: int) -> None:
    """Give stacked plots one logarithmic step axis, with its title below the last of the ``rows``."""
    figure.update_xaxes(LOG_STEPS)
    figure.update_xaxes(title="step", row=rows, col=1)


def arrange(figure: go.Figure, *, height: int, legend_y: float | None = None, **margin: int) -> None:
    """Set the size of a figure, and its legend in a line above the plots.

    Args:
        figure: what to arrange.
        height: of the whole figure, in pixels.
        legend_y: where the legend stands, in heights of the plots; None leaves it as it is.
        margin: pixels at the left, right, top and bottom (l, r, t, b) where they are not the usual ones.
    """
    if legend_y is not None:
        figure.update_layout(legend={"orientation": "h", "yanchor": "bottom", "y": legend_y, "x": 0})
    figure.update_layout(height=height, margin={"l": 60, "r": 20, "t": 60, "b": 55, **margin})


def describe(figure: go.Figure, *, name: str, title: str, caption: str, alt: str) -> go.Figure:
    """Put into a figure what the book takes from it: file name, heading, caption, and a text in its place."""
    figure.update_layout(meta={"name": name, "title": title, "caption": caption, "alt": alt})
    return figure


def add_slider(figure: go.Figure, frames: Mapping[int, list[Any]], said: Mapping[int, str] | None = None) -> None:
    """Frames by training step, a slider that starts at the last of them, and a play button.

    A single frame, as of a run that was published with one map, is what the figure shows anyway: it gets no slider.

    Args:
        figure: what gets them.
        frames: new versions of the first traces of the figure, as many as there are in a frame.
        said: what stands at the slider behind each step.
    """
    if len(frames) < 2:
        return
    figure.frames = [
        go.Frame(name=str(step), data=traces, traces=list(range(len(traces)))) for step, traces in frames.items()
    ]
    steps = [
        {"label": f"{step:,}{said[step] if said else ''}", "method": "animate", "args": [[str(step)], _animation()]}
        for step in frames
    ]
    slider = {
        "active": len(frames) - 1,
        "currentvalue": {"prefix": "step ", "xanchor": "left"},
        "pad": {"t": 45, "l": 60},
        "steps": steps,
    }
    play = {"label": "▶", "method": "animate", "args": [None, {**_animation(milliseconds=250), "fromcurrent": False}]}
    place = {"x": 0, "xanchor": "left", "y": 0, "yanchor": "top", "pad": {"t": 62, "r": 10}}
    button = {"type": "buttons", "showactive": False, **place, "buttons": [play]}
    figure.update_layout(sliders=[slider], updatemenus=[button])


def _animation(milliseconds: int = 0) -> dict[str, Any]:
    """Each frame is drawn at once, and stays for so long before the next one."""
    frame = {"duration": milliseconds, "redraw": True}
    return {"mode": "immediate", "frame": frame, "transition": {"duration": 0}}
