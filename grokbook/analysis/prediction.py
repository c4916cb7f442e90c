"""What can be said of an operation before it is trained: will it grok, and when."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from grokbook.analysis.flatness import is_flat
from grokbook.analysis.grok_law import Law, pairs
from grokbook.analysis.isomorphisms import isomorphism
from grokbook.analysis.waves import correlation
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation, Polynomial, Table
from grokbook.runs.config import RunConfig

BUDGET: Final = 40_000
"""Within how many steps a run is to grok: the budget of most published runs."""
FAR: Final = 10_000_000
"""Steps that nobody trains: beyond, a step is not named."""
MODULI: Final = (31, 113)
"""The smallest and the largest modulus of runs that the law was fitted to."""


class Prediction(NamedTuple):
    """What is predicted for a run of the paper's transformer on one operation from scratch."""

    operation: Operation
    p: int
    fraction: float
    flat: bool | None
    """Whether the operation is a sum or a product in disguise, see :func:`grokbook.analysis.is_flat`; None for a table,
    and where the degree is p or more."""
    rho: float
    """Correlation with the best product of three waves, 0 to 1."""
    rho_sym: float
    """The same with one wave for both operands, as the model's one embedding has it: this decides."""
    probability: float
    """To grok within :data:`BUDGET` steps, 0 to 1."""
    steps: float
    """The median of the grok step; it may lie far beyond any budget."""
    interval: tuple[float, float]
    """The steps between which 80 % of such runs grok."""
    like: Polynomial | None
    """The first operation of the paper's Table 5 that is the same learning problem, if there is one."""

    def __str__(self) -> str:
        return " ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        yield f"{self.operation.pretty} modulo {self.p} is {self._disguise()}."
        if self.like not in (None, self.operation):
            yield f"It is the same problem as {self.like.pretty}."
        yield (
            f"Its best product of waves has a correlation of {self.rho:.3f}, and of {self.rho_sym:.3f} where a and b "
            "have one embedding."
        )
        yield (
            f"Trained on {100 * self.fraction:.3g} % of the pairs, it groks within {BUDGET:,} steps with a probability "
            f"of {_in_percent(self.probability)}."
        )
        if self.steps < FAR:
            low, high = self.interval
            yield f"Half of such runs grok by step {self.steps:,.0f}, and 80 % between {low:,.0f} and {high:,.0f}."
        else:
            yield f"Half of such runs would need more than {FAR:,} steps."
        if not MODULI[0] <= self.p <= MODULI[1]:
            yield f"The law knows no run with p outside {MODULI[0]} to {MODULI[1]}: take this for a guess."

    def _disguise(self) -> str:
        if self.flat is None:
            table = isinstance(self.operation, Table)
            return "a table" if table else "a polynomial of too high a degree for its formula to tell more"
        return "a sum or product in disguise" if self.flat else "no sum or product in disguise"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: null for what is infinite or not known."""
        plain = self._asdict()
        plain["operation"] = str(self.operation)
        plain["like"] = None if self.like is None else str(self.like)
        plain["steps"] = _finite(self.steps)
        plain["interval"] = [_finite(step) for step in self.interval]
        return plain


def _in_percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else "more than 99 %" if share > 0.99 else f"{share:.0%}".replace("%", " %")


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def predict(operation: Operation | str, p: int | None = None, fraction: float = RunConfig.fraction) -> Prediction:
    """What is predicted for an operation of two operands, in a second and without training.

    Args:
        operation: a polynomial, its expression, or a table.
        p: prime modulus; by default 97, or that of the table.
        fraction: the share r of pairs to train on, in (0, 1).

    Raises:
        ValueError: it is no operation of two operands modulo p, p or fraction are out of range, or the search for its
            best wave did not come to an end.
    """
    operation = Operation.of(operation)
    p = getattr(operation, "p", RunConfig.p) if p is None else p
    RunConfig(operations=(operation,), p=p, fraction=fraction)  # which checks all of them
    found = correlation(operation, p)
    rho, rho_sym = found.rho, found.rho_sym
    if math.isnan(rho) or math.isnan(rho_sym):
        raise ValueError(f"the search for the best wave of {operation} modulo {p} did not come to an end")
    flat = is_flat(operation, p) if isinstance(operation, Polynomial) and operation.degree < p else None
    law = published_law()
    at = rho_sym, pairs(p, fraction), fraction
    return Prediction(
        operation=operation,
        p=p,
        fraction=fraction,
        flat=flat,
        rho=rho,
        rho_sym=rho_sym,
        probability=law.probability(*at, BUDGET),
        steps=law.steps(*at),
        interval=law.interval(*at),
        like=_known(operation, p),
    )


def _known(operation: Operation, p: int) -> Polynomial | None:
    """The operation of Table 5 that is this learning problem modulo p, with one embedding."""
    paper = (each for group in CATALOGUE.values() for each in group)
    return next((each for each in paper if isomorphism(each, operation, p).isomorphism is not None), None)


@cache
def published_law() -> Law:
    """The law as it was fitted before the runs of the predictions, see ``predictions/law.json``."""
    text = files("grokbook.analysis").joinpath("predictions", "law.json").read_text(encoding="utf-8")
    return Law(**json.loads(text)["law"])
