"""The transformer's pass: plans of rows for :mod:`grokbook.model.folded` and :mod:`grokbook.model.backward`.

On a CPU :mod:`grokbook.model.compiled` takes the place of the latter where it can.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokbook.model import backward, compiled, folded
from grokbook.model.plan import Contexts, Plan, Rows
from grokbook.model.protocol import training_rows
from grokbook.model.weights import Weights


class FoldedPass:
    """See :class:`grokbook.model.protocol.Pass`. Pairs are n² in row-major order, and b is their fast axis.

    Each run has a table of tokens, and as many pairs to train on as any other.
    """

    def __init__(
        self, tokens: Int[Tensor, "run operation pair 3"], train: Bool[Tensor, "run pair"], n_heads: int, d_vocab: int
    ) -> None:
        n_operations, n = tokens.shape[1], math.isqrt(tokens.shape[2])
        # Contexts (op, b): all b of the first operation, then those of the second, …; b's place is pair % n.
        of_operation = n * torch.arange(n_operations, device=tokens.device).unsqueeze(1)
        ctx = torch.stack([(of_operation + of_run.nonzero().squeeze(1) % n).flatten() for of_run in train])
        op, b = tokens[:, :, :n, 1].flatten(1), tokens[:, :, :n, 2].flatten(1)
        rows = Rows(training_rows(tokens, train)[..., 0].contiguous(), ctx, Contexts(op, b))
        self.plan = Plan.of(rows, n_heads, d_vocab)
        self._sizes = n_operations, n
        self._order: compiled.Order | None = None

    def gradients(
        self, weights: Weights, labels: Int[Tensor, "run row"], scale: float, trained: Collection[str]
    ) -> dict[str, Tensor]:
        if not compiled.used_for(weights):
            return backward.gradients(weights, self.plan, labels, scale, trained)
        if self._order is None:
            self._order = compiled.Order(self.plan, weights)
        return compiled.gradients(weights, self._order, labels, scale, trained)

    def implementation(self, weights: Weights) -> str:
        return "c" if compiled.used_for(weights) else "torch"

    def table_logits(self, weights: Weights, runs: list[int]) -> Float[Tensor, "run operation pair class"]:
        n_operations, n = self._sizes
        contexts = Contexts(*(ids[runs] for ids in self.plan.rows.contexts))
        logits = folded.table_logits(weights, contexts, n).unflatten(2, (n_operations, n))
        return logits.transpose(1, 2).flatten(2, 3)  # [run, operation, a · n + b, vocab]

    def put(self, slot: int, single: FoldedPass) -> None:
        self.plan.put(slot, single.plan)
        self._order = None
