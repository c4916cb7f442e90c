"""Predictions and what became of them, as tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from grokbook.analysis import scores as measures
from grokbook.analysis import unseen
from grokbook.data.operations import pretty
from grokbook.figures.groups import Row, as_table
from grokbook.figures.predictions import end_text, probability, steps
from grokbook.paper.predicted import Predicted
from grokbook.paper.prediction_criteria import Criterion
from grokbook.paper.prediction_scores import MEASURES, Estimate, Scores

_PLACES: Final[Mapping[str, Callable[[Predicted], str]]] = {
    "p": lambda row: str(row.p),
    "r": lambda row: f"{row.fraction:g}",
    "seed": lambda row: str(row.seed),
}


@as_table
def score_table(scores: Scores) -> Iterator[Row]:
    """One row per predictor: its scores, with intervals of a bootstrap over classes of operations."""
    for name, each in scores.estimates.items():
        yield {"predictor": name, **{measure: _estimate(each[measure]) for measure in MEASURES}}


def _estimate(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "–"
    digits = 1 if estimate.value >= 1.095 else 2
    value, low, high = (f"{each:.{digits}f}" for each in estimate)
    return f"{value} [{low}–{high}]"


@as_table
def calibration_table(rows: Sequence[Predicted]) -> Iterator[Row]:
    """Whether runs that are given 70 % grok in 70 % of cases: a row for each fifth of the probabilities."""
    known = [row for row in rows if row.end is not None]
    said = np.array([row.probability for row in known])
    grokked = np.array([row.end.grokked for row in known if row.end is not None], bool)
    for mean, share, count in measures.calibration(said, grokked) if known else ():
        yield {"runs": count, "predicted, on average": probability(mean), "grokked": f"{100 * share:.0f} %"}


@as_table
def mistake_table(rows: Sequence[Predicted]) -> Iterator[Row]:
    """The runs that ended on the other side of ½ than predicted, the surest predictions first."""
    wrong = [row for row in rows if row.right is False]
    for row in sorted(wrong, key=lambda row: -abs(row.probability - 0.5)):
        yield {**_named(row, rows), "probability": probability(row.probability), "outcome": end_text(row)}


@as_table
def prediction_table(rows: Sequence[Predicted]) -> Iterator[Row]:
    """One row per run: what was predicted, and its end."""
    for row in rows:
        said = {"probability": probability(row.probability), "median step": steps(row.steps)}
        yield {**_named(row, rows), **said, "outcome": end_text(row)}


def _named(row: Predicted, among: Sequence[Predicted]) -> Row:
    """The cells that name a run; what is the same of all runs among which it stands is left out."""
    module = {} if row.module is None else {"module": row.module}
    rho = {} if math.isnan(row.rho) else {"ρ": f"{row.rho:.3f}"}
    at = {name: place(row) for name, place in _PLACES.items() if len({place(each) for each in among}) > 1}
    return {"operation": pretty(row.operation), **module, **at, **rho}


@as_table
def criterion_table(criteria: Sequence[Criterion]) -> Iterator[Row]:
    """What would count against a set of predictions, and whether it is so."""
    words = {True: "yes", False: "no", None: "open"}
    for each in criteria:
        yield {"would count against it": each.against, "found": each.found or "–", "is so": words[each.met]}


@as_table
def family_table(rows: Sequence[Predicted]) -> Iterator[Row]:
    """The random polynomials by family: how many are flat, how many the law expects to grok, and how many did."""
    families = {str(each): family for family, listed in unseen.listed().items() for each in listed}
    for family in dict.fromkeys(families.values()):
        if inside := [row for row in rows if families.get(row.operation) == family]:
            ends = [row.end for row in inside if row.end is not None]
            yield {
                "family": family.replace("_", " "),
                "polynomials": len(inside),
                "flat": sum(row.flat for row in inside),
                "expected to grok": f"{sum(row.probability for row in inside):.1f}",
                "known": len(ends),
                "grokked": sum(end.grokked for end in ends) if ends else "–",
            }
