"""The ``grokbook`` command: thin commands over the library."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from grokbook import experiments, sweeps, training, verification
from grokbook import runs as run_files
from grokbook import store as stores
from grokbook.config import RunConfig
from grokbook.record import TrainingDiverged
from grokbook.runs import DamagedRun, Run
from grokbook.weights import EMBEDDING

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
runs_app = typer.Typer(no_args_is_help=True, help="The stored runs.")
app.add_typer(runs_app, name="runs")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def _short_errors(*expected: type[Exception]) -> Iterator[None]:
    """Errors a user can act on are one line, without a traceback; ``expected`` adds to their kinds."""
    kinds: list[type[Exception]] = [ValueError, KeyError, OSError, DamagedRun, TrainingDiverged]
    try:
        yield
    except (*kinds, *expected) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"grokbook: {message}", file=sys.stderr)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        print(f"\ngrokbook: {interrupt or 'interrupted'}", file=sys.stderr)
        raise typer.Exit(130) from interrupt


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Around imports of what comes with an extra: say so where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"this needs {error.name}, which comes with an extra: pip install 'grokbook[{name}]'"
        print(f"grokbook: {message}", file=sys.stderr)
        raise typer.Exit(2) from error


@app.command()
def train(
    operations: Annotated[list[str], typer.Argument(help='An expression like "a*b + b"; several are a mixture.')],
    p: Annotated[int, typer.Option(help="Prime modulus.")] = 97,
    fraction: Annotated[float, typer.Option(help="Share of the pairs to train on.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Seed of split and initial weights.")] = 0,
    max_steps: Annotated[int, typer.Option(help="Step budget; a run that groks stops earlier.")] = 300_000,
    operands: Annotated[str, typer.Option(help='"residues" (paper) or "vocab" (released code).')] = "residues",
    random_embedding: Annotated[bool, typer.Option(help="Freeze the embedding at its random start.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Json = False,
) -> None:
    """Train a run until it groks (or read it, if it is stored) and print its measures."""
    with _short_errors():
        config = RunConfig(
            operations=tuple(operations),
            p=p,
            fraction=fraction,
            seed=seed,
            max_steps=max_steps,
            operands=operands,
            frozen=EMBEDDING if random_embedding else (),
        )
        store = stores.default_store()
        (run,) = store.ensure([config], device)
        _print_run(run, store.folder(config), as_json)


@app.command()
def sweep(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Experiments, see --list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All experiments.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the experiments and what is stored of each.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print what is missing and what it costs, and train nothing.")] = False,
    p: Annotated[list[int] | None, typer.Option(help="Moduli in place of the experiment's own; repeatable.")] = None,
    fraction: Annotated[list[float] | None, typer.Option(help="The same for fractions.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="The same for seeds.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Step budget in place of each operation's own.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; by default one per core, on CUDA one.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="A Dask scheduler, like tcp://host:8786.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Train what is missing of an experiment, on all cores or on a cluster."""
    with _short_errors():
        store = stores.default_store()
        if listing:
            _list_experiments(store)
            return
        chosen = [experiments.experiment(name) for name in (experiments.EXPERIMENTS if everything else names or ())]
        if not chosen:
            raise ValueError("name an experiment, or --all; grokbook sweep --list shows them")
        found = (
            experiment.configs(moduli=p or (), fractions=fraction or (), seeds=seed or (), max_steps=max_steps)
            for experiment in chosen
        )
        configs = list(dict.fromkeys(chain.from_iterable(found)))
        left = sweeps.missing(configs, store)
        print(f"{len(configs)} runs, {len(left)} to train")
        if left and dry_run:
            _print_estimate(left, store, device, workers)
        elif left:
            _run_sweep(sweeps.Sweep(left, store, print), scheduler, device, workers)


@runs_app.command("list")
def list_runs(as_json: Json = False) -> None:
    """List the stored runs, published ones included."""
    rows, damaged = [], 0
    for folder in stores.default_store().folders():
        try:
            rows.append(_summary(run_files.read(folder), folder))
        except DamagedRun as error:
            damaged += 1
            print(f"grokbook: damaged run: {error}", file=sys.stderr)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        table = Table("id", "run", "p", "r", "seed", "steps", "grok step", "best test", box=box.SIMPLE_HEAD)
        for row in rows:
            grok = "–" if row["grok_step"] is None else str(row["grok_step"])
            shown = (row["hash"][:8], row["task"], row["p"], f"{row['fraction']:g}", row["seed"], row["steps"], grok)
            table.add_row(*map(str, shown), f"{row['best_test_accuracy']:.1%}")
        Console().print(table)
    if damaged:
        raise typer.Exit(1)


@runs_app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a run, or the beginning of its name or hash.")],
    as_json: Json = False,
) -> None:
    """Show one run: config, outcome, measures, provenance."""
    with _short_errors():
        folder = _find(name)
        _print_run(run_files.read(folder), folder, as_json)


@runs_app.command()
def verify() -> None:
    """Check every stored run: checksums, and accuracy, FFS and FCR computed again from the weights."""
    good, bad = 0, 0
    for folder in stores.default_store().folders():
        try:
            found = verification.problems(run_files.read(folder))
        except DamagedRun as error:
            print(error, file=sys.stderr)
            bad += 1
            continue
        for problem in found:
            print(f"{folder.name}: {problem}", file=sys.stderr)
        if found:
            bad += 1
        else:
            good += 1
            print(f"{folder.name}: agrees")
    print(f"{good} runs agree with their history, {bad} do not")
    if bad:
        raise typer.Exit(1)


@app.command(context_settings={"ignore_unknown_options": True})  # so that every -p is among the words
def notebook(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NOTEBOOK [-p NAME VALUE]...",
            help="A notebook's name, like elementary, or its path; then its parameters, like -p p 59.",
        ),
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where the executed notebook goes.")] = None,
) -> None:
    """Execute a notebook with parameters of your own."""
    with _extra("book"):
        from grokbook.book import execute

    with _short_errors(execute.NotebookError):
        name, parameters = _name_and_parameters(words)
        source = _notebook(name)
        target = output or Path(f"{source.stem}.out.ipynb")
        execute.execute_notebook(source, target, parameters, progress=True)
        print(target)


@app.command()
def book(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the site.")] = None,
) -> None:
    """Execute the notebooks and build the site; prints the path of index.html."""
    with _extra("book"):
        from grokbook.book import build, execute

    with _short_errors(build.BuildError, execute.NotebookError):
        root = stores.checkout()
        if root is None:
            raise FileNotFoundError("the book is built from a checkout; this grokbook is installed without one")
        print(build.build(root, output))


def _workers(device: str, workers: int | None) -> tuple[str, int, int]:
    """The device by its own name, processes, and CPU threads of each."""
    resolved, cores = training.resolve_device(device), len(os.sched_getaffinity(0))
    workers = workers or (1 if resolved.type == "cuda" else cores)
    return str(resolved), workers, max(1, cores // workers)


def _run_sweep(sweep: sweeps.Sweep, scheduler: str | None, device: str, workers: int | None) -> None:
    if scheduler is None:
        name, workers, threads = _workers(device, workers)
        sweep.run(lambda: sweeps.LocalExecutor(workers), workers=workers, device=name, threads=threads)
    else:
        with _extra("cluster"):
            from grokbook import cluster
        with cluster.dask_executor(scheduler) as (make_executor, at_a_time):
            sweep.run(make_executor, workers=workers or at_a_time, device=device)
    print(sweep.status())
    for config, problem in sweep.failed.items():
        print(f"grokbook: {config.label} failed: {problem}", file=sys.stderr)
    if sweep.failed:
        raise typer.Exit(1)


def _list_experiments(store: stores.RunStore) -> None:
    table = Table("name", "in the paper", "runs", "stored", box=box.SIMPLE_HEAD)
    for name, experiment in experiments.EXPERIMENTS.items():
        configs = experiment.configs()
        table.add_row(name, experiment.where, str(len(configs)), str(sum(config in store for config in configs)))
    Console().print(table)


def _print_estimate(left: list[RunConfig], store: stores.RunStore, device: str, workers: int | None) -> None:
    name, workers, _ = _workers(device, workers)
    table = Table("p", "r", "operations", "runs", "steps at most", "ms a step", "hours at most", box=box.SIMPLE_HEAD)
    hours = 0.0
    for row in sweeps.estimate(left, name):
        cost = row.steps * row.seconds_per_step / 3600 / workers
        hours += cost
        shown = (row.p, f"{row.fraction:g}", row.operations, row.runs, f"{row.steps:,}")
        table.add_row(*map(str, shown), f"{1e3 * row.seconds_per_step:.3g}", f"{cost:.1f}")
    Console().print(table)
    size = sweeps.disk_estimate(store, len(left)) / 1e6
    print(f"at most {hours:.1f} hours with {workers} workers on {name} (runs that grok end early), {size:,.0f} MB")


def _find(name: str) -> Path:
    """The folder of the one stored run whose name or hash begins with ``name``."""
    folders = list(stores.default_store().folders())
    found = [f for f in folders if f.name.startswith(name) or f.name.rpartition("-")[2].startswith(name)]
    if not found:
        raise KeyError(f"no stored run is called {name!r}; see: grokbook runs list")
    if len(found) > 1:
        raise ValueError(f"{name!r} fits {len(found)} runs: {', '.join(f.name for f in found[:5])}")
    return found[0]


def _name_and_parameters(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Tell ``-p NAME VALUE``, any number of times, from the one word that is not part of it."""
    names, parameters = [], {}
    rest = iter(words)
    for word in rest:
        if word in ("-p", "--parameter"):
            key, value = next(rest, None), next(rest, None)
            if key is None or value is None:
                raise ValueError("a parameter is written like -p NAME VALUE")
            parameters[key] = _literal(value)
        else:
            names.append(word)
    if len(names) != 1:
        raise ValueError(f"one notebook at a time, with parameters like -p NAME VALUE; got {' '.join(names) or 'none'}")
    return names[0], parameters


def _notebook(name: str) -> Path:
    """The notebook at a path, or of that name in the checkout."""
    root = stores.checkout()
    places = [Path(name), *([root / "notebooks" / f"{name}.md"] if root is not None else [])]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no notebook {name!r}; looked at {', '.join(map(str, places))}")
    return found


def _literal(text: str) -> Any:
    """A parameter's value: a Python number, list, None … where it reads as one, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _summary(run: Run, folder: Path | None) -> dict[str, Any]:
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


def _print_run(run: Run, folder: Path | None, as_json: bool) -> None:
    summary = _summary(run, folder)
    if as_json:
        print(json.dumps(summary, indent=2))
        return
    final = summary["final"]
    outcome = "did not grok" if run.grok_step is None else f"grokked at step {run.grok_step}"
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{run.config.label}[/bold] {outcome}, {run.steps} steps", markup=True)
    table = Table("", "FFS", "FCR", "Gini", title=f"measures at step {run.steps}")
    for layer, title in (("embedding", "embedding W_E"), ("neuron_logit", "neuron–logit map W_L")):
        table.add_row(title, *(f"{final[f'{measure}_{layer}']:.3f}" for measure in ("ffs", "fcr", "gini")))
    console.print(table)
    for part in ("train", "test"):
        console.print(f"{part}: accuracy {final[f'{part}_accuracy']:.2%}, loss {final[f'{part}_loss']:.3g} nats")
    console.print(f"stored in {folder}")


def main() -> None:
    """Run the command line; the entry point of the ``grokbook`` script."""
    app()


if __name__ == "__main__":
    main()
