"""What a run answers: its logits over all pairs of residues."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from grokbook import data, model
from grokbook.runs.pairs import dataset
from grokbook.runs.run import Run


def logits(run: Run, operation: int = 0) -> Float[Tensor, "a b class"]:
    """The logits of a run's final weights over all pairs of residues and all p answers, for one of its operations.

    Raises:
        WeightsMissing: the run was published without its weights.
    """
    config = run.config
    pairs = data.over_residues(dataset(config).tokens[operation], config.p)
    found = model.of(config).fast_logits(run.weights, pairs.flatten(0, 1))
    return found[:, : config.p].unflatten(0, pairs.shape[:2])
