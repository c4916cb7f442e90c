"""How good predictions were: of whether runs grok, and of when."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64
from scipy.stats import rankdata


def auc(probability: Float64[np.ndarray, " n"], grokked: Bool[np.ndarray, " n"]) -> float:
    """The probability that a run that grokked was given a larger one than a run that did not; NaN without both."""
    n, others = int(grokked.sum()), int((~grokked).sum())
    if not n or not others:
        return float("nan")
    return float((rankdata(probability)[grokked].sum() - n * (n + 1) / 2) / (n * others))


def accuracy(probability: Float64[np.ndarray, " n"], grokked: Bool[np.ndarray, " n"]) -> float:
    """The share of runs on the right side of ½."""
    return float(((probability > 0.5) == grokked).mean())


def log_loss(probability: Float64[np.ndarray, " n"], grokked: Bool[np.ndarray, " n"]) -> float:
    """Mean negative log-likelihood in nats; probabilities below 0.001 and above 0.999 count as these."""
    clipped = np.clip(probability, 1e-3, 1 - 1e-3)
    return float(-np.log(np.where(grokked, clipped, 1 - clipped)).mean())


def calibration(
    probability: Float64[np.ndarray, " n"], grokked: Bool[np.ndarray, " n"], bins: int = 5
) -> list[tuple[float, float, int]]:
    """For each of some equal ranges of the probability that occurs: its mean, the share that grokked, and how many."""
    ranges = np.minimum((probability * bins).astype(int), bins - 1)
    inside = [ranges == k for k in range(bins)]
    return [(float(probability[i].mean()), float(grokked[i].mean()), int(i.sum())) for i in inside if i.any()]


def step_factor(predicted: Float64[np.ndarray, " n"], actual: Float64[np.ndarray, " n"]) -> float:
    """The median factor, at least 1, between predicted and actual grok steps of runs that grokked; NaN without any."""
    return float(np.exp(np.median(np.abs(np.log(predicted / actual))))) if len(actual) else float("nan")
