"""Coordinates in which an operation is a sum, and the waves over them. Not in the paper.

Where f(a, b) = h(u(a) ± u(b)), a network can compute f as it computes sums: with waves over u(x) in its embedding, and
in its neuron–logit map with waves over the s for which h(s) is the answer. Such waves, taken apart over x, have all
frequencies; see :func:`natural` for the u and h of an operation.

Shapes: p residues, K = p // 2 frequencies, counted from 1; a layer is [p, n], one row per residue. Of a layer its mean
over the rows is taken out: shares are shares of the squared norm that is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from grokbook import fourier, model
from grokbook.data.operations import Operation, Polynomial
from grokbook.model.weights import Weights
from grokbook.runs.config import RunConfig
from grokbook.runs.pairs import dataset
from grokbook.runs.run import Run

VANISHED = 1e-6
"""So little of a squared norm counts as nothing: of a wave without those before it, or of what one explains."""
MOST = 0.8
"""The share of a layer that its leading frequencies make up."""


@dataclass(frozen=True)
class Values:
    """Waves over u(x), for a polynomial u in a alone. Over xⁿ with few values, they are not orthogonal."""

    u: Operation

    @property
    def name(self) -> str:
        return _in(self.u, "x")

    def rows(self, layer: Float[Tensor, "p n"]) -> Float[Tensor, "p n"]:
        """All rows, as they come."""
        return layer

    def turns(self, p: int) -> Float64[Tensor, " {p}"]:
        """Where each row is on the circle of frequency 1, in turns."""
        return _values(self.u, p).double() / p


@dataclass(frozen=True)
class Logarithms:
    """Waves over log(x + shift)."""

    shift: int = 0

    @property
    def name(self) -> str:
        return f"log(x {'+' if self.shift > 0 else '−'} {abs(self.shift)})" if self.shift else "log x"

    def rows(self, layer: Float[Tensor, "p n"]) -> Float[Tensor, "p-1 n"]:
        """Rows 1 - shift, 2 - shift, …: all but that of -shift, which has no logarithm."""
        return layer.roll(self.shift, dims=0)[1:]

    def turns(self, p: int) -> Float64[Tensor, " {p}-1"]:
        """Where each of these rows is on the circle of frequency 1, in turns."""
        return fourier.discrete_logs(p).double() / (p - 1)


@dataclass(frozen=True)
class Preimages:
    """Waves over s, for a layer that has its rows at x = h(s), with a polynomial h in a alone."""

    h: Operation

    @property
    def name(self) -> str:
        return f"s (x = {_in(self.h, 's')})"

    def rows(self, layer: Float[Tensor, "p n"]) -> Float[Tensor, "p n"]:
        """Rows h(0), h(1), …: once for each s that leads to it, so that those of no s are left out."""
        return layer[_values(self.h, len(layer))]

    def turns(self, p: int) -> Float64[Tensor, " {p}"]:
        """Where each of these rows is on the circle of frequency 1, in turns."""
        return torch.arange(p, dtype=torch.float64) / p


Coordinate = Values | Logarithms | Preimages
"""What the waves of a layer are over."""
RESIDUES = Values(Operation.parse("a"))
"""The residues as they come: the paper's waves."""


class Natural(NamedTuple):
    """The coordinates of an operation, one for each of the two layers that the paper looks at."""

    embedding: Values | Logarithms
    neuron_logit: Coordinate


def natural(operation: Operation) -> Natural | None:
    """The coordinates in which an operation is a sum of a number of a and one of b, from its formula alone.

    =====================  ================  =======================
    operation              W_E               W_L
    =====================  ================  =======================
    k aⁿ + l bⁿ + m        xⁿ                x
    g(a ± b)               x                 s (x = g(s))
    ab + d(a + b) + m      log(x + d)        log(x + d² - m)
    =====================  ================  =======================

    None for all others: ab+b, whose two operands need logarithms of different numbers, and tables, which have no
    formula. Coefficients count as the whole numbers they are: p should divide none but zeros.
    """
    if not isinstance(operation, Polynomial):
        return None
    if operation.outer is not None:
        return Natural(RESIDUES, Preimages(operation.outer))
    terms = operation.coefficients
    m = terms.pop((0, 0), 0)
    n, d = operation.degree, terms.get((1, 0), 0)
    if set(terms) == {(n, 0), (0, n)}:
        return Natural(Values(Operation.from_coefficients({(n, 0): 1})), RESIDUES)
    if terms == {(1, 1): 1} | ({(1, 0): d, (0, 1): d} if d else {}):  # (a + d)(b + d) = f + d² - m
        return Natural(Logarithms(d), Logarithms(d * d - m))
    return None


def of_run(run: Run) -> Natural | None:
    """The coordinates in which a run's layers can be read; None for a mixture, another model, and without weights."""
    if not run.has_weights or len(run.config.operations) != 1 or run.config.model != RunConfig.model:
        return None
    return natural(run.config.parsed_operations[0])


# --- taking layers apart --------------------------------------------------------------------------


def waves(coordinate: Coordinate, p: int) -> Float64[Tensor, "K 2 row"]:
    """Cosine and sine of each frequency over a coordinate, orthonormal within a frequency, without their means.

    One that is not there, as the sine of the last frequency over a logarithm, is zero.
    """
    angles = 2 * math.pi * torch.arange(1, p // 2 + 1)[:, None] * coordinate.turns(p)
    pair = torch.stack([angles.cos(), angles.sin()], dim=1)
    pair = pair - pair.mean(dim=-1, keepdim=True)
    return _orthonormal(pair / math.sqrt(pair.shape[-1] / 2))


class Leading(NamedTuple):
    """Frequencies of a layer, each the one that explains most of what those before it leave."""

    frequencies: tuple[int, ...]
    shares: tuple[float, ...]
    """What the first of them explain together, the first two, and so on."""

    def needed(self, share: float) -> int | None:
        """How many it takes to explain a share of the layer; None if these do not."""
        return next((n for n, each in enumerate(self.shares, start=1) if each >= share), None)


def leading(layer: Float[Tensor, "p n"], coordinate: Coordinate, share: float = MOST) -> Leading:
    """The frequencies that together explain a share of a layer, or all there are, if these explain less."""
    products, left = _products(layer, coordinate), waves(coordinate, len(layer))
    total = float(products.trace())
    apart = _orthogonal(left)
    gains = _explained(left, products)
    chosen: list[int] = []
    explained: list[float] = []
    while not explained or explained[-1] < share:
        best = int(gains.argmax())
        if not float(gains[best]) > VANISHED * total:
            break
        chosen.append(best + 1)
        explained.append((explained[-1] if explained else 0.0) + float(gains[best]) / total)
        gains[best] = 0
        if not apart:
            taken = left[best]
            left = _orthonormal(left - left @ taken.T @ taken)
            left[best] = 0
            gains = _explained(left, products)
    return Leading(tuple(chosen), tuple(explained))


def even_share(layer: Float[Tensor, "p n"], coordinate: Logarithms) -> float:
    """The share of a layer that waves of even frequency over a logarithm make up.

    Since log(-x) = log x + (p - 1) / 2, waves of even frequency over log x are alike for x and -x, and those of odd
    frequency change their sign: over x they are cosines and sines. With a shift, the same holds of x + shift.
    """
    explained = _explained(waves(coordinate, len(layer)), _products(layer, coordinate))
    return float(explained[1::2].sum() / explained.sum())


def averaged(layer: Float[Tensor, "p n"], coordinate: Coordinate) -> Float[Tensor, "p n"]:
    """A layer with the same row, their mean, for all x with the same u(x): what is left of it as a function of u."""
    if not isinstance(coordinate, Values):
        return layer
    values, counts = _values(coordinate.u, len(layer)).unique(return_inverse=True, return_counts=True)[1:]
    sums = layer.new_zeros(len(counts), layer.shape[1]).index_add(0, values, layer)
    return (sums / counts.unsqueeze(1))[values]


def split(
    layer: Float[Tensor, "p n"], coordinate: Values | Logarithms, frequencies: Sequence[int]
) -> tuple[Float[Tensor, "p n"], Float[Tensor, "p n"]]:
    """A layer with the waves of some frequencies alone, in least squares, and without them.

    Both keep the mean and, over a logarithm, the row that has none.
    """
    rows = coordinate.rows(layer)
    directions = _span(coordinate, len(layer), frequencies)
    part = directions.T @ (directions @ rows.double())
    mean = rows.double().mean(dim=0).expand_as(part)
    kept, removed = (_put_back(layer, coordinate, each.to(layer.dtype)) for each in (mean + part, rows - part))
    return kept, removed


def dimensions(coordinate: Coordinate, p: int, frequencies: Iterable[int]) -> int:
    """Of how many independent directions over the residues the waves of some frequencies are made."""
    return len(_span(coordinate, p, list(frequencies)))


def _span(coordinate: Coordinate, p: int, frequencies: Sequence[int]) -> Float64[Tensor, "direction row"]:
    """An orthonormal basis of the waves of some frequencies."""
    chosen = waves(coordinate, p)[[k - 1 for k in frequencies]].flatten(0, 1)
    _, sizes, directions = torch.linalg.svd(chosen, full_matrices=False)
    return directions[sizes > math.sqrt(VANISHED)]


def _put_back(layer: Float[Tensor, "p n"], coordinate: Values | Logarithms, rows: Tensor) -> Float[Tensor, "p n"]:
    """The rows of a coordinate at their places in a layer."""
    if isinstance(coordinate, Values):
        return rows
    moved = torch.cat([layer.roll(coordinate.shift, dims=0)[:1], rows])
    return moved.roll(-coordinate.shift, dims=0)


def _products(layer: Float[Tensor, "p n"], coordinate: Coordinate) -> Float64[Tensor, "row row"]:
    """Products of a layer's rows with each other, without their mean: all that squared norms of projections need."""
    rows = coordinate.rows(layer).double()
    centred = rows - rows.mean(dim=0)
    return centred @ centred.T


def _explained(pairs: Float64[Tensor, "K 2 row"], products: Float64[Tensor, "row row"]) -> Float64[Tensor, " K"]:
    """The squared norm of a layer's projections on each pair of orthonormal waves."""
    return (pairs @ products * pairs).sum(dim=(1, 2))


def _orthogonal(pairs: Float64[Tensor, "K 2 row"]) -> bool:
    """Whether the waves of each frequency are orthogonal to those of all others."""
    flat = pairs.flatten(0, 1)
    gram = flat @ flat.T
    return bool((gram - gram.diag().diag()).abs().max() < VANISHED)


def _orthonormal(pairs: Float64[Tensor, "K 2 row"]) -> Float64[Tensor, "K 2 row"]:
    """The two waves of each pair made orthonormal; what has vanished is zero."""
    first = _unit(pairs[:, 0])
    second = pairs[:, 1] - (pairs[:, 1] * first).sum(dim=-1, keepdim=True) * first
    return torch.stack([first, _unit(second)], dim=1)


def _unit(rows: Float64[Tensor, "K row"]) -> Float64[Tensor, "K row"]:
    norms = rows.norm(dim=-1, keepdim=True)
    return torch.where(norms > math.sqrt(VANISHED), rows / norms.clamp(min=VANISHED), torch.zeros_like(rows))


# --- what waves are worth to a model --------------------------------------------------------------


class Restriction(NamedTuple):
    """Accuracies of a run on its test pairs, with some waves of its embedding and without them."""

    whole: float
    """As it is."""
    kept: float
    """With these waves alone."""
    removed: float
    """Without them."""


def restriction(run: Run, coordinate: Values | Logarithms, frequencies: Sequence[int]) -> Restriction:
    """:func:`split` the embedding of a run, and test the model with each part; errors as in :func:`accuracy_with`."""
    embedding = _weights(run).W_E[: run.config.p]
    return Restriction(*(accuracy_with(run, rows) for rows in (embedding, *split(embedding, coordinate, frequencies))))


def accuracy_with(run: Run, embedding: Float[Tensor, "p n"]) -> float:
    """Accuracy of a run on its test pairs with other rows for the residues in its embedding.

    With ``operands="vocab"`` the other operands keep theirs.

    Raises:
        ValueError: the run is a mixture, or of a model without an embedding that a and b share.
        WeightsMissing: the run was published without its weights.
    """
    config, weights = run.config, _weights(run)
    if len(config.operations) != 1:
        raise ValueError(f"{config.label} has several operations: take a run on one")
    table = dataset(config)
    replaced = weights._replace(W_E=torch.cat([embedding, weights.W_E[config.p :]]))
    tested = ~table.train
    answers = model.of(config).fast_logits(replaced, table.tokens[0, tested]).argmax(dim=-1)
    return float((answers == table.labels[0, tested]).double().mean())


def _weights(run: Run) -> Weights:
    """The weights of a run of the paper's transformer."""
    if run.config.model != "transformer":
        raise ValueError(f"{run.config.label} has no embedding that a and b share: take a run of the transformer")
    assert isinstance(run.weights, Weights)
    return run.weights


def _values(polynomial: Operation, p: int) -> Int64[Tensor, " {p}"]:
    """A polynomial in a, at each of the residues."""
    residues = torch.arange(p)
    return polynomial(residues, torch.zeros_like(residues), p)


def _in(polynomial: Operation, variable: str) -> str:
    """A polynomial in a, written with another variable."""
    return polynomial.pretty.replace("a", variable)
