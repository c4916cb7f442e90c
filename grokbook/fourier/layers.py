"""Which layers a model is looked at through, and their Fourier spectra."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokbook import data
from grokbook.fourier.transform import spectrum, spectrum_2d
from grokbook.model.protocol import Matrices, Model


class Layer(NamedTuple):
    """How a layer is called; what it is in a model says :meth:`grokbook.model.protocol.Model.layers`."""

    title: str
    symbol: str


LAYERS: dict[str, Layer] = {
    "embedding": Layer("embedding", "W_E"),
    "neuron_logit": Layer("neuron–logit map", "W_L"),
}
"""The two layers that the paper looks at: W_E over the channels (§5), W_L = W_U W_out over the neurons (Appendix H).

Every model has both, and a history is about them; the embedding is that of a where b has one of its own.
"""


def matrices(network: Model, weights: Matrices, p: int) -> dict[str, Float[Tensor, "p n"]]:
    """Every layer of :data:`LAYERS` over the residues, by name."""
    found = network.layers(weights, p)
    return {name: found[name] for name in LAYERS}


def spectra(network: Model, weights: Matrices, p: int) -> dict[str, Float[Tensor, "run p"]]:
    """The float32 spectrum of every layer, as rows (see ``Spectrum.to_rows``), for each run of a stack of weights."""

    def single(*of_run: Tensor) -> dict[str, Tensor]:
        layers = matrices(network, network.weights(*of_run), p)
        return {name: spectrum(matrix).to_rows().float() for name, matrix in layers.items()}

    return torch.vmap(single)(*weights)


def logit_map(network: Model, weights: Matrices, tokens: Int[Tensor, "pair 3"], p: int) -> Float[Tensor, "{p} {p}"]:
    """Norms of one operation's logits in the 2-D Fourier basis (paper §5.1), over the residues.

    The prompts (a, op, b) are those of all pairs, as a :class:`grokbook.data.Dataset` has them.
    """
    pairs = data.over_residues(tokens, p).flatten(0, 1)
    return spectrum_2d(network.fast_logits(weights, pairs)[:, :p])
