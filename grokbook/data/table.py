"""The data of a run: all pairs of operands, their labels under one or more operations, and a seeded split.

A prompt is three tokens in the order a, op, b (paper §3.1), numbered as :mod:`grokbook.data.tokens` says.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor

from grokbook.data.operations import Operation
from grokbook.data.tokens import check, n_operands, n_train, op_tokens

SPLIT_STREAM: Final = 1
"""Which of a seed's streams shuffles the pairs. Initial weights are drawn from the same one
(:data:`grokbook.runs.initial.INIT_STREAM`): both read its words from the first on."""


class Dataset(NamedTuple):
    """All n² ordered pairs under every operation; n = p for residues, p + 5 for vocab.

    Pair (a, b) has index a·n + b, so a column of labels reshapes to [n, n] with a along the rows.
    """

    tokens: Int64[Tensor, "n_ops n_pairs 3"]
    """Prompts (a, op, b)."""
    labels: Int64[Tensor, "n_ops n_pairs"]
    """op(a, b) mod p, in 0..p-1."""
    train: Bool[Tensor, "n_pairs"]
    """True for a training pair, False for a test pair. Operations share it, as in the released code."""


def make(
    operations: Sequence[Operation],
    p: int,
    fraction: float,
    seed: int,
    operands: str = "residues",
    own_tokens_of_b: bool = False,
) -> Dataset:
    """The table of pairs with its labels and its split. Arguments and errors are those of `check`.

    With ``own_tokens_of_b`` the residue b is written as token p + b, and operation tokens begin at 2p; labels and split
    are the same.
    """
    check(operations, p, fraction, seed, operands)
    n = n_operands(p, operands)
    a, b = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
    token_b = b + p if own_tokens_of_b else b
    ops = op_tokens(operations, p, own_tokens_of_b)
    prompts = [torch.stack([a, torch.full_like(a, token), token_b], dim=-1) for token in ops]
    labels = [operation(a, b, p) for operation in operations]
    return Dataset(torch.stack(prompts), torch.stack(labels), split(n * n, fraction, seed))


def over_residues(column: Shaped[Tensor, "n_pairs *rest"], p: int) -> Shaped[Tensor, "{p} {p} *rest"]:
    """A column of the table as a square with a along the rows, over the residues alone where n is larger than p."""
    n = math.isqrt(len(column))
    return column.unflatten(0, (n, n))[:p, :p]


def split(n_pairs: int, fraction: float, seed: int) -> Bool[Tensor, "n_pairs"]:
    """True at the ⌊fraction · n_pairs⌋ pairs to train on: a shuffle by `seed`, cut (paper §3.1).

    The shuffle depends on `seed` and `n_pairs` alone: every operation sees the same pairs, and the pairs of a
    larger fraction include those of a smaller one.
    """
    stream = np.random.PCG64(np.random.SeedSequence([seed, SPLIT_STREAM]))
    # Sorting raw keys rather than Generator.permutation, whose stream may change with NumPy (NEP 19).
    order = np.argsort(stream.random_raw(n_pairs), kind="stable")
    train = np.zeros(n_pairs, dtype=bool)
    train[order[: n_train(n_pairs, fraction)]] = True
    return torch.from_numpy(train)
