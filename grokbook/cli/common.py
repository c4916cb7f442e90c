"""What the commands share: short errors, and how a run is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grokbook.errors import DamagedRun, RunDiffers, TrainingDiverged

if TYPE_CHECKING:
    from grokbook.runs.run import Run

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def short_errors(*expected: type[Exception]) -> Iterator[None]:
    """Errors a user can act on are one line, without a traceback; ``expected`` adds to their kinds."""
    kinds: list[type[Exception]] = [ValueError, KeyError, OSError, DamagedRun, RunDiffers, TrainingDiverged]
    try:
        yield
    except (*kinds, *expected) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"grokbook: {message}", file=sys.stderr)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        print(f"\ngrokbook: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        raise typer.Exit(130) from interrupt


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around imports of what comes with an extra: say so where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"this needs {error.name}, which comes with an extra: pip install 'grokbook[{name}]'"
        print(f"grokbook: {message}", file=sys.stderr)
        raise typer.Exit(2) from error


def summary(run: Run, folder: Path | None) -> dict[str, Any]:
    """What ``--json`` prints of a run."""
    final = run.history.iloc[-1]
    measured = {name: float(final[name]) for name in run.history.columns if name != "step"}
    return {
        "name": run.config.name,
        "hash": run.config.hash,
        "label": run.config.label,
        "task": run.config.task,
        "folder": str(folder),
        "p": run.config.p,
        "fraction": run.config.fraction,
        "seed": run.config.seed,
        "steps": run.steps,
        "grok_step": run.grok_step,
        "best_test_accuracy": run.best_test_accuracy,
        "final": measured,
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
    console.print(f"[bold]{escape(run.config.label)}[/bold] {outcome}, {run.steps:,} of {run.config.max_steps:,} steps")
    titles = [f"{measure.title}\n{measure.section}" for measure in MEASURES]
    table = Table("", *titles, title=f"measures at step {run.steps}")
    for name, layer in LAYERS.items():
        values = [final.get(f"{measure.name}_{name}") for measure in MEASURES]
        table.add_row(f"{layer.title} {layer.symbol}", *("–" if x is None else f"{x:.3f}" for x in values))
    console.print(table)
    for part in ("train", "test"):
        console.print(f"{part}: accuracy {final[f'{part}_accuracy']:.2%}, loss {final[f'{part}_loss']:.3g} nats")
    console.print(origin(run.provenance))
    console.print(f"stored in {folder}")


def origin(provenance: Mapping[str, Any]) -> str:
    """Where and when a run was trained, in a line; what its provenance does not say is left out."""
    seconds, started, stopped = (provenance.get(key) for key in ("wall_seconds", "started", "stopped"))
    facts = [
        f"trained {started[:16].replace('T', ' ')} UTC" if started else "",
        f"in {timedelta(seconds=round(seconds))}" if seconds is not None else "",
        f"on {provenance['device']}" if "device" in provenance else "",
    ]
    versions = [
        f"torch {provenance['torch']}" if "torch" in provenance else "",
        f"commit {provenance['commit']}" if provenance.get("commit") else "",
        f"stopped: {stopped}" if stopped else "",
    ]
    return ", ".join(part for part in (" ".join(filter(None, facts)), *versions) if part)
