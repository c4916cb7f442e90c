"""How much of a table is one product of waves: the correlation ρ that an operation has, or has not, before training.

Let a pair (a, b) be drawn uniformly and c = f(a, b). Over complex functions u of a, v of b and w of c, each of mean 0
and mean square 1 under its own distribution::

    ρ = max Re E[u(a) v(b) w(c)],    ρ_sym = the same with v = u, as a model with one embedding has it.

ρ = 1 exactly where f is a sum in disguise: f(a, b) = h(u(a) + v(b)) with h one to one. Products are sums of logarithms.

The maximum is climbed from random starts. Given u and v the best w is conj(E[u v | c]), normalised, and ρ is the
standard deviation of E[u v | c] over labels; given w, each of u and v is the product of the matrix w(f(a, b)) with the
other. A label with fewer than p/2 pairs has a maximum near 1 of its own that says nothing of the others: it is left
out. None of this is in the paper.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float64, Int64

from grokbook.data.operations import Operation

LARGEST: Final = 500
"""No modulus above is looked at: there it takes minutes."""
STAGES: Final = ((64, 20), (16, 60), (4, 2000))
"""From how many starts, the best so far, to climb on, and for how many steps at the most."""
TOLERANCE: Final = 1e-8
"""A start has arrived when a step adds no more than this to its correlation, as a share."""
SAME: Final = 1e-4
"""Two starts have reached the same maximum when their correlations differ by no more."""
INERTIA: Final = 0.2
"""How much of a wave is kept at each step where v = u: without, the phases of its parts turn back and forth."""


class Optimum(NamedTuple):
    """The best product of three waves that was found for a table."""

    value: float
    """The correlation, 0 to 1."""
    u: Complex[np.ndarray, " p"]
    """The wave over values of a, of mean 0 and mean square 1."""
    v: Complex[np.ndarray, " p"]
    """The wave over values of b; u itself for ρ_sym."""
    w: Complex[np.ndarray, " p"]
    """The wave over labels; 0 at labels that are left out or do not occur."""
    starts: int
    """From how many random starts it was sought."""
    reached: int
    """How many of them came within :data:`SAME` of it, those that were given up early included."""
    converged: bool
    """Whether climbing had come to an end; where not, the maximum is higher than `value`."""


class Correlation(NamedTuple):
    """The correlations of an operation with products of waves."""

    free: Optimum
    """With u and v chosen freely."""
    symmetric: Optimum
    """With v = u."""
    left_out: tuple[int, ...]
    """Labels with fewer than p/2 pairs, which the maximum leaves out; those without any are not named."""

    @property
    def rho(self) -> float:
        """ρ, from 0 to 1; NaN where climbing did not come to an end."""
        return self.free.value if self.free.converged else float("nan")

    @property
    def rho_sym(self) -> float:
        """ρ_sym, at most ρ; NaN where climbing did not come to an end."""
        return self.symmetric.value if self.symmetric.converged else float("nan")


def correlation(operation: Operation | str, p: int, seed: int = 0) -> Correlation:
    """The correlation ρ of an operation with the best product of waves, and ρ_sym with one wave for both operands.

    Args:
        operation: a polynomial, its expression, or a table.
        p: modulus; of a table its own.
        seed: of the random starts: the same seed gives the same numbers.

    Raises:
        ValueError: the operation does not read, does not depend on both operands mod p, or has fewer than two labels
            with p/2 pairs or more; p is above :data:`LARGEST`.
    """
    operation = Operation.of(operation)
    if p > LARGEST:
        raise ValueError(f"p = {p} is too large for the search for the best wave; up to {LARGEST} it can be done")
    table = _Table(checked(operation, p))
    symmetric = _climb(table, np.random.default_rng(seed), one_wave=True)
    # Where f(a, b) = f(b, a), so is the matrix w(f(a, b)), and among its best u and v are two that are equal (Takagi).
    free = symmetric if operation.symmetric else _climb(table, np.random.default_rng(seed), one_wave=False)
    left_out = np.flatnonzero((table.counts > 0) & ~table.kept)
    return Correlation(free, symmetric, tuple(map(int, left_out)))


def checked(operation: Operation, p: int) -> Int64[np.ndarray, "p p"]:
    """The labels of an operation that depends on both operands.

    Raises:
        ValueError: it does not, mod p; the message names the operand.
    """
    operation.check(p)
    labels = operation.labels(p)
    for name, rows in (("a", labels), ("b", labels.T)):
        if (rows == rows[0]).all():
            raise ValueError(f"{operation} does not depend on {name} mod {p}: an operation of two operands is needed")
    return labels


class _Table:
    """A table of labels, its pairs also in the order of their labels."""

    def __init__(self, labels: Int64[np.ndarray, "p p"]) -> None:
        self.labels, self.p = labels, len(labels)
        self.counts = np.bincount(labels.ravel(), minlength=self.p)
        self.kept: Bool[np.ndarray, " p"] = self.counts >= self.p / 2
        if self.kept.sum() < 2:
            raise ValueError("no wave runs over the labels: fewer than two of them have p/2 pairs or more")
        self.a, self.b = np.divmod(np.argsort(labels.ravel(), kind="stable"), self.p)
        self.occurring = np.flatnonzero(self.counts)
        self.first = np.cumsum(self.counts[self.occurring]) - self.counts[self.occurring]

    def best_w(
        self, u: Complex[np.ndarray, "n p"], v: Complex[np.ndarray, "n p"]
    ) -> tuple[Complex[np.ndarray, "n p"], Float64[np.ndarray, " n"]]:
        """The best waves over labels, and the correlations with them."""
        means = np.zeros_like(u)
        sums = np.add.reduceat(u[:, self.a] * v[:, self.b], self.first, axis=1)
        means[:, self.occurring] = sums / self.counts[self.occurring].astype(u.real.dtype)
        weights = (self.counts * self.kept).astype(u.real.dtype)
        means = (means - (means @ weights / weights.sum())[:, None]) * self.kept
        values = np.sqrt((np.abs(means) ** 2) @ weights / self.p**2)
        return means.conj() / np.maximum(values, np.finfo(values.dtype).tiny)[:, None], values.astype(float)

    def step(
        self, u: Complex[np.ndarray, "n p"], v: Complex[np.ndarray, "n p"], one_wave: bool
    ) -> tuple[Complex[np.ndarray, "n p"], Complex[np.ndarray, "n p"], Float64[np.ndarray, " n"]]:
        """Better waves over a and b, and the correlations of those that were given."""
        w, values = self.best_w(u, v)
        matrices = w[:, self.labels] / self.p
        of_a = (matrices @ v[:, :, None])[:, :, 0].conj()
        if one_wave:
            of_b = (u[:, None] @ matrices)[:, 0].conj()
            u = _normalised((of_a + of_b) / 2 + INERTIA * values[:, None].astype(u.real.dtype) * u)
            return u, u, values
        u = _normalised(of_a)
        return u, _normalised((u[:, None] @ matrices)[:, 0].conj()), values


def _normalised(waves: Complex[np.ndarray, "n p"]) -> Complex[np.ndarray, "n p"]:
    """The same with mean 0 and mean square 1."""
    waves = waves - waves.mean(axis=1, keepdims=True)
    return waves / np.sqrt((np.abs(waves) ** 2).mean(axis=1, keepdims=True))


def _climb(table: _Table, generator: np.random.Generator, one_wave: bool) -> Optimum:
    """The highest correlation from random starts, of which fewer and fewer go on."""
    starts, _ = STAGES[0]
    normal = generator.standard_normal((4, starts, table.p))
    u = _normalised(normal[0] + 1j * normal[1]).astype(np.complex64)
    v = u if one_wave else _normalised(normal[2] + 1j * normal[3]).astype(np.complex64)
    values = np.zeros(starts)
    given_up: list[float] = []
    for count, steps in STAGES:
        if count < len(u):
            ranks = np.argsort(-values)
            given_up += values[ranks[count:]].tolist()
            u, v = u[ranks[:count]], v[ranks[:count]]
        if count == STAGES[-1][0]:  # single precision finds the maxima, double precision their heights
            u, v = u.astype(complex), v.astype(complex)
        values = np.zeros(count)
        for _ in range(steps):
            before = values
            u, v, values = table.step(u, v, one_wave)
            if (arrived := values - before <= TOLERANCE * values).all():
                break
    w, values = table.best_w(u, v)
    best = int(values.argmax())
    reached = int((np.array([*given_up, *values]) > values[best] - SAME).sum())
    return Optimum(min(float(values[best]), 1.0), u[best], v[best], w[best], starts, reached, bool(arrived[best]))
