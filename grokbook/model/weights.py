"""The weight matrices of the paper's transformer (Appendix C, Table 2) and their initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokbook.model.names import EMBEDDING, MODULES, TRANSFORMER

__all__ = ["EMBEDDING", "MODULES", "TRANSFORMER", "Weights", "initialise", "shapes", "stack"]


class Weights(NamedTuple):
    """The eight weight matrices, named and shaped as in TransformerLens.

    Each may carry a leading ``run`` axis: a stack of models that are trained together.
    """

    W_E: Float[Tensor, "*run vocab model"]
    W_Q: Float[Tensor, "*run head model d_head"]
    W_K: Float[Tensor, "*run head model d_head"]
    W_V: Float[Tensor, "*run head model d_head"]
    W_O: Float[Tensor, "*run head d_head model"]
    W_in: Float[Tensor, "*run model mlp"]
    W_out: Float[Tensor, "*run mlp model"]
    W_U: Float[Tensor, "*run model vocab"]

    def __repr__(self) -> str:
        """Sizes and count: eight matrices of numbers tell nobody anything."""
        *stacked, d_vocab, d_model = self.W_E.shape
        of = f"{stacked[0]} runs, each " if stacked else ""
        count = sum(matrix.numel() for matrix in self) // (stacked[0] if stacked else 1)
        sizes = f"d_vocab={d_vocab}, d_model={d_model}, heads={self.W_Q.shape[-3]}, d_mlp={self.W_in.shape[-1]}"
        return f"Weights({of}{sizes}: {count:,} numbers)"

    @property
    def d_vocab(self) -> int:
        return self.W_E.shape[-2]

    def map(self, function: Callable[[Tensor], Tensor]) -> Weights:
        """Apply ``function`` to each matrix."""
        return Weights(*map(function, self))


def stack(models: Sequence[Weights]) -> Weights:
    """Put single models of equal shapes behind a leading run axis."""
    return Weights(*(torch.stack(matrices) for matrices in zip(*models, strict=True)))


def shapes(d_vocab: int, d_model: int, n_heads: int, d_mlp: int) -> tuple[tuple[int, ...], ...]:
    """Shapes of the matrices of one model, in the order of :class:`Weights`."""
    d_head = d_model // n_heads
    return (
        (d_vocab, d_model),
        *[(n_heads, d_model, d_head)] * 3,
        (n_heads, d_head, d_model),
        (d_model, d_mlp),
        (d_mlp, d_model),
        (d_model, d_vocab),
    )


def initialise(
    d_vocab: int, *, d_model: int = 128, n_heads: int = 4, d_mlp: int = 512, rng: np.random.Generator
) -> Weights:
    """A fresh float32 model: W_E ~ N(0, 1/d_vocab), all others ~ N(0, 1/d_model) (released code; variances).

    The numbers are drawn by numpy, in the order of the fields, so a seed means the same model on every device.
    """
    return Weights(*drawn(shapes(d_vocab, d_model, n_heads, d_mlp), (d_vocab, *[d_model] * 7), rng))


def drawn(shapes: Sequence[Sequence[int]], sizes: Sequence[int], rng: np.random.Generator) -> Iterator[Tensor]:
    """Matrices of normal numbers in float32, drawn one after the other, each with the variance 1 / size."""
    for shape, size in zip(shapes, sizes, strict=True):
        yield torch.from_numpy((rng.standard_normal(shape) / math.sqrt(size)).astype(np.float32))
