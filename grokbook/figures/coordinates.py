"""Layers of runs over the coordinates in which their operations are sums. Not in the paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from grokbook import coordinates, model
from grokbook.coordinates import MOST, RESIDUES, Coordinate, Leading, Natural, leading, restriction
from grokbook.figures.groups import Group, outcome
from grokbook.figures.style import LAYERS, PALETTE, PLAIN_LAYERS, Layer, arrange, describe, label_of
from grokbook.figures.tables import LAYER_SYMBOLS
from grokbook.runs import Run
from grokbook.training import initial_weights

MARKERS = ("circle-open", "x-thin-open")
"""Of the lines, which are told apart without their colours."""
NAMED = 12
"""The most frequencies that a text lists."""
DRAWS = 5
"""How often other frequencies are drawn to compare with."""
RANDOM = "random start"


class _Read(NamedTuple):
    """A run whose layers can be read in the coordinates of its operation."""

    label: str
    run: Run
    layers: Mapping[str, Float[Tensor, "p n"]]
    natural: Natural

    def coordinate(self, layer: Layer) -> Coordinate:
        found: Coordinate = getattr(self.natural, layer)
        return found

    def leading(self, layer: Layer, share: float = MOST) -> Leading:
        """The leading frequencies of a layer over the operation's own coordinate."""
        return leading(self.layers[layer], self.coordinate(layer), share)


def readable(groups: Group) -> dict[str, list[Run]]:
    """The runs whose layers can be read in the coordinates of their operation; figures of this module take these.

    They have one operation, whose coordinates are known, and their weights: :func:`grokbook.coordinates.of_run`.
    """
    kept = {label: [run for run in runs if coordinates.of_run(run) is not None] for label, runs in groups.items()}
    return {label: runs for label, runs in kept.items() if runs}


def coordinate_spectra(run: Run, *, others: Sequence[Coordinate] = (), name: str | None = None) -> go.Figure:
    """Both layers at the end over the coordinates of the operation, as bars, and over the residues, as lines.

    Heights are shares of the squared norm that a frequency explains by itself, cosine and sine together.

    Args:
        run: one with its weights, on an operation whose coordinates are known.
        others: coordinates to draw as lines, too.
        name: of the figure's file.

    Raises:
        ValueError: the run was published without its weights, or its operation has no coordinates.
    """
    found = _read({label_of(run): [run]})
    if not found:
        raise ValueError(f"{run.config.label} has no weights here, or no coordinates in which it is a sum")
    read, findings = found[0], []
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.2, subplot_titles=list(LAYERS.values()))
    for row, layer in enumerate(LAYERS, start=1):
        own = read.coordinate(layer)
        place = {"row": row, "col": 1}
        figure.add_bar(
            **_shares(read.layers[layer], own),
            marker={"color": PALETTE[0], "line": {"width": 0}},
            showlegend=False,
            **place,
        )
        lines = [waves for waves in dict.fromkeys([RESIDUES, *others]) if waves != own]
        for waves, colour, symbol in zip(lines, cycle(PALETTE[1:]), cycle(MARKERS)):
            figure.add_scatter(
                **_shares(read.layers[layer], waves),
                mode="lines+markers",
                line={"color": colour, "width": 1},
                marker={"color": colour, "symbol": symbol, "size": 6},
                **place,
            )
        figure.update_yaxes(title="share", tickformat=".0%", rangemode="tozero", **place)
        figure.update_xaxes(title=f"frequency (bars: over {own.name})", **place)
        counts = [_counted(read.layers[layer], waves) for waves in (own, *lines)]
        findings.append(f"{PLAIN_LAYERS[layer]}: {', '.join(counts)}")
    figure.update_xaxes(range=[0, run.config.p // 2 + 1])
    figure.update_layout(bargap=0.15)
    _one_entry_each(figure)
    arrange(figure, height=600, legend_y=1.06, t=80)
    counted = f"Frequencies that it takes for {MOST:.0%}, of {run.config.p // 2}: {'; '.join(findings)}."
    label = label_of(run)
    return describe(
        figure,
        name=name or f"coordinates-{run.config.hash}",
        title=f"{label} in its own coordinates",
        caption=f"{label}: share of each layer that a frequency explains, at the end (step {run.steps:,}; "
        f"{outcome([run])}). {counted}",
        alt=f"Share of both layers of {label} that each frequency explains: bars over the operation's own coordinate, "
        f"lines over others. {counted}",
    )


def coordinate_chart(groups: Group, *, share: float = MOST, name: str = "coordinates") -> go.Figure:
    """How many frequencies make up a share of each run's layers, over every coordinate that one of the runs has.

    Diamonds are the coordinates of the run's own operation. The last row are the weights from which the first run
    started, over xⁿ without what is no function of it. Runs that are not :func:`readable` are left out.

    Raises:
        ValueError: no run is left, or they have several moduli.
    """
    read = _read(groups)
    if len({each.run.config.p for each in read}) != 1:
        raise ValueError("this takes runs with their weights, on operations with known coordinates, and one modulus")
    cells = {layer: _cells(read, layer, share) for layer in LAYERS}
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.16, subplot_titles=list(LAYERS.values()))
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
            ticktext=[name.replace(" (x = ", "<br>(x = ") for name in names],
            tickangle=0,
            row=row,
            col=1,
        )
    labels = [*(each.label for each in read), RANDOM]
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1], automargin=True)
    arrange(figure, height=150 + 2 * 40 * (len(labels) + 1), legend_y=1.05, t=80)
    counted = "; ".join(f"{PLAIN_LAYERS[layer]}: {_ranges(of_layer)}" for layer, of_layer in cells.items())
    every = read[0].run.config.p // 2
    text = f"Frequencies that it takes for {share:.0%} of a layer, of {every}. {counted[0].upper()}{counted[1:]}"
    return describe(
        figure,
        name=name,
        title=f"How many frequencies make up {share:.0%} of a layer",
        caption=f"{text}. Diamonds: the operation's own coordinate; circles: others; –: all of them are not enough.",
        alt=f"A grid of runs against coordinates for each of the two layers. {text}.",
    )


def leading_table(groups: Group, shares: Sequence[float] = (0.5, 0.8, 0.9, 0.95)) -> pd.DataFrame:
    """How many frequencies it takes for some shares of each layer: over its own coordinate, over x, at the start."""
    rows = []
    for each in _read(groups):
        start = model.layers(initial_weights(each.run.config, {}), each.run.config.p)
        for layer, symbol in LAYER_SYMBOLS.items():
            own, matrix = each.coordinate(layer), each.layers[layer]
            untrained = coordinates.averaged(start[layer], own)
            counted = {"own": (matrix, own), "x": (matrix, RESIDUES), "start": (untrained, own)}
            row = {"run": each.label, "layer": symbol, "over": own.name}
            for what, (rows_of, waves) in counted.items():
                found = leading(rows_of, waves, max(shares))
                row |= {f"{what}, {share:.0%}": _number(found.needed(share)) for share in shares}
            rows.append(row)
    return pd.DataFrame(rows)


def frequency_table(groups: Group) -> pd.DataFrame:
    """The leading frequencies of both layers of each run over its own coordinates: are they the same?

    "By chance" is how many the two would share on average if each had drawn its own.
    """
    rows = []
    for each in _read(groups):
        found = {layer: each.leading(layer).frequencies for layer in LAYERS}
        embedding, neuron_logit = found.values()
        row: dict[str, Any] = {"run": each.label, "seed": each.run.config.seed, "grok step": _grokked(each.run)}
        for layer, symbol in LAYER_SYMBOLS.items():
            row |= {f"{symbol} over": each.coordinate(layer).name, f"leading in {symbol}": _listed(found[layer])}
        row["in both"] = len(set(embedding) & set(neuron_logit))
        row["by chance"] = f"{len(embedding) * len(neuron_logit) / (each.run.config.p // 2):.1f}"
        rows.append(row)
    return pd.DataFrame(rows)


def restriction_table(groups: Group, shares: Sequence[float] = (0.8, 0.9)) -> pd.DataFrame:
    """Test accuracy with the leading frequencies of the embedding alone, and without them, for some shares of it.

    Beside it: without as many others of the same coordinate, the mean over :data:`DRAWS` draws; and with twice as many
    over the residues alone, the leading ones there.
    """
    rows = []
    for each in _read(groups):
        p, own = each.run.config.p, each.natural.embedding
        over_x = leading(each.layers["embedding"], RESIDUES, 1.0).frequencies
        for share in shares:
            chosen = each.leading("embedding", share).frequencies
            found = restriction(each.run, own, chosen)
            others = [restriction(each.run, own, drawn).removed for drawn in _draws(chosen, p)]
            twice = restriction(each.run, RESIDUES, over_x[: 2 * len(chosen)]).kept
            rows.append(
                {
                    "run": each.label,
                    "grok step": _grokked(each.run),
                    "waves over": own.name,
                    "share": f"{share:.0%}",
                    "frequencies": len(chosen),
                    "dimensions": f"{coordinates.dimensions(own, p, chosen)} of "
                    f"{coordinates.dimensions(own, p, range(1, p // 2 + 1))}",
                    "accuracy": f"{found.whole:.1%}",
                    "these alone": f"{found.kept:.1%}",
                    "all but these": f"{found.removed:.1%}",
                    "all but as many others": f"{np.mean(others):.1%}" if others else "–",
                    "twice as many over x alone": "–" if own == RESIDUES else f"{twice:.1%}",
                }
            )
    return pd.DataFrame(rows)


def _read(groups: Group) -> list[_Read]:
    """The runs that are readable, each with what it is called: seeds are named where there are several."""
    found = []
    for label, runs in readable(groups).items():
        for run in runs:
            own = coordinates.of_run(run)
            assert own is not None
            assert run.weights is not None
            name = label if len(runs) == 1 else f"{label}, seed {run.config.seed}"
            found.append(_Read(name, run, model.layers(run.weights, run.config.p), own))
    return found


def _draws(chosen: Sequence[int], p: int) -> Iterator[list[int]]:
    """As many other frequencies, drawn a few times; nothing where there are not as many."""
    others = torch.tensor([k for k in range(1, p // 2 + 1) if k not in chosen])
    generator = torch.Generator().manual_seed(0)
    for _ in range(DRAWS if len(others) >= len(chosen) else 0):
        yield others[torch.randperm(len(others), generator=generator)[: len(chosen)]].tolist()


def _shares(layer: Float[Tensor, "p n"], waves: Coordinate) -> dict[str, Any]:
    """What each frequency explains of a layer, as a trace takes it."""
    found = coordinates.shares(layer, waves).numpy()
    return {
        "x": np.arange(1, len(found) + 1),
        "y": found,
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
    needed: int | None
    """How many frequencies make up the share; None if all together do not."""
    own: bool
    """Whether it is the coordinate of the run's operation."""


def _cells(read: Sequence[_Read], layer: Layer, share: float) -> list[_Cell]:
    """Each run, and last a random start, over the residues and over each coordinate of one of the runs."""
    every = list(dict.fromkeys([RESIDUES, *(each.coordinate(layer) for each in read)]))
    first = read[0].run.config
    start = model.layers(initial_weights(first, {}), first.p)[layer]
    cells = [
        _Cell(each.label, waves.name, leading(each.layers[layer], waves, share).needed(share), waves == own)
        for each in read
        for own in [each.coordinate(layer)]
        for waves in every
    ]
    random = (leading(coordinates.averaged(start, waves), waves, share).needed(share) for waves in every)
    return cells + [_Cell(RANDOM, waves.name, needed, False) for waves, needed in zip(every, random, strict=True)]


def _ranges(cells: Sequence[_Cell]) -> str:
    """The smallest and largest number over a run's own coordinate, over others, and at the random start."""
    kinds = {
        "over the operation's own coordinate": [cell for cell in cells if cell.own],
        "over others": [cell for cell in cells if not cell.own and cell.label != RANDOM],
        "at a random start": [cell for cell in cells if cell.label == RANDOM],
    }
    said = []
    for what, chosen in kinds.items():
        counts = sorted(cell.needed for cell in chosen if cell.needed is not None)
        if counts:
            said.append(f"{counts[0]} to {counts[-1]} {what}" if counts[0] < counts[-1] else f"{counts[0]} {what}")
    return ", ".join(said)


def _dots(figure: go.Figure, cells: Sequence[_Cell], symbol: str, colour: str, *, row: int) -> None:
    """A mark with its number for each cell."""
    figure.add_scatter(
        x=[cell.waves for cell in cells],
        y=[cell.label for cell in cells],
        text=[f"  {_number(cell.needed)}" for cell in cells],
        mode="markers+text",
        textposition="middle right",
        marker={"symbol": symbol, "color": colour, "size": 11},
        cliponaxis=False,
        name="own coordinate" if symbol == "diamond" else "another",
        legendgroup=symbol,
        showlegend=row == 1,
        hovertemplate="%{y} over %{x}: %{text} frequencies<extra></extra>",
        row=row,
        col=1,
    )


def _counted(layer: Float[Tensor, "p n"], waves: Coordinate) -> str:
    """How many frequencies make up most of a layer and, if these are few, which, the largest first."""
    found = leading(layer, waves)
    needed = found.needed(MOST)
    if needed is None:
        return f"all are not enough over {waves.name}"
    few = f" ({_listed(found.frequencies)})" if needed <= NAMED else ""
    return f"{needed} over {waves.name}{few}"


def _listed(frequencies: Sequence[int]) -> str:
    return ", ".join(map(str, frequencies)) if len(frequencies) <= NAMED else f"{len(frequencies)} frequencies"


def _number(needed: int | None) -> str:
    return "–" if needed is None else str(needed)


def _grokked(run: Run) -> str:
    return "–" if run.grok_step is None else f"{run.grok_step:,}"
