"""Numbers the paper prints, kept apart from everything that is computed here; they are read from ``results.toml``.

They are shown in a column headed "paper", and are never a target, a default or a tolerance.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, NamedTuple

from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation
from grokbook.data.polynomials import Kind
from grokbook.paper.configs import FRACTIONS, Transfer, single
from grokbook.runs.config import RunConfig

_PRINTED: dict[str, Any] = tomllib.loads(files(__package__).joinpath("results.toml").read_text("utf8"))

MAX_STEPS: int = _PRINTED["max_steps"]
"""Step budget of every run (Table 2)."""
TABLE_1: Mapping[Kind, bool | None] = {kind: _PRINTED["table_1"].get(kind) for kind in CATALOGUE}
"""Whether a kind of operation groks; None where the mark is lost."""
TABLE_1_PRE_GROKKED: Mapping[Kind, bool] = {Kind(kind): mark for kind, mark in _PRINTED["table_1_pre_grokked"].items()}
"""The same with a pre-grokked module, of the two kinds that the paper has with one."""
TABLE_4: Mapping[str, Mapping[str, float]] = _PRINTED["table_4"]
"""Loss with parts of the logits taken away, rows as in :data:`grokbook.analysis.restricted.COMBINATIONS`."""
TABLE_5: Mapping[str, tuple[float | None, ...]] = {
    operation: (*failures, *[None] * (len(FRACTIONS) - len(failures)))
    for operation, failures in _PRINTED["table_5"].items()
}
"""Best test accuracy in percent per fraction, None where the operation grokked (Appendix I, from scratch)."""
TABLE_5_PRE_GROKKED = frozenset(map(Transfer.parse, _PRINTED["transfers"]["table_5"]))
"""Columns of Table 5 with a pre-grokked module: they grok at every fraction."""
RECONSTRUCTED_COLUMNS = (Kind.POWER_SUM, Kind.FACTORIZABLE)
"""Groups of Table 5 of which the published text does not say what stands in them."""
SECOND_COLUMN: Mapping[str, Kind] = {"a^2-b^2": Kind.FACTORIZABLE}
"""What stands in a second group of Table 5, besides its own; a reconstruction."""
TRANSFER_HELPS: Mapping[Transfer, bool] = {
    Transfer.parse(text): told != "do_not_help" for told, texts in _PRINTED["transfers"].items() for text in texts
}
"""Whether a pre-grokked module helps (§5, Fig 2; §6.3, Fig 9)."""


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


def reported(config: RunConfig) -> Reported | None:
    """What Table 5 says of a run, from scratch or with a pre-grokked module; None where it says nothing."""
    if config.p != 97 or config.frozen or len(config.operations) > 1 or config.fraction not in FRACTIONS:
        return None
    if config.source is not None:
        return Reported(grokked=True) if Transfer.of(config) in TABLE_5_PRE_GROKKED else None
    row = TABLE_5.get(str(config.operations[0]))
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
    return None if config.source is None else TRANSFER_HELPS.get(Transfer.of(config))


def table_4(config: RunConfig) -> Mapping[str, float] | None:
    """The losses Table 4 prints for a run; None where it says nothing."""
    scratch = config.source is None and not config.frozen and len(config.operations) == 1
    if config.p != 97 or config.fraction != 0.3 or not scratch:
        return None
    return TABLE_4.get(str(config.operations[0]))
