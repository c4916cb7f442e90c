"""``grokbook train``."""

from __future__ import annotations

from typing import Annotated

import typer

from grokbook.cli.common import Json, print_run, short_errors
from grokbook.model.names import EMBEDDING
from grokbook.runs.config import RunConfig


def train(
    operations: Annotated[list[str], typer.Argument(help='An expression like "a*b + b"; several are a mixture.')],
    p: Annotated[int, typer.Option(help="Prime modulus.")] = 97,
    fraction: Annotated[float, typer.Option(help="Share of the pairs to train on.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Seed of split and initial weights.")] = 0,
    max_steps: Annotated[int, typer.Option(help="Step budget; a run that groks stops earlier.")] = 300_000,
    operands: Annotated[str, typer.Option(help='"residues" (paper) or "vocab" (released code).')] = "residues",
    random_embedding: Annotated[bool, typer.Option(help="Freeze the embedding at its random start.")] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="CPU threads. Last bits depend on it; two runs do more with one.")
    ] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Json = False,
) -> None:
    """Train a run until it groks (or read it, if it is stored) and print its measures."""
    with short_errors():
        if options := [text for text in operations if text.startswith("--")]:  # else it would be an operation
            raise ValueError(f"no such option: {options[0]}; see grokbook train --help")
        config = RunConfig(
            operations=tuple(operations),
            p=p,
            fraction=fraction,
            seed=seed,
            max_steps=max_steps,
            operands=operands,
            frozen=EMBEDDING if random_embedding else (),
        )
        from grokbook.training.store import default_store

        store = default_store()
        (run,) = store.ensure([config], device, threads=threads)
        print_run(run, store.folder(config), as_json)
