"""Cosines against sines: which of the two has more of a layer's squared norms. The share is not in the paper."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from grokbook import model
from grokbook.fourier import layers
from grokbook.fourier.measures import BIASED
from grokbook.runs.config import RunConfig
from grokbook.runs.initial import initial_weights
from grokbook.runs.pairs import dataset

Maps = Float[Tensor, "operation p p"]


class Biased(NamedTuple):
    """How many shares of cosines are two thirds or more, and how many one third or less."""

    cosines: int
    sines: int


def biased(shares: Iterable[float]) -> Biased:
    """Count the shares of cosines that lie on either side of all that is balanced."""
    listed = list(shares)
    return Biased(sum(share >= BIASED for share in listed), sum(share <= 1 - BIASED for share in listed))


def cosine_map_share(norms: Float[Tensor, "p p"]) -> float:
    """Share of cos × cos in the squared norms of the 2-D logits, constants aside; 1/4 is balanced."""
    squares = norms.double().square()[1:, 1:]
    return float(squares[::2, ::2].sum() / squares.sum())


@cache
def untrained_maps(config: RunConfig) -> Maps:
    """The 2-D logits' norms with which a run from scratch starts: published runs keep those of the end alone."""
    weights = initial_weights(config, {})
    network, prompts = model.of(config), dataset(config).tokens
    return torch.stack([layers.logit_map(network, weights, tokens, config.p) for tokens in prompts])
