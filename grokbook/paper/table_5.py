"""Table 5 of the paper (Appendix I) from outcomes of runs: which operation groks from how much of its table.

A cell is a task (an operation from scratch, or with a pre-grokked module) at one fraction r. These rules hold for it:

- Of runs with one seed that differ in their step budget and tail alone, the one with the largest budget counts.
- A cell groks if the run of at least one seed does. The paper prints the best accuracy of what fails, so a cell that
  fails is one where the best run does.
- A cell agrees with the paper if both grok, or neither does, whatever the steps and accuracies are.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation
from grokbook.data.polynomials import Kind
from grokbook.paper import results
from grokbook.paper.results import Reported
from grokbook.runs.config import RunConfig
from grokbook.runs.outcomes import Outcome, merge
from grokbook.runs.run import ON_ITS_WAY

_KINDS = [*CATALOGUE, Kind.TABLE]
"""Kinds in the order of Table 5."""


class Group(NamedTuple):
    """A group of tasks of Table 5: a kind of operation, from scratch or with a pre-grokked module."""

    kind: Kind
    module: str | None = None

    @property
    def label(self) -> str:
        return self.kind.words if self.module is None else f"{self.kind.words}, {self.module}"

    @property
    def marked(self) -> bool | None:
        """What Table 1 says of it; None where its mark is lost."""
        marks = results.TABLE_1 if self.module is None else results.TABLE_1_PRE_GROKKED
        return marks.get(self.kind)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A task at one fraction, and the runs of it that there are."""

    wanted: tuple[RunConfig, ...]
    """Its runs as the experiment has them, one per seed."""
    outcomes: tuple[Outcome, ...]
    """Those that were run, in the order of seeds; possibly with other step budgets."""

    @property
    def operation(self) -> Operation:
        return self.wanted[0].parsed_operations[0]

    @property
    def group(self) -> Group:
        return Group(self.operation.kind, self.wanted[0].module)

    @property
    def label(self) -> str:
        """How the task is written in figures and tables: "2a+b", "2a+b, PG-E"."""
        module = self.wanted[0].module
        return self.operation.pretty if module is None else f"{self.operation.pretty}, {module}"

    @property
    def fraction(self) -> float:
        return self.wanted[0].fraction

    @property
    def reported(self) -> Reported | None:
        """What Table 5 says of it; None where it says nothing."""
        return results.reported(self.wanted[0])

    @property
    def grok_steps(self) -> tuple[int, ...]:
        """Of the seeds that grok."""
        return tuple(outcome.grok_step for outcome in self.outcomes if outcome.grok_step is not None)

    @property
    def grok_step(self) -> float | None:
        """The median over the seeds that grok; None if none does."""
        return float(statistics.median(self.grok_steps)) if self.grok_steps else None

    @property
    def groks(self) -> bool | None:
        """Whether it groks with any seed; None if it was not run."""
        return bool(self.grok_steps) if self.outcomes else None

    @property
    def divided(self) -> bool:
        """Whether it groks with some seeds and not with others."""
        return 0 < len(self.grok_steps) < len(self.outcomes)

    @property
    def delay(self) -> float | None:
        """How many times as many steps as to know the train set it takes to grok; the median over the seeds that do."""
        delays = [each.grok_step / each.fit_step for each in self.outcomes if each.grok_step and each.fit_step]
        return statistics.median(delays) if delays else None

    @property
    def on_its_way(self) -> bool:
        """Whether it fails, and a run came close: see :data:`grokbook.runs.run.ON_ITS_WAY`."""
        return self.groks is False and (self.best_test_accuracy or 0) > ON_ITS_WAY

    @property
    def best_test_accuracy(self) -> float | None:
        """Over all seeds, as a share; None if it was not run."""
        return max((outcome.best_test_accuracy for outcome in self.outcomes), default=None)

    @property
    def budgets(self) -> tuple[int, ...]:
        """The step budgets of its runs, each once, smallest first."""
        return tuple(sorted({outcome.config.max_steps for outcome in self.outcomes}))

    @property
    def agrees(self) -> bool | None:
        """Whether the paper has the same outcome; None if it was not run, or the paper says nothing of it."""
        if self.groks is None or self.reported is None:
            return None
        return self.groks == self.reported.grokked


def cells(configs: Iterable[RunConfig], outcomes: Iterable[Outcome]) -> list[Cell]:
    """Every cell that there is among some runs, in the order of Table 5: by kind, a module below its counterpart.

    Cells ask for ``configs``, of one operation each. Of ``outcomes`` that were run, those that no cell asks for are
    left out.
    """
    chosen = {outcome.config.hash: outcome for outcome in merge([], outcomes)}
    wanted: dict[str, dict[int, RunConfig]] = {}
    for config in configs:
        wanted.setdefault(config.with_seed(0).hash, {}).setdefault(config.seed, config)
    found = []
    for by_seed in wanted.values():
        runs = tuple(by_seed[seed] for seed in sorted(by_seed))
        there = tuple(chosen[config.hash] for config in runs if config.hash in chosen)
        found.append(Cell(wanted=runs, outcomes=there))
    return sorted(found, key=_place)


def _place(cell: Cell) -> tuple[int, int, str, str, float]:
    """Where a cell stands in Table 5; operations that the paper does not have come last in their kind."""
    of_kind = CATALOGUE.get(cell.operation.kind, ())
    place = of_kind.index(cell.operation) if cell.operation in of_kind else len(of_kind)
    return _KINDS.index(cell.operation.kind), place, str(cell.operation), cell.group.module or "", cell.fraction


class Count(NamedTuple):
    """How many runs there are of those that Table 5 stands for."""

    run: int
    wanted: int
    """Different runs that the cells ask for."""
    in_table: int
    """The same with operations that stand in two groups of Table 5 counted twice, as the paper does."""


def count(grid: Sequence[Cell]) -> Count:
    """Count the runs of some cells."""
    wanted = sum(len(cell.wanted) for cell in grid)
    in_two = (cell for cell in grid if cell.group.module is None and str(cell.operation) in results.SECOND_COLUMN)
    return Count(sum(len(cell.outcomes) for cell in grid), wanted, wanted + sum(len(cell.wanted) for cell in in_two))


class Agreement(NamedTuple):
    """How the cells that were run compare with the paper's."""

    cells: int
    run: int
    agree: int
    here_alone: int
    """Cells that grok here and not in the paper."""
    paper_alone: int
    """Cells that grok in the paper and not here, within the steps they had."""
    divided: int
    """Cells that grok with some seeds and not with others."""
    on_their_way: int
    """Cells that fail although a run came above 90 %."""


def agreement(grid: Iterable[Cell]) -> Agreement:
    """Compare some cells with the paper."""
    listed = list(grid)
    return Agreement(
        cells=len(listed),
        run=sum(cell.groks is not None for cell in listed),
        agree=sum(cell.agrees is True for cell in listed),
        here_alone=sum(cell.agrees is False and cell.groks is True for cell in listed),
        paper_alone=sum(cell.agrees is False and cell.groks is False for cell in listed),
        divided=sum(cell.divided for cell in listed),
        on_their_way=sum(cell.on_its_way for cell in listed),
    )


def by_group(grid: Iterable[Cell]) -> dict[Group, list[Cell]]:
    """The cells of each group, groups in the order of Table 5, with a module after from scratch."""
    found: dict[Group, list[Cell]] = {}
    for cell in grid:
        found.setdefault(cell.group, []).append(cell)
    return {group: found[group] for group in sorted(found, key=lambda g: (_KINDS.index(g.kind), g.module or ""))}


def grokking(grid: Iterable[Cell], fraction: float | None = None) -> dict[Operation, bool]:
    """Whether each operation that was run groks, at one fraction, or at any of those run (``fraction=None``)."""
    found: dict[Operation, bool] = {}
    for cell in grid:
        if cell.groks is not None and fraction in (None, cell.fraction):
            found[cell.operation] = found.get(cell.operation, False) or cell.groks
    return found
