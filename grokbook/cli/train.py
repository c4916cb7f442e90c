"""``grokbook train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from grokbook.cli.common import Device, Json, print_run
from grokbook.data import tables
from grokbook.data.operations import Operation, Table
from grokbook.errors import nearest
from grokbook.model.names import EMBEDDING
from grokbook.runs.config import RunConfig

_ELSEWHERE = {
    "operations": "they are arguments",
    "source": "a pre-grokked run is trained by grokbook sweep, or in Python",
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
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Any field of gb.RunConfig, like model=mlp; repeatable."),
    ] = None,
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
    config = RunConfig(operations=learned, **_with_fields(options, set_ or []))
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


def _with_fields(options: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """The options and what ``--set`` says besides: FIELD=VALUE, with commas between several values of a field."""
    kinds = get_type_hints(RunConfig)
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set takes FIELD=VALUE, like --set model=mlp, not {text!r}")
        if name not in kinds:
            raise ValueError(f"--set {text}: there is no field {name!r}; the nearest is {nearest(name, kinds)!r}")
        if name in _ELSEWHERE:
            raise ValueError(f"--set {text}: not here; {_ELSEWHERE[name]}")
        if name in found or options.get(name, getattr(RunConfig, name)) != getattr(RunConfig, name):
            raise ValueError(f"--set {text}: {name} is given twice")
        found[name] = _read(text, value, kinds[name])
    return {**options, **found}


def _read(text: str, value: str, kind: Any) -> Any:
    """A value of one kind of field: str, int, float, or a tuple of one of them."""
    if parts := getattr(kind, "__args__", ()):
        return tuple(_read(text, part.strip(), parts[0]) for part in value.split(",") if part.strip())
    try:
        return kind(value)
    except ValueError:
        wanted = "whole number" if kind is int else "number"
        raise ValueError(f"--set {text}: {value!r} is not a {wanted}") from None
