"""Logits in the 2-D Fourier basis: one map through training, and the last maps of several runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float, UInt8
from plotly.subplots import make_subplots

from grokbook.data.operations import pretty
from grokbook.figures.groups import NOT_YET_RUN, Row, as_table, grouped, outcome
from grokbook.figures.layout import add_slider, arrange, describe
from grokbook.figures.style import label_of
from grokbook.fourier import measures
from grokbook.fourier.transform import frequency_labels
from grokbook.runs.run import Run

MapRows = Mapping[str, Mapping[str, Run]]
"""Runs on one operation, or parts of mixtures, by what stands beside their row and above their column."""


def logit_map(run: Run, *, operation: int = 0, name: str | None = None) -> go.Figure:
    """The logits of one operation in the 2-D Fourier basis (paper Fig 3, third column), with a slider over training.

    Colours are relative to the largest component of each step but constant × constant, which says nothing about a
    or b: the logits grow a hundredfold in training, and early maps would be black on a common scale.
    """
    p, labels, maps = run.config.p, frequency_labels(run.config.p), _maps(run, operation)
    label = pretty(run.config.operations[operation])
    if len(run.config.operations) > 1:
        label += f" (of {label_of(run)})"
    figure = go.Figure(_heatmap(maps[-1], labels))
    # Frames carry z alone: the rest is the same in all of them.
    steps = run.spectra.logits_step.tolist()
    add_slider(figure, {step: [go.Heatmap(z=percent(norms))] for step, norms in zip(steps, maps, strict=True)})
    ticks = {"tickvals": _ticks(p, 10), "type": "category", "constrain": "domain"}
    figure.update_xaxes(ticks, title="component over a")
    figure.update_yaxes(ticks, title="component over b", scaleanchor="x", constraintoward="top")
    strongest, tops = _strongest(maps[-1], labels), [without_constant(norms).max() for norms in maps]
    moved = len(steps) > 1
    sizes = f"{tops[0]:,.0f} at the start, {tops[-1]:,.0f} at the end" if moved else f"{tops[-1]:,.0f}"
    return describe(
        arrange(figure, height=620, l=70, t=30, b=130),
        name=name or f"logits-{run.config.hash}-{operation}",
        title=f"{label}: logits in two dimensions",
        caption=f"{label}: norm of the logits in the 2-D Fourier basis, in percent of the largest component at "
        f"{'the step shown' if moved else f'step {steps[-1]:,}, the last'}, constant × constant aside ({sizes}). "
        f"At the end ({outcome([run])}) the strongest components are (over a × over b): {strongest}.",
        alt=f"Heatmap of {p} by {p} Fourier components of the logits of {label}"
        f"{', with a slider over training' if moved else ''}. Strongest at the end: {strongest}.",
    )


def logit_maps(rows: MapRows, *, name: str, title: str) -> go.Figure:
    """The logits in the 2-D Fourier basis at the end, side by side; places without a run stay empty.

    Two buttons choose the scale: each map relative to its own largest component but constant × constant, or all of them
    relative to the largest one in the figure.

    Raises:
        ValueError: there is no run, their moduli differ, or one was published without maps.
    """
    maps, columns = _last_maps(rows)
    if len({len(norms) for norms in maps.values()}) != 1:
        raise ValueError("logit_maps needs runs, all of one modulus")
    tops = {place: float(without_constant(norms).max()) for place, norms in maps.items()}
    largest = max(tops, key=tops.__getitem__)
    p = len(maps[largest])
    labels = frequency_labels(p)
    size = {"rows": len(rows), "cols": len(columns)}
    figure = make_subplots(**size, column_titles=columns, horizontal_spacing=0.03, vertical_spacing=0.06)
    for place, norms in maps.items():
        # Maps this small have less than two pixels per cell: drawn sharply, a dense one would show a plaid of its own.
        trace = _heatmap(norms, labels).update(showscale=place == largest, zsmooth="fast")
        figure.add_trace(trace, row=list(rows).index(place[0]) + 1, col=columns.index(place[1]) + 1)
    _square_axes(figure, list(rows), p)
    common = [100 * tops[largest] / top if top else 100 for top in tops.values()]
    limits = {"each on its own scale": [100.0] * len(maps), "one scale for all": common}
    buttons = [{"label": label, "method": "restyle", "args": [{"zmax": each}]} for label, each in limits.items()]
    at_the_left = {"direction": "right", "x": 0, "xanchor": "left", "y": 1.2}
    figure.update_layout(updatemenus=[{"type": "buttons", **at_the_left, "buttons": buttons}])
    strongest = grouped(
        (row, f"{column} {_strongest(maps[row, column], labels, 1)} ({tops[row, column]:,.0f})")
        for row, column in product(rows, columns)
        if (row, column) in maps
    )
    told = "; ".join(f"{row}: {', '.join(components)}" for row, components in strongest.items())
    return describe(
        arrange(figure, height=90 + 185 * len(rows), l=80, r=70, t=35),
        name=name,
        title=title,
        caption="Norms of the logits in the 2-D Fourier basis at the end of training, constant × constant aside: "
        "components over a to the right, over b upwards, by frequency. The strongest of each (over a × over b), with "
        f"its norm — {told}.",
        alt=f"{len(maps)} heatmaps of {p} by {p} Fourier components of logits. Strongest: {told}.",
    )


def _square_axes(figure: go.Figure, rows: Sequence[str], p: int) -> None:
    """Each map is square; frequencies stand at the left and below, and the rows' labels at the left."""
    marked = _ticks(p, 20)
    frequencies = [label.removeprefix("cos ").replace("const", "0") for label in marked]
    ticks = {"type": "category", "tickvals": marked, "ticktext": frequencies, "tickangle": 0, "constrain": "domain"}
    figure.update_xaxes(ticks, showticklabels=False)
    figure.update_yaxes(ticks, showticklabels=False, constraintoward="top")
    for axis in figure.select_yaxes():
        axis.update(scaleanchor=axis.anchor)
    figure.update_xaxes(showticklabels=True, row=len(rows))
    figure.update_yaxes(showticklabels=True, col=1)
    for row, label in enumerate(rows, start=1):
        of_two_lines = label.replace(", ", ",<br>", 1)  # a row is not high on a phone
        figure.update_yaxes(title={"text": of_two_lines, "font": {"size": 12}}, row=row, col=1)


def mapped(rows: MapRows) -> MapRows:
    """The runs that have maps, and the rows that have such runs."""
    kept = {row: {column: run for column, run in runs.items() if len(run.spectra.logits)} for row, runs in rows.items()}
    return {row: runs for row, runs in kept.items() if runs}


@as_table
def map_correlation_table(rows: MapRows) -> Iterator[Row]:
    """How alike the maps of a row are, for every two columns: correlation of squared norms, constants aside."""
    maps, columns = _last_maps(rows)
    for row in rows:
        cells = {"": row}
        for pair in combinations(columns, 2):
            both = [torch.from_numpy(maps[row, column]) for column in pair if (row, column) in maps]
            cells[" and ".join(pair)] = f"{measures.map_correlation(*both):.2f}" if len(both) == 2 else NOT_YET_RUN
        yield cells


def _last_maps(rows: MapRows) -> tuple[dict[tuple[str, str], Float[np.ndarray, "p p"]], list[str]]:
    """The last maps by row and column, and the columns there are."""
    maps = {(row, column): _maps(run, 0)[-1] for row, runs in rows.items() for column, run in runs.items()}
    return maps, list(dict.fromkeys(column for _, column in maps))


def _maps(run: Run, operation: int) -> Float[np.ndarray, "time p p"]:
    """The recorded maps of an operation; ``ValueError`` where there are none."""
    if len(run.spectra.logits) == 0:
        raise ValueError(f"{run.config.label} was published without maps of its logits")
    return run.spectra.logits[:, operation].float().numpy()


def _heatmap(norms: Float[np.ndarray, "p p"], labels: Sequence[str]) -> go.Heatmap:
    bar = {"title": {"text": "% of max", "side": "right"}, "thickness": 12, "len": 0.9}
    hover = "a: %{x}<br>b: %{y}<br>%{z} % of the largest<extra></extra>"
    scale = {"zmin": 0, "zmax": 100, "colorscale": "Viridis", "colorbar": bar}
    return go.Heatmap(x=labels, y=labels, z=percent(norms), hovertemplate=hover, **scale)


def _ticks(p: int, every: int) -> list[str]:
    return ["const", *(f"cos {k}" for k in range(every, p // 2 + 1, every))]


def percent(norms: Float[np.ndarray, "p p"]) -> UInt8[np.ndarray, "p p"]:
    """Whole percents of the largest component but the first (constant × constant); one byte per cell.

    Axis 0 of ``norms`` is the component over a, that of the result the one over b, as a heatmap takes it.
    """
    top = without_constant(norms).max()
    return np.clip(np.rint(100 * norms.T / top if top else norms.T), 0, 100).astype(np.uint8)


def _strongest(norms: Float[np.ndarray, "p p"], labels: Sequence[str], count: int = 4) -> str:
    """The largest components but constant × constant, in words."""
    order = np.argsort(without_constant(norms), axis=None)[::-1][:count]
    pairs = (np.unravel_index(index, norms.shape) for index in order)
    return ", ".join(f"{labels[i]} × {labels[j]}" for i, j in pairs)


def without_constant(norms: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "p p"]:
    """A map with constant × constant at zero: it says nothing about a or b."""
    rest = norms.copy()
    rest[0, 0] = 0
    return rest
