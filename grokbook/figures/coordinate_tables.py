"""The numbers behind :mod:`grokbook.figures.coordinates`: layers over the coordinates of their operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from grokbook import fourier
from grokbook.analysis import coordinates, frequencies
from grokbook.analysis.coordinates import MOST, RESIDUES, Logarithms, accuracy_with, leading, restriction, split
from grokbook.figures.coordinates import listed, number, random_start, read
from grokbook.figures.groups import Group
from grokbook.figures.style import LAYER_SYMBOLS, LAYERS
from grokbook.fourier import measures


def leading_table(groups: Group, shares: Sequence[float] = (0.5, 0.8, 0.95)) -> pd.DataFrame:
    """How many frequencies it takes for some shares of each layer: over its own coordinate, over x, at the start."""
    rows = []
    for each in read(groups):
        start = random_start(each.run.config)
        for layer, symbol in LAYER_SYMBOLS.items():
            own, matrix = each.coordinate(layer), each.layers[layer]
            untrained = coordinates.averaged(start[layer], own)
            counted = {"own": (matrix, own), "x": (matrix, RESIDUES), "start": (untrained, own)}
            found = {what: leading(*of_waves, max(shares)) for what, of_waves in counted.items()}
            needed = {f"{what}, {share:.0%}": number(found[what].needed(share)) for what in found for share in shares}
            rows.append({"run": each.label, "layer": symbol, "over": own.name, **needed})
    return pd.DataFrame(rows)


def frequency_table(groups: Group) -> pd.DataFrame:
    """The leading frequencies of both layers of each run over its own coordinates: are they the same?

    "By chance" is how many the two would share on average if each had drawn its own.
    """
    rows = []
    for each in read(groups):
        found = {layer: each.leading(layer).frequencies for layer in LAYERS}
        embedding, neuron_logit = found.values()
        row: dict[str, Any] = {"run": each.label}
        for layer, symbol in LAYER_SYMBOLS.items():
            row |= {f"{symbol} over": each.coordinate(layer).name, f"leading in {symbol}": listed(found[layer])}
        row["in both"] = len(set(embedding) & set(neuron_logit))
        row["by chance"] = f"{frequencies.by_chance(embedding, neuron_logit, each.run.config.p // 2):.1f}"
        rows.append(row)
    return pd.DataFrame(rows)


def restriction_table(groups: Group, shares: Sequence[float] = (0.8, 0.9)) -> pd.DataFrame:
    """Test accuracy with the leading frequencies of the embedding alone, and without them, for some shares of it.

    Beside it: without as many others of the same coordinate, the mean over
    :data:`grokbook.analysis.frequencies.DRAWS` draws; and with twice as many over the residues alone, the leading ones
    there.
    """
    rows = []
    for each in read(groups):
        p, own, embedding = each.run.config.p, each.natural.embedding, each.layers["embedding"]
        over_x = leading(embedding, RESIDUES, 1.0).frequencies
        for share in shares:
            chosen = each.leading("embedding", share).frequencies
            found = restriction(each.run, own, chosen)
            without = [split(embedding, own, drawn)[1] for drawn in frequencies.drawn(chosen, p // 2)]
            others = np.mean([accuracy_with(each.run, rows) for rows in without]) if without else None
            twice = accuracy_with(each.run, split(embedding, RESIDUES, over_x[: 2 * len(chosen)])[0])
            rows.append(
                {
                    "run": each.label,
                    "taken": f"{len(chosen)} over {own.name} ({share:.0%})",
                    "dims": f"{coordinates.dimensions(own, p, chosen)} of "
                    f"{coordinates.dimensions(own, p, range(1, p // 2 + 1))}",
                    "whole": f"{found.whole:.1%}",
                    "these": f"{found.kept:.1%}",
                    "all but these": f"{found.removed:.1%}",
                    "all but others": "–" if others is None else f"{others:.1%}",
                    "2× over x": "–" if own == RESIDUES else f"{twice:.1%}",
                }
            )
    return pd.DataFrame(rows)


def parity_table(groups: Group) -> pd.DataFrame:
    """Cosines and sines of layers over log x, from the parity of their frequencies there.

    "Even" is the share of :func:`grokbook.analysis.coordinates.even_share`, "cosines over x" that of the squared norms
    over the residues, and "FCR from even" FCR if cosines had the share "even" at each frequency over the residues.
    """
    rows = []
    for each in read(groups):
        for layer, symbol in LAYER_SYMBOLS.items():
            own, matrix = each.coordinate(layer), each.layers[layer]
            if own != Logarithms(0):
                continue
            chosen = each.leading(layer).frequencies
            spectrum, even = fourier.spectrum(matrix), coordinates.even_share(matrix, own)
            rows.append(
                {
                    "run": each.label,
                    "layer": symbol,
                    "leading, even": listed([k for k in chosen if k % 2 == 0]) or "–",
                    "leading, odd": listed([k for k in chosen if k % 2]) or "–",
                    "even": f"{even:.0%}",
                    "cosines over x": f"{measures.cosine_share(spectrum):.0%}",
                    "FCR from even": f"{measures.fcr_at(even):.2f}",
                    "FCR": f"{measures.fcr(spectrum):.2f}",
                }
            )
    return pd.DataFrame(rows)


def coordinate_summary(groups: Group) -> pd.DataFrame:
    """The three questions to each run: few frequencies, the same in both layers, and needed by the model?

    "38 → 4" are the frequencies that it takes for :data:`grokbook.analysis.coordinates.MOST` of a layer over x, and
    over its own coordinate. "Shared" are those of the neuron–logit map that the embedding has, too. "Accuracy" is that
    of the run, with the leading frequencies of its embedding alone, and without them.
    """
    rows = []
    for each in read(groups):
        found = {layer: each.leading(layer) for layer in LAYERS}
        row = {"run": each.label}
        for layer, symbol in LAYER_SYMBOLS.items():
            over_x = leading(each.layers[layer], RESIDUES).needed(MOST)
            row[f"{symbol}: over x → own"] = f"{number(over_x)} → {number(found[layer].needed(MOST))}"
        embedding, neuron_logit = (set(of_layer.frequencies) for of_layer in found.values())
        row["shared"] = f"{len(embedding & neuron_logit)} of {len(neuron_logit)}"
        parts = restriction(each.run, each.natural.embedding, found["embedding"].frequencies)
        row["accuracy: whole, these, all but these"] = ", ".join(f"{part:.0%}" for part in parts)
        rows.append(row)
    return pd.DataFrame(rows)
