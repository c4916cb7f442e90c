"""What can be said of an operation before it is trained: will it grok, and when."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from grokbook.analysis.flatness import is_flat
from grokbook.analysis.grok_law import Law, pairs
from grokbook.analysis.isomorphisms import isomorphism
from grokbook.analysis.waves import correlation
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation, Polynomial
from grokbook.runs.config import RunConfig

BUDGET = 40_000
"""Within how many steps a run is to grok: the budget of most published runs."""


class Prediction(NamedTuple):
    """What is predicted for a run of the paper's transformer on one operation from scratch."""

    operation: str
    p: int
    fraction: float
    flat: bool | None
    """Whether the operation is a sum or a product in disguise, see `is_flat`; None for a table."""
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
    like: str | None
    """The first operation of the paper's Table 5 that is the same learning problem, if there is one."""

    def __str__(self) -> str:
        name = self.operation if self.flat is None else Operation.of(self.operation).pretty
        disguise = {True: "a sum or product in disguise", False: "no sum or product in disguise", None: "a table"}
        low, high = map(_in_steps, self.interval)
        sentences = [
            f"{name} modulo {self.p} is {disguise[self.flat]}.",
            f"Its best product of waves has a correlation of {self.rho:.3f}, and of {self.rho_sym:.3f} where a and b "
            "have one embedding.",
            f"Trained on {100 * self.fraction:.3g} % of the pairs, it groks within {BUDGET:,} steps with a "
            f"probability of {_in_percent(self.probability)}.",
            f"Half of such runs grok by step {_in_steps(self.steps)}, and 80 % between {low} and {high}.",
        ]
        if self.like not in (None, self.operation):
            sentences.insert(1, f"It is the same problem as {Operation.of(self.like).pretty}.")
        return " ".join(sentences)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: null for what is infinite or not known."""
        plain = self._asdict()
        plain["steps"] = _finite(self.steps)
        plain["interval"] = [_finite(step) for step in self.interval]
        return plain


def _in_steps(steps: float) -> str:
    return f"{steps:,.0f}" if steps < 1e7 else "more than 10 million"


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
        operation=str(operation),
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


def _known(operation: Operation, p: int) -> str | None:
    """The operation of Table 5 that is this learning problem modulo p, with one embedding."""
    paper = (each for group in CATALOGUE.values() for each in group)
    return next((str(each) for each in paper if isomorphism(each, operation, p).isomorphism is not None), None)


@cache
def published_law() -> Law:
    """The law as it was fitted before the runs of the predictions, see ``predictions/law.json``."""
    text = files("grokbook.analysis").joinpath("predictions", "law.json").read_text(encoding="utf-8")
    return Law(**json.loads(text)["law"])
