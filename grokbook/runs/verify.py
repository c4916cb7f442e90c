"""Does a stored run hold together? What its last history row and last spectra say is computed again from its weights.

Of the rows before, the measures are computed again from the spectra, wherever they were recorded; for losses and
accuracies nothing is left but the checksums, and in a run that was published without weights so it is for the last row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float64, Int
from torch import Tensor
from torch.nn import functional as F

from grokbook import fourier, model
from grokbook.fourier import layers, measures
from grokbook.fourier.transform import Spectrum
from grokbook.model.protocol import Matrices, Model
from grokbook.runs.grokking import ending
from grokbook.runs.history import measured, outcome_columns
from grokbook.runs.pairs import dataset
from grokbook.runs.run import Run

TOLERANCES = {"accuracy": 1e-3, "loss": 1e-2, "norm": 1e-4}
"""How far a recomputed value may be off on another machine; measures have tolerances of their own. A rounding error
can move a pair over the decision boundary. Losses and norms are compared as ratios."""


def recompute(run: Run) -> dict[str, float]:
    """Everything a history row says now, under its names there, from the final weights; nothing without them.

    Losses and accuracies come from the textbook forward pass, not from the folded one that recorded the history.
    """
    if not run.has_weights:
        return {}
    config, weights = run.config, run.weights
    table, network = dataset(config), model.of(config)
    scored = [_score(network, weights, *rows) for rows in zip(table.tokens, table.labels, strict=True)]
    found = {"weight_norm": math.sqrt(sum(float(w.double().square().sum()) for w in weights))}
    for layer, matrix in layers.matrices(network, weights, config.p).items():
        recorded = measures.recorded(fourier.spectrum(matrix))
        found |= {name: value for measure, value in recorded.items() if (name := f"{measure}_{layer}") in run.history}
    for part, mask in (("train", table.train), ("test", ~table.train)):
        for column, values in zip((f"{part}_loss", f"{part}_accuracy"), zip(*scored, strict=True), strict=True):
            each = [float(value[mask].mean()) for value in values]
            found |= outcome_columns(config, column, each)
    return found


def _score(
    network: Model, weights: Matrices, tokens: Int[Tensor, "row 3"], labels: Int[Tensor, " row"]
) -> tuple[Float64[Tensor, " row"], Float64[Tensor, " row"]]:
    """Loss in nats, and 1 where the answer is right; a few thousand rows at a time: the textbook pass keeps much."""
    losses, right = [], []
    for rows, answers in zip(tokens.split(4096), labels.split(4096), strict=True):
        logits = network.logits(weights, rows).double()
        losses.append(F.cross_entropy(logits, answers, reduction="none"))
        right.append((logits.argmax(-1) == answers).double())
    return torch.cat(losses), torch.cat(right)


def problems(run: Run) -> list[str]:
    """What disagrees between a run's weights, its spectra and its history; empty when all is well."""
    return [*_of_weights(run), *_of_answers(run), *_of_spectra(run), *_of_ending(run)]


def _of_weights(run: Run) -> Iterator[str]:
    if not run.has_weights:
        return
    last = run.history.iloc[-1]
    of_measures = {name: measure.tolerance for name, (measure, _) in measured().items()}
    for name, value in recompute(run).items():
        recorded = float(last[name])
        if (tolerance := of_measures.get(name)) is None:
            tolerance = next(limit for kind, limit in TOLERANCES.items() if kind in name)
            tolerance *= value if "loss" in name or "norm" in name else 1.0
        if not abs(value - recorded) <= tolerance:  # also catches NaN
            yield f"{name} is {value:.4g} from the weights, {recorded:.4g} in the history"
    network, p = model.of(run.config), run.config.p
    for layer, matrix in layers.matrices(network, run.weights, p).items():
        rows, recorded_rows = fourier.spectrum(matrix).to_rows(), getattr(run.spectra, layer)[-1]
        if not (rows - recorded_rows).abs().max() <= 1e-3 * rows.max():
            yield f"the last spectrum of the {layer} is not that of the weights"
    tokens = dataset(run.config).tokens
    for operation, recorded_map in enumerate(run.spectra.logits[-1:].flatten(0, 1)):
        found = layers.logit_map(network, run.weights, tokens[operation], p)
        if not (found - recorded_map.float()).abs().max() <= 1e-2 * found.max():
            yield f"the last map of the logits of operation {operation} is not that of the weights"


def _of_answers(run: Run) -> Iterator[str]:
    """Accuracies at the end follow from the answers that a run without weights may have."""
    if run.kept_answers is None:
        return
    config, table = run.config, dataset(run.config)
    right = (run.kept_answers == table.labels).double()
    for part, mask in (("train", table.train), ("test", ~table.train)):
        found = outcome_columns(config, f"{part}_accuracy", right[:, mask].mean(-1).tolist())
        for name, value in found.items():
            if not abs(value - (recorded := float(run.history[name].iloc[-1]))) <= TOLERANCES["accuracy"]:
                yield f"{name} is {value:.4g} from the answers, {recorded:.4g} in the history"


def _of_ending(run: Run) -> Iterator[str]:
    """A run ends where its config and its grok step say, and its last spectra are of that step."""
    end = ending(run.config, run.grok_step)
    if run.steps != end:
        yield f"the run ends at step {run.steps}, not at {end}"
    for name, steps in (("spectra", run.spectra.step), ("map", run.spectra.logits_step)):
        if len(steps) and int(steps[-1]) != run.steps:
            yield f"the last {name} are of step {int(steps[-1])}, not of {run.steps}"


def _of_spectra(run: Run) -> Iterator[str]:
    """At every step with spectra; the history has the measures of these very numbers, in float32.

    The last step is left to the weights, if they are there. Rows from before a measure was entered lack it.
    """
    rows_at = dict(zip(run.history["step"], run.history.to_dict("records"), strict=True))
    before = run.history.iloc[:-1]  # the last row has every measure
    lacking = {
        name: set(before["step"][before[name].isna().cummin()]) if name in before else set(rows_at)
        for name in measured()
    }
    for name, (measure, layer) in measured().items():
        recorded_spectra = zip(run.spectra.step.tolist(), getattr(run.spectra, layer), strict=True)
        for step, rows in [*recorded_spectra][: -1 if run.has_weights else None]:
            if step not in lacking[name]:
                value = measure.of(Spectrum.of_rows(rows))
                recorded = float(rows_at.get(step, {}).get(name, math.nan))
                if not abs(value - recorded) <= 1e-5:
                    yield f"{name} at step {step} is {value:.4g} from the spectra, {recorded:.4g} in the history"
