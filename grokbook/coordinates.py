"""Coordinates in which an operation is a sum, and the waves over them. Not in the paper.

A network that adds by turning has few waves over x in its layers. Where f(a, b) = h(u(a) ± u(b)), it can compute f in
the same way: with waves over u(x) in its embedding, and in its neuron–logit map with waves over the s for which h(s) is
the answer. Such waves, taken apart over x, have all frequencies; see :func:`natural` for the u and h of an operation.

Shapes: p residues, K = p // 2 frequencies; a layer is [p, n], one row per residue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from grokbook import data, fourier, model
from grokbook.fourier import Spectrum
from grokbook.operations import Operation
from grokbook.runs import Run


@dataclass(frozen=True)
class Values:
    """Waves over u(x), for a polynomial u."""

    u: Operation
    """In a alone."""

    @property
    def name(self) -> str:
        return _in(self.u, "x")

    def spectrum(self, layer: Float[Tensor, "p n"]) -> Spectrum:
        """Rows with the same u(x) count together, after the mean over all rows is taken out."""
        p = len(layer)
        places = _values(self.u, p)
        centred = layer - layer.mean(dim=0)
        collected = torch.zeros_like(layer).index_add(0, places, centred)
        # Equal rows that are added up weigh more: where the layer is a function of u(x), norms stay about its own.
        return fourier.spectrum(collected * math.sqrt(len(places.unique()) / p))

    def waves(self, frequencies: Sequence[int], p: int) -> Float64[Tensor, "wave {p}"]:
        """cos(2πk u(x)/p) and sin(2πk u(x)/p) over x, with unit amplitude."""
        turns = torch.tensor(list(frequencies), dtype=torch.int64)[:, None] * _values(self.u, p) % p
        angles = turns.double() * (2 * math.pi / p)
        return torch.cat([angles.cos(), angles.sin()])


@dataclass(frozen=True)
class Logarithms:
    """Waves over log(x + shift); the residue without a logarithm is left out."""

    shift: int = 0

    @property
    def name(self) -> str:
        return f"log(x {'+' if self.shift > 0 else '−'} {abs(self.shift)})" if self.shift else "log x"

    def spectrum(self, layer: Float[Tensor, "p n"]) -> Spectrum:
        """See :func:`grokbook.fourier.multiplicative_spectrum`."""
        return fourier.multiplicative_spectrum(layer, self.shift)

    def waves(self, frequencies: Sequence[int], p: int) -> Float64[Tensor, "wave {p}"]:
        """Cosines and sines over the logarithm, and what singles out the residue that has none."""
        rows = fourier.multiplicative_basis(p)
        chosen = [row for k in frequencies for row in (2 * k - 1, 2 * k) if row < p - 1]
        alone = torch.zeros(1, p, dtype=torch.float64)
        alone[0, 0] = 1
        return torch.cat([rows[chosen], alone]).roll(-self.shift, dims=1)


@dataclass(frozen=True)
class Preimages:
    """Waves over s, where the layer has its rows at h(s), for a polynomial h."""

    h: Operation
    """In a alone."""

    @property
    def name(self) -> str:
        return f"s, {_in(self.h, 's')} = x"

    def spectrum(self, layer: Float[Tensor, "p n"]) -> Spectrum:
        """A row counts once for each s that leads to it: one that is no value of h, not at all."""
        p = len(layer)
        return fourier.spectrum(layer[_values(self.h, p)])


Coordinate = Values | Logarithms | Preimages
"""What the waves of a layer are over: a ``name``, as figures write it, and the ``spectrum`` of a layer."""
RESIDUES = Values(Operation.parse("a"))
"""The residues as they come: the paper's waves."""


class Natural(NamedTuple):
    """The coordinates of an operation, one for each of the two layers that the paper looks at."""

    embedding: Values | Logarithms
    neuron_logit: Coordinate


def natural(operation: Operation) -> Natural | None:
    """The coordinates in which an operation is a sum of one number for a and one for b, from its formula alone.

    =====================  ================  =======================
    operation              W_E               W_L
    =====================  ================  =======================
    ±ka ± lb + m           x                 x
    g(a ± b)               x                 s, g(s) = x
    ±aⁿ ± bⁿ               xⁿ                x
    ab + d(a + b) + m      log(x + d)        log(x + d² - m)
    =====================  ================  =======================

    None for all others, ab+b among them: its two operands need logarithms of different numbers.
    """
    terms = operation.coefficients
    if operation.linear:
        return Natural(RESIDUES, RESIDUES)
    if operation.outer is not None:
        return Natural(RESIDUES, Preimages(operation.outer))
    n = operation.degree
    if {place: abs(c) for place, c in terms.items()} == {(n, 0): 1, (0, n): 1}:
        return Natural(Values(Operation.from_coefficients({(n, 0): 1})), RESIDUES)
    d, m = terms.get((1, 0), 0), terms.get((0, 0), 0)
    if {place: c for place, c in terms.items() if place != (0, 0)} == _nonzero({(1, 1): 1, (1, 0): d, (0, 1): d}):
        return Natural(Logarithms(d), Logarithms(d * d - m))  # (a + d)(b + d) = f + d² - m
    return None


def restrict(
    layer: Float[Tensor, "p n"], coordinate: Values | Logarithms, frequencies: Sequence[int]
) -> Float[Tensor, "p n"]:
    """The layer's nearest one, in least squares, that consists of its mean and of waves with these frequencies.

    Over a logarithm the row of the residue that has none stays as it is.
    """
    p = len(layer)
    waves = torch.cat([torch.ones(1, p, dtype=torch.float64), coordinate.waves(frequencies, p)])
    # Waves over xⁿ may depend on each other: only directions that are really there.
    _, sizes, directions = torch.linalg.svd(waves, full_matrices=False)
    directions = directions[sizes > 1e-9 * sizes[0]]
    return (directions.T @ (directions @ layer.double())).to(layer.dtype)


class Restriction(NamedTuple):
    """What the waves at some frequencies of the embedding are worth to a run. Accuracies are on the test pairs."""

    frequencies: tuple[int, ...]
    share: float
    """Of the squared norm of the embedding, without its mean."""
    whole: float
    """Accuracy of the run as it is."""
    kept: float
    """With an embedding of these waves and the mean alone."""
    removed: float
    """With an embedding without these waves."""


def restriction(run: Run, coordinate: Values | Logarithms, frequencies: Sequence[int]) -> Restriction:
    """Keep, and take out, the waves of a run's embedding at some frequencies, and test the rest of the model with it.

    Raises:
        ValueError: the run was published without its weights, or is a mixture.
    """
    if run.weights is None:
        raise ValueError(f"{run.config.label} was published without its weights")
    if len(run.config.operations) != 1:
        raise ValueError(f"{run.config.label} has several operations: take a run on one")
    embedding = run.weights.W_E[: run.config.p]
    mean = embedding.mean(dim=0)
    kept = restrict(embedding, coordinate, frequencies)
    share = (kept - mean).double().square().sum() / (embedding - mean).double().square().sum()
    accuracies = (_test_accuracy(run, rows) for rows in (embedding, kept, embedding - kept + mean))
    return Restriction(tuple(frequencies), float(share), *accuracies)


def _test_accuracy(run: Run, embedding: Float[Tensor, "p n"]) -> float:
    """With the embedding's rows of the residues replaced."""
    config, weights = run.config, run.weights
    assert weights is not None
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    replaced = weights._replace(W_E=torch.cat([embedding, weights.W_E[config.p :]]))
    tested = ~table.train
    answers = model.logits(replaced, table.tokens[0, tested]).argmax(dim=-1)
    return float((answers == table.labels[0, tested]).double().mean())


def _values(polynomial: Operation, p: int) -> Int64[Tensor, " {p}"]:
    """A polynomial in a, at each of the residues."""
    residues = torch.arange(p)
    return polynomial(residues, torch.zeros_like(residues), p)


def _in(polynomial: Operation, variable: str) -> str:
    """A polynomial in a, written with another variable."""
    return polynomial.pretty.replace("a", variable)


def _nonzero(terms: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    return {place: coefficient for place, coefficient in terms.items() if coefficient}
