"""How figures are laid out: stacked plots, legends, the step axis, sizes, texts, and a slider over training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.figures.style import LOG_STEPS

T = TypeVar("T")


def stacked(titles: Sequence[str], gap: float, *, at_left: bool = False, **how: Any) -> go.Figure:
    """Plots one below the other, with gaps in heights of the figure; ``how`` is what else ``make_subplots`` takes."""
    figure = make_subplots(rows=len(titles), cols=1, vertical_spacing=gap, subplot_titles=titles, **how)
    return figure.update_annotations(x=0, xanchor="left", font={"size": 13}) if at_left else figure


def in_rows(items: Iterable[T]) -> Iterator[tuple[T, dict[str, int]]]:
    """What is drawn in stacked plots, one after the other, with the place of its plot."""
    return ((item, {"row": row, "col": 1}) for row, item in enumerate(items, start=1))


def category_rows(names: Mapping[str, Sequence[str]], *, row: int, gap: int, **how: Any) -> tuple[go.Figure, int]:
    """A plot for each title, with a row for each of its names, the first on top; and the height of all, in pixels."""
    sizes = [row * len(group) for group in names.values()]
    height = sum(sizes) + gap * (len(sizes) - 1)
    figure = stacked(list(names), gap / height if len(sizes) > 1 else 0.0, row_heights=sizes, **how)
    axis = {"type": "category", "categoryorder": "array", "dtick": 1}
    for group, place in in_rows(names.values()):
        figure.update_yaxes(axis, categoryarray=group, range=[len(group) - 0.5, -0.5], **place)
    return figure, height


def share_legend(figure: go.Figure) -> None:
    """Give each group of traces one entry in the legend, that of its first one."""
    seen: set[str] = set()
    for trace in figure.data:
        if trace.legendgroup is not None:
            trace.showlegend = trace.legendgroup not in seen
            seen.add(trace.legendgroup)


def share_step_axis(figure: go.Figure, rows: int) -> None:
    """Give stacked plots one logarithmic step axis, with its title below the last of the ``rows``."""
    figure.update_xaxes(LOG_STEPS)
    figure.update_xaxes(title="step", row=rows, col=1)


def arrange(figure: go.Figure, *, height: int, legend_y: float | None = None, **margin: int) -> go.Figure:
    """Set height and margins (l, r, t, b) of a figure in pixels, and its legend in a line above the plots.

    Where the legend stands, ``legend_y``, is in heights of the plots; None leaves it as it is.
    """
    if legend_y is not None:
        figure.update_layout(legend={"orientation": "h", "yanchor": "bottom", "y": legend_y, "x": 0})
    return figure.update_layout(height=height, margin={"l": 60, "r": 20, "t": 60, "b": 55, **margin})


def describe(figure: go.Figure, *, name: str, title: str, caption: str, alt: str) -> go.Figure:
    """Put into a figure what the book takes from it: file name, heading, caption, and a text in its place."""
    return figure.update_layout(meta={"name": name, "title": title, "caption": caption, "alt": alt})


def add_slider(figure: go.Figure, frames: Mapping[int, list[Any]], said: Mapping[int, str] | None = None) -> None:
    """Frames by training step, a slider that starts at the last of them, and a play button.

    A frame has new versions of the first traces of the figure; ``said`` stands at the slider behind each step. A single
    frame, as of a run that was published with one map, is what the figure shows anyway: it gets no slider.
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
    told = {"prefix": "step ", "xanchor": "left"}
    slider = {"active": len(frames) - 1, "currentvalue": told, "pad": {"t": 45, "l": 60}, "steps": steps}
    play = {"label": "▶", "method": "animate", "args": [None, {**_animation(milliseconds=250), "fromcurrent": False}]}
    place = {"x": 0, "xanchor": "left", "y": 0, "yanchor": "top", "pad": {"t": 62, "r": 10}}
    button = {"type": "buttons", "showactive": False, **place, "buttons": [play]}
    figure.update_layout(sliders=[slider], updatemenus=[button])


def _animation(milliseconds: int = 0) -> dict[str, Any]:
    """Each frame is drawn at once, and stays for so long before the next one."""
    frame = {"duration": milliseconds, "redraw": True}
    return {"mode": "immediate", "frame": frame, "transition": {"duration": 0}}
