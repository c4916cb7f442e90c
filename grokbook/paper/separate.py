"""An embedding for each operand: what was predicted of such runs, what became of them, and what that would explain.

With separate embeddings a−b, 2a±b and 2a±3b are the same learning problem as a+b, and ab±b as a·b: their grok steps are
draws of one distribution. Predictions are those of :mod:`grokbook.paper.predictions`, sets ``D-control`` and ``D``.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from grokbook.analysis import pooling
from grokbook.data.operations import Operation
from grokbook.paper import predictions
from grokbook.paper.experiments import EXPERIMENTS, sweep_command
from grokbook.paper.same_task import CHANCE, chance_text, from_scratch, pools
from grokbook.runs import outcomes
from grokbook.runs.outcomes import Outcome
from grokbook.runs.store import FolderStore

MODEL: Final = "separate"
SETS: Final[Mapping[str, str]] = {"D-control": "separate-control", "D": "separate-embeddings"}
"""The experiment of each set of predictions."""
SAME: Final[Mapping[str, tuple[str, ...]]] = {
    "a+b": ("a-b", "2a+b", "2a-b", "2a+3b", "2a-3b"),
    "ab": ("ab+b", "ab-b"),
}
"""Operations that separate embeddings make the same problem as the first, and one embedding does not."""


class Told(NamedTuple):
    """A run, what was predicted of it, and how it ended."""

    predicted: Mapping[str, Any]
    """Its row in the file of the set."""
    outcome: Outcome | None
    """None where it is not known whether it groks within its budget."""

    @property
    def grokked(self) -> bool | None:
        """Whether it did within its budget; None where that is not known."""
        return None if self.outcome is None else _within(self.outcome, self.predicted["budget"])

    @property
    def kept(self) -> bool | None:
        """Whether its grok step lies where 80 % of such runs were to have it; None where that is not known."""
        if self.outcome is None:
            return None
        low, high = self.predicted["interval"]
        if not self.grokked:
            return bool(high > self.predicted["budget"])
        return bool(low <= (self.outcome.grok_step or 0) <= high)


def _within(outcome: Outcome, budget: int) -> bool:
    return outcome.grok_step is not None and outcome.grok_step <= budget


def told(name: str, found: Iterable[Outcome]) -> list[Told]:
    """The predictions of a set, in their order, each with what is known of its run; none if the set has no file yet."""
    try:
        rows = predictions.published(name)["runs"]
    except FileNotFoundError:
        return []
    known = {outcome.config.name: outcome for outcome in found}
    return [Told(row, _if_told(known.get(row["run"]), row["budget"])) for row in rows]


def _if_told(outcome: Outcome | None, budget: int) -> Outcome | None:
    if outcome is None or (outcome.grok_step is None and outcome.steps < budget):
        return None
    return outcome


def gather(folders: FolderStore) -> list[Outcome]:
    """All that is known of runs with separate embeddings: rows of tables, and stored runs that these lack."""
    names = [name for name in SETS.values() if name in EXPERIMENTS]
    known = (row for name in names for row in outcomes.published(folders, name))
    configs = [config for name in names for config in EXPERIMENTS[name].configs()]
    return outcomes.merge(known, outcomes.stored(folders, configs))


def command(name: str, rows: Iterable[Told]) -> str:
    """The command that trains the runs of a set whose ends are not known; empty where all are."""
    missing = {row.predicted["run"] for row in rows if row.outcome is None}
    experiment = SETS[name]
    configs = [config for config in EXPERIMENTS[experiment].configs() if config.name in missing] if missing else []
    return sweep_command(experiment, configs) if configs else ""


# --- the control ----------------------------------------------------------------------------------


def missed(rows: Iterable[Told]) -> dict[float, bool | None]:
    """For each fraction, whether the median grok step lies outside the predicted interval; None while runs are open.

    A run that has not grokked counts as later than all that have.
    """
    at: dict[float, list[Told]] = {}
    for row in rows:
        at.setdefault(row.predicted["fraction"], []).append(row)
    found: dict[float, bool | None] = {}
    for fraction, there in sorted(at.items()):
        kept = [row.kept for row in sorted(there, key=_step)]
        found[fraction] = None if None in kept else not kept[len(kept) // 2]
    return found


def _step(row: Told) -> int | float:
    return row.outcome.grok_step if row.outcome is not None and row.outcome.grok_step is not None else float("inf")


def control_sentence(rows: Sequence[Told]) -> str:
    """What became of the control, in words, with the declared rule once all its runs are known."""
    known = [row for row in rows if row.outcome is not None]
    if not known:
        return f"Of the control, a+b with two embeddings, none of {len(rows)} runs is known yet."
    grokked = sum(row.grokked is True for row in known)
    inside = sum(row.kept is True for row in known)
    verb = "is" if len(known) == 1 else "are"
    says = (
        f"Of the control, a+b with two embeddings, {len(known)} of {len(rows)} runs {verb} known: {grokked} grokked "
        f"within the budget, {inside} ended as the interval of 80 % has it."
    )
    outside = missed(rows)
    if None in outside.values():
        return says
    missing = [f"{fraction:g}" for fraction, out in outside.items() if out]
    if not missing:
        return f"{says} The median lies inside it at every fraction: the prediction holds."
    failed = "fails by its own rule" if len(missing) >= 2 else "holds by its own rule"
    return f"{says} The median lies outside at r = {', '.join(missing)}: the prediction {failed}."


# --- one distribution? ----------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Grok steps of an operation beside those of another one that is to be the same problem, at one fraction."""

    operation: str
    reference: str
    fraction: float
    steps: tuple[int | float, ...]
    """Of its seeds; infinity for one that did not grok."""
    others: tuple[int | float, ...]
    """Of the reference."""

    @property
    def factor(self) -> float:
        """Its median step over that of the reference; NaN where one of the two is not known or did not grok."""
        if not self.steps or not self.others:
            return float("nan")
        one, other = statistics.median(self.steps), statistics.median(self.others)
        return float("nan") if float("inf") in (one, other) else one / other

    @property
    def p_value(self) -> float:
        """How often chance makes two samples of these sizes differ as much; NaN where it cannot tell."""
        return pooling.p_value([self.steps, self.others]) if self.steps and self.others else float("nan")


def comparisons(found: Iterable[Outcome], p: int, model: str, fraction: float | None = None) -> list[Comparison]:
    """Each operation of :data:`SAME` beside its reference, at the fractions at which both are known."""
    known = from_scratch(found, p, model)
    rows = []
    for reference, others in SAME.items():
        for pool in pools([[Operation.parse(name) for name in (reference, *others)]], known):
            if fraction in (None, pool.fraction) and pool.members[reference]:
                times = dict(zip(pool.members, map(tuple, pool.times), strict=True))
                rows += [
                    Comparison(name, reference, pool.fraction, times[name], times[reference])
                    for name in others
                    if times[name]
                ]
    return rows


def one_distribution(rows: Iterable[Comparison]) -> float:
    """How often chance makes operations that are to be one problem differ as much as they do; NaN if it cannot tell.

    Those with one reference and one fraction are compared together.
    """
    samples: dict[tuple[str, float], list[tuple[int | float, ...]]] = {}
    for row in rows:
        samples.setdefault((row.reference, row.fraction), [row.others]).append(row.steps)
    return pooling.combined(map(pooling.p_value, samples.values()))


def distribution_sentence(rows: Sequence[Comparison]) -> str:
    """Whether operations that are to be the same problem grok at the same time, in words."""
    expected = sum(map(len, SAME.values()))
    if not rows:
        return f"None of the {expected} comparisons can be made yet."
    says = f"{len({row.operation for row in rows})} of {expected} operations can be compared with a+b or a·b"
    p_value = one_distribution(rows)
    if p_value != p_value:
        return f"{says}; with so few seeds, chance cannot be told from a difference."
    verdict = (
        "they grok later or sooner than these by more than chance"
        if p_value < CHANCE
        else "chance alone explains how they differ"
    )
    return f"{says}: {verdict} ({chance_text(p_value)})."
