"""Pairs that an operation does not tell apart: how much of a test set can be looked up in the train set.

Two values of an operand are alike if the operation gives the same with both, whatever the other operand is: 3 and −3 as
values of a in a²+b. Two pairs of operands that are alike are twins, and have the same label. So a model that knows its
train set, and which values are alike, knows the labels of all their twins without any rule. Not in the paper.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from grokbook import data
from grokbook.operations import Operation
from grokbook.prompts import check


def classes(operation: Operation, p: int) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """For each residue as a value of a, and as one of b, the number of its class: those alike have the same.

    The numbers are 0, 1, … without gaps; an operation that tells all values apart has p of them.
    """
    a, b = np.repeat(np.arange(p), p), np.tile(np.arange(p), p)
    table = operation(a, b, p).reshape(p, p)
    of_a, of_b = (np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1) for rows in (table, table.T))
    return of_a, of_b


def share_with_twins(operation: Operation, p: int, fraction: float, seed: int) -> float:
    """The share of the test pairs that have a twin among the train pairs, over the residues as operands.

    Raises:
        ValueError: the arguments make no data set (see :func:`grokbook.prompts.check`).
    """
    check([operation], p, fraction, seed)
    of_a, of_b = classes(operation, p)
    kinds = (of_a[:, None] * p + of_b).reshape(-1)
    train = data.split(p * p, fraction, seed).numpy()
    return float(np.isin(kinds[~train], kinds[train]).mean())
