"""The one task of the benchmark, and the rivals that solve it: each makes full-batch updates of the same model.

The model is the paper's (Appendix C, Table 2), the loss a float64 cross-entropy at the last position, the optimiser
AdamW. A rival is what somebody would write with the tool at hand, as that tool runs by default; what it computes is
checked against the others before anything is timed (:mod:`benchmarks.checks`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grokbook import RunConfig
from grokbook.model.weights import Weights
from grokbook.runs.initial import initial_weights
from grokbook.runs.pairs import dataset
from grokbook.training.engine import Stack


def config(p: int = 97, fraction: float = 0.3, seed: int = 0) -> RunConfig:
    """The a+b run of the paper's Table 2; the benchmark's at the default values."""
    return RunConfig(operations=("a+b",), p=p, fraction=fraction, seed=seed)


def train_rows(of: RunConfig) -> tuple[Tensor, Tensor]:
    """Tokens [row, 3] and labels [row] of the training part of the table."""
    table = dataset(of)
    return table.tokens[:, table.train].flatten(0, 1), table.labels[:, table.train].flatten()


def start_of(of: RunConfig) -> Weights:
    """The weights that every row of the table starts from."""
    start = initial_weights(of, {})
    assert isinstance(start, Weights)
    return start


def loss_at_last(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy in float64 at the last of all positions [row, position, vocab], mean over rows."""
    return F.cross_entropy(logits[:, -1].double(), labels)


class Plain(nn.Module):
    """Appendix C as an ``nn.Module``: embeddings looked up per row, causal attention, every position computed."""

    mask: Tensor

    def __init__(self, d_vocab: int, d_model: int = 128, n_heads: int = 4, d_mlp: int = 512) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.embed = nn.Embedding(d_vocab, d_model)
        self.query, self.key, self.value, self.output = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))
        self.mlp_in = nn.Linear(d_model, d_mlp, bias=False)
        self.mlp_out = nn.Linear(d_mlp, d_model, bias=False)
        self.unembed = nn.Linear(d_model, d_vocab, bias=False)
        self.register_buffer("mask", torch.ones(3, 3, dtype=torch.bool).triu(1), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)  # [row, position, d_model]
        q, k, v = (
            part(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(self.mask, -math.inf)
        x = x + self.output((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        x = x + self.mlp_out(self.mlp_in(x).relu())
        return self.unembed(x)

    def matrices(self) -> dict[str, Tensor]:
        return {
            "W_E": self.embed.weight,
            "W_Q": self.query.weight,
            "W_K": self.key.weight,
            "W_V": self.value.weight,
            "W_O": self.output.weight,
            "W_in": self.mlp_in.weight,
            "W_out": self.mlp_out.weight,
            "W_U": self.unembed.weight,
        }

    def to_own(self, name: str, matrix: Tensor) -> Tensor:
        """A matrix as :class:`~grokbook.model.weights.Weights` has it, in this module's layout."""
        if name == "W_E":
            return matrix
        if name in ("W_Q", "W_K", "W_V"):  # [head, model, d_head]
            return matrix.transpose(1, 2).flatten(0, 1)
        return (matrix.flatten(0, 1) if name == "W_O" else matrix).T


class Lens(nn.Module):
    """TransformerLens' HookedTransformer of the same size; no LayerNorm, position or bias, as in the paper.

    As is done for grokking, what the paper does not have is set to zero and frozen.
    """

    def __init__(self, d_vocab: int, d_model: int = 128, n_heads: int = 4, d_mlp: int = 512) -> None:
        super().__init__()
        from transformer_lens import HookedTransformer, HookedTransformerConfig  # an extra of the benchmark

        sizes = HookedTransformerConfig(
            n_layers=1,
            d_model=d_model,
            n_heads=n_heads,
            d_head=d_model // n_heads,
            d_mlp=d_mlp,
            act_fn="relu",
            normalization_type=None,
            n_ctx=3,
            d_vocab=d_vocab,
            d_vocab_out=d_vocab,
            device="cpu",
            seed=0,
        )
        self.hooked = HookedTransformer(sizes)
        for name, parameter in self.hooked.named_parameters():
            if name.rpartition(".")[2].startswith("b_") or name == "pos_embed.W_pos":
                parameter.requires_grad_(False).zero_()

    def forward(self, tokens: Tensor) -> Tensor:
        return self.hooked(tokens)

    def matrices(self) -> dict[str, Tensor]:
        (block,) = self.hooked.blocks
        return {
            "W_E": self.hooked.embed.W_E,
            **{name: getattr(block.attn, name) for name in ("W_Q", "W_K", "W_V", "W_O")},
            **{name: getattr(block.mlp, name) for name in ("W_in", "W_out")},
            "W_U": self.hooked.unembed.W_U,
        }

    def to_own(self, name: str, matrix: Tensor) -> Tensor:
        """TransformerLens has the layout of :class:`~grokbook.model.weights.Weights`."""
        return matrix


Rival = Plain | Lens


def load(module: Rival, weights: Weights) -> Rival:
    """Give a module these weights, in their dtype."""
    with torch.no_grad():
        module.to(weights.W_E.dtype)
        for name, parameter in module.matrices().items():
            parameter.copy_(module.to_own(name, getattr(weights, name)))
    return module


class Updates(Protocol):
    """A row of the table: something that can be advanced by a number of updates."""

    def advance(self, steps: int) -> None: ...

    def loss(self) -> float:
        """The present training loss."""
        ...


class Trained:
    """A module with its data and its optimiser, trained the usual way."""

    def __init__(self, make: Callable[[int], Rival], of: RunConfig) -> None:
        self.module = load(make(of.d_vocab), start_of(of))
        self.tokens, self.labels = train_rows(of)
        trained = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(trained, lr=of.lr, betas=of.betas, weight_decay=of.weight_decay)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.optimiser.zero_grad()
            loss_at_last(self.module(self.tokens), self.labels).backward()
            self.optimiser.step()

    @torch.no_grad()
    def loss(self) -> float:
        return loss_at_last(self.module(self.tokens), self.labels).item()


class Engine:
    """Runs of this library, on one device; a stack has a seed of its own for each run, the first one being 0."""

    def __init__(self, of: RunConfig, runs: int = 1, device: str = "cpu") -> None:
        configs = [config(of.p, of.fraction, of.seed + run) for run in range(runs)]
        self.stack = Stack(configs, [start_of(each) for each in configs], torch.device(device))
        self.device = self.stack.device

    def advance(self, steps: int) -> None:
        self.stack.advance(steps)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def loss(self) -> float:
        return self.stack.evaluate([0]).train_loss.sum().item()
