"""Training: one step as the textbook has it, and :func:`train`, which does the same faster for many runs.

:func:`textbook_step` is all there is to training a run, in twenty lines. What :func:`train` does gives the same weights
(the tests compare them), by way of::

    train ─► trainer.Trainer          which runs together, in which order; records, states, ends
                │
                ├─► slots.Slots          which run is in which place of a stack, and when it is looked at
                │     └─► engine.Stack      a step of all runs of a stack at once, and their evaluation
                │            ├─► model.folded      the forward pass: what rows share is computed once
                │            ├─► model.backward    its gradient, written out
                │            └─► torch.optim.AdamW, fused; each run is one vector
                ├─► record.Record        what is written down, and the Run that this becomes
                ├─► checkpoints, locks   states to go on from; of two processes, one trains a run
                └─► progress             what the user is told meanwhile
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn import functional as F

from grokbook import model
from grokbook.data.table import Dataset
from grokbook.model.protocol import Matrices
from grokbook.runs.config import RunConfig
from grokbook.runs.initial import by_source
from grokbook.runs.run import Run
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.devices import resolve_device
from grokbook.training.record import Moment
from grokbook.training.trainer import Trainer

ADAM_EPSILON = 1e-8
"""What keeps AdamW from dividing by zero; PyTorch's own, as in the released code."""


class TextbookState(NamedTuple):
    """A run between two steps: its weights, and AdamW's running means of gradients and of their squares."""

    weights: Matrices
    mean: Matrices
    square: Matrices
    step: int = 0

    @classmethod
    def start(cls, weights: Matrices) -> TextbookState:
        """The state of step 0."""
        return cls(weights, weights.map(torch.zeros_like), weights.map(torch.zeros_like))


def textbook_step(config: RunConfig, table: Dataset, state: TextbookState) -> TextbookState:
    """One full-batch step of AdamW on the cross-entropy of the training pairs, from data to updated weights.

    Weight decay acts on the weights and not through the gradient (Loshchilov and Hutter 2019, algorithm 2). It is what
    :mod:`grokbook.training.engine` must agree with, and slow. The ``table`` is that of :func:`grokbook.data.make`, and
    the first state ``TextbookState.start(initial_weights(config, sources))``.
    """
    weights = state.weights.map(lambda w: w.detach().requires_grad_())
    tokens, labels = table.tokens[:, table.train].flatten(0, 1), table.labels[:, table.train].flatten()
    network = model.of(config)
    loss = F.cross_entropy(network.logits(weights, tokens), labels)
    loss = loss * len(config.operations)  # a mean over pairs, a sum over operations
    gradients = torch.autograd.grad(loss, list(weights))

    step, (beta1, beta2), updated = state.step + 1, config.betas, []
    for name, w, m, v, gradient in zip(config.model_entry.weights, *state[:3], gradients, strict=True):
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient.square()
        direction = (m / (1 - beta1**step)) / ((v / (1 - beta2**step)).sqrt() + ADAM_EPSILON)
        frozen = name in config.frozen_weights
        updated.append((w if frozen else w - config.lr * (direction + config.weight_decay * w), m, v))
    weights, mean, square = (network.weights(*matrices) for matrices in zip(*updated, strict=True))
    return TextbookState(weights, mean, square, step)


def train(
    configs: RunConfig | Iterable[RunConfig],
    device: str = "auto",
    *,
    sources: Iterable[Run] = (),
    on_finish: Callable[[Run], object] | None = None,
    checkpoints: Path | None = None,
    slots: int | None = None,
    threads: int = 1,
    progress: bool = True,
    on_evaluation: Callable[[Moment], object] | None = None,
) -> list[Run]:
    """Train each config and return the runs in order.

    Args:
        configs: what to train, or one; equal configs are trained once.
        device: "auto", "cpu", "cuda" or "cuda:N".
        sources: finished runs that pre-grokked configs may start from; a source that is not among them is trained
            first.
        on_finish: called with each run as soon as it ends, sources included: keep it there, and an interrupt later
            loses nothing.
        checkpoints: folder for the states of runs in progress; a run found there continues where it was.
        slots: how many runs are trained together at most; by default one on a CPU, what fits on CUDA.
        threads: CPU threads. Last bits depend on their number, two runs do more with one each, and where other
            processes want the same cores, several threads of one run wait for each other most of the time.
        progress: whether to report to standard error.
        on_evaluation: called after each evaluation of a run that goes on; what it raises ends the training.

    Raises:
        ValueError: the device is unknown, or a run does not fit into memory.
        TrainingDiverged: a loss is not finite. The other runs are trained to their ends first.
        DamagedRun: a checkpoint cannot be read.
    """
    wanted, given = [configs] if isinstance(configs, RunConfig) else list(configs), list(sources)
    trainer = Trainer(
        resolve_device(device),
        finished={run.config: run for run in given} | by_source(wanted, given),
        on_finish=on_finish,
        checkpoints=None if checkpoints is None else Checkpoints(checkpoints),
        slots=slots,
        threads=threads,
        progress=progress,
        on_evaluation=on_evaluation,
    )
    trainer.train(wanted)
    return [trainer.finished[config] for config in wanted]
