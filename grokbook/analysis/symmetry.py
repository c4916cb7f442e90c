"""Pairs that an operation does not tell apart: how much of a test set can be looked up in the train set.

Two values of an operand are alike if the operation gives the same with both, whatever the other operand is: 3 and −3 as
values of a in a²+b. Two pairs of operands that are alike are twins, and have the same label: who knows the train set,
and which values are alike, needs no rule for them. Where f(a, b) = f(b, a), a pair has a mirror image, too, which gives
away about a share r of the test pairs. None of this is in the paper.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from grokbook import data
from grokbook.data.operations import Operation
from grokbook.data.tokens import check
from grokbook.runs.config import RunConfig
from grokbook.runs.pairs import dataset
from grokbook.runs.run import Run


class ByMirror(NamedTuple):
    """Test accuracies of a run at its end, as shares; NaN where there is no such pair."""

    mirrored: float
    """Of the test pairs whose mirror image is a train pair."""
    others: float
    """Of all other test pairs."""


def classes(operation: Operation, p: int) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """For each residue as a value of a, and as one of b, the number of its class, 0, 1, …: that of all alike."""
    table = operation.labels(p)
    of_a, of_b = (np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1) for rows in (table, table.T))
    return of_a, of_b


def share_with_twins(operation: Operation, p: int, fraction: float, seed: int) -> float:
    """The share of the test pairs that have a twin among the train pairs, over the residues as operands.

    Raises:
        ValueError: the arguments make no data set (see :func:`grokbook.data.tokens.check`).
    """
    check([operation], p, fraction, seed)
    of_a, of_b = classes(operation, p)
    kinds = (of_a[:, None] * p + of_b).reshape(-1)
    train = data.split(p * p, fraction, seed).numpy()
    return float(np.isin(kinds[~train], kinds[train]).mean())


def mirrored(config: RunConfig) -> Bool[np.ndarray, "p p"]:
    """Which pairs (a, b) are test pairs whose mirror image (b, a) is a train pair; a along the rows.

    Raises:
        ValueError: it is not about one symmetric operation over the residues.
    """
    if len(config.operations) > 1 or config.operands != "residues" or not config.parsed_operations[0].symmetric:
        raise ValueError(f"mirror images have one label in symmetric operations over residues, not in {config.label}")
    train = data.split(config.p**2, config.fraction, config.seed).numpy().reshape(config.p, config.p)
    return ~train & train.T


def by_mirror(run: Run) -> ByMirror:
    """How a run answers test pairs with and without a mirror image among its train pairs.

    Raises:
        ValueError: as :func:`mirrored`.
        WeightsMissing: the run was published with neither its weights nor its answers.
    """
    config, known = run.config, mirrored(run.config).reshape(-1)
    table = dataset(config)
    right = (run.answers[0] == table.labels[0]).numpy()
    test = ~table.train.numpy()
    return ByMirror(*(float(right[pairs].mean()) if pairs.any() else np.nan for pairs in (known, test & ~known)))
