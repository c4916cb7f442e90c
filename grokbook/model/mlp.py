"""The field's other standard model: a two-layer perceptron on a and b, each one-hot (as in Gromov, arXiv 2301.02679).

Its function is::

    logits = W_out · act(W_a[a] + W_b[b])

W_a and W_b are the halves of one matrix that reads both one-hot vectors, put side by side. There is no bias. The
operation token is not read, so one model learns one operation; the logits cover the p residues.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokbook.model.protocol import ACTIVATIONS, Model, Sizes
from grokbook.model.weights import drawn


class MLPWeights(NamedTuple):
    """The three matrices of the perceptron, each row of W_a and W_b belonging to one residue.

    Each may carry a leading ``run`` axis.
    """

    W_a: Float[Tensor, "*run p mlp"]
    W_b: Float[Tensor, "*run p mlp"]
    W_out: Float[Tensor, "*run mlp p"]

    def map(self, function: Callable[[Tensor], Tensor]) -> MLPWeights:
        """Apply ``function`` to each matrix."""
        return MLPWeights(*map(function, self))


class MLP(Model):
    """See the head of this module; ``d_mlp`` neurons."""

    weights = MLPWeights

    def shapes(self, sizes: Sizes) -> tuple[tuple[int, ...], ...]:
        return ((sizes.p, sizes.d_mlp), (sizes.p, sizes.d_mlp), (sizes.d_mlp, sizes.p))

    def initialise(self, sizes: Sizes, rng: np.random.Generator) -> MLPWeights:
        """W_a and W_b ~ N(0, 1/p), as embeddings of the transformer start, and W_out ~ N(0, 1/d_mlp)."""
        return MLPWeights(*drawn(self.shapes(sizes), (sizes.p, sizes.p, sizes.d_mlp), rng))

    def logits(self, weights: MLPWeights, tokens: Int[Tensor, "row 3"]) -> Float[Tensor, "row p"]:
        pre = F.embedding(tokens[:, 0], weights.W_a) + F.embedding(tokens[:, 2], weights.W_b)
        return ACTIVATIONS[self.activation](pre) @ weights.W_out

    def layers(self, weights: MLPWeights, p: int) -> dict[str, Float[Tensor, "p n"]]:
        """W_a and W_b as embeddings, and W_out, what each neuron adds to each logit."""
        return {"embedding": weights.W_a, "embedding_b": weights.W_b, "neuron_logit": weights.W_out.T}
