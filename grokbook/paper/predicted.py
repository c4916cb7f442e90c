"""Predictions beside what became of them: a row for each run, with its end where that is known.

Sets of predictions are those of :mod:`grokbook.paper.predictions`, as their files say. The runs that the law was fitted
to have rows, too: there each is predicted by the law that is fitted to all others but those of its own class, the
operations that are the same learning problem.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from grokbook.analysis import grok_law, isomorphisms, unseen
from grokbook.analysis.flatness import is_flat
from grokbook.analysis.grok_law import Law
from grokbook.analysis.prediction import published_law
from grokbook.data.operations import Operation
from grokbook.model.registry import MODELS
from grokbook.paper import predictions
from grokbook.paper.configs import budget
from grokbook.paper.experiments import EXPERIMENTS, sweep_command
from grokbook.paper.predictions import SETS
from grokbook.runs import outcomes
from grokbook.runs.config import RunConfig
from grokbook.runs.outcomes import Outcome
from grokbook.runs.store import FolderStore

TABLES = ("summary-grid",)
"""Tables that have ends of predicted runs besides those of their own experiments."""


class End(NamedTuple):
    """What became of a run."""

    grokked: bool
    """Within the budget of its prediction."""
    steps: int
    """Its grok step, or the steps it had without grokking."""
    best: float | None = None
    """Best test accuracy, as a share; None where nothing tells."""


class Predicted(NamedTuple):
    """What was predicted of a run, and its end."""

    run: str
    """The name of its folder."""
    operation: str
    model: str
    module: str | None
    """The pre-grokked module it starts from; the law says nothing of such runs."""
    p: int
    fraction: float
    seed: int
    budget: int
    """By when it was to grok, in steps."""
    flat: bool
    symmetric: bool
    rho: float
    """The correlation that the model can make use of: ρ_sym with one embedding, ρ with two."""
    probability: float
    """To grok within the budget."""
    steps: float
    """The median grok step."""
    interval: tuple[float, float]
    """The steps between which 80 % of such runs grok."""
    group: str
    """Names the class of operations that are the same learning problem."""
    end: End | None = None
    """None where it is not known."""

    @property
    def pairs(self) -> float:
        """In how many train pairs a residue stands."""
        return grok_law.pairs(self.p, self.fraction, self.model)

    @property
    def right(self) -> bool | None:
        """Whether the end is on the predicted side of ½; None where it is not known."""
        return None if self.end is None else (self.probability > 0.5) == self.end.grokked

    @property
    def inside(self) -> bool | None:
        """Whether the grok step is where 80 % of such runs were to have it; None where it is not known.

        To be late enough not to grok by the budget is inside an interval that ends beyond.
        """
        if self.end is None:
            return None
        low, high = self.interval
        return low <= self.end.steps <= high if self.end.grokked else high > self.budget

    @property
    def case(self) -> grok_law.Case:
        """The run as the law sees it. ``ValueError`` where its end is not known."""
        if self.end is None:
            raise ValueError(f"nothing is known of {self.run}")
        return grok_law.Case(self.rho, self.pairs, self.fraction, self.end.steps, self.end.grokked)


def ends(folders: FolderStore, names: Iterable[str] = tuple(SETS)) -> list[Outcome]:
    """All that is known of the runs of some sets: rows of tables, and stored runs that these lack."""
    chosen = [SETS[name] for name in names]
    wanted = [config for each in chosen for config in each.configs()]
    return outcomes.gather(folders, (*TABLES, *(name for each in chosen for name in each.experiments)), wanted)


def rows(name: str, found: Iterable[Outcome] = ()) -> list[Predicted]:
    """The predictions of a set, in the order of its file, each with its end where one of these outcomes has it."""
    there = {outcome.config.hash: outcome for outcome in found}
    hashes = {config.name: config.hash for config in SETS[name].configs()}
    kept = predictions.published(name)["runs"]
    groups = _groups(_problem(row) for row in kept)
    return [_predicted(row, groups[_problem(row)], there.get(hashes[row["run"]])) for row in kept]


_Problem = tuple[int, str, bool]
"""A modulus, an operation, and whether a and b have one embedding."""


def _problem(row: Mapping[str, Any]) -> _Problem:
    return row["p"], row["operation"], MODELS[row["model"]].one_embedding


def _predicted(row: dict[str, Any], group: str, outcome: Outcome | None) -> Predicted:
    # A pre-grokked run has no correlation: the formula is looked at all the same, for what is compared with it.
    formula = "rho" not in row
    of_model = "rho_sym" if MODELS[row["model"]].one_embedding else "rho"
    return Predicted(
        **{key: row[key] for key in ("run", "operation", "model", "module", "p", "fraction", "seed", "budget")},
        flat=is_flat(row["operation"], row["p"]) if formula else row["flat"],
        symmetric=Operation.parse(row["operation"]).symmetric if formula else row["symmetric"],
        rho=math.nan if formula else row[of_model],
        probability=row["probability"],
        steps=row["steps"],
        interval=(row["interval"][0], row["interval"][1]),
        group=group,
        end=None if outcome is None else _end(outcome, row["budget"]),
    )


def _end(outcome: Outcome, by: int) -> End | None:
    """How a run ended by a budget; None where it was given fewer steps, and has not grokked."""
    if outcome.grok_step is not None and outcome.grok_step <= by:
        return End(True, outcome.grok_step, outcome.best_test_accuracy)
    enough = outcome.grok_step is not None or outcome.steps >= by
    return End(False, by, outcome.best_test_accuracy) if enough else None


def _groups(problems: Iterable[_Problem]) -> dict[_Problem, str]:
    """Names of classes of the same learning problem.

    Those of Table 5 modulo 97 with one embedding are in the law's file; of those that were drawn at random no two are
    in one class then.
    """
    known = {row["operation"]: str(row["class"]) for row in predictions.published("law")["cases"]}
    drawn = {str(each) for family in unseen.listed().values() for each in family}
    found: dict[_Problem, str] = {}
    left: dict[tuple[int, bool], list[str]] = {}
    for p, operation, one_embedding in dict.fromkeys(problems):
        if one_embedding and p == RunConfig.p and operation in known:
            found[p, operation, one_embedding] = f"{known[operation]} mod {p}"
        elif one_embedding and p == unseen.P and operation in drawn:
            found[p, operation, one_embedding] = f"{operation} mod {p}"
        else:
            left.setdefault((p, one_embedding), []).append(operation)
    for (p, one_embedding), some in left.items():
        for members in isomorphisms.classes(some, p, separate=not one_embedding):
            found |= {(p, str(each), one_embedding): f"{members[0]} mod {p}" for each in members}
    return found


def commands(name: str, rows: Iterable[Predicted]) -> list[str]:
    """The commands that train those runs of a set whose ends are not known."""
    missing = {row.run for row in rows if row.end is None}
    wanted = [(each, config) for each in SETS[name].experiments for config in EXPERIMENTS[each].configs()]
    left: dict[str, list[RunConfig]] = {}
    for each, config in wanted:
        if config.name in missing:
            left.setdefault(each, []).append(config)
    return [sweep_command(each, configs) for each, configs in left.items()]


@cache
def known_rows() -> tuple[Predicted, ...]:
    """The runs that the published law was fitted to, each predicted without those of its class."""
    known = _known()
    laws = dict(_without_each(known))
    return tuple(_by(laws[row.group], row) for row in known)


@cache
def _known() -> tuple[Predicted, ...]:
    """The runs that the published law was fitted to, as it says itself."""
    kept = predictions.published("law")["cases"]
    flat = {of: is_flat(*of) for of in {(row["operation"], row["p"]) for row in kept}}
    found = [
        Predicted(
            **{key: row[key] for key in ("run", "operation", "p", "fraction", "seed", "rho")},
            model=RunConfig.model,
            module=None,
            budget=_budget(row),
            flat=flat[row["operation"], row["p"]],
            symmetric=Operation.parse(row["operation"]).symmetric,
            probability=math.nan,
            steps=math.nan,
            interval=(math.nan, math.nan),
            group=str(row["class"]),
            end=End(row["grokked"], row["steps"]),
        )
        for row in kept
    ]
    return tuple(_by(published_law(), row) for row in found)


def _by(law: Law, row: Predicted) -> Predicted:
    """A run from scratch as a law predicts it."""
    at = row.rho, row.pairs, row.fraction
    return row._replace(probability=law.probability(*at, row.budget), steps=law.steps(*at), interval=law.interval(*at))


def _budget(row: dict[str, Any]) -> int:
    """By when a known run was to grok: the steps it had, or the budget of its operation where it grokked."""
    return max(row["steps"], budget(row["operation"], row["fraction"]) if row["grokked"] else 0)


def _without_each(known: Sequence[Predicted]) -> Iterator[tuple[str, Law]]:
    """The law that fits all known runs but those of one class, for each class."""
    for group in dict.fromkeys(row.group for row in known):
        yield group, grok_law.fit([row.case for row in known if row.group != group])


class Said(NamedTuple):
    """What the law says of a run."""

    probability: float
    """To grok within the budget."""
    budget: int
    beforehand: bool
    """Whether it was said before the run was trained; if not, the law was fitted to this run among others."""


def said_of(config: RunConfig) -> Said | None:
    """What is said of a run of Table 5 modulo 97; None where nothing is, as of most pre-grokked runs."""
    return _all_said().get(config.name)


@cache
def _all_said() -> Mapping[str, Said]:
    fitted = {row.run: Said(row.probability, row.budget, False) for row in _known()}
    return fitted | {row.run: Said(row.probability, row.budget, True) for row in rows("B")}
