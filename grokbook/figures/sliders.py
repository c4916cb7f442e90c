"""Frames over training, with a slider and a play button."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go


def thinned(steps: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Indices of those ``steps`` that are among the ``wanted`` ones: sliders of a run then agree."""
    among = set(wanted)
    return [index for index, step in enumerate(steps) if step in among]


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
        {
            "label": f"{step:,}{said[step] if said else ''}",
            "method": "animate",
            "args": [[str(step)], _animation()],
        }
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
