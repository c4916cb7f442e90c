"""Outcomes of runs pooled over operations that are the same learning problem (:mod:`grokbook.analysis.isomorphisms`).

Seeds of such operations are draws of one distribution, whether an operation's own or another one's.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, NamedTuple

from grokbook.analysis import isomorphisms, pooling
from grokbook.analysis.renamings import Reading
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation, pretty
from grokbook.fourier.measures import ffs
from grokbook.paper.configs import FRACTIONS, is_plain, single
from grokbook.paper.experiments import EXPERIMENTS
from grokbook.paper.results import Reported, reported
from grokbook.runs import outcomes
from grokbook.runs.config import RunConfig
from grokbook.runs.outcomes import Outcome
from grokbook.runs.store import FolderStore

TABLES: Final = ("summary-grid", "unseen-fractions")
"""Tables of outcomes with runs from scratch on the operations of Table 5."""

CHANCE: Final = 0.05
"""Runs differ by more than chance where it makes them differ as much less often."""


@dataclass(frozen=True)
class Pool:
    """The runs, at one fraction, of operations that are one learning problem."""

    fraction: float
    members: Mapping[str, Sequence[Outcome]]
    """Outcomes by operation, in the order of seeds; of an operation without any, none."""

    @property
    def outcomes(self) -> list[Outcome]:
        """Those of all members."""
        return [outcome for of_one in self.members.values() for outcome in of_one]

    @property
    def grok_steps(self) -> list[int]:
        """Of the runs that grokked, the first one first."""
        return sorted(outcome.grok_step for outcome in self.outcomes if outcome.grok_step is not None)

    @property
    def p_value(self) -> float:
        """How often chance makes its members differ so much, by :func:`grokbook.analysis.pooling.p_value`."""
        return pooling.p_value(self.times)

    @property
    def times(self) -> list[list[int | float]]:
        """Grok steps of each member; infinity for a run that has none, left out if others grokked when it had ended."""
        last = max(self.grok_steps, default=0)
        return [[_time(each) for each in of_one if _tells(each, last)] for of_one in self.members.values()]


def _time(outcome: Outcome) -> int | float:
    return math.inf if outcome.grok_step is None else outcome.grok_step


def _tells(outcome: Outcome, last: int) -> bool:
    return outcome.grok_step is not None or outcome.steps >= last


def classes(p: int, separate: bool = False) -> list[list[Operation]]:
    """The operations of Table 5 that are one learning problem modulo p together, in the order of the table.

    Modulo 97 they are read from ``same_task.toml``; the search for them takes seconds.

    Args:
        p: modulus.
        separate: whether the model has an embedding for each operand.
    """
    if p == RunConfig.p:
        kept = tomllib.loads(files(__package__).joinpath("same_task.toml").read_text("utf8"))
        return [list(map(Operation.parse, members)) for members in kept["separate" if separate else "shared"]]
    return isomorphisms.classes((each for kind in CATALOGUE.values() for each in kind), p, separate)


def from_scratch(found: Iterable[Outcome], p: int, model: str = RunConfig.model) -> list[Outcome]:
    """Outcomes of runs as the paper trains them, on one operation modulo p, by whatever model."""
    return [
        outcome
        for outcome in outcomes.merge([], found)
        if outcome.config.p == p and outcome.config.model == model and is_plain(outcome.config)
    ]


def known(folders: FolderStore, p: int) -> list[Outcome]:
    """All that is known of the operations of Table 5 from scratch modulo p: rows of tables, and stored runs."""
    configs = EXPERIMENTS["summary-grid"].configs([p], FRACTIONS, [0])
    scratch = [config for config in configs if config.source is None]
    return from_scratch(outcomes.gather(folders, TABLES, scratch), p)


def pools(classes: Iterable[Sequence[Operation]], ends: Iterable[Outcome]) -> list[Pool]:
    """A pool for each class and each fraction at which a member has an outcome, class by class."""
    found: dict[tuple[str, float], list[Outcome]] = {}
    for outcome in sorted(ends, key=lambda outcome: outcome.config.seed):
        found.setdefault((str(outcome.config.parsed_operations[0]), outcome.config.fraction), []).append(outcome)
    fractions = sorted({fraction for _, fraction in found})
    return [
        Pool(fraction, {name: found.get((name, fraction), []) for name in names})
        for names in [[str(member) for member in members] for members in classes]
        for fraction in fractions
        if any((name, fraction) in found for name in names)
    ]


def chance_text(p_value: float) -> str:
    """A p-value as sentences have it: p = 0.043, p > 0.99."""
    return "p > 0.99" if p_value > 0.99 else f"p = {p_value:.2g}"


class Cell(NamedTuple):
    """A fraction at which the paper's Table 5 has members of one class end differently."""

    fraction: float
    says: Mapping[str, Reported]
    """What it says of each member."""


def differing(classes: Iterable[Sequence[Operation]], p: int, fractions: Iterable[float]) -> Iterator[Cell]:
    """Where the paper's Table 5 differs within a class in what groks: no property of the operation can be behind it."""
    listed = list(fractions)
    for members in classes:
        for fraction in listed:
            found = {str(each): reported(single(str(each), p=p, fraction=fraction)) for each in members}
            says = {name: told for name, told in found.items() if told is not None}
            if len({told.grokked for told in says.values()}) > 1:
                yield Cell(fraction, says)


def findings(
    one: Sequence[Sequence[Operation]],
    two: Sequence[Sequence[Operation]],
    at: Iterable[Pool],
    chance: float,
    readings: Iterable[Reading],
) -> Iterator[str]:
    """What is found, in sentences: of classes, of grok steps, and of FFS of W_E; of what is not known, none.

    Args:
        one: classes of operations with one embedding.
        two: classes with two.
        at: pools at one fraction.
        chance: how often chance makes operations of one class differ as much as they do.
        readings: layers of runs, and of runs relabelled.
    """
    yield (
        f"{sum(map(len, one))} operations are {len(one)} problems with one embedding for both operands, and "
        f"{len(two)} with an embedding for each."
    )
    largest = max(at, key=lambda pool: len(pool.members), default=None)
    if largest is not None and largest.grok_steps:
        first, steps = next(iter(largest.members)), largest.grok_steps
        differ = "no more than chance" if chance >= CHANCE else "more than chance"
        yield (
            f"{pretty(first)} and what is the same problem grok at r = {largest.fraction:g} in {len(steps)} of "
            f"{len(largest.outcomes)} runs, at steps {steps[0]:,} to {steps[-1]:,}; operations of one problem differ "
            f"by {differ} ({chance_text(chance)})."
        )
    values: dict[str, list[float]] = {}
    for each in readings:
        if each.layer == "embedding":
            values.setdefault(each.what, []).append(ffs(each.over_residues))
    spans = {what: f"{min(found):.2f} to {max(found):.2f}" for what, found in values.items()}
    names = "a+b, x → x⁵", "a⁵+b⁵", "a+b"
    if set(names) <= set(spans):
        relabelled, trained, plain = (spans[name] for name in names)
        yield (
            f"Runs of a+b relabelled by x → x⁵ have an embedding with an FFS of {relabelled}; runs of a⁵+b⁵ have "
            f"{trained}, and those of a+b, as they are, {plain}."
        )
