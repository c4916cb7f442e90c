"""Residues and labels renamed: by which formulas, in a trained model, and measures that do not depend on names.

Where g(a, b) = σ(f(π(a), π(b))), a model of f becomes one of g that is as good on every pair: its embedding of x is
that of π(x) in the model of f, and its logit of σ(c) is that of c. None of this is in the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from math import gcd
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from grokbook import model
from grokbook.analysis import coordinates
from grokbook.analysis.coordinates import Coordinate, waves
from grokbook.analysis.isomorphisms import with_bijections
from grokbook.data.operations import Operation
from grokbook.data.tokens import op_tokens
from grokbook.fourier import layers
from grokbook.fourier.layers import LAYERS
from grokbook.fourier.transform import Spectrum, spectrum
from grokbook.model.protocol import Matrices
from grokbook.model.weights import Weights
from grokbook.runs.config import RunConfig
from grokbook.runs.pairs import dataset
from grokbook.runs.run import Run

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Map(NamedTuple):
    """The map x → m·xⁿ + k of the residues modulo p."""

    p: int
    n: int = 1
    m: int = 1
    k: int = 0

    @property
    def values(self) -> Int64[np.ndarray, " p"]:
        """Where each residue goes."""
        return np.array([(self.m * pow(x, self.n, self.p) + self.k) % self.p for x in range(self.p)])

    @property
    def text(self) -> str:
        """The formula, with the smallest coefficients of either sign: x⁵, −x, 22x, x + 1."""
        m, k = (self._signed(number) for number in (self.m, self.k))
        factor = {1: "", -1: "−"}.get(m, str(m).replace("-", "−"))
        power = "" if self.n == 1 else str(self.n).translate(_SUPERSCRIPTS)
        shift = f" {'+' if k > 0 else '−'} {abs(k)}" if k else ""
        return f"{factor}x{power}{shift}"

    def _signed(self, number: int) -> int:
        number %= self.p
        return number if 2 * number < self.p else number - self.p


def _simplest(p: int) -> Iterator[Map]:
    """Powers alone, then shifts alone, multiples alone, and all bijections m·xⁿ + k."""
    powers = [n for n in range(1, p) if gcd(n, p - 1) == 1]
    yield from (Map(p, n=n) for n in powers)
    yield from (Map(p, k=k) for k in range(1, p))
    yield from (Map(p, m=m) for m in range(2, p))
    yield from (Map(p, n, m, k) for n in powers for m in range(1, p) for k in range(p))


class Renaming(NamedTuple):
    """How g comes from f: g(a, b) = σ(f(π(a), π(b)))."""

    pi: Map
    sigma: Int64[np.ndarray, " p"]
    """The label of g for each label of f, a bijection; those that f does not have keep their order."""
    formula: Map | None
    """σ on the labels that f has, where it is such a map."""
    signs: tuple[int, int]
    """The tokens of the signs of f and of g, such as + and =: a model reads one between its operands."""


def renaming(f: Operation | str, g: Operation | str, p: int) -> Renaming | None:
    """The simplest map x → m·xⁿ + k of the residues by which g comes from f modulo p; None if none of them does.

    Raises:
        ValueError: an operation does not read, is constant mod p, or is a table of another modulus.
    """
    operations = Operation.of(f), Operation.of(g)
    for operation in operations:
        operation.check(p)
    of_f, of_g = (operation.labels(p) for operation in operations)
    for pi in _simplest(p):
        found = with_bijections(of_g, of_f, pi.values, pi.values)
        if found is not None:
            sigma = np.full(p, -1)
            labels = np.flatnonzero(found.sigma >= 0)
            sigma[found.sigma[labels]] = labels
            there = np.flatnonzero(sigma >= 0)
            formula = next((each for each in _simplest(p) if (each.values[there] == sigma[there]).all()), None)
            sigma[sigma < 0] = np.setdiff1d(np.arange(p), labels)
            signs = [op_tokens([operation], p)[0] for operation in operations]
            return Renaming(pi, sigma, formula, (signs[0], signs[1]))
    return None


def relabelled(weights: Weights, by: Renaming) -> Weights:
    """A model of g from one of f, with rows of W_E and columns of W_U in another order and all else as it is.

    The rows of the two signs are swapped, too.
    """
    p = len(by.sigma)
    rows = _and_signs(by.pi.values, p, weights.W_E.shape[0])
    rows[list(by.signs)] = rows[list(reversed(by.signs))]
    columns = _and_signs(np.argsort(by.sigma), p, weights.W_U.shape[1])
    return weights._replace(W_E=weights.W_E[rows], W_U=weights.W_U[:, columns])


def _and_signs(order: Int64[np.ndarray, " p"], p: int, count: int) -> Int64[Tensor, " {count}"]:
    """An order of the residues' tokens, with those of operations after them."""
    return torch.tensor([*chain(order.tolist(), range(p, count))])


def spectrum_over(layer: Float[Tensor, "p n"], coordinate: Coordinate) -> Spectrum:
    """The spectrum of a layer over a coordinate: for FFS and FCR that do not depend on how residues are named.

    Over the residues it is that of :func:`grokbook.fourier.spectrum`, and for a one-to-one u(x) that of the layer with
    its rows in the order of u. A frequency without a sine, the last one over a logarithm, is left out.
    """
    rows = coordinate.rows(layer).double()
    pairs = waves(coordinate, len(layer))
    pairs = pairs[pairs[:, 1].norm(dim=-1) > 0.5]
    mean = rows.mean(dim=0)
    norms = (pairs @ (rows - mean)).norm(dim=-1)
    return Spectrum(mean.norm() * len(rows) ** 0.5, norms[:, 0], norms[:, 1])


class Reading(NamedTuple):
    """Both measures of a layer at the end of a run, or of the same model after it was relabelled."""

    what: str
    """The operation that it is a model of, and by which renaming."""
    operation: Operation
    seed: int
    layer: str
    over_residues: Spectrum
    own: Spectrum | None
    """Over the operation's own coordinate; None of a run without its weights, or without such a coordinate."""
    relabelled: bool = False


def readings(run: Run) -> list[Reading]:
    """Both layers of a run on one operation, over the residues and, where that is known, over its own coordinate."""
    (operation,) = run.config.parsed_operations
    own = _own(run.config, run.weights, operation) if run.has_weights else {}
    return [
        Reading(operation.pretty, operation, run.config.seed, layer, run.spectrum(layer), own.get(layer))
        for layer in LAYERS
    ]


def relabelled_readings(run: Run, operation: Operation | str) -> list[Reading]:
    """Those of a run after it was relabelled into a model of an operation that is the same learning problem.

    Raises:
        ValueError: no map m·xⁿ + k makes the operation of the run's.
        WeightsMissing: the run was published without its weights.
    """
    operation = Operation.of(operation)
    weights, by = _into(run, operation)
    over_x = layers.matrices(model.of(run.config), weights, run.config.p)
    own = _own(run.config, weights, operation)
    what = f"{run.config.parsed_operations[0].pretty}, {_said(by)}"
    return [
        Reading(what, operation, run.config.seed, layer, spectrum(matrix), own.get(layer), True)
        for layer, matrix in over_x.items()
    ]


def relabelled_accuracy(run: Run, operation: Operation | str) -> float:
    """The share of all pairs that a run answers as another operation has it, once it is relabelled; errors as above."""
    operation = Operation.of(operation)
    weights, _ = _into(run, operation)
    config = replace(run.config, operations=(operation,))
    table = dataset(config)
    answers = model.of(config).fast_logits(weights, table.tokens[0]).argmax(dim=-1)
    return float((answers == table.labels[0]).double().mean())


def _into(run: Run, operation: Operation) -> tuple[Weights, Renaming]:
    by = renaming(run.config.parsed_operations[0], operation, run.config.p)
    if by is None:
        raise ValueError(f"{run.config.label} does not become a model of {operation} by any map m·xⁿ + k")
    assert isinstance(run.weights, Weights)
    return relabelled(run.weights, by), by


def _said(by: Renaming) -> str:
    """A renaming in words: that of residues, or that of labels where residues keep their names."""
    if by.pi != Map(by.pi.p):
        return f"x → {by.pi.text}"
    return "labels renamed" if by.formula is None else f"c → {by.formula.text.replace('x', 'c')}"


def _own(config: RunConfig, weights: Matrices, operation: Operation) -> dict[str, Spectrum]:
    """The spectra of layers over the coordinates of an operation, where it has such."""
    natural = coordinates.natural(operation)
    if natural is None:
        return {}
    found = layers.matrices(model.of(config), weights, config.p)
    return {layer: spectrum_over(matrix, getattr(natural, layer)) for layer, matrix in found.items()}
