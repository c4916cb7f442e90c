"""The columns of a history: what stands in each row of one, and under which name."""

from __future__ import annotations

from collections.abc import Sequence

from grokbook.fourier import measures
from grokbook.runs.config import RunConfig

LAYERS = ("embedding", "neuron_logit")
"""Names of the layers that histories and spectra are about: W_E and W_L = W_U W_out."""
OUTCOMES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
"""Columns of a history that a mixture also has for each of its operations."""


def history_columns(config: RunConfig) -> tuple[str, ...]:
    """The columns of every history of this config, in their order; see :mod:`grokbook.training.record`."""
    each = [column for total in OUTCOMES for column in per_operation(config, total)]
    measured = [f"{measure}_{layer}" for layer in LAYERS for measure in measures.Measures._fields]
    return ("step", *OUTCOMES, *each, *measured, "weight_norm")


def per_operation(config: RunConfig, column: str) -> list[str]:
    """Names of the history columns that hold ``column`` for each operation of a mixture; none for a single task."""
    return [f"{column}[{text}]" for text in config.operations] if len(config.operations) > 1 else []


def outcome_columns(config: RunConfig, column: str, each: Sequence[float]) -> dict[str, float]:
    """A loss or accuracy of a run and, in a mixture, of each operation, from the values of its operations."""
    total = sum(each) if column.endswith("loss") else sum(each) / len(each)
    return {column: total, **dict(zip(per_operation(config, column), each, strict=False))}
