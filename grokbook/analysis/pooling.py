"""Do samples differ more than chance: permutation tests for runs that should be draws of one distribution.

A sample holds times, such as the grok steps of seeds; infinity is a run that never got there. Only their ranks count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float64
from scipy import stats

RESAMPLES: Final = 9_999
"""How many shuffles at most: where there are no more, all are tried, and the test is exact."""


def p_value(samples: Sequence[Sequence[int | float]]) -> float:
    """How often shuffled samples differ as much or more in their mean ranks (the statistic of Kruskal and Wallis).

    NaN where shuffling cannot tell anything: of fewer than two samples, where no sample has two members, or where all
    times are the same.
    """
    filled = [sample for sample in samples if len(sample)]
    if len(filled) < 2 or max(map(len, filled)) < 2:
        return float("nan")
    ranks = stats.rankdata(np.concatenate([np.asarray(sample, float) for sample in filled]))
    if np.ptp(ranks) == 0:
        return float("nan")
    ends = np.cumsum([len(sample) for sample in filled])

    def between(shuffled: Float64[np.ndarray, "*shape"], axis: int) -> Float64[np.ndarray, "*rest"]:
        """Squared distances of the samples' mean ranks from that of all, each as often as it has members."""
        parts = np.split(shuffled, ends[:-1], axis=axis)
        squares = [part.shape[axis] * (part.mean(axis=axis) - (len(ranks) + 1) / 2) ** 2 for part in parts]
        return np.asarray(np.round(np.sum(squares, axis=0), 9))  # what is equal must not differ by rounding

    how = {"permutation_type": "pairings", "vectorized": True, "alternative": "greater", "random_state": 0}
    found = stats.permutation_test((ranks,), between, n_resamples=RESAMPLES, **how)
    return float(found.pvalue)


def combined(p_values: Iterable[float]) -> float:
    """One p-value for several independent tests (Fisher); those that tell nothing, NaN, are left out."""
    told = [value for value in p_values if not np.isnan(value)]
    return float(stats.combine_pvalues(told, method="fisher").pvalue) if told else float("nan")
