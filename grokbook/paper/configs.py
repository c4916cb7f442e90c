"""The paper's experiments as lists of run configs.

Only what defines the runs is here. Budgets are this book's: the paper gives every run 300,000 steps (Table 2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from grokbook.data.operations import Operation
from grokbook.model import names
from grokbook.model.names import MODULES
from grokbook.runs.config import RunConfig

DEFAULT_BUDGET = 40_000
"""Step budget of a run but for operations in :data:`BUDGETS`; what groks stops long before."""
TAIL = RunConfig.tail
"""Steps trained beyond the grok step, so that spectra and measures show the clean-up phase."""
SHORT_TAIL = RunConfig.sustain
"""Steps trained beyond the grok step where nothing but that is looked at: as long as it takes to be sure of it."""
LATE_FRACTION = 0.5
"""The largest share of pairs for which :data:`BUDGETS` counts: with more, most runs grok sooner and steps cost more."""

_LATE = (
    *("a-b", "a^2-b^2", "2a+b", "2a-b", "2a+3b", "2a-3b", "ab+b", "ab-b"),
    *("a^2+b", "a^2-b", "a^3+2b", "a^3-2b"),
    *("a^2+ab+b^2", "a^2+ab+b^2+a", "a^3+ab", "a^3+ab^2+b"),
    *("(a-b)^2", "(a-b)^3", "(a-b)^4", "(a+b)^2", "(a+b)^3", "(a+b)^4", "(a+b)^5", "(a+b)^6", "(a+b)^7", "(a+b)^2+a+b"),
)
BUDGETS: Mapping[str, int] = {str(Operation.parse(operation)): 100_000 for operation in _LATE}
"""Operations that were expected to grok late or not at all when few pairs are trained on, and those that had not
grokked within :data:`DEFAULT_BUDGET`."""
_TABLE_6 = "a^2+ab+b^2", "a^2+ab+b^2+a", "a^2-b", "(a-b)^2", "a^3+ab", "a^3+ab^2+b", "(a+b)^3", "(a-b)^3"
QUADRATICS_AND_CUBICS = tuple(str(Operation.parse(target)) for target in _TABLE_6)
"""Targets of Table 6, each with six modules. A reconstruction: its 16 rows have no heads in the text at hand."""
SHORT_BUDGET = 20_000
"""Step budget of the pre-grokked runs on these. Decided before any of them was run: of the pre-grokked runs on other
targets, each had 40,000 steps, and those that grok do so by step 15,600."""


class Size(TypedDict):
    """What makes a run small or large, as :func:`single` and :func:`mixture` take it."""

    p: int
    fraction: float
    max_steps: int


SMALL: Size = {"p": 31, "fraction": 0.8, "max_steps": 4000}
"""Where a+b and a·b grok within a minute on one core, for the seeds that were tried; found by
``python -m benchmarks.small_profiles``. The model and its optimiser are the paper's."""


class Transfer(NamedTuple):
    """A pre-grokked experiment (paper §4): modules of a run on ``source``, frozen, in a run on ``target``."""

    source: str
    target: str
    transplant: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Transfer:
        """Read ``"PG-E a+b -> 2a+b"``: module, source, target. Anything else raises ``ValueError``."""
        match = re.fullmatch(r"\s*(\S+)\s+(.+?)\s*->\s*(.+?)\s*", text)
        if match is None or match[1] not in MODULES:
            modules = ", ".join(MODULES)
            raise ValueError(f"a transfer is written like 'PG-E a+b -> 2a+b' (modules: {modules}), not {text!r}")
        source, target = (str(Operation.parse(operation)) for operation in match.group(2, 3))
        return cls(source, target, MODULES[match[1]])

    @classmethod
    def of(cls, config: RunConfig) -> Transfer:
        """That of a pre-grokked run on one operation."""
        assert config.source is not None
        return cls(str(config.source.operations[0]), str(config.operations[0]), config.transplant)

    @property
    def module(self) -> str:
        """PG-E or PG-T."""
        return names.name_of(self.transplant)

    @property
    def label(self) -> str:
        """How figures and tables call it, like "PG-E from a+b"."""
        return f"{self.module} from {Operation.parse(self.source).pretty}"


def budget(operation: str | Operation, fraction: float = 0.3) -> int:
    """The step budget of an operation from scratch."""
    late = BUDGETS if fraction <= LATE_FRACTION else {}
    return late.get(str(Operation.of(operation)), DEFAULT_BUDGET)


def ending_tail(fraction: float) -> int:
    """The tail of runs of which no more than the end is shown: the shortest where steps cost much."""
    return SHORT_TAIL if fraction > LATE_FRACTION else TAIL


def single(
    operation: str | Operation, *, fraction: float = RunConfig.fraction, max_steps: int | None = None, **fields: Any
) -> RunConfig:
    """One operation from scratch; ``max_steps=None`` takes its budget. Further fields are those of a config."""
    steps = budget(operation, fraction) if max_steps is None else max_steps
    return RunConfig(operations=(operation,), fraction=fraction, max_steps=steps, **fields)


def is_plain(config: RunConfig) -> bool:
    """Whether a run is one operation from scratch, trained as the paper trains it, by whatever model."""
    alike = {name: getattr(config, name) for name in ("operations", "p", "fraction", "seed", "model")}
    return len(config.operations) == 1 and RunConfig(**alike).hash == config.hash


def mixture(operations: Sequence[str | Operation], *, max_steps: int | None = None, **fields: Any) -> RunConfig:
    """Several operations in one run (paper §5.3, Appendix D). Further fields are those of a config."""
    steps = DEFAULT_BUDGET if max_steps is None else max_steps
    return RunConfig(operations=tuple(operations), max_steps=steps, **fields)


def pre_grokked(
    transfer: Transfer,
    *,
    p: int = RunConfig.p,
    seed: int = 0,
    max_steps: int | None = None,
    source_fraction: float = 0.3,
    source_max_steps: int | None = None,
    **fields: Any,
) -> RunConfig:
    """A run that starts from a module of a pre-grokked one with the same seed and p.

    The source is trained on r = 0.3 of the pairs whatever the target's fraction, as in the paper.

    Its budget is not that of its target from scratch: a module that helps should show it in the default time, or for
    :data:`QUADRATICS_AND_CUBICS` in :data:`SHORT_BUDGET`. ``max_steps`` and further fields of a config are those of
    the target alone, ``source_max_steps`` is that of the source: cut short, the source may not have grokked, and its
    module is not a pre-grokked one.
    """
    source = single(transfer.source, p=p, fraction=source_fraction, seed=seed, max_steps=source_max_steps)
    usual = SHORT_BUDGET if transfer.target in QUADRATICS_AND_CUBICS else DEFAULT_BUDGET
    steps = usual if max_steps is None else max_steps
    taken = transfer.transplant
    return single(transfer.target, p=p, seed=seed, max_steps=steps, source=source, transplant=taken, **fields)


FRACTIONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Rows of Table 5, and the axis of Fig 4."""
ELEMENTARY = ("a+b", "a-b", "a*b")
"""Fig 3, §5.1–5.2."""
