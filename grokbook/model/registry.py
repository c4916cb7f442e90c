"""The models there are, under the names that a config calls them, and what a config has to know of each.

To add one: write a :class:`grokbook.model.protocol.Model` in a module of its own, and enter it in :data:`MODELS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from grokbook.errors import nearest
from grokbook.model.names import WEIGHTS

ACTIVATIONS: Final = ("relu", "quadratic")
"""What a neuron does with its input x: max(0, x), or x²."""


class Entry(NamedTuple):
    """What a config has to know of a model."""

    title: str
    """How labels of runs call it."""
    implementation: str
    """Where its :class:`~grokbook.model.protocol.Model` is: ``module:class``."""
    weights: tuple[str, ...]
    """Names of its matrices, in their order."""
    sizes: tuple[str, ...]
    """Fields of a config that give its sizes; it has no others."""
    one_embedding: bool = True
    """Whether a and b have one embedding, or each its own."""
    own_tokens_of_b: bool = False
    """Whether b's residues have tokens of their own, p to 2p − 1, after those of a."""
    mixtures: bool = True
    """Whether it can learn several operations at once."""
    operands: tuple[str, ...] = ("residues",)
    """What a and b may run over, see :data:`grokbook.data.tokens.OPERANDS`."""


_TRANSFORMER_SIZES = ("d_model", "n_heads", "d_mlp")

MODELS: Final[Mapping[str, Entry]] = {
    "transformer": Entry(
        "one-layer transformer",
        "grokbook.model.transformer:Transformer",
        WEIGHTS,
        _TRANSFORMER_SIZES,
        operands=("residues", "vocab"),
    ),
    "separate": Entry(
        "separate embeddings",
        "grokbook.model.transformer:SeparateEmbeddings",
        WEIGHTS,
        _TRANSFORMER_SIZES,
        one_embedding=False,
        own_tokens_of_b=True,
    ),
    "mlp": Entry(
        "two-layer MLP",
        "grokbook.model.mlp:MLP",
        ("W_a", "W_b", "W_out"),
        ("d_mlp",),
        one_embedding=False,
        mixtures=False,
    ),
}
"""Every model by the name that a config has for it."""


def check(model: object, activation: object) -> None:
    """Raise ``ValueError`` for a model or an activation that there is not, with the nearest that there is."""
    for what, name, known in (("model", model, tuple(MODELS)), ("activation", activation, ACTIVATIONS)):
        if name not in known:
            raise ValueError(f"unknown {what} {name!r}; the nearest is {nearest(name, known)!r} of {', '.join(known)}")
