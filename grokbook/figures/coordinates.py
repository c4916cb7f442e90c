"""Layers of runs over the coordinates in which their operations are sums. Not in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from grokbook import fourier, model
from grokbook.coordinates import RESIDUES, Coordinate, Natural, natural, restriction
from grokbook.figures.groups import Group, outcome
from grokbook.figures.style import LAYERS, PALETTE, PLAIN_LAYERS, Layer, arrange, describe, label_of
from grokbook.figures.tables import LAYER_SYMBOLS
from grokbook.fourier import Spectrum
from grokbook.runs import Run
from grokbook.training import initial_weights

MARKERS = ("circle-open", "x-thin-open")
"""Of the lines, which are told apart without their colours."""
NAMED = 10
"""The most frequencies that a text lists."""
RANDOM = "random start"


class _Read(NamedTuple):
    """A run whose layers can be read in the coordinates of its operation."""

    label: str
    run: Run
    layers: Mapping[str, Float[Tensor, "p n"]]
    natural: Natural

    @classmethod
    def of(cls, run: Run, label: str = "") -> _Read:
        if run.weights is None:
            raise ValueError(f"{run.config.label} was published without its weights: its rows cannot be put in order")
        found = natural(run.config.parsed_operations[0]) if len(run.config.operations) == 1 else None
        if found is None:
            raise ValueError(f"no coordinates are known in which {label_of(run)} is a sum")
        return cls(label or label_of(run), run, model.layers(run.weights, run.config.p), found)

    def spectrum(self, layer: Layer) -> Spectrum:
        """Of a layer, over its natural coordinate."""
        return self.coordinate(layer).spectrum(self.layers[layer])

    def coordinate(self, layer: Layer) -> Coordinate:
        found: Coordinate = getattr(self.natural, layer)
        return found


def readable(groups: Group) -> dict[str, list[Run]]:
    """The runs whose layers can be read in the coordinates of their operation; figures of this module take these.

    They have one operation, whose coordinates are known (:func:`grokbook.coordinates.natural`), and their weights.
    """

    def known(run: Run) -> bool:
        return run.weights is not None and len(run.config.operations) == 1 and bool(_natural(run))

    kept = {label: [run for run in runs if known(run)] for label, runs in groups.items()}
    return {label: runs for label, runs in kept.items() if runs}


def coordinate_spectra(run: Run, *, others: Sequence[Coordinate] = (), name: str | None = None) -> go.Figure:
    """Both layers at the end over the coordinates of the operation, as bars, and over the residues, as lines.

    Shares of the squared norm, cosine and sine of a frequency together, the constant aside.

    Args:
        run: one with its weights, on an operation whose coordinates are known.
        others: coordinates to draw as lines, too.
        name: of the figure's file.

    Raises:
        ValueError: the run was published without its weights, or its operation has no coordinates.
    """
    read, findings = _Read.of(run), []
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.2, subplot_titles=list(LAYERS.values()))
    for row, layer in enumerate(LAYERS, start=1):
        own = read.coordinate(layer)
        spectra = {waves: waves.spectrum(read.layers[layer]) for waves in dict.fromkeys([own, RESIDUES, *others])}
        figure.add_bar(
            **_shares(spectra[own], own),
            marker={"color": PALETTE[0], "line": {"width": 0}},
            showlegend=False,
            row=row,
            col=1,
        )
        lines = {waves: spectrum for waves, spectrum in spectra.items() if waves != own}
        for (waves, spectrum), colour, symbol in zip(lines.items(), PALETTE[1:], MARKERS, strict=False):
            figure.add_scatter(
                **_shares(spectrum, waves),
                mode="lines+markers",
                line={"color": colour, "width": 1},
                marker={"color": colour, "symbol": symbol, "size": 6},
                row=row,
                col=1,
            )
        figure.update_yaxes(title="share", tickformat=".0%", rangemode="tozero", row=row, col=1)
        figure.update_xaxes(title=f"frequency (bars: over {own.name})", row=row, col=1)
        counts = ", ".join(_counted(spectrum, waves) for waves, spectrum in spectra.items())
        findings.append(f"{PLAIN_LAYERS[layer]}: {counts}")
    figure.update_xaxes(range=[0, run.config.p // 2 + 1])
    figure.update_layout(bargap=0.15)
    _one_entry_each(figure)
    arrange(figure, height=600, legend_y=1.06, t=80)
    counted = f"Frequencies above half of the largest, of {run.config.p // 2}: {'; '.join(findings)}."
    label = label_of(run)
    return describe(
        figure,
        name=name or f"coordinates-{run.config.hash}",
        title=f"{label} in its own coordinates",
        caption=f"{label}: shares of the waves in the squared norm of each layer, at the end (step {run.steps:,}; "
        f"{outcome([run])}). {counted}",
        alt=f"Shares of waves against frequency in both layers of {label}: bars for waves over "
        f"{_both(read.natural)}, lines for other waves. {counted}",
    )


def coordinate_chart(groups: Group, *, name: str = "coordinates") -> go.Figure:
    """Each run's layers over every coordinate that one of the runs has: how many of the frequencies are key.

    Diamonds are the coordinates of the run's own operation. The last row are the weights from which the first run
    started. Runs without their weights, or on operations without coordinates, are left out.

    Raises:
        ValueError: no run is left.
    """
    read = _read(groups)
    if not read:
        raise ValueError("none of the runs has its weights and an operation whose coordinates are known")
    cells = {layer: _cells(read, layer) for layer in LAYERS}
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.16, subplot_titles=list(LAYERS.values()))
    p = read[0].run.config.p
    for row, of_layer in enumerate(cells.values(), start=1):
        for own, symbol, colour in ((True, "diamond", PALETTE[0]), (False, "circle-open", PALETTE[1])):
            _dots(figure, [cell for cell in of_layer if cell.own is own], symbol, colour, row=row)
        names = list(dict.fromkeys(cell.waves for cell in of_layer))
        figure.update_xaxes(
            type="category",
            categoryorder="array",
            categoryarray=names,
            range=[-0.4, len(names) - 0.5],
            tickvals=names,
            ticktext=[name.replace(", ", ",<br>") for name in names],
            tickangle=0,
            row=row,
            col=1,
        )
    labels = [*(each.label for each in read), RANDOM]
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1], automargin=True)
    arrange(figure, height=150 + 2 * 40 * (len(labels) + 1), legend_y=1.05, t=80)
    counted = "; ".join(f"{PLAIN_LAYERS[layer]}: {_ranges(of_layer)}" for layer, of_layer in cells.items())
    text = f"Key frequencies, those above half of the largest, of {p // 2}. {counted[0].upper()}{counted[1:]}"
    return describe(
        figure,
        name=name,
        title="Key frequencies, by what the waves are over",
        caption=f"{text}. Diamonds: the operation's own coordinate; circles: others.",
        alt=f"A grid of runs against coordinates for each of the two layers. {text}.",
    )


def frequency_table(groups: Group) -> pd.DataFrame:
    """The key frequencies of both layers of each run over its own coordinates: are they the same?"""
    rows = []
    for each in _read(groups):
        row: dict[str, Any] = {"run": each.label, "seed": each.run.config.seed}
        for layer, symbol in LAYER_SYMBOLS.items():
            row[f"{symbol} over"] = each.coordinate(layer).name
            row[f"key in {symbol}"] = _listed(fourier.key_frequencies(each.spectrum(layer)), each.run.config.p)
        rows.append(row | {"grok step": "–" if each.run.grok_step is None else f"{each.run.grok_step:,}"})
    return pd.DataFrame(rows)


def restriction_table(groups: Group) -> pd.DataFrame:
    """Test accuracy with the key frequencies of the embedding alone, and without them, over the own coordinate.

    Beside it the same for the largest waves over the residues, at one frequency more.
    """
    rows = []
    for each in _read(groups):
        key = fourier.key_frequencies(each.spectrum("embedding"))
        own = restriction(each.run, each.natural.embedding, key)
        row = {
            "run": each.label,
            "seed": each.run.config.seed,
            "waves over": each.natural.embedding.name,
            "key frequencies": len(key),
            "share of W_E": f"{own.share:.0%}",
            "accuracy": f"{own.whole:.1%}",
            "these alone": f"{own.kept:.1%}",
            "all but these": f"{own.removed:.1%}",
        }
        if each.natural.embedding == RESIDUES:
            rows.append(row | {"over x: share": "same waves", "over x alone": "–"})
            continue
        strongest = RESIDUES.spectrum(each.layers["embedding"]).combined.argsort(descending=True)
        other = restriction(each.run, RESIDUES, (strongest[: len(key) + 1] + 1).tolist())
        rows.append(row | {"over x: share": f"{other.share:.0%}", "over x alone": f"{other.kept:.1%}"})
    return pd.DataFrame(rows)


def _natural(run: Run) -> Natural | None:
    return natural(run.config.parsed_operations[0])


def _read(groups: Group) -> list[_Read]:
    kept = readable(groups)
    return [
        _Read.of(run, label if len(runs) == 1 else f"{label}, seed {run.config.seed}")
        for label, runs in kept.items()
        for run in runs
    ]


def _shares(spectrum: Spectrum, waves: Coordinate) -> dict[str, Any]:
    """Shares of the squared norm by frequency, as a trace takes them."""
    squares = spectrum.combined.double().square()
    shares = (squares / squares.sum()).numpy()
    return {
        "x": np.arange(1, len(shares) + 1),
        "y": shares,
        "name": f"over {waves.name}",
        "legendgroup": waves.name,
        "hovertemplate": f"frequency %{{x}} over {waves.name}: %{{y:.1%}}<extra></extra>",
    }


def _one_entry_each(figure: go.Figure) -> None:
    """A line has one entry in the legend, whichever panels it is in."""
    seen: set[str] = set()
    for trace in figure.data:
        if trace.type == "scatter":
            trace.showlegend = trace.name not in seen
            seen.add(trace.name)


class _Cell(NamedTuple):
    """A layer of a run over one coordinate."""

    label: str
    waves: str
    key: int
    """How many frequencies are above half of the largest."""
    own: bool
    """Whether it is the coordinate of the run's operation."""


def _cells(read: Sequence[_Read], layer: Layer) -> list[_Cell]:
    """Each run, and last a random start, over the residues and over each coordinate of one of the runs."""
    every = list(dict.fromkeys([RESIDUES, *(each.coordinate(layer) for each in read)]))
    first = read[0].run.config
    start = model.layers(initial_weights(first, {}), first.p)[layer]
    rows = [*((each.label, each.layers[layer], each.coordinate(layer)) for each in read), (RANDOM, start, None)]
    return [
        _Cell(label, waves.name, len(fourier.key_frequencies(waves.spectrum(matrix))), waves == own)
        for label, matrix, own in rows
        for waves in every
    ]


def _ranges(cells: Sequence[_Cell]) -> str:
    """The smallest and largest count among an operation's own coordinates, and among all others."""
    said = []
    for own, what in ((True, "over the operation's own coordinate"), (False, "over others")):
        counts = [cell.key for cell in cells if cell.own is own]
        said.append(f"{min(counts)} to {max(counts)} {what}")
    return ", ".join(said)


def _dots(figure: go.Figure, cells: Sequence[_Cell], symbol: str, colour: str, *, row: int) -> None:
    """A mark with its number for each cell."""
    figure.add_scatter(
        x=[cell.waves for cell in cells],
        y=[cell.label for cell in cells],
        text=[f"  {cell.key}" for cell in cells],
        mode="markers+text",
        textposition="middle right",
        marker={"symbol": symbol, "color": colour, "size": 11},
        cliponaxis=False,
        name="own coordinate" if symbol == "diamond" else "another",
        legendgroup=symbol,
        showlegend=row == 1,
        hovertemplate="%{y} over %{x}: %{text} key frequencies<extra></extra>",
        row=row,
        col=1,
    )


def _counted(spectrum: Spectrum, waves: Coordinate) -> str:
    """How many frequencies are key and, if these are few, which."""
    key = fourier.key_frequencies(spectrum)
    few = f" ({', '.join(map(str, key))})" if 0 < len(key) <= NAMED else ""
    return f"{len(key)} over {waves.name}{few}"


def _listed(key: Sequence[int], p: int) -> str:
    return ", ".join(map(str, key)) if len(key) <= NAMED else f"{len(key)} of {p // 2}"


def _both(found: Natural) -> str:
    """What the two layers are read over."""
    names = [found.embedding.name, found.neuron_logit.name]
    return names[0] if names[0] == names[1] else f"{names[0]} in the embedding and over {names[1]} in the other"
