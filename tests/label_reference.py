"""Label statistics of one operation and one split, straight from their definitions (paper, Appendix K).

`grokbook.analysis.labels` computes the same for many operations and splits at once; the tests compare the two.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor


class LabelStatistics(NamedTuple):
    """How the labels of one split fall into train and test, in nats."""

    kl: float
    """KL(train ‖ test), smoothed: see `label_statistics`."""
    train_entropy: float
    test_entropy: float


def label_statistics(labels: Int64[Tensor, "n_pairs"], train: Bool[Tensor, "n_pairs"], p: int) -> LabelStatistics:
    """KL(train ‖ test) of the labels, and the entropy of either, for one operation and one split.

    The entropies are those of the plain frequencies. For the divergence alone every label that the whole
    table holds starts with half a count (Jeffreys' prior) on both sides, since a label that only train drew
    would make it infinite. A label that no pair of the table has gets no bin.
    """
    prior = 0.5 * (torch.bincount(labels, minlength=p) > 0).double()
    inside, outside = labels[train], labels[~train]
    return LabelStatistics(
        kl_divergence(label_distribution(inside, p, prior), label_distribution(outside, p, prior)),
        entropy(label_distribution(inside, p)),
        entropy(label_distribution(outside, p)),
    )


def label_distribution(
    labels: Int64[Tensor, "n"], p: int, prior: Float64[Tensor, "p"] | None = None
) -> Float64[Tensor, "p"]:
    """Relative frequencies of the labels 0..p-1, `prior` counts added if given. ValueError without labels."""
    if not len(labels):
        raise ValueError("no labels, no distribution")
    counts = torch.bincount(labels, minlength=p).double()
    counts = counts if prior is None else counts + prior
    return counts / counts.sum()


def kl_divergence(p: Float64[Tensor, "n"], q: Float64[Tensor, "n"]) -> float:
    """Σ p log(p / q) in nats, unsmoothed: a bin with p = 0 adds nothing, one with q = 0 < p makes it inf."""
    filled = p > 0
    return float((p[filled] * (p[filled] / q[filled]).log()).sum())


def entropy(p: Float64[Tensor, "n"]) -> float:
    """-Σ p log p in nats, from 0 (one label) to log n (all alike); an empty bin adds nothing."""
    return float(torch.special.entr(p).sum())
