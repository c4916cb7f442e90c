"""``grokbook train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from grokbook.cli.common import Device, Fields, Json, fields_in, print_run
from grokbook.data import tables
from grokbook.data.operations import Operation, Table
from grokbook.model.names import EMBEDDING
from grokbook.runs.config import RunConfig

_ELSEWHERE = {
    "operations": "not here; they are arguments",
    "source": "not here; a pre-grokked run is trained by grokbook sweep, or in Python",
}


def train(
    operations: Annotated[
        list[str] | None, typer.Argument(help='An expression like "a*b + b"; several are a mixture.')
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="One more operation: p lines of p labels with commas between, or a .npy file."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the table is called; by default as its file.")] = None,
    p: Annotated[int | None, typer.Option(help="Prime modulus; by default 97, or the size of the table.")] = None,
    fraction: Annotated[float, typer.Option(help="Share of the pairs to train on.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Seed of split and initial weights.")] = 0,
    max_steps: Annotated[int, typer.Option(help="Step budget; a run that groks stops earlier.")] = 300_000,
    operands: Annotated[str, typer.Option(help='"residues" (paper) or "vocab" (released code).')] = "residues",
    random_embedding: Annotated[bool, typer.Option(help="Freeze the embedding at its random start.")] = False,
    set_: Fields = None,
    threads: Annotated[
        int, typer.Option(min=1, help="CPU threads. Last bits depend on it; two runs do more with one.")
    ] = 1,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train a run until it groks (or read it, if it is stored) and print its measures."""
    learned = _operations(operations or [], table, name)
    own = next((each.p for each in learned if isinstance(each, Table)), RunConfig.p)
    options: dict[str, Any] = {
        "p": own if p is None else p,
        "fraction": fraction,
        "seed": seed,
        "max_steps": max_steps,
        "operands": operands,
        "frozen": EMBEDDING if random_embedding else (),
    }
    given = [name for name, value in options.items() if value != getattr(RunConfig, name) and name != "p"]
    given += [] if p is None else ["p"]
    fields = fields_in(set_ or [], {name: f"{name} is given twice" for name in given} | _ELSEWHERE)
    config = RunConfig(operations=learned, **{**options, **fields})
    from grokbook.training.ensure import default_store

    store = default_store()
    there = config in store
    (run,) = store.ensure(config, device, threads=threads)
    folder = store.folder(config)
    if there and not as_json:
        where = "published" if folder is not None and folder.parent in store.published else "stored"
        print(f"this run is {where}: nothing was trained")
    print_run(run, folder, as_json)


def _operations(texts: list[str], table: Path | None, name: str | None) -> tuple[Operation, ...]:
    """What is to be learned: what the expressions say, then the table."""
    if options := [text for text in texts if text.startswith("--")]:  # else it would be an operation
        raise ValueError(f"no such option: {options[0]}; see grokbook train --help")
    if not texts and table is None:
        raise ValueError('say what is to be learned: an expression like "a*b + b", or --table FILE')
    if table is None:
        if name is not None:
            raise ValueError("--name is that of a table: give --table FILE, too")
        return tuple(map(Operation.parse, texts))
    given = Operation.from_table(table.stem if name is None else name, tables.read(table))
    return *map(Operation.parse, texts), given
