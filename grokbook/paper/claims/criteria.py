"""How a claim is judged: numbers from stored runs, limits stated beforehand, and a verdict that follows from them.

A claim of the paper is broken down into criteria. Each is one number per seed and a limit: "at most" or "at least".
A claim is reproduced if all numbers of all criteria keep their limits, not reproduced if none does, and partly
reproduced otherwise. A criterion without a stored run leaves its claim open: not yet run.

Limits are round numbers. Where there is such a number, what the same model gives before training stands beside it, so
that a reader sees whether the limit tells anything, and each verdict is taken a second and a third time with all limits
moved towards the lenient and the strict side, by :data:`SHIFT` of their distance from what says nothing of the kind:
1/2 for a share of cosines, 1 for a ratio. So no lenient limit is one that nothing at all would keep.

A run that cannot tell has no number (NaN): one that has not grokked, where a sentence is about what grokked models look
like; one that comes close without having grokked, where it says whether a run groks. That neither keeps a limit nor
fails it; a claim with such a number is not reproduced as a whole, and one with no other is not yet run.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import Any, NamedTuple, TypedDict, Unpack

from grokbook import paper
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run
from grokbook.training.ensure import RunStore

SHIFT = 0.25
"""Share of its distance from :attr:`Criterion.null` by which a limit is moved, to see whether a verdict hangs on it."""
SEEDS = (0, 1, 2)
"""Seeds of the paper."""


class Verdict(Enum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    PARTLY = "partly"
    NOT_REPRODUCED = "not reproduced"
    NOT_YET_RUN = "not yet run"


class Value(NamedTuple):
    """A number of one seed."""

    seed: int
    value: float
    start: float | None = None
    """The same number of the same model before training, where there is one."""


class Bound(TypedDict, total=False):
    """The limit of a criterion: one of the two."""

    at_most: float
    at_least: float


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One number per seed, and the limit it has to keep."""

    what: str
    """What the number is, in a few words."""
    values: tuple[Value, ...]
    at_most: float | None = None
    at_least: float | None = None
    null: float = 0.0
    """What the number is where there is nothing of the kind, like 1 for a ratio of what is equal."""

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(f"a criterion has one limit: {self.what}")

    def keeps(self, value: float) -> bool:
        """Whether a value keeps the limit."""
        return value <= self.at_most if self.at_most is not None else value >= self._least

    @property
    def _least(self) -> float:
        assert self.at_least is not None
        return self.at_least

    @property
    def passed(self) -> list[bool | None]:
        """For each seed, whether its value keeps the limit; None where it has no number."""
        return [None if math.isnan(each.value) else self.keeps(each.value) for each in self.values]

    @property
    def limit(self) -> str:
        """The limit in words."""
        text, limit = ("at least", self._least) if self.at_most is None else ("at most", self.at_most)
        return f"{text} {limit:g}" if round(limit, 3) == limit else f"{text} {Fraction(limit).limit_denominator(100)}"

    def shifted(self, share: float) -> Criterion:
        """The same with its limit moved by a share of its distance from ``null``; to the lenient side if positive."""
        if self.at_most is not None:
            return replace(self, at_most=self.at_most + share * abs(self.at_most - self.null))
        return replace(self, at_least=self._least - share * abs(self._least - self.null))

    @property
    def numbers(self) -> list[float]:
        """The values that are numbers: a run may have none, like a speed-up where nothing groks."""
        return [each.value for each in self.values if not math.isnan(each.value)]

    @property
    def median(self) -> float:
        """The median over seeds that have a number; NaN without any."""
        return statistics.median(self.numbers) if self.numbers else math.nan


def verdict(criteria: Sequence[Criterion]) -> Verdict:
    """What follows from the criteria of one claim."""
    if not criteria or not all(criterion.values for criterion in criteria):
        return Verdict.NOT_YET_RUN
    passed = {each for criterion in criteria for each in criterion.passed}
    if passed == {None}:
        return Verdict.NOT_YET_RUN
    if passed == {True}:
        return Verdict.REPRODUCED
    return Verdict.PARTLY if True in passed else Verdict.NOT_REPRODUCED


def kept(criteria: Iterable[Criterion]) -> str:
    """How many numbers of some criteria keep their limits, like "3 of 4, 2 undecided"; "–" without any."""
    passed = Counter(each for criterion in criteria for each in criterion.passed)
    n_decided, n_undecided = passed[True] + passed[False], passed[None]
    told = [f"{passed[True]} of {n_decided}"] if n_decided else []
    told += [f"{n_undecided} undecided"] if n_undecided else []
    return ", ".join(told) or "–"


Configs = Callable[[int], Sequence[RunConfig]]
"""The runs of a seed."""


def alone(*operations: str, **settings: Any) -> Configs:
    """Operations from scratch, each in a run of its own; settings as :func:`grokbook.paper.single` takes them."""
    return lambda seed: [paper.single(operation, seed=seed, **settings) for operation in operations]


def mixed(operations: Sequence[str], fraction: float = 0.3) -> Configs:
    """Several operations in one run."""
    return lambda seed: [paper.mixture(operations, fraction=fraction, seed=seed)]


class Evidence:
    """The stored runs of some seeds, each read once; nothing is trained."""

    def __init__(self, store: RunStore, seeds: Iterable[int] = SEEDS) -> None:
        self.store, self.seeds = store, tuple(seeds)
        self._read: dict[RunConfig, Run] = {}

    def get(self, config: RunConfig) -> Run | None:
        """The run, if it is stored."""
        if config not in self._read and config in self.store:
            self._read[config] = self.store.get(config)
        return self._read.get(config)

    def criterion(
        self,
        what: str,
        configs: Configs,
        value: Callable[..., float],
        *,
        start: Callable[..., float] | None = None,
        null: float = 0.0,
        weights: bool = False,
        of_grokked: bool = False,
        **limit: Unpack[Bound],
    ) -> Criterion:
        """A criterion over all seeds whose runs are stored.

        The number of a seed is the ``value`` of its runs, given in the order of ``configs``, and before training
        ``start`` of them. If it needs ``weights``, runs that were published without do not count. If the sentence is
        about models that have grokked (``of_grokked``), a seed of which one run has not has no number.
        """
        values = []
        for seed in self.seeds:
            found = [self.get(config) for config in configs(seed)]
            if all(run is not None and not (weights and not run.has_weights) for run in found):
                tells = not of_grokked or all(run.grok_step is not None for run in found if run is not None)
                number = float(value(*found)) if tells else math.nan
                values.append(Value(seed, number, None if start is None else float(start(*found))))
        return Criterion(what=what, values=tuple(values), null=null, **limit)

    def groks(self, what: str, configs: Configs, *, expected: bool = True) -> Criterion:
        """Whether a run groks, see :func:`grokked`. The limit lies between, so that moving it changes nothing."""
        limit = Bound(at_least=0.5) if expected else Bound(at_most=0.5)
        return self.criterion(f"{what}: grokked (1) or not (0)", configs, grokked, **limit)


def grokked(run: Run) -> float:
    """1 if a run has grokked, 0 if not; NaN where it cannot tell, see :attr:`grokbook.runs.run.Run.groks`."""
    return math.nan if run.groks is None else float(run.groks)
