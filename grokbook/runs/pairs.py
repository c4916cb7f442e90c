"""What a run is trained and tested on."""

from __future__ import annotations

from grokbook.data import table
from grokbook.data.table import Dataset
from grokbook.runs.config import RunConfig


def dataset(config: RunConfig) -> Dataset:
    """The pairs of a run with their tokens, as its model reads them, their labels, and the split."""
    own_tokens_of_b = config.model_entry.own_tokens_of_b
    operations = config.parsed_operations
    return table.make(operations, config.p, config.fraction, config.seed, config.operands, own_tokens_of_b)
