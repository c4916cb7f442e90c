"""Small float64 models and rows, and what the textbook pass says of them."""

import numpy as np
import torch

from grokbook import data, model
from grokbook.model.weights import Weights, initialise

SIZES = {"d_model": 16, "n_heads": 2, "d_mlp": 32}


def start(config, scale: float = 1.5) -> Weights:
    """Float64 weights, larger than the initial ones so that neither attention nor ReLU is near linear."""
    fresh = initialise(config.d_vocab, rng=np.random.default_rng(100 + config.seed), **SIZES)
    return fresh.map(lambda w: scale * w.double())


def train_rows(config) -> tuple[torch.Tensor, torch.Tensor]:
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    return table.tokens[:, table.train].flatten(0, 1), table.labels[:, table.train].flatten()


def textbook_loss(weights: Weights, config) -> torch.Tensor:
    """Sum over operations of the mean cross-entropy over training pairs."""
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    losses = []
    for tokens, labels in zip(table.tokens, table.labels, strict=True):
        logits, _ = model.textbook_logits(weights, tokens[table.train])
        log_probs = logits - logits.logsumexp(-1, keepdim=True)
        losses.append(-log_probs[torch.arange(len(log_probs)), labels[table.train]].mean())
    return torch.stack(losses).sum()


def textbook_gradients(weights: Weights, tokens, labels, scale: float) -> Weights:
    leaves = weights.map(lambda w: w.clone().requires_grad_())
    logits, _ = model.textbook_logits(leaves, tokens)
    (scale * torch.nn.functional.cross_entropy(logits, labels, reduction="sum")).backward()
    return leaves.map(lambda w: w.grad)


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Equal to 1e-10 of the largest entry."""
    assert found.shape == expected.shape
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()


TEXTBOOK_CASES = [
    (("a+b",), {}),
    (("a-b", "ab+b"), {"p": 5, "weight_decay": 0.3, "betas": (0.8, 0.9)}),
    (("a*b",), {"operands": "vocab", "fraction": 0.3}),
    (("a+b",), {"frozen": ("W_E", "W_O")}),
]
"""Operations and changes of a tiny config on which the textbook's step is compared with others."""

CASES = {
    "addition": [(("a+b",), {})],
    "polynomial": [(("a^2+ab+b^2",), {})],
    "mixture": [(("a-b", "ab+b", "a^2+b"), {})],
    "released code's operands": [(("a*b",), {"operands": "vocab", "fraction": 0.3})],
    "few rows": [(("a+b",), {"fraction": 0.05})],
    "stack of seeds": [(("a+b",), {"seed": seed}) for seed in range(3)],
    "stack of operations": [((op,), {"seed": i}) for i, op in enumerate(("a+b", "a-b", "a*b", "ab+b"))],
    "stack of mixtures": [((*ops, "ab+b"), {"seed": i}) for i, ops in enumerate((("a+b",), ("a-b",)))],
}
