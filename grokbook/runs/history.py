"""The columns of a history: what stands in each row of one, and under which name."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grokbook.fourier import measures
from grokbook.fourier.layers import LAYERS
from grokbook.fourier.measures import Measure
from grokbook.runs.config import RunConfig

OUTCOMES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
"""Columns of a history that a mixture also has for each of its operations."""


def measured() -> dict[str, tuple[Measure, str]]:
    """The columns of what is measured of a layer, each with its measure and the name of its layer."""
    return {f"{measure.name}_{layer}": (measure, layer) for layer in LAYERS for measure in measures.MEASURES}


def required_columns(config: RunConfig) -> tuple[str, ...]:
    """The columns that no history of this config can lack, whenever it was recorded."""
    each = [column for total in OUTCOMES for column in per_operation(config, total)]
    return ("step", *OUTCOMES, *each, "weight_norm")


def history_columns(config: RunConfig) -> tuple[str, ...]:
    """The columns of a history of this config that is recorded now; see :mod:`grokbook.training.record`."""
    *outcomes, weight_norm = required_columns(config)
    return (*outcomes, *measured(), weight_norm)


def limits(column: str) -> tuple[float, float]:
    """The least and the largest value that a column can have; of a measure that the code does not know, any."""
    if column in (known := measured()):
        return known[column][0].low, known[column][0].high
    if "accuracy" in column:
        return 0.0, 1.0
    return (0.0 if "loss" in column or column == "weight_norm" else -math.inf), math.inf


def per_operation(config: RunConfig, column: str) -> list[str]:
    """Names of the history columns that hold ``column`` for each operation of a mixture; none for a single task."""
    return [f"{column}[{text}]" for text in config.operations] if len(config.operations) > 1 else []


def outcome_columns(config: RunConfig, column: str, each: Sequence[float]) -> dict[str, float]:
    """A loss or accuracy of a run and, in a mixture, of each operation, from the values of its operations."""
    total = sum(each) if column.endswith("loss") else sum(each) / len(each)
    return {column: total, **dict(zip(per_operation(config, column), each, strict=False))}
