"""Outcomes of predicted runs that nobody trained, for the tests of what is said of them."""

from collections.abc import Callable

from outcome_rows import ended

from grokbook.paper import predicted
from grokbook.paper.predicted import Predicted
from grokbook.paper.predictions import SETS
from grokbook.runs.outcomes import Outcome


def kept(row: Predicted) -> int | float:
    """The end that a run has if the law is right to the step."""
    return round(row.steps) if row.probability > 0.5 else 0.25


def missed(row: Predicted) -> int | float:
    """The opposite end."""
    return 0.25 if row.probability > 0.5 else row.budget // 2


def outcomes(name: str, end: Callable[[Predicted], int | float | None]) -> list[Outcome]:
    """Outcomes of a set: a grok step, the best accuracy of a run that fails, or None for one that is not known."""
    configs = {config.name: config for config in SETS[name].configs()}
    ends = {row.run: end(row) for row in predicted.rows(name)}
    return [ended(configs[run], each) for run, each in ends.items() if each is not None]


def rows(name: str, end: Callable[[Predicted], int | float | None]) -> list[Predicted]:
    """A set with such ends."""
    return predicted.rows(name, outcomes(name, end))
