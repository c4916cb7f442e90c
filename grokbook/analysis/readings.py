"""Runs whose layers are read in the coordinates of their operation, and what they are compared with. Not in the paper.

Shapes are those of :mod:`grokbook.analysis.coordinates`: a layer is [p, n], one row per residue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from grokbook import model
from grokbook.analysis import coordinates, frequencies
from grokbook.analysis.coordinates import MOST, RESIDUES, Coordinate, Leading, Natural, accuracy_with, leading, split
from grokbook.fourier import layers
from grokbook.runs.config import RunConfig
from grokbook.runs.initial import initial_weights
from grokbook.runs.run import Run


class Reading(NamedTuple):
    """A run with its weights, on an operation whose coordinates are known."""

    run: Run
    layers: Mapping[str, Float[Tensor, "p n"]]
    natural: Natural

    @classmethod
    def of(cls, run: Run) -> Reading | None:
        """The layers of a run; None where they cannot be read, see :func:`grokbook.analysis.coordinates.of_run`."""
        natural = coordinates.of_run(run)
        if natural is None:
            return None
        return cls(run, layers.matrices(model.of(run.config), run.weights, run.config.p), natural)

    def coordinate(self, layer: str) -> Coordinate:
        found: Coordinate = getattr(self.natural, layer)
        return found

    def leading(self, layer: str, share: float = MOST) -> Leading:
        """The leading frequencies of a layer over the operation's own coordinate."""
        return leading(self.layers[layer], self.coordinate(layer), share)

    def without_others(self, chosen: Sequence[int]) -> float | None:
        """Mean test accuracy without as many other frequencies of the embedding, over some draws, if there are."""
        embedding, own = self.layers["embedding"], self.natural.embedding
        drawn = frequencies.drawn(chosen, len(embedding) // 2)
        found = [accuracy_with(self.run, split(embedding, own, others)[1]) for others in drawn]
        return float(np.mean(found)) if found else None

    def over_residues(self, count: int) -> float:
        """Test accuracy with nothing but so many frequencies of the embedding over the residues, the leading ones."""
        embedding = self.layers["embedding"]
        chosen = leading(embedding, RESIDUES, 1.0).frequencies[:count]
        return accuracy_with(self.run, split(embedding, RESIDUES, chosen)[0])


def random_start(config: RunConfig) -> dict[str, Float[Tensor, "p n"]]:
    """The layers of the weights that a run starts from, if nothing is transplanted."""
    return layers.matrices(model.of(config), initial_weights(config, {}), config.p)


def needed(readings: Sequence[tuple[str, Reading]], layer: str, share: float, start: str) -> pd.DataFrame:
    """How many frequencies make up a share of a layer, over the residues and each coordinate of one of the runs.

    A row for each run, by its "label", and each coordinate, "waves". "needed" is None if all together are not enough;
    "own" says whether it is the coordinate of the run's operation. The last rows, labelled ``start``, are the weights
    from which the first run started, over xⁿ without what is no function of it.
    """
    every = list(dict.fromkeys([RESIDUES, *(each.coordinate(layer) for _, each in readings)]))
    untrained = random_start(readings[0][1].run.config)[layer]
    rows = [
        (label, waves.name, leading(each.layers[layer], waves, share).needed(share), waves == each.coordinate(layer))
        for label, each in readings
        for waves in every
    ]
    for waves in every:
        found = leading(coordinates.averaged(untrained, waves), waves, share)
        rows.append((start, waves.name, found.needed(share), False))
    return pd.DataFrame(rows, columns=["label", "waves", "needed", "own"], dtype=object).astype({"own": bool})
