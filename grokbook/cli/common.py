"""What the commands share: options, short errors, and how tables and runs are printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from grokbook.errors import nearest
from grokbook.model.names import EMBEDDING
from grokbook.runs.config import RunConfig
from grokbook.training import stopping

if TYPE_CHECKING:
    from grokbook.runs.run import Run

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Fields = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any field of gb.RunConfig, like model=mlp; repeatable."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


def printable(value: object) -> str:
    """A text as a terminal can show it: control characters, which could steer it, are written out."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in str(value))


def complain(message: object) -> None:
    """Say what is wrong, in a line on standard error."""
    print(f"grokbook: {printable(message)}", file=sys.stderr)


@contextmanager
def short_errors() -> Iterator[None]:
    """Errors a user can act on, the library's own and what Python says of input, are one line without a traceback."""
    try:
        yield
    except BrokenPipeError as error:  # of whoever reads, such as head: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from error
    except Exception as error:
        own = type(error).__module__.startswith("grokbook.")
        if not own and not isinstance(error, ValueError | KeyError | OSError):
            raise
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        complain(message)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        print(file=sys.stderr)
        complain(str(interrupt) or "interrupted")
        raise typer.Exit(stopping.exit_code()) from interrupt


class Commands(TyperGroup):
    """Commands whose errors are short: there is no other place that catches them."""

    def invoke(self, ctx: Any) -> Any:
        with short_errors():
            return super().invoke(ctx)


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around imports of what comes with an extra: say so where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        complain(f"this needs {error.name}, which comes with an extra: pip install 'grokbook[{name}]'")
        raise typer.Exit(2) from error


def print_table(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Print rows under the names of their columns."""
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(escape(printable(each)) for each in row))
    Console().print(table)


def summary(run: Run, folder: Path | None) -> dict[str, Any]:
    """What ``--json`` prints of a run."""
    final = run.history.drop(columns="step").iloc[-1].astype(float)
    return {
        **{name: getattr(run.config, name) for name in ("name", "hash", "label", "task")},
        "folder": str(folder),
        **{name: getattr(run.config, name) for name in ("p", "fraction", "seed")},
        **{name: getattr(run, name) for name in ("steps", "grok_step", "best_test_accuracy")},
        "final": final.to_dict(),
        "config": run.config.to_dict(),
        "provenance": dict(run.provenance),
    }


def print_run(run: Run, folder: Path | None, as_json: bool) -> None:
    """Print how a run ended and its measures, as text or as JSON."""
    from grokbook.fourier.layers import LAYERS
    from grokbook.fourier.measures import MEASURES

    facts = summary(run, folder)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    final = facts["final"]
    outcome = "did not grok" if run.grok_step is None else f"grokked at step {run.grok_step:,}"
    console = Console(highlight=False, soft_wrap=True)
    label = escape(printable(run.config.label))
    console.print(f"[bold]{label}[/bold] {outcome}, {run.steps:,} of {run.config.max_steps:,} steps")
    titles = [f"{measure.title}\n{measure.section}" for measure in MEASURES]
    table = Table("", *titles, title=f"measures at step {run.steps}")
    for name, layer in LAYERS.items():
        values = [final.get(f"{measure.name}_{name}") for measure in MEASURES]
        symbol = f" {layer.symbol}" if EMBEDDING[0] in run.config.model_entry.weights else ""  # those of the paper's
        table.add_row(layer.title + symbol, *("–" if x is None else f"{x:.3f}" for x in values))
    console.print(table)
    for part in ("train", "test"):
        console.print(f"{part}: accuracy {final[f'{part}_accuracy']:.2%}, loss {final[f'{part}_loss']:.3g} nats")
    for line in (origin(run.provenance), f"stored in {folder}"):
        console.print(printable(line), markup=False)


def origin(provenance: Mapping[str, Any]) -> str:
    """Where and when a run was trained, in a line; what its provenance does not say is left out."""
    values = dict(provenance)
    if started := values.get("started"):
        values["started"] = f"{started[:16].replace('T', ' ')} UTC"
    if (seconds := values.get("wall_seconds")) is not None:
        values["wall_seconds"] = timedelta(seconds=round(seconds))

    def told(**words: str) -> list[str]:
        return [f"{word} {values[key]}" for key, word in words.items() if values.get(key) not in (None, "")]

    when = " ".join(told(started="trained", wall_seconds="in", device="on"))
    return ", ".join(filter(None, [when, *told(torch="torch", commit="commit", stopped="stopped:")]))


def fields_in(texts: Iterable[str], refused: Mapping[str, str]) -> dict[str, Any]:
    """What ``--set`` says: FIELD=VALUE, with commas between several values of a field.

    Args:
        texts: what was given.
        refused: fields that cannot be set here, each with the reason.

    Raises:
        ValueError: a text is nothing of the kind, or its field cannot be set; the message names it.
    """
    kinds = get_type_hints(RunConfig)
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set takes FIELD=VALUE, like --set model=mlp, not {text!r}")
        if name not in kinds:
            raise ValueError(f"--set {text}: there is no field {name!r}; the nearest is {nearest(name, kinds)!r}")
        if name in refused:
            raise ValueError(f"--set {text}: {refused[name]}")
        if name in found:
            raise ValueError(f"--set {text}: {name} is given twice")
        found[name] = _read(text, value, kinds[name])
    return found


def _read(text: str, value: str, kind: Any) -> Any:
    """A value of one kind of field: str, int, float, or a tuple of one of them."""
    if parts := getattr(kind, "__args__", ()):
        return tuple(_read(text, part.strip(), parts[0]) for part in value.split(",") if part.strip())
    try:
        return kind(value)
    except ValueError:
        wanted = "whole number" if kind is int else "number"
        raise ValueError(f"--set {text}: {value!r} is not a {wanted}") from None
