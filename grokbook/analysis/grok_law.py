"""Whether and when a run groks, as a law of three numbers: the correlation ρ, the share r of pairs, and p.

The embedding of a residue is learned from the m train pairs in which it stands: about 2·r·p where a and b have one
embedding, r·p where each has its own. A wave explains a share ρ² of what they say, and in a random table some wave
explains a share of about 1/m of as many pairs, too. The law says that noise over signal, 1/(ρ² m), sets the logarithm
of the grok step T, up to a normal error::

    log T = intercept + noise / (ρ² m) + fraction · log r + spread · ε.

So the probability to grok within a budget of B steps is Φ((log B - median of log T) / spread). The law is fitted by
maximum likelihood to runs that have grokked, and to those that have not by their end (censored regression). None of
this is in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from grokbook.model.registry import MODELS
from grokbook.runs.config import RunConfig

SHARE: Final = 0.8
"""The share of runs whose grok steps an interval holds."""
_NORMAL: Final = NormalDist()
RIDGE: Final = 1e-6
"""Weight of the squared coefficients beside the log-likelihood, so that there is one best fit."""


class Case(NamedTuple):
    """A run, as the law sees it."""

    rho: float
    """Correlation with the best wave that the model can make: ρ_sym with one embedding, ρ with two."""
    pairs: float
    """In how many train pairs a residue stands, see :func:`pairs`."""
    fraction: float
    steps: int
    """Its grok step, or the steps it had without grokking."""
    grokked: bool


class Law(NamedTuple):
    """A fitted law of the grok step."""

    intercept: float
    noise: float
    fraction: float
    spread: float
    """Standard deviation of the logarithm of the grok step, in nats."""

    def steps(self, rho: float, pairs: float, fraction: float) -> float:
        """The median grok step, however large; infinite where ρ = 0."""
        exponent = self.intercept + self.noise / max(rho**2 * pairs, 1e-9) + self.fraction * math.log(fraction)
        return math.exp(exponent) if exponent < 700 else math.inf

    def probability(self, rho: float, pairs: float, fraction: float, budget: int) -> float:
        """The probability to grok by the step ``budget``, 0 to 1."""
        steps = self.steps(rho, pairs, fraction)
        return _NORMAL.cdf((math.log(budget) - math.log(steps)) / self.spread) if steps < math.inf else 0.0

    @property
    def factor(self) -> float:
        """By which factor, at most, :data:`SHARE` of runs grok sooner or later than the median."""
        return math.exp(self.spread * _NORMAL.inv_cdf((1 + SHARE) / 2))

    def interval(self, rho: float, pairs: float, fraction: float) -> tuple[float, float]:
        """Between which steps :data:`SHARE` of such runs grok."""
        steps = self.steps(rho, pairs, fraction)
        return steps / self.factor, steps * self.factor


def pairs(p: int, fraction: float, model: str = RunConfig.model) -> float:
    """In how many train pairs a residue of one operand stands, 2·r·p or r·p: what its embedding is learned from."""
    return (2 if MODELS[model].one_embedding else 1) * fraction * p


def fit(cases: Sequence[Case]) -> Law:
    """The law that makes these runs most probable.

    Raises:
        ValueError: none of them has grokked, or all have.
    """
    if len({case.grokked for case in cases}) < 2:
        raise ValueError("a law needs runs that grokked and runs that did not")
    rho, m, fraction, steps = (np.array(values, float) for values in list(zip(*cases, strict=True))[:4])
    columns = np.column_stack([np.ones(len(cases)), 1 / (rho**2 * m), np.log(fraction)])
    return Law(*_censored(columns, np.log(steps), np.array([case.grokked for case in cases])))


def _censored(
    columns: Float64[np.ndarray, "n k"], logs: Float64[np.ndarray, " n"], seen: Bool[np.ndarray, " n"]
) -> list[float]:
    """Coefficients and spread of a linear regression whose outcome is known to be larger where it was not seen."""
    from scipy.optimize import minimize  # slow to import, and not needed by who only predicts
    from scipy.stats import norm

    def loss(x: Float64[np.ndarray, " unknowns"]) -> float:
        z = (logs - columns @ x[:-1]) / np.exp(x[-1])
        return float(-np.where(seen, norm.logpdf(z) - x[-1], norm.logsf(z)).sum() + RIDGE * (x**2).sum())

    found = minimize(loss, np.zeros(columns.shape[1] + 1), method="L-BFGS-B", options={"maxiter": 10_000}).x
    return [*map(float, found[:-1]), math.exp(found[-1])]
