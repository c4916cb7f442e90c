"""The weights that a run starts from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from grokbook import model
from grokbook.model.protocol import Matrices
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run

INIT_STREAM = 1
"""Which of a seed's streams initial weights are drawn from. It is also the one that shuffles the pairs.

So the i-th weight drawn and the i-th pair come from the same random word, until rejections in drawing normals shift
the two. Over 2,000 seeds the first weights of W_E are 0.75 large (mean size in standard deviations) where the pair
is trained on, and 0.82 where it is not. Place i means a pair of operands on one side and a token and a channel on the
other, which have nothing to do with each other. Another stream would be cleaner, and would make every published run
another one.
"""


def initial_weights(config: RunConfig, sources: Mapping[RunConfig, Run]) -> Matrices:
    """The weights a run starts from: fresh from its seed, with what is transplanted from its source."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([config.seed, INIT_STREAM])))
    network = model.of(config)
    fresh = network.initialise(config, rng)
    if config.source is None:
        return fresh
    donor = sources[config.source].weights
    return network.weights(**{**fresh._asdict(), **{name: getattr(donor, name) for name in config.transplant}})


def by_source(configs: Iterable[RunConfig], runs: Collection[Run]) -> dict[RunConfig, Run]:
    """Those of some runs that pre-grokked configs start from, by the sources that the configs name.

    A run may have been asked for with another budget, and have ended where the source does all the same.
    """
    sources = [config.source for config in configs if config.source is not None]
    pairs = ((source, run) for source in sources for run in runs if run.config.name == source.name)
    return {source: run for source, run in pairs if run.has_weights and run.ends_like(source)}
