"""Layers of runs over the coordinates in which their operations are sums. Not in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from grokbook import model
from grokbook.analysis import coordinates
from grokbook.analysis.coordinates import MOST, RESIDUES, Coordinate, Leading, Natural, leading
from grokbook.figures.groups import Group, outcome, span
from grokbook.figures.style import LAYERS, PALETTE, PLAIN_LAYERS, arrange, describe, label_of
from grokbook.fourier import layers
from grokbook.runs.config import RunConfig
from grokbook.runs.initial import initial_weights
from grokbook.runs.run import Run

MARKERS = ("circle-open", "x-thin-open")
"""Of the lines, which are told apart without their colours."""
NAMED = 12
"""The most frequencies that a text lists."""
RANDOM = "random start"


class Read(NamedTuple):
    """A run whose layers can be read in the coordinates of its operation."""

    label: str
    run: Run
    layers: Mapping[str, Float[Tensor, "p n"]]
    natural: Natural

    def coordinate(self, layer: str) -> Coordinate:
        found: Coordinate = getattr(self.natural, layer)
        return found

    def leading(self, layer: str, share: float = MOST) -> Leading:
        """The leading frequencies of a layer over the operation's own coordinate."""
        return leading(self.layers[layer], self.coordinate(layer), share)


def readable(groups: Group) -> dict[str, list[Run]]:
    """The runs whose layers can be read in the coordinates of their operation; figures of this module take these.

    They have one operation, whose coordinates are known, and their weights:
    :func:`grokbook.analysis.coordinates.of_run`.
    """
    kept = {label: [run for run in runs if coordinates.of_run(run) is not None] for label, runs in groups.items()}
    return {label: runs for label, runs in kept.items() if runs}


def coordinate_spectra(run: Run, *, others: Sequence[Coordinate] = (), name: str | None = None) -> go.Figure:
    """Both layers at the end over the coordinates of the operation, as bars, and over the residues, as lines.

    Heights are what each frequency, cosine and sine together, adds to the share that larger ones explain.

    Args:
        run: one with its weights, on an operation whose coordinates are known.
        others: coordinates to draw as lines, too.
        name: of the figure's file.

    Raises:
        ValueError: the run was published without its weights, or its operation has no coordinates.
    """
    found = read({label_of(run): [run]})
    if not found:
        raise ValueError(f"{run.config.label} has no weights here, or no coordinates in which it is a sum")
    one, findings = found[0], []
    seen: set[str] = set()
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.2, subplot_titles=list(LAYERS.values()))
    for row, layer in enumerate(LAYERS, start=1):
        own, matrix, place = one.coordinate(layer), one.layers[layer], {"row": row, "col": 1}
        figure.add_bar(**_gains(matrix, own, "bars", seen), marker={"color": PALETTE[0], "line": {"width": 0}}, **place)
        lines = [waves for waves in dict.fromkeys([RESIDUES, *others]) if waves != own]
        for waves, colour, symbol in zip(lines, cycle(PALETTE[1:]), cycle(MARKERS)):
            figure.add_scatter(
                **_gains(matrix, waves, "line", seen),
                mode="lines+markers",
                line={"color": colour, "width": 1},
                marker={"color": colour, "symbol": symbol, "size": 6},
                **place,
            )
        figure.update_yaxes(title="share", tickformat=".0%", rangemode="tozero", **place)
        figure.update_xaxes(title=f"frequency (bars: over {own.name})", **place)
        findings.append(f"{PLAIN_LAYERS[layer]}: {', '.join(_counted(matrix, waves) for waves in (own, *lines))}")
    figure.update_xaxes(range=[0, run.config.p // 2 + 1])
    figure.update_layout(bargap=0.15)
    arrange(figure, height=600, legend_y=1.06, t=80)
    counted = f"Frequencies that it takes for {MOST:.0%}, of {run.config.p // 2}: {'; '.join(findings)}."
    label = label_of(run)
    return describe(
        figure,
        name=name or f"coordinates-{run.config.hash}",
        title=f"{label} in its own coordinates",
        caption=f"{label}: what each frequency adds to the share of a layer that larger ones explain, at the end "
        f"(step {run.steps:,}; {outcome([run])}). {counted}",
        alt=f"What each frequency explains of both layers of {label}: bars over the operation's own coordinate, "
        f"lines over others. {counted}",
    )


def coordinate_chart(groups: Group, *, share: float = MOST, name: str = "coordinates") -> go.Figure:
    """How many frequencies make up a share of each run's layers, over every coordinate that one of the runs has.

    Diamonds are the coordinates of the run's own operation. The last row are the weights from which the first run
    started, over xⁿ without what is no function of it. Runs that are not :func:`readable` are left out.

    Raises:
        ValueError: no run is left, or they have several moduli.
    """
    runs = read(groups)
    if len({each.run.config.p for each in runs}) != 1:
        raise ValueError("this takes runs with their weights, on operations with known coordinates, and one modulus")
    cells = {layer: _cells(runs, layer, share) for layer in LAYERS}
    labels = [*(each.label for each in runs), RANDOM]
    height = 2 * 40 * (len(labels) + 1)
    figure = make_subplots(rows=2, cols=1, vertical_spacing=100 / height, subplot_titles=list(LAYERS.values()))
    for row, of_layer in enumerate(cells.values(), start=1):
        for own, symbol, colour in ((True, "diamond", PALETTE[0]), (False, "circle-open", PALETTE[1])):
            shown = of_layer[of_layer["own"] == own]
            figure.add_scatter(
                x=shown["waves"].tolist(),
                y=shown["label"].tolist(),
                text=[f"  {number(needed)}" for needed in shown["needed"]],
                mode="markers+text",
                textposition="middle right",
                marker={"symbol": symbol, "color": colour, "size": 11},
                cliponaxis=False,
                name="own coordinate" if own else "another",
                legendgroup=symbol,
                showlegend=row == 1,
                hovertemplate="%{y} over %{x}: %{text} frequencies<extra></extra>",
                row=row,
                col=1,
            )
        names = of_layer["waves"].unique().tolist()
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
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1], automargin=True)
    arrange(figure, height=150 + height, legend_y=1.05, t=80)
    counted = "; ".join(f"{PLAIN_LAYERS[layer]}: {_ranges(of_layer)}" for layer, of_layer in cells.items())
    every = runs[0].run.config.p // 2
    text = f"Frequencies that it takes for {share:.0%} of a layer, of {every}. {counted[0].upper()}{counted[1:]}"
    return describe(
        figure,
        name=name,
        title=f"How many frequencies make up {share:.0%} of a layer",
        caption=f"{text}. Diamonds: the operation's own coordinate; circles: others; –: all of "
        "them are not enough, over xⁿ because the layer differs between x with the same xⁿ.",
        alt=f"A grid of runs against coordinates for each of the two layers. {text}.",
    )


def read(groups: Group) -> list[Read]:
    """The runs that are readable, each with what it is called: seeds are named where there are several."""
    found = []
    for label, runs in readable(groups).items():
        for run in runs:
            own = coordinates.of_run(run)
            assert own is not None
            name = label if len(runs) == 1 else f"{label}, seed {run.config.seed}"
            found.append(Read(name, run, layers.matrices(model.of(run.config), run.weights, run.config.p), own))
    return found


def _gains(layer: Float[Tensor, "p n"], waves: Coordinate, drawn: str, seen: set[str]) -> dict[str, Any]:
    """What each frequency adds to the share that those before it explain, as a trace takes it.

    The first trace of a kind stands in the legend, which ``seen`` keeps.
    """
    found, kind = leading(layer, waves, 1.0), f"{drawn} {waves.name}"
    gains = np.zeros(len(layer) // 2)
    gains[np.asarray(found.frequencies) - 1] = np.diff(found.shares, prepend=0)
    first = kind not in seen
    seen.add(kind)
    return {
        "x": np.arange(1, len(gains) + 1),
        "y": gains,
        "name": f"over {waves.name} ({drawn})",
        "legendgroup": kind,
        "showlegend": first,
        "hovertemplate": f"frequency %{{x}} over {waves.name}: %{{y:.1%}}<extra></extra>",
    }


def _cells(runs: Sequence[Read], layer: str, share: float) -> pd.DataFrame:
    """Each run, and last a random start, over the residues and over each coordinate of one of the runs.

    "needed" is how many frequencies make up the share, None if all together do not; "own" whether the coordinate is
    that of the run's operation.
    """
    every = list(dict.fromkeys([RESIDUES, *(each.coordinate(layer) for each in runs)]))
    start = random_start(runs[0].run.config)[layer]
    cells = [
        (each.label, waves.name, leading(each.layers[layer], waves, share), waves == each.coordinate(layer))
        for each in runs
        for waves in every
    ]
    cells += [(RANDOM, each.name, leading(coordinates.averaged(start, each), each, share), False) for each in every]
    needed = [(label, waves, found.needed(share), own) for label, waves, found, own in cells]
    return pd.DataFrame(needed, columns=["label", "waves", "needed", "own"], dtype=object).astype({"own": bool})


def random_start(config: RunConfig) -> dict[str, Float[Tensor, "p n"]]:
    """The layers of the weights that a run starts from, if nothing is transplanted."""
    return layers.matrices(model.of(config), initial_weights(config, {}), config.p)


def _ranges(cells: pd.DataFrame) -> str:
    """The smallest and largest number over a run's own coordinate, over others, and at the random start."""
    random = cells["label"] == RANDOM
    kinds = {
        "over the operation's own coordinate": cells["own"],
        "over others": ~cells["own"] & ~random,
        "at the random start of the first run": random,
    }
    counts = {what: sorted(cells["needed"][chosen].dropna()) for what, chosen in kinds.items()}
    return ", ".join(f"{span(list(map(str, found)), ' to ')} {what}" for what, found in counts.items() if found)


def _counted(layer: Float[Tensor, "p n"], waves: Coordinate) -> str:
    """How many frequencies make up most of a layer and, if these are few, which, the largest first."""
    found = leading(layer, waves)
    needed = found.needed(MOST)
    if needed is None:
        return f"all are not enough over {waves.name}"
    few = f" ({listed(found.frequencies)})" if needed <= NAMED else ""
    return f"{needed} over {waves.name}{few}"


def listed(frequencies: Sequence[int]) -> str:
    """Frequencies one by one if they are few, else their number."""
    return ", ".join(map(str, frequencies)) if len(frequencies) <= NAMED else f"{len(frequencies)} frequencies"


def number(needed: int | None) -> str:
    """How many frequencies it takes; a dash if all are not enough."""
    return "–" if needed is None else str(needed)
