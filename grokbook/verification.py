"""Does a stored run hold together? Everything that its last history row says is computed again from its weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from grokbook import data, measures, model, runs
from grokbook.runs import Run
from grokbook.weights import Weights

TOLERANCES: Mapping[str, float] = {"accuracy": 1e-3, "ffs": 0.03, "fcr": 1e-3, "gini": 1e-3}
"""How far a recomputed value may be off on another machine. A rounding error can move a pair over the decision
boundary, or a norm over FFS's threshold: FFS counts in units of 1/(2K), about 0.01 at p = 97."""


def recompute(run: Run) -> dict[str, float]:
    """Accuracies and spectral measures of the final weights, under their history names.

    The accuracies come from the textbook forward pass, not from the folded one that recorded the history.
    """
    config, weights = run.config, run.weights
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    correct = torch.stack(
        [_predictions(weights, tokens) == labels for tokens, labels in zip(table.tokens, table.labels, strict=True)]
    ).double()
    layers = {"embedding": weights.W_E, "neuron_logit": model.neuron_logit_map(weights)}
    found = {
        f"{measure}_{layer}": value
        for layer, matrix in layers.items()
        for measure, value in measures.layer_measures(matrix[: config.p])._asdict().items()
    }
    for part, mask in (("train", table.train), ("test", ~table.train)):
        each = correct[:, mask].mean(dim=1).tolist()
        found[f"{part}_accuracy"] = sum(each) / len(each)
        found |= dict(zip(runs.per_operation(config, f"{part}_accuracy"), each, strict=False))
    return found


def _predictions(weights: Weights, tokens: Int[Tensor, "row 3"]) -> Int[Tensor, " row"]:
    """The answers of the model, a few thousand rows at a time: the textbook pass keeps much per row."""
    return torch.cat([model.textbook_logits(weights, rows)[0].argmax(-1) for rows in tokens.split(4096)])


def problems(run: Run) -> list[str]:
    """What disagrees between a run's weights and the last row of its history; empty when all is well."""
    last = run.history.iloc[-1]
    found = []
    for name, value in recompute(run).items():
        tolerance = next(limit for kind, limit in TOLERANCES.items() if kind in name)
        recorded = float(last[name])
        if not abs(value - recorded) <= tolerance:  # also catches NaN
            found.append(f"{name} is {value:.4f} from the weights, {recorded:.4f} in the history")
    return found
