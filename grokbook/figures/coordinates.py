"""Layers of runs over the coordinates in which their operations are sums. Not in the paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from grokbook import fourier
from grokbook.analysis import coordinates, frequencies
from grokbook.analysis.coordinates import MOST, RESIDUES, Coordinate, Logarithms, dimensions, leading, restriction
from grokbook.analysis.readings import Reading, needed, random_start
from grokbook.figures.groups import Group, Row, as_table, cell, outcome, span
from grokbook.figures.layout import arrange, describe, in_rows, share_legend, stacked
from grokbook.figures.style import LAYER_SYMBOLS, LAYERS, PALETTE, PLAIN_LAYERS, label_of
from grokbook.fourier import measures
from grokbook.runs.run import Run

MARKERS = ("circle-open", "x-thin-open")
"""Of the lines, which are told apart without their colours."""
NAMED = 12
"""The most frequencies that a text lists."""
RANDOM = "random start"


def readable(groups: Group) -> dict[str, list[Run]]:
    """The runs whose layers can be read in the coordinates of their operation; figures of this module take these.

    They have their weights and one operation, see :func:`grokbook.analysis.coordinates.of_run`.
    """
    kept = {label: [run for run in runs if coordinates.of_run(run) is not None] for label, runs in groups.items()}
    return {label: runs for label, runs in kept.items() if runs}


def read(groups: Group) -> list[tuple[str, Reading]]:
    """The runs that are readable, each after what it is called: seeds are named where there are several."""
    return [
        (label if len(runs) == 1 else f"{label}, seed {run.config.seed}", reading)
        for label, runs in readable(groups).items()
        for run in runs
        if (reading := Reading.of(run)) is not None
    ]


def coordinate_spectra(run: Run, *, others: Sequence[Coordinate] = (), name: str | None = None) -> go.Figure:
    """Both layers at the end over the coordinates of the operation, as bars, and over the residues, as lines.

    Heights are what each frequency, cosine and sine together, adds to the share that larger ones explain. Other
    coordinates are drawn as lines, too.

    Raises:
        ValueError: the run was published without its weights, or its operation has no coordinates.
    """
    one, label, findings = Reading.of(run), label_of(run), []
    if one is None:
        raise ValueError(f"{run.config.label} has no weights here, or no coordinates in which it is a sum")
    figure = stacked(list(LAYERS.values()), 0.2)
    for layer, place in in_rows(LAYERS):
        own, matrix = one.coordinate(layer), one.layers[layer]
        figure.add_bar(**_gains(matrix, own, "bars"), marker={"color": PALETTE[0], "line": {"width": 0}}, **place)
        lines = [waves for waves in dict.fromkeys([RESIDUES, *others]) if waves != own]
        for waves, colour, symbol in zip(lines, cycle(PALETTE[1:]), cycle(MARKERS)):
            figure.add_scatter(
                **_gains(matrix, waves, "line"),
                mode="lines+markers",
                line={"color": colour, "width": 1},
                marker={"color": colour, "symbol": symbol, "size": 6},
                **place,
            )
        figure.update_yaxes(title="share", tickformat=".0%", rangemode="tozero", **place)
        figure.update_xaxes(title=f"frequency (bars: over {own.name})", **place)
        findings.append(f"{PLAIN_LAYERS[layer]}: {', '.join(_counted(matrix, waves) for waves in (own, *lines))}")
    share_legend(figure)
    figure.update_xaxes(range=[0, run.config.p // 2 + 1])
    figure.update_layout(bargap=0.15)
    counted = f"Frequencies that it takes for {MOST:.0%}, of {run.config.p // 2}: {'; '.join(findings)}."
    return describe(
        arrange(figure, height=600, legend_y=1.06, t=80),
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
    if len(moduli := {each.run.config.p for _, each in runs}) != 1:
        raise ValueError("this takes runs with their weights, on operations with known coordinates, and one modulus")
    cells = {layer: needed(runs, layer, share, RANDOM) for layer in LAYERS}
    labels = [*(label for label, _ in runs), RANDOM]
    height = 2 * 40 * (len(labels) + 1)
    figure = stacked(list(LAYERS.values()), 100 / height)
    for of_layer, place in in_rows(cells.values()):
        for own, symbol, colour in ((True, "diamond", PALETTE[0]), (False, "circle-open", PALETTE[1])):
            shown = of_layer[of_layer["own"] == own]
            figure.add_scatter(
                x=shown["waves"].tolist(),
                y=shown["label"].tolist(),
                text=[f"  {cell(count)}" for count in shown["needed"]],
                mode="markers+text",
                textposition="middle right",
                marker={"symbol": symbol, "color": colour, "size": 11},
                cliponaxis=False,
                name="own coordinate" if own else "another",
                legendgroup=symbol,
                hovertemplate="%{y} over %{x}: %{text} frequencies<extra></extra>",
                **place,
            )
        names = of_layer["waves"].unique().tolist()
        in_two_lines = [name.replace(" (x = ", "<br>(x = ") for name in names]
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=names, tickangle=0, **place)
        figure.update_xaxes(tickvals=names, ticktext=in_two_lines, range=[-0.4, len(names) - 0.5], **place)
    share_legend(figure)
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1], automargin=True)
    counted = "; ".join(f"{PLAIN_LAYERS[layer]}: {_ranges(of_layer)}" for layer, of_layer in cells.items())
    every = moduli.pop() // 2
    text = f"Frequencies that it takes for {share:.0%} of a layer, of {every}. {counted[0].upper()}{counted[1:]}"
    return describe(
        arrange(figure, height=150 + height, legend_y=1.05, t=80),
        name=name,
        title=f"How many frequencies make up {share:.0%} of a layer",
        caption=f"{text}. Diamonds: the operation's own coordinate; circles: others; –: all of "
        "them are not enough, over xⁿ because the layer differs between x with the same xⁿ.",
        alt=f"A grid of runs against coordinates for each of the two layers. {text}.",
    )


def _gains(layer: Float[Tensor, "p n"], waves: Coordinate, drawn: str) -> dict[str, Any]:
    """What each frequency adds to the share that those before it explain, as a trace takes it."""
    found, gains = leading(layer, waves, 1.0), np.zeros(len(layer) // 2)
    gains[np.asarray(found.frequencies) - 1] = np.diff(found.shares, prepend=0)
    return {
        "x": np.arange(1, len(gains) + 1),
        "y": gains,
        "name": f"over {waves.name} ({drawn})",
        "legendgroup": f"{drawn} {waves.name}",
        "hovertemplate": f"frequency %{{x}} over {waves.name}: %{{y:.1%}}<extra></extra>",
    }


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
    count = found.needed(MOST)
    if count is None:
        return f"all are not enough over {waves.name}"
    return f"{count} over {waves.name}" + (f" ({listed(found.frequencies)})" if count <= NAMED else "")


# --- the same in numbers --------------------------------------------------------------------------


@as_table
def leading_table(groups: Group, shares: Sequence[float] = (0.5, 0.8, 0.95)) -> Iterator[Row]:
    """How many frequencies it takes for some shares of each layer: over its own coordinate, over x, at the start."""
    for label, each in read(groups):
        start = random_start(each.run.config)
        for layer, symbol in LAYER_SYMBOLS.items():
            own, matrix = each.coordinate(layer), each.layers[layer]
            untrained = coordinates.averaged(start[layer], own)
            counted = {"own": (matrix, own), "x": (matrix, RESIDUES), "start": (untrained, own)}
            found = {what: leading(*of_waves, max(shares)) for what, of_waves in counted.items()}
            counts = {f"{what}, {share:.0%}": cell(found[what].needed(share)) for what in found for share in shares}
            yield {"run": label, "layer": symbol, "over": own.name, **counts}


@as_table
def frequency_table(groups: Group) -> Iterator[Row]:
    """The leading frequencies of both layers of each run over its own coordinates: are they the same?

    "By chance" is how many the two would share on average if each had drawn its own.
    """
    for label, each in read(groups):
        found = {layer: each.leading(layer).frequencies for layer in LAYERS}
        embedding, neuron_logit = found.values()
        row: dict[str, object] = {"run": label}
        for layer, symbol in LAYER_SYMBOLS.items():
            row |= {f"{symbol} over": each.coordinate(layer).name, f"leading in {symbol}": listed(found[layer])}
        chance = frequencies.by_chance(embedding, neuron_logit, each.run.config.p // 2)
        yield row | {"in both": len(set(embedding) & set(neuron_logit)), "by chance": f"{chance:.1f}"}


@as_table
def restriction_table(groups: Group, shares: Sequence[float] = (0.8, 0.9)) -> Iterator[Row]:
    """Test accuracy with the leading frequencies of the embedding alone, and without them, for some shares of it.

    Beside it: without as many others of the same coordinate, see :meth:`Reading.without_others`; and with twice as many
    over the residues alone, the leading ones there.
    """
    for label, each in read(groups):
        p, own = each.run.config.p, each.natural.embedding
        for share in shares:
            chosen = each.leading("embedding", share).frequencies
            found = restriction(each.run, own, chosen)
            yield {
                "run": label,
                "taken": f"{len(chosen)} over {own.name} ({share:.0%})",
                "dims": f"{dimensions(own, p, chosen)} of {dimensions(own, p, range(1, p // 2 + 1))}",
                "whole": f"{found.whole:.1%}",
                "these": f"{found.kept:.1%}",
                "all but these": f"{found.removed:.1%}",
                "all but others": cell(each.without_others(chosen), ".1%"),
                "2× over x": "–" if own == RESIDUES else f"{each.over_residues(2 * len(chosen)):.1%}",
            }


@as_table
def parity_table(groups: Group) -> Iterator[Row]:
    """Cosines and sines of layers over log x, from the parity of their frequencies there.

    "Even" is the share of :func:`grokbook.analysis.coordinates.even_share`, "cosines over x" that of the squared norms
    over the residues, and "FCR from even" FCR if cosines had the share "even" at each frequency over the residues.
    """
    for label, each in read(groups):
        for layer, symbol in LAYER_SYMBOLS.items():
            own, matrix = each.coordinate(layer), each.layers[layer]
            if own != Logarithms(0):
                continue
            chosen = each.leading(layer).frequencies
            spectrum, even = fourier.spectrum(matrix), coordinates.even_share(matrix, own)
            yield {
                "run": label,
                "layer": symbol,
                "leading, even": listed([k for k in chosen if k % 2 == 0]) or "–",
                "leading, odd": listed([k for k in chosen if k % 2]) or "–",
                "even": f"{even:.0%}",
                "cosines over x": f"{measures.cosine_share(spectrum):.0%}",
                "FCR from even": f"{measures.fcr_at(even):.2f}",
                "FCR": f"{measures.fcr(spectrum):.2f}",
            }


@as_table
def coordinate_summary(groups: Group) -> Iterator[Row]:
    """The three questions to each run: few frequencies, the same in both layers, and needed by the model?

    "38 → 4" are the frequencies that it takes for :data:`grokbook.analysis.coordinates.MOST` of a layer over x, and
    over its own coordinate. "Shared" are those of the neuron–logit map that the embedding has, too. "Accuracy" is that
    of the run, with the leading frequencies of its embedding alone, and without them.
    """
    for label, each in read(groups):
        found = {layer: each.leading(layer) for layer in LAYERS}
        row = {"run": label}
        for layer, symbol in LAYER_SYMBOLS.items():
            over_x = leading(each.layers[layer], RESIDUES).needed(MOST)
            row[f"{symbol}: over x → own"] = f"{cell(over_x)} → {cell(found[layer].needed(MOST))}"
        embedding, neuron_logit = (set(of_layer.frequencies) for of_layer in found.values())
        row["shared"] = f"{len(embedding & neuron_logit)} of {len(neuron_logit)}"
        parts = restriction(each.run, each.natural.embedding, found["embedding"].frequencies)
        row["accuracy: whole, these, all but these"] = ", ".join(f"{part:.0%}" for part in parts)
        yield row


def listed(frequencies: Sequence[int]) -> str:
    """Frequencies one by one if they are few, else their number."""
    return ", ".join(map(str, frequencies)) if len(frequencies) <= NAMED else f"{len(frequencies)} frequencies"
