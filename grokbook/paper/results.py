"""Numbers the paper prints, kept apart from everything that is computed here.

They are shown in a column headed "paper", and are never a target, a default or a tolerance. Table 5 is put together
from the published text, which gives values without column heads for the two last groups; which of the powers and
factorizable polynomials a value belongs to is a reconstruction there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation
from grokbook.data.polynomials import Kind
from grokbook.model.names import EMBEDDING, TRANSFORMER
from grokbook.paper.configs import FRACTIONS, single
from grokbook.runs.config import RunConfig

MAX_STEPS = 300_000
"""Step budget of every run (Table 2)."""


class Reported(NamedTuple):
    """What the paper says of a kind of run."""

    grokked: bool
    best: float | None = None
    """Best test accuracy in percent, where it did not grok."""

    @property
    def text(self) -> str:
        if self.grokked:
            return "groks"
        return "does not grok" if self.best is None else f"does not grok, best {self.best:g} %"


_GROKKED = (None,) * len(FRACTIONS)


def _row(*failures: int | float) -> tuple[int | float | None, ...]:
    """Percentages at the smallest fractions, a tick at the rest."""
    return (*failures, *_GROKKED[len(failures) :])


TABLE_5: Mapping[str, tuple[int | float | None, ...]] = {
    **dict.fromkeys(
        map(str, (*CATALOGUE[Kind.ELEMENTARY], *CATALOGUE[Kind.POWER_SUM], *CATALOGUE[Kind.FACTORIZABLE])), _GROKKED
    ),
    "2a+b": _row(3.1, 9.0),
    "2a-b": _row(2.5),
    "2a+3b": _row(3.3),
    "2a-3b": _row(3.7),
    "ab+a+b": _GROKKED,
    "ab+b": _row(6.1, 9.7),
    "ab-b": _row(5.6, 10),
    "a^2+b": _GROKKED,
    "a^2-b": _row(9.5),
    "a^3+2b": _GROKKED,
    "a^3-2b": _GROKKED,
    "a^2+ab+b^2": _row(34, 47, 56, 65, 74),
    "a^2+ab+b^2+a": (4.8, 8.2, 10, 13, 17, 42, 67),
    "a^3+ab": _row(4.9, 9.4, 11, 13, 14, 16),
    "a^3+ab^2+b": (4.0, 7.8, 10, 12, 13, 15, 18),
    "(a-b)^3": _row(5.9, 12),
    "(a-b)^4": _row(85, 91, 91, 92),
}
"""Best test accuracy in percent per fraction, None where the operation grokked (Appendix I, p = 97, from scratch)."""

TABLE_5_PRE_GROKKED: Mapping[tuple[tuple[str, ...], str, str], tuple[int | float | None, ...]] = {
    **{(EMBEDDING, "a+b", target): _GROKKED for target in ("2a+b", "2a-b", "2a+3b", "2a-3b")},
    **{(TRANSFORMER, "ab", target): _GROKKED for target in ("ab+b", "ab-b")},
}
"""The same with a pre-grokked module, by module, source and target."""

TABLE_1: Mapping[Kind, bool | None] = {
    Kind.ELEMENTARY: True,
    Kind.LINEAR: None,
    Kind.CROSS: None,
    Kind.UNIVARIATE: True,
    Kind.CROSS_HIGH: False,
    Kind.POWER_SUM: True,
    Kind.FACTORIZABLE: True,
}
"""Whether a kind of operation groks (Table 1). The published text has lost two of its nine marks. Given to linear and
cross, None here, they leave the others in an order that Table 5 bears out: a reconstruction."""
TABLE_1_PRE_GROKKED: Mapping[Kind, bool] = {Kind.LINEAR: True, Kind.CROSS: True}
"""The same with a pre-grokked module, of the two kinds that the paper has with one."""

RECONSTRUCTED_COLUMNS = (Kind.POWER_SUM, Kind.FACTORIZABLE)
"""Groups of Table 5 of which the published text does not say what stands in them."""
SECOND_COLUMN: Mapping[str, Kind] = {"a^2-b^2": Kind.FACTORIZABLE}
"""What stands in a second group of Table 5, besides its own; a reconstruction."""

TRANSFER_HELPS: Mapping[tuple[tuple[str, ...], str, str], bool] = {
    (EMBEDDING, "a+b", "a-b"): True,
    (EMBEDDING, "a-b", "a+b"): True,
    **{(EMBEDDING, source, "ab"): False for source in ("a+b", "a-b")},
    **{(EMBEDDING, "ab", target): False for target in ("a+b", "a-b")},
    (TRANSFORMER, "a+b", "ab"): True,
    (TRANSFORMER, "ab", "a+b"): True,
    **{(TRANSFORMER, source, "a-b"): False for source in ("a+b", "a-b", "ab")},
    **{(TRANSFORMER, "a-b", target): False for target in ("a+b", "ab")},
    **dict.fromkeys(TABLE_5_PRE_GROKKED, True),
}
"""Whether a pre-grokked module helps, by module, source and target (§5, Fig 2; §6.3, Fig 9)."""

_LEFT = ("full", "restricted", "(a)", "(b)", "(c)", "(d)", "(e)")
TABLE_4: Mapping[str, Mapping[str, float]] = {
    "a+b": dict(zip(_LEFT, (1.008e-7, 4.985e-8, 4.576, 5.385, 4.989e-8, 1.015e-7, 5.383), strict=True)),
    "a-b": dict(zip(_LEFT, (1.336e-7, 7.141e-1, 7.741, 2.179e1, 5.582e-1, 5.348e-6, 2.188e1), strict=True)),
}
"""Loss with parts of the logits taken away (Appendix E), rows as in :data:`grokbook.analysis.restricted.COMBINATIONS`.
The text that was at hand has the numbers and names but not which ticks belong to (a)–(e): those are a
reconstruction."""


def reported(config: RunConfig) -> Reported | None:
    """What Table 5 says of a run, from scratch or with a pre-grokked module; None where it says nothing."""
    if config.p != 97 or config.frozen or len(config.operations) > 1 or config.fraction not in FRACTIONS:
        return None
    scratch = config.source is None
    row = TABLE_5.get(str(config.operations[0])) if scratch else TABLE_5_PRE_GROKKED.get(_transfer(config))
    if row is None:
        return None
    best = row[FRACTIONS.index(config.fraction)]
    return Reported(grokked=best is None, best=best)


def groks(operations: Iterable[Operation], p: int, fraction: float) -> dict[Operation, bool]:
    """Whether each operation groks from scratch by Table 5; without those of which it does not tell."""
    found = {operation: reported(single(operation, p=p, fraction=fraction)) for operation in operations}
    return {operation: result.grokked for operation, result in found.items() if result is not None}


def transfer_helps(config: RunConfig) -> bool | None:
    """What the paper says of a pre-grokked run on one operation; None where it says nothing."""
    return None if config.source is None else TRANSFER_HELPS.get(_transfer(config))


def _transfer(config: RunConfig) -> tuple[tuple[str, ...], str, str]:
    """Module, source and target of a pre-grokked run."""
    assert config.source is not None
    return config.transplant, str(config.source.operations[0]), str(config.operations[0])


def table_4(config: RunConfig) -> Mapping[str, float] | None:
    """The losses Table 4 prints for a run; None where it says nothing."""
    scratch = config.source is None and not config.frozen and len(config.operations) == 1
    if config.p != 97 or config.fraction != 0.3 or not scratch:
        return None
    return TABLE_4.get(str(config.operations[0]))
