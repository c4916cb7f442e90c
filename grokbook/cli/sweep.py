"""``grokbook sweep``."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grokbook.cli.common import Device, Fields, complain, extra, fields_in, print_table
from grokbook.paper import experiments
from grokbook.runs.config import RunConfig, merged
from grokbook.runs.store import FolderStore, default_folders
from grokbook.training.progress import duration

if TYPE_CHECKING:
    from grokbook.training.sweeps import Sweep

_ELSEWHERE = {
    **dict.fromkeys(("p", "fraction", "seed", "max_steps"), "not here; it has an option of its own"),
    **dict.fromkeys(
        ("operations", "operands", "source", "transplant", "frozen"), "not here; it is what the experiment is about"
    ),
}


def sweep(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Experiments, see --list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All experiments.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the experiments and what is done of each.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print what is missing and what it costs, and train nothing.")] = False,
    p: Annotated[list[int] | None, typer.Option(help="Moduli in place of the experiment's own; repeatable.")] = None,
    fraction: Annotated[list[float] | None, typer.Option(help="The same for fractions.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="The same for seeds.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Step budget in place of each operation's own.")] = None,
    set_: Fields = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core, on CUDA one.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="A Dask scheduler, like tcp://host:8786.")] = None,
    device: Device = "auto",
) -> None:
    """Train what is missing of an experiment, on all cores or on a cluster."""
    store = default_folders()
    if everything and names:
        raise ValueError(f"--all already is everything: leave out {' '.join(names)}, or --all")
    if dry_run and scheduler is not None:
        raise ValueError("a dry run measures this machine, not a scheduler's workers: leave out --scheduler")
    if listing:
        _list_experiments(store)
        return
    if not everything and not names:
        raise ValueError("name an experiment, or --all; grokbook sweep --list shows them")
    fields = fields_in(set_ or [], _ELSEWHERE)
    changes: dict[str, Any] = {"moduli": p or (), "fractions": fraction or (), "seeds": seed or ()}
    chosen = list(experiments.EXPERIMENTS) if everything else names or []
    found = {name: experiments.experiment(name).configs(**changes, max_steps=max_steps, **fields) for name in chosen}
    configs = list(dict.fromkeys(chain.from_iterable(found.values())))
    if not configs:
        from grokbook.book import pages

        computed = dict.fromkeys(f"grokbook notebook {pages.EXPERIMENTS[name].page}" for name in chosen)
        print(f"no runs: computed without training by {' and '.join(computed)}")
        return
    left = store.missing(merged(chain.from_iterable(_lacking(store, *each) for each in found.items())))
    sources = len({config.name for config in left} - {config.name for config in configs})
    besides = f", and {sources} that they start from" if sources else ""
    print(f"{len(configs)} runs, {len(left) - sources} to train{besides}")
    if left and dry_run:
        _print_estimate(left, store, device, workers)
    elif left:
        from grokbook.training.ensure import default_store
        from grokbook.training.sweeps import Sweep

        _run_sweep(Sweep(left, default_store(), print), scheduler, device, workers)


def _lacking(store: FolderStore, name: str, configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The runs of an experiment that are not there: not stored, or, if their ends are all that counts, not known."""
    if not experiments.experiment(name).endings:
        return [config for config in configs if config not in store]
    from grokbook.runs import outcomes  # with torch and pandas, which the others can do without

    return outcomes.unknown(configs, outcomes.gather(store, name, configs))


def _workers(device: str, workers: int | None) -> tuple[str, int]:
    """The device by its own name, and processes: one per core that this one may use, as far as the system says."""
    from grokbook.training.devices import resolve_device

    resolved = resolve_device(device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return str(resolved), workers or (1 if resolved.type == "cuda" else cores)


def _run_sweep(sweep: Sweep, scheduler: str | None, device: str, workers: int | None) -> None:
    from grokbook.training.workers import LocalExecutor

    if scheduler is None:
        name, workers = _workers(device, workers)
        sweep.run(lambda: LocalExecutor(workers), workers=workers, device=name)
    else:
        with extra("cluster"):
            from grokbook.training import cluster
        with cluster.dask_executor(scheduler) as (make_executor, at_a_time):
            sweep.run(make_executor, workers=workers or at_a_time, device=device)
    by_problem = defaultdict[str, list[RunConfig]](list)
    for config, problem in sweep.failed.items():
        by_problem[problem].append(config)
    for problem, (first, *others) in by_problem.items():
        more = f" and {len(others)} more" if others else ""
        complain(f"{first.label}{more} failed: {problem}")
    if sweep.failed:
        raise typer.Exit(1)


def _list_experiments(store: FolderStore) -> None:
    rows = []
    for name, experiment in experiments.EXPERIMENTS.items():
        configs = experiment.configs()
        rows.append((name, experiment.where, len(configs), len(configs) - len(_lacking(store, name, configs))))
    print_table(("name", "in the paper", "runs", "done"), rows)


def _print_estimate(left: list[RunConfig], store: FolderStore, device: str, workers: int | None) -> None:
    from grokbook.training import estimates

    name, workers = _workers(device, workers)
    rows, seconds = [], 0.0
    for row in estimates.estimate(left, name):
        cost = row.steps * row.seconds_per_step / workers
        seconds += cost
        each, steps = f"{1e3 * row.seconds_per_step:.3g}", f"{row.steps:,}"
        rows.append((row.p, f"{row.fraction:g}", row.operations, row.runs, steps, each, duration(cost)))
    print_table(("p", "r", "operations", "runs", "steps at most", "ms a step", "time"), rows)
    size = estimates.disk_estimate(store, len(left)) / 1e6
    print(f"about {duration(seconds)} with {workers} workers on {name} if no run groks, {size:,.0f} MB")
