"""Which layers a model is looked at through, and their Fourier spectra."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokbook import data
from grokbook.fourier.transform import spectrum, spectrum_2d
from grokbook.model.transformer import logits, neuron_logit_map
from grokbook.model.weights import Weights


class Layer(NamedTuple):
    """A matrix with one row per token, whose first p rows are those of the residues."""

    title: str
    symbol: str
    of: Callable[[Weights], Float[Tensor, "vocab n"]]


LAYERS: dict[str, Layer] = {
    "embedding": Layer("embedding", "W_E", lambda weights: weights.W_E),
    "neuron_logit": Layer("neuron–logit map", "W_L", neuron_logit_map),
}
"""The two layers that the paper looks at: W_E over the channels (§5), W_L = W_U W_out over the neurons (Appendix H)."""


def matrices(weights: Weights, p: int) -> dict[str, Float[Tensor, "p n"]]:
    """Every layer of a model over the residues, by name."""
    return {name: layer.of(weights)[:p] for name, layer in LAYERS.items()}


def spectra(weights: Weights, p: int) -> dict[str, Float[Tensor, "run p"]]:
    """The float32 spectrum of every layer, as rows (see ``Spectrum.to_rows``), for each run of a stack of weights."""

    def single(*of_run: Tensor) -> dict[str, Tensor]:
        layers = matrices(Weights(*of_run), p)
        return {name: spectrum(matrix).to_rows().float() for name, matrix in layers.items()}

    return torch.vmap(single)(*weights)


def logit_map(weights: Weights, tokens: Int[Tensor, "pair 3"], p: int) -> Float[Tensor, "{p} {p}"]:
    """Norms of one operation's logits in the 2-D Fourier basis (paper §5.1), over the residues.

    The prompts (a, op, b) are those of all pairs, as a :class:`grokbook.data.Dataset` has them.
    """
    pairs = data.over_residues(tokens, p).flatten(0, 1)
    return spectrum_2d(logits(weights, pairs)[:, :p])
