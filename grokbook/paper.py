"""The paper's experiments as lists of run configs.

Only what defines the runs is here. Budgets are this book's: the paper gives every run 300,000 steps (Table 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from grokbook.config import RunConfig
from grokbook.operations import Operation
from grokbook.weights import EMBEDDING, TRANSFORMER

DEFAULT_BUDGET = 40_000
"""Step budget of a run unless the operation is named in :data:`BUDGETS`; what groks stops long before."""

BUDGETS: Mapping[str, int] = {"a-b": 100_000, "a^2-b^2": 100_000}
"""Operations that grok late enough to need more."""


class Transfer(NamedTuple):
    """A pre-grokked experiment (paper §4): modules of a run on ``source``, frozen, in a run on ``target``."""

    source: str
    target: str
    transplant: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{'PG-E' if self.transplant == EMBEDDING else 'PG-T'} from {self.source}"


def budget(operation: str) -> int:
    """The step budget of an operation, from scratch or pre-grokked."""
    return BUDGETS.get(str(Operation.parse(operation)), DEFAULT_BUDGET)


def single(
    operation: str, *, p: int = 97, fraction: float = 0.3, seed: int = 0, max_steps: int | None = None
) -> RunConfig:
    """One operation from scratch; ``max_steps=None`` takes its budget."""
    steps = budget(operation) if max_steps is None else max_steps
    return RunConfig(operations=(operation,), p=p, fraction=fraction, seed=seed, max_steps=steps)


def pre_grokked(
    transfer: Transfer, *, p: int = 97, fraction: float = 0.3, seed: int = 0, max_steps: int | None = None
) -> RunConfig:
    """A run that starts from a module of a pre-grokked one with the same seed, p and fraction."""
    source = single(transfer.source, p=p, fraction=fraction, seed=seed, max_steps=max_steps)
    steps = budget(transfer.target) if max_steps is None else max_steps
    return RunConfig(
        operations=(transfer.target,),
        p=p,
        fraction=fraction,
        seed=seed,
        max_steps=steps,
        source=source,
        transplant=transfer.transplant,
    )


ELEMENTARY = ("a+b", "a-b", "a*b")
"""Fig 3, §5.1–5.2."""

POLYNOMIALS = ("ab+b", "ab+a+b", "a^2+b^2", "a^2-b^2", "(a+b)^2", "(a+b)^3", "a^2+ab+b^2")
"""A first selection of Fig 5–8, §6.1–6.2."""

LINEAR = ("2a+b", "ab-b")
"""From scratch, to compare the pre-grokked ones with (Fig 9, §6.3)."""

TRANSFERS = (
    Transfer("a+b", "2a+b", EMBEDDING),
    Transfer("a*b", "ab-b", TRANSFORMER),
    Transfer("a+b", "a-b", EMBEDDING),
    Transfer("a*b", "a+b", TRANSFORMER),
    Transfer("a-b", "a-b", TRANSFORMER),
)
"""A first selection of Fig 2 and Fig 9, §5 and §6.3."""
