"""Checks before timing: every row of the table computes the same thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from benchmarks.task import Rival, load, loss_at_last
from grokbook.model import backward, folded
from grokbook.model.plan import Plan, Rows
from grokbook.model.weights import Weights, stack

TOLERANCE = 1e-10
"""Largest difference in float64 of a loss or of a gradient, relative to its largest entry."""
TRAINED_TOLERANCE = 1e-4
"""Largest relative difference of float32 losses after the first few updates."""


class Answer(NamedTuple):
    """The loss of some rows, and its gradient by each matrix, laid out like :class:`~grokbook.model.Weights`."""

    loss: Tensor
    gradients: dict[str, Tensor]


def engine_answer(weights: Weights, tokens: Tensor, labels: Tensor) -> Answer:
    """Loss and gradients by the folded pass."""
    stacked = stack([weights])
    plan = Plan.of(Rows.of(tokens.unsqueeze(0)), weights.W_Q.shape[0], weights.d_vocab)
    loss = F.cross_entropy(folded.folded_logits(stacked, plan)[0].double(), labels)
    gradients = backward.gradients(stacked, plan, labels.unsqueeze(0), 1 / len(labels))
    return Answer(loss, {name: gradient[0] for name, gradient in gradients.items()})


def module_answer(make: Callable[[], Rival], weights: Weights, tokens: Tensor, labels: Tensor) -> Answer:
    """Loss and gradients by autograd through a module, its gradients still in its own layout."""
    module = load(make(), weights)
    loss = loss_at_last(module(tokens), labels)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in module.matrices().items() if parameter.grad is not None}
    others = [n for n, p in module.named_parameters() if p.grad is not None]
    if not len(gradients) == len(others) == len(Weights._fields):
        raise AssertionError(f"gradients of {others}, where {list(Weights._fields)} are trained")
    return Answer(loss.detach(), gradients)


def compare(found: Answer, expected: Answer, layout: Callable[[str, Tensor], Tensor], who: str) -> float:
    """The largest relative difference; raise ``AssertionError`` if it is above the tolerance."""
    pairs = {"the loss": (found.loss, expected.loss)}
    for name, gradient in expected.gradients.items():
        pairs[f"the gradient by {name}"] = (found.gradients[name], layout(name, gradient))
    worst = 0.0
    for what, (one, other) in pairs.items():
        error = ((one - other).abs().max() / other.abs().max()).item()
        if not error <= TOLERANCE:
            raise AssertionError(f"{who} and the engine differ in {what} by {error:.1e} of its largest entry")
        worst = max(worst, error)
    return worst


def check_trained(losses: dict[str, float]) -> float:
    """The largest relative difference of these losses; raise ``AssertionError`` if it is above the tolerance."""
    values = np.array(list(losses.values()))
    spread = float(np.ptp(values) / values.min())
    if not spread <= TRAINED_TOLERANCE:
        raise AssertionError(f"the losses after the same updates differ: {losses}")
    return spread
