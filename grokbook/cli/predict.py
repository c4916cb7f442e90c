"""``grokbook predict``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from grokbook.cli.common import Json
from grokbook.data import tables
from grokbook.data.operations import Operation
from grokbook.runs.config import RunConfig


def predict(
    operation: Annotated[str | None, typer.Argument(help='An expression like "a^2 + ab + b^2".')] = None,
    table: Annotated[
        Path | None, typer.Option(help="A table instead: p lines of p labels with commas between, or a .npy file.")
    ] = None,
    p: Annotated[int | None, typer.Option(help="Prime modulus; by default 97, or the size of the table.")] = None,
    fraction: Annotated[float, typer.Option(help="Share of the pairs to train on.")] = RunConfig.fraction,
    as_json: Json = False,
) -> None:
    """Say whether an operation will grok, and when, without training it."""
    if (operation is None) == (table is None):
        raise ValueError('name one operation: an expression like "a*b + b", or --table FILE')
    if operation is not None and operation.startswith("--"):
        raise ValueError(f"no such option: {operation}; see grokbook predict --help")
    asked = Operation.parse(operation) if table is None else Operation.from_table(table.stem, tables.read(table))
    from grokbook.analysis.prediction import predict as predicted

    prediction = predicted(asked, p, fraction)
    print(json.dumps(prediction.to_dict(), ensure_ascii=False, indent=2) if as_json else prediction)
