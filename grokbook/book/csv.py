"""The numbers behind a figure as CSV, read from the figure itself: what is drawn is what is handed out.

One row per point, with the columns::

    frame    where a slider moves the figure: the step of its position; left out in figures without a slider
    panel    which of several plots: its heading, or its number from the top left; left out where there is one
    series   the trace's name; left out where no trace has one
    x, y, z  coordinates, under the titles of the axes where these are the same for all points; z in maps alone
    text     what stands at the point, if anything does

A map with a slider would have a row for each cell at each step. Such a figure has one row per row of the map, with a
column for each of its columns, after ``frame`` (and ``panel``) and ``y``.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

Figure = Mapping[str, Any]
"""A Plotly figure as JSON: data, layout, frames."""
Row = dict[str, Any]

MAPS = ("heatmap", "contour", "surface")
DIGITS = 6
"""Significant digits: those of float32, and no more than any figure shows."""


def to_csv(figure: Figure) -> str:
    """The table described above; only its header row for a figure without points."""
    rows = list(_rows(figure))
    columns = list(dict.fromkeys(column for row in rows for column in row))
    kept = [column for column in columns if column not in ("frame", "panel", "series", "text") or _tells(rows, column)]
    plain = [{column: _plain(value) for column, value in row.items()} for row in rows]
    return pd.DataFrame(plain, columns=kept, dtype=object).to_csv(index=False, lineterminator="\n")


def _tells(rows: Sequence[Row], column: str) -> bool:
    """Whether a column says anything: panels and the like are left out where there is one."""
    values = {row.get(column, "") for row in rows}
    return len(values) > 1 or (column in ("series", "text") and values != {""})


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else np.format_float_positional(value, DIGITS, fractional=False, trim="-")
    return value


def _states(figure: Figure) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Name and traces of each position of the slider; the figure as it stands where it has none."""
    base = [dict(trace) for trace in figure.get("data", ())]
    frames = figure.get("frames") or ()
    if not frames:
        yield "", base
    for frame in frames:
        data = frame.get("data", ())
        places = frame.get("traces") or range(len(data))
        state = list(base)
        for place, changed in zip(places, data, strict=False):
            # A frame names what changes; a type that it repeats is the trace's own.
            state[place] = {**base[place], **changed, "type": base[place].get("type", "scatter")}
        yield str(frame.get("name", "")), state


def _rows(figure: Figure) -> Iterator[Row]:
    """A row per point; of a map with a slider, a row per row of the map."""
    x_name, y_name = (_axis_name(figure, letter) for letter in "xy")
    panels = _panels(figure)
    wide = bool(figure.get("frames")) and any(trace.get("type") in MAPS for trace in figure.get("data", ()))
    for frame, traces in _states(figure):
        for trace in traces:
            place = {"frame": frame, "panel": panels[_axis(trace)]}
            if wide:
                xs, ys, z = (_values(trace.get(key)) for key in "xyz")
                for i, line in enumerate(z):
                    yield {**place, "y": _at(ys, i), **{str(_at(xs, j)): value for j, value in enumerate(line)}}
            else:
                series = _words(trace.get("name"))
                for x, y, rest in _points(trace):
                    yield {**place, "series": series, x_name: x, y_name: y, **rest}


def _points(trace: Mapping[str, Any]) -> Iterator[tuple[Any, Any, Row]]:
    xs, ys, texts = (_values(trace.get(key)) for key in ("x", "y", "text"))
    if trace.get("type") in MAPS:
        for i, line in enumerate(_values(trace.get("z"))):
            for j, value in enumerate(line):
                text = texts[i][j] if len(texts) else ""
                yield _at(xs, j), _at(ys, i), {"z": value, "text": _words(text)}
        return
    for i in range(max(len(xs), len(ys))):
        text = _words(texts[i]) if isinstance(trace.get("text"), list) and i < len(texts) else ""
        yield _at(xs, i), _at(ys, i), {"text": text}


def _at(coordinates: Any, i: int) -> Any:
    """A coordinate, which is the number of the point where a figure names none."""
    return coordinates[i] if len(coordinates) else i


def _axis(trace: Mapping[str, Any]) -> str:
    return str(trace.get("yaxis") or "y")


def _panels(figure: Figure) -> dict[str, str | int]:
    """What each plot is called, by its y axis: its heading where every plot has one, else its number."""
    layout = figure.get("layout", {})
    axes = sorted({_axis(trace) for trace in figure.get("data", ())}, key=lambda axis: int(axis[1:] or 1))
    notes = layout.get("annotations") or ()
    headings = [_words(note.get("text")) for note in notes if note.get("xref") == note.get("yref") == "paper"]
    names = headings if len(headings) == len(axes) == len(set(headings)) else range(1, len(axes) + 1)
    return dict(zip(axes, names, strict=True))


def _axis_name(figure: Figure, letter: str) -> str:
    """The title of an axis, if all axes of that direction that have a title have the same one; else the letter."""
    layout = figure.get("layout", {})
    axes = [axis for key, axis in layout.items() if re.fullmatch(rf"{letter}axis\d*", key)]
    titles = {_words(axis.get("title", {}).get("text")) for axis in axes} - {""}
    return titles.pop() if len(titles) == 1 else letter


def _words(text: Any) -> str:
    """A label without its markup."""
    return html.unescape(re.sub(r"<[^>]+>", " ", "" if text is None else str(text))).replace("$", "").strip()


def _values(given: Any) -> Any:
    """A list or array from what a figure holds: plain lists, or typed bytes with their shape."""
    if given is None or isinstance(given, str):
        return []
    if isinstance(given, Mapping):
        flat = np.frombuffer(base64.b64decode(given["bdata"]), dtype=given["dtype"])
        shape = [int(size) for size in str(given.get("shape", len(flat))).split(",")]
        return flat.reshape(shape)
    return given
