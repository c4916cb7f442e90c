"""Restricted, ablated and excluded loss: which parts of the logits a run's answers rest on (paper, Appendix E).

For an operation c₁a + c₂b (+ c₀) mod p the logits over all p² inputs are projected, class by class, on the directions::

    cos(w_k(c₁a + c₂b)),  sin(w_k(c₁a + c₂b)),  w_k = 2πk/p,  k = 1..K,  K = p // 2.

An offset c₀ turns cosine into sine and leaves their plane as it is; all other operations are refused. The logits are
then the sum of four parts that are orthogonal over the inputs::

    key        the waves of the key frequencies
    non_key    the waves of all other frequencies
    constant   the mean over all inputs: a bias for each class, whatever is asked
    residual   what is left: how inputs with the same answer differ

The paper's residual is "logits of all the frequencies" subtracted from the raw logits, so the constant falls to the
residual, and that is the reading here unless told otherwise (``constant="residual"``). Nanda et al. (2023), from whom
restricted loss comes, keep the constant beside the waves (``constant="kept"``), so that it is never taken away.

Losses are cross-entropies in nats, in float64, over the first p classes, averaged over pairs. Shapes: `K` frequencies
counted from 1, `a`, `b` and `class` all of size p.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import pandas as pd
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor
from torch.nn import functional as F

from grokbook import data, fourier, model
from grokbook.analysis.frequencies import others
from grokbook.data.operations import Operation, Polynomial
from grokbook.fourier.transform import Spectrum
from grokbook.model.protocol import Matrices
from grokbook.runs.config import RunConfig
from grokbook.runs.pairs import dataset
from grokbook.runs.run import Run

Part = Literal["key", "non_key", "constant", "residual"]
Constant = Literal["residual", "kept"]
"""Whether the constant goes with the residual (the paper's words) or is kept whatever else is taken away."""

ETA = 0.5
"""The share of the largest norm from which a frequency is "key" here; the paper's own threshold is lost."""

COMBINATIONS: Mapping[str, tuple[Part, ...]] = {
    "full": ("key", "non_key", "residual"),
    "restricted": ("key",),
    "(a)": ("non_key",),
    "(b)": ("residual",),
    "(c)": ("key", "non_key"),
    "(d)": ("key", "residual"),
    "(e)": ("non_key", "residual"),
}
"""The rows of Table 4: which parts of the logits are left. The constant comes with them as :data:`Constant` says."""


class Losses(NamedTuple):
    """One loss over three sets of pairs, in nats; the rows of Table 4 are read as losses over the train pairs."""

    train: float
    test: float
    all: float


ALIKE = 1.1
"""Losses within this factor of each other count as the same."""


def ratio(loss: float, full: float) -> float:
    """A loss over that of the full logits; NaN where that is 0."""
    return loss / full if full > 0 else math.nan


def side(ratio: float) -> int:
    """-1, 0 or 1: lower than the full loss, the same (see :data:`ALIKE`), higher."""
    return int(ratio > ALIKE) - int(ratio < 1 / ALIKE)


class LogitWaves(NamedTuple):
    """Logits over all inputs and their coefficients along the waves of the answer; see :func:`decompose`."""

    logits: Float64[Tensor, "a b class"]
    phase: Int64[Tensor, "a b"]
    """c₁a + c₂b mod p."""
    coefficients: Float64[Tensor, "row class"]
    """Along the unit vectors over inputs, in the order of :func:`grokbook.fourier.transform.basis`: constant, cos 1,
    sin 1, …."""

    @property
    def spectrum(self) -> Spectrum:
        """Norms over the classes of the coefficients along each direction."""
        return Spectrum.of_rows(torch.linalg.vector_norm(self.coefficients, dim=1))

    def waves(self, frequencies: Iterable[int]) -> Float64[Tensor, "a b class"]:
        """The projection on the cosines and sines of some frequencies, each counted once.

        Raises:
            ValueError: a frequency is not in 1..K.
        """
        chosen = sorted(set(frequencies))
        if chosen and not 1 <= chosen[0] <= chosen[-1] <= len(self.coefficients) // 2:
            raise ValueError(f"frequencies are 1..{len(self.coefficients) // 2}, not {chosen}")
        return self._projection([row for k in chosen for row in (2 * k - 1, 2 * k)])

    @property
    def constant(self) -> Float64[Tensor, "a b class"]:
        """The mean over all inputs, the same at each of them."""
        return self._projection([0])

    @property
    def residual(self) -> Float64[Tensor, "a b class"]:
        """The logits without any wave and without the constant."""
        return self.logits - self._projection(range(len(self.coefficients)))

    def parts(self, key: Collection[int]) -> dict[Part, Float64[Tensor, "a b class"]]:
        """The four parts for these key frequencies; they sum to the logits. ValueError as in :meth:`waves`."""
        rest = self.waves(others(key, len(self.coefficients) // 2))
        return {"key": self.waves(key), "non_key": rest, "constant": self.constant, "residual": self.residual}

    def _projection(self, rows: Sequence[int]) -> Float64[Tensor, "a b class"]:
        p = len(self.coefficients)
        by_phase = fourier.basis(p)[list(rows)].T @ self.coefficients[list(rows)] / math.sqrt(p)
        return by_phase[self.phase]


def phases(operation: Operation, p: int) -> Int64[Tensor, "{p} {p}"]:
    """c₁a + c₂b mod p for all pairs, a along the rows.

    Raises:
        ValueError: the operation is not of the form c₁a + c₂b + c₀, or does not take every value equally often mod p.
    """
    if not isinstance(operation, Polynomial) or not operation.linear:
        raise ValueError(f"restricted loss is for operations c₁a + c₂b + c₀; {operation} has no waves of its own")
    coefficients = operation.coefficients
    over_a, over_b = coefficients.get((1, 0), 0), coefficients.get((0, 1), 0)
    if math.gcd(over_a, over_b, p) != 1:
        raise ValueError(f"{operation} does not take every value equally often mod {p}")
    residues = torch.arange(p)
    return (over_a % p * residues[:, None] + over_b % p * residues[None, :]) % p


def decompose(logits: Float[Tensor, "a b class"], operation: Operation) -> LogitWaves:
    """Project the logits over all inputs [a, b, class < p] on the waves of the operation's answers.

    Raises:
        ValueError: the operation is not linear (see :func:`phases`), the inputs are not p × p, or p is even.
    """
    p = logits.shape[0]
    if logits.shape[1] != p:
        raise ValueError(f"logits must be over p × p inputs, not {logits.shape[0]} × {logits.shape[1]}")
    phase, doubled = phases(operation, p), logits.detach().cpu().double()
    # Each value of the phase has p inputs: a unit vector over inputs is a basis row at the phase, over √p.
    summed = torch.zeros(p, logits.shape[2], dtype=torch.float64)
    summed.index_add_(0, phase.flatten(), doubled.flatten(0, 1))
    return LogitWaves(doubled, phase, fourier.basis(p) @ summed / math.sqrt(p))


class Ablations(NamedTuple):
    """What the losses of one run are computed from: its logits taken apart, right answers, and split."""

    waves: LogitWaves
    labels: Int64[Tensor, "a b"]
    train: Bool[Tensor, "a b"]

    def loss(self, logits: Float64[Tensor, "a b class"]) -> Losses:
        """The cross-entropy of any logits over the train, test and all pairs of the run."""
        each = F.cross_entropy(logits.flatten(0, 1), self.labels.flatten(), reduction="none").view_as(self.labels)
        return Losses(*(float(values.mean()) for values in (each[self.train], each[~self.train], each)))

    def combinations(self, key: Collection[int], constant: Constant = "residual") -> dict[str, Losses]:
        """All rows of Table 4, by the names in :data:`COMBINATIONS`."""
        parts = self.waves.parts(key)
        return {name: self.loss(_sum(parts, kept, constant)) for name, kept in COMBINATIONS.items()}

    def restricted(self, key: Collection[int], constant: Constant = "residual") -> Losses:
        """Restricted loss: only the waves of the key frequencies are left (and the constant, if it is kept)."""
        return self.loss(_sum(self.waves.parts(key), ("key",), constant))

    def ablated(self) -> list[Losses]:
        """Ablated loss: one frequency is left out, all else stays. Frequency k is at index k - 1."""
        logits, n = self.waves.logits, len(self.waves.coefficients) // 2
        return [self.loss(logits - self.waves.waves([k])) for k in range(1, n + 1)]

    def excluded(self, key: Collection[int]) -> float:
        """Excluded loss (Nanda et al. 2023): over the train pairs, with all key frequencies left out; row (e)."""
        return self.loss(self.waves.logits - self.waves.waves(key)).train

    def nested(self, order: Sequence[int], constant: Constant = "residual") -> list[Losses]:
        """Restricted loss of the first 1, 2, 3, … frequencies of an order: what each threshold would give."""
        logits = self.waves.constant if constant == "kept" else torch.zeros_like(self.waves.logits)
        losses = []
        for k in order:
            logits = logits + self.waves.waves([k])
            losses.append(self.loss(logits))
        return losses

    def shares(self, key: Collection[int]) -> dict[Part, float]:
        """How much of the logits each part is: squared norms, as shares that sum to 1.

        What is added to all classes alike changes no answer and no loss, so it is taken out first.
        """
        centred = {name: x - x.mean(-1, keepdim=True) for name, x in self.waves.parts(key).items()}
        squares = {name: float(x.square().sum()) for name, x in centred.items()}
        total = sum(squares.values())
        return {name: square / total if total else math.nan for name, square in squares.items()}


def ablations(run: Run, operation: int = 0) -> Ablations:
    """Compute the logits of a run's final weights over all pairs of residues, for one operation, and take them apart.

    Raises:
        ValueError: the operation is not linear.
        WeightsMissing: the run was published without its weights.
    """
    return ablations_of(run.config, run.weights, operation)


def ablations_of(config: RunConfig, weights: Matrices, operation: int = 0) -> Ablations:
    """The same for any weights of a run, at any step; ``ValueError`` where the operation is not linear."""
    p = config.p
    table = dataset(config)
    tokens = data.over_residues(table.tokens[operation], p).flatten(0, 1)
    logits = model.of(config).fast_logits(weights.map(torch.Tensor.double), tokens)[:, :p].unflatten(0, (p, p))
    waves = decompose(logits, config.parsed_operations[operation])
    return Ablations(waves, *(data.over_residues(column, p) for column in (table.labels[operation], table.train)))


class Dissected(NamedTuple):
    """A run whose logits are taken apart, with its loss as it is and with one frequency left out."""

    run: Run
    table: Ablations
    full: Losses
    ablated: Sequence[Losses]
    """Frequency k is at index k - 1."""

    @classmethod
    def of(cls, run: Run) -> Dissected:
        """Errors as in :func:`ablations`."""
        table = ablations(run)
        return cls(run, table, table.loss(table.waves.logits), table.ablated())


def over_training(run: Run, weights_along: Iterable[tuple[int, Matrices]]) -> pd.DataFrame:
    """Every row of Table 4 while a run on one operation trains, in either reading of the constant.

    The key frequencies are those of the end, as in Nanda et al. (2023); weights at some steps are those of
    :func:`grokbook.training.replay.weights_along`. A row of the result is for one step, name in :data:`COMBINATIONS`
    and :data:`Constant`: columns ``step``, ``left``, ``constant``, and losses ``train``, ``test``, ``all`` in nats.
    """
    key = key_frequencies(run)
    return pd.DataFrame(
        {"step": step, "left": name, "constant": constant, **losses._asdict()}
        for step, weights in weights_along
        for parts in [ablations_of(run.config, weights)]
        for constant in get_args(Constant)
        for name, losses in parts.combinations(key, constant).items()
    )


def key_spectrum(run: Run) -> Spectrum:
    """The spectrum that key frequencies are read from: that of the neuron–logit map at the end (Appendix C)."""
    return run.spectrum("neuron_logit")


def key_frequencies(run: Run, eta: float = ETA) -> tuple[int, ...]:
    """The key frequencies of a run: those above η times the largest one in :func:`key_spectrum`."""
    return fourier.key_frequencies(key_spectrum(run), eta)


def _sum(
    parts: Mapping[Part, Float64[Tensor, "a b class"]], kept: Sequence[Part], constant: Constant
) -> Float64[Tensor, "a b class"]:
    if constant not in get_args(Constant):
        raise ValueError(f"constant must be 'residual' or 'kept', not {constant!r}")
    with_constant = constant == "kept" or "residual" in kept
    chosen: list[Part] = [*kept, "constant"] if with_constant else [*kept]
    return torch.stack([parts[name] for name in chosen]).sum(0)
