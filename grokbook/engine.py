"""A stack of models trained in lockstep: full-batch AdamW on the folded pass, and evaluation on the whole table."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokbook import data, folded
from grokbook.config import RunConfig
from grokbook.weights import Weights, stack


class Evaluation(NamedTuple):
    """Losses and accuracies of every run and operation on both parts of the table, and the logits behind them."""

    train_loss: Float[Tensor, "run operation"]
    test_loss: Float[Tensor, "run operation"]
    train_accuracy: Float[Tensor, "run operation"]
    test_accuracy: Float[Tensor, "run operation"]
    logits: Float[Tensor, "run operation pair vocab"]


class Stack:
    """Runs that share p, sizes, number of rows, optimiser settings and frozen weights.

    Args:
        configs: one per run.
        starts: the weights each run starts from, after any transplant.
        device: where everything lives.
    """

    def __init__(self, configs: Sequence[RunConfig], starts: Sequence[Weights], device: torch.device) -> None:
        keep_freed_memory()
        config = configs[0]
        self.step = 0
        self._datasets = [data.make(c.parsed_operations, c.p, c.fraction, c.seed, c.operands) for c in configs]
        tables = torch.stack([d.tokens for d in self._datasets]).to(device)  # [run, operation, pair, 3]
        self._labels: Int[Tensor, "run operation pair"] = torch.stack([d.labels for d in self._datasets]).to(device)
        self._train: Bool[Tensor, "run pair"] = torch.stack([d.train for d in self._datasets]).to(device)
        train_rows = torch.stack([t[:, m] for t, m in zip(tables, self._train, strict=True)])
        self._train_labels = torch.stack(
            [labels[:, m] for labels, m in zip(self._labels, self._train, strict=True)]
        ).flatten(1)
        self._scale = 1.0 / train_rows.shape[2]  # mean over pairs, summed over operations (released code)
        self._train_plan = self._plan(config, train_rows)
        self._table_plan = self._plan(config, tables)

        self.weights = stack([w.map(lambda t: t.detach().clone()) for w in starts]).map(lambda t: t.to(device))
        trained = [name for name in Weights._fields if name not in config.frozen_weights]
        self._trained = [getattr(self.weights, name).requires_grad_() for name in trained]
        self._optimiser = torch.optim.AdamW(
            self._trained, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True
        )

    @staticmethod
    def _plan(config: RunConfig, tokens: Int[Tensor, "run operation pair 3"]) -> folded.Plan:
        return folded.Plan.of(folded.Rows.of(tokens.flatten(1, 2)), config.n_heads, config.d_vocab)

    def advance(self, to_step: int) -> None:
        """Train up to ``to_step`` updates in all."""
        while self.step < to_step:
            self._optimiser.zero_grad(set_to_none=False)
            folded.backward(self.weights, self._train_plan, self._train_labels, self._scale)
            self._optimiser.step()
            self.step += 1

    @torch.no_grad()
    def evaluate(self) -> Evaluation:
        """Losses are means over pairs, in nats, from a float64 log-softmax; accuracies are shares."""
        n_runs, n_operations, n_pairs = self._labels.shape
        logits = folded.folded_logits(self.weights, self._table_plan).unflatten(1, (n_operations, n_pairs))
        labels = self._labels.unsqueeze(-1)
        loss = -logits.double().log_softmax(-1).gather(-1, labels).squeeze(-1)
        correct = (logits.argmax(-1) == self._labels).double()
        train = self._train.unsqueeze(1).double()  # [run, 1, pair]

        def mean(values: Tensor, part: Tensor) -> Tensor:
            return (values * part).sum(-1) / part.sum(-1)

        return Evaluation(
            mean(loss, train), mean(loss, 1 - train), mean(correct, train), mean(correct, 1 - train), logits
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named CPU tensors."""
        tensors = {name: value.detach() for name, value in self.weights._asdict().items()}
        for index, parameter in enumerate(self._trained):
            for key, value in self._optimiser.state[parameter].items():
                tensors[f"optimiser.{index}.{key}"] = value
        return {name: value.cpu() for name, value in tensors.items()}

    def load_state(self, state: dict[str, Tensor], step: int) -> None:
        """Continue from :meth:`state` as taken after ``step`` updates."""
        with torch.no_grad():
            for name, value in self.weights._asdict().items():
                value.copy_(state[name])
        for index, parameter in enumerate(self._trained):
            prefix = f"optimiser.{index}."
            self._optimiser.state[parameter] = {
                name.removeprefix(prefix): value.to(parameter.device)
                for name, value in state.items()
                if name.startswith(prefix)
            }
        self.step = step


@cache
def keep_freed_memory() -> None:
    """Tell glibc to keep large freed buffers instead of returning them to the system.

    Every step allocates and frees the same buffers of several MB; mapped afresh each time, their page faults cost
    about a quarter of a step. Elsewhere than on glibc this does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(ctypes.util.find_library("c")), "mallopt", None)
    if mallopt is not None:
        m_trim_threshold, m_mmap_threshold = -1, -3
        mallopt(m_mmap_threshold, 1 << 30)
        mallopt(m_trim_threshold, (1 << 31) - 1)
