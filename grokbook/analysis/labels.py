"""Labels over many splits: does the data set itself tell which operations grok (paper, Appendix K)?

All in nats. The entropies are those of the plain frequencies. For KL(train ‖ test) alone every label that the whole
table holds starts with half a count (Jeffreys' prior) on both sides, since a label that only train drew would make it
infinite; a label that no pair of the table has gets no bin.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Real
from scipy import stats

from grokbook import data
from grokbook.data.operations import Operation
from grokbook.data.tokens import check
from grokbook.runs.run import Run

Outcomes = Mapping[Operation, bool]
"""Whether an operation groks; one of which that is not known is missing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Labels:
    """The labels of one operation: in its whole table, and in train and test set for each seed."""

    operation: Operation
    counts: Int64[np.ndarray, "p"]
    """How many of the p² pairs have each label."""
    n_train: int
    kl: Float64[np.ndarray, "n_seeds"]
    """KL(train ‖ test), with half a count more for every label of the table on both sides."""
    train_entropy: Float64[np.ndarray, "n_seeds"]
    test_entropy: Float64[np.ndarray, "n_seeds"]

    @property
    def histogram(self) -> tuple[int, ...]:
        """How often the labels occur in the table, the rarest first, whichever they are; without those that do not.

        For two operations with one histogram, a random split has the same chance of any KL and of any entropy.
        """
        return tuple(np.sort(self.counts[self.counts > 0]).tolist())

    @property
    def n_labels(self) -> int:
        """How many labels occur in the table."""
        return int((self.counts > 0).sum())

    @property
    def entropy(self) -> float:
        """Entropy of the labels in the whole table."""
        return float(_entropy(self.counts))

    @property
    def expected_kl(self) -> float:
        """What `kl` is on average, see :func:`expected_kl`."""
        return expected_kl(self.n_labels, int(self.counts.sum()), self.n_train)


def survey(operations: Sequence[Operation], p: int, fraction: float, seeds: Sequence[int]) -> tuple[Labels, ...]:
    """The labels of each operation under the split of each seed, which are the splits that runs are trained on.

    Raises:
        ValueError: there is no seed, or the arguments make no data set (see :func:`grokbook.data.tokens.check`).
    """
    if not len(seeds):
        raise ValueError("at least one seed is needed")
    check(operations, p, fraction, min(seeds))
    tables = [operation.labels(p).reshape(-1) for operation in operations]
    inside = np.empty((len(tables), len(seeds), p), dtype=np.int64)
    for k, seed in enumerate(seeds):
        train = data.split(p * p, fraction, seed).numpy()
        for table, found in zip(tables, inside, strict=True):
            found[k] = np.bincount(table[train], minlength=p)
    return tuple(map(_labels, operations, tables, inside))


def _labels(
    operation: Operation, table: Int64[np.ndarray, "n_pairs"], inside: Int64[np.ndarray, "n_seeds p"]
) -> Labels:
    counts = np.bincount(table, minlength=inside.shape[-1])
    outside = counts - inside
    train, test = (_shares(part[:, counts > 0] + 0.5) for part in (inside, outside))
    return Labels(
        operation=operation,
        counts=counts,
        n_train=int(inside[0].sum()),
        kl=(train * np.log(train / test)).sum(axis=-1),
        train_entropy=_entropy(inside),
        test_entropy=_entropy(outside),
    )


# Not SciPy's entropy: its last digits differ, ranks take them for differences, and printed p-values follow.
def _entropy(counts: Int64[np.ndarray, "... p"]) -> Float64[np.ndarray, "..."]:
    share = _shares(counts)
    return np.asarray(-(share * np.log(np.where(share > 0, share, 1))).sum(axis=-1))


def _shares(counts: Real[np.ndarray, "... p"]) -> Float64[np.ndarray, "... p"]:
    return counts / counts.sum(axis=-1, keepdims=True)


def expected_kl(n_labels: int, n_pairs: int, n_train: int) -> float:
    """KL(train ‖ test) of a random split on average, to second order in the shares' deviations.

    KL is about ½ Σ (q - q')² / Q, with Q a label's share of the table and q, q' those in train and test; q - q' has
    variance Q (1 - Q) n² / (m (n-m) (n-1)) for m of n pairs, so that Q cancels: how often a label occurs is no matter.
    """
    return (n_labels - 1) / 2 * n_pairs**2 / (n_train * (n_pairs - n_train) * (n_pairs - 1))


def by_histogram(surveyed: Iterable[Labels]) -> list[tuple[Labels, ...]]:
    """Operations whose labels occur equally often, together; in the order in which each group's first one comes."""
    groups: dict[tuple[int, ...], list[Labels]] = {}
    for labels in surveyed:
        groups.setdefault(labels.histogram, []).append(labels)
    return [tuple(group) for group in groups.values()]


def outcomes_of(runs: Iterable[Run]) -> dict[Operation, bool]:
    """Whether an operation groks by its runs, of those that can tell: :attr:`grokbook.runs.run.Run.groks`.

    Mixtures, and operations whose seeds disagree, are left out.
    """
    found: dict[Operation, set[bool]] = {}
    for run in runs:
        if len(run.config.operations) == 1 and run.groks is not None:
            found.setdefault(run.config.parsed_operations[0], set()).add(run.groks)
    return {operation: seen.pop() for operation, seen in found.items() if len(seen) == 1}


def twins(surveyed: Iterable[Labels], outcomes: Outcomes) -> tuple[list[Operation], list[Operation]]:
    """Operations that do not grok: those whose histogram one that groks has too, and those that stand alone."""
    found: dict[bool, list[Operation]] = {True: [], False: []}
    for group in by_histogram(surveyed):
        told = {labels.operation: outcomes.get(labels.operation) for labels in group}
        found[True in told.values()] += [operation for operation, groks in told.items() if groks is False]
    return found[True], found[False]


# --- does a number tell two groups apart? ---------------------------------------------------------


def mean_kl(labels: Labels) -> float:
    """KL(train ‖ test), the mean over seeds."""
    return float(labels.kl.mean())


STATISTICS: Mapping[str, Callable[[Labels], float]] = {
    "KL(train ‖ test)": mean_kl,
    "entropy of train": lambda labels: float(labels.train_entropy.mean()),
    "entropy of test": lambda labels: float(labels.test_entropy.mean()),
    "entropy of the table": lambda labels: labels.entropy,
    "labels that occur": lambda labels: float(labels.n_labels),
}
"""What an operation is told by: means over seeds, and what does not depend on a seed."""


def parted(
    surveyed: Iterable[Labels], outcomes: Outcomes, value: Callable[[Labels], float]
) -> tuple[list[float], list[float]]:
    """A number of the operations that grok, and of those that do not."""
    known = [(outcomes[labels.operation], value(labels)) for labels in surveyed if labels.operation in outcomes]
    return [x for groks, x in known if groks], [x for groks, x in known if not groks]


class Separation(NamedTuple):
    """How far a number tells the members of one group from those of another."""

    auc: float
    """In how many of all pairs, one of each group, the first has the larger value (a tie counts half): U over pairs.

    0.5 is what a number gives that has nothing to do with the groups, 0 and 1 mean that one threshold parts them.
    """
    p_value: float
    """How often groups of these sizes, drawn at random from the same values, lie as far from 0.5 or farther; exact."""


def separation(one: Sequence[float], other: Sequence[float]) -> Separation:
    """Mann and Whitney's two-sided test, exact with ties, for groups of up to some hundred values.

    Raises:
        ValueError: a group is empty, or a value is not finite.
    """
    values = np.array([*one, *other], dtype=float)
    if not len(one) or not len(other) or not np.isfinite(values).all():
        raise ValueError("two groups of finite values are needed, neither of them empty")
    n, m = len(one), len(other)
    # SciPy's exact test knows no ties. Twice the ranks are whole numbers, whose sums are few.
    ranks = np.rint(2 * stats.rankdata(values)).astype(int).tolist()
    sums = _rank_sums(ranks, n)
    found = sum(ranks[:n]) - n * (n + 1)  # twice U
    away = np.abs(np.arange(len(sums)) - n * (n + m + 1))  # from the middle of all sums
    return Separation(auc=found / (2 * n * m), p_value=float(sums[away >= abs(found - n * m)].sum() / sums.sum()))


def _rank_sums(ranks: Sequence[int], n: int) -> Float64[np.ndarray, "sums"]:
    """How many ways there are to pick n of the ranks, by their sum."""
    ways = np.zeros((n + 1, sum(ranks) + 1))
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, :-rank].copy()
    return ways[n]
