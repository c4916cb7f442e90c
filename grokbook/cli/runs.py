"""``grokbook runs``: list, show, verify, publish, ablations, repeat, tabulate, rename, clean."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grokbook.cli.common import Device, Json, complain, print_run, print_table, printable, summary
from grokbook.errors import DamagedRun
from grokbook.runs.config import config_in
from grokbook.runs.store import default_folders

if TYPE_CHECKING:
    from grokbook.runs.outcomes import Outcome
    from grokbook.runs.run import Run

app = typer.Typer(no_args_is_help=True, help="The stored runs.")

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Runs, as for `show`.")]
To = Annotated[Path | None, typer.Option(help="Where; by default the published runs of this checkout.")]


@app.command("list")
def list_runs(as_json: Json = False) -> None:
    """List the stored runs, published ones included."""
    from grokbook.runs.run import read

    rows, damaged = [], 0
    for folder in default_folders().folders():
        try:
            rows.append(summary(read(folder), folder))
        except DamagedRun as error:
            damaged += 1
            complain(f"damaged run: {error}")
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            row |= {"id": row["hash"][:8], "r": f"{row['fraction']:g}", "best": f"{row['best_test_accuracy']:.1%}"}
            row["grok"] = "–" if row["grok_step"] is None else row["grok_step"]
        keys = ("id", "task", "p", "r", "seed", "steps", "grok", "best")
        columns = ("id", "run", "p", "r", "seed", "steps", "grok step", "best test")
        print_table(columns, ([row[key] for key in keys] for row in rows))
    if damaged:
        raise typer.Exit(1)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a run, or the beginning of its name or hash.")],
    as_json: Json = False,
) -> None:
    """Show one run: config, outcome, measures, provenance."""
    from grokbook.runs.run import read

    folder = _find(name)
    print_run(read(folder), folder, as_json)


@app.command()
def verify() -> None:
    """Check every stored run: checksums, and accuracy, FFS and FCR computed again from the weights.

    The tables of runs are checked, too: each row in itself, and against its run where that is stored; and so are losses
    over training.
    """
    from grokbook.analysis import restricted_history
    from grokbook.runs import outcomes
    from grokbook.runs import verify as verification
    from grokbook.runs.outcomes import Outcome
    from grokbook.runs.run import read

    good, bad, folders = 0, 0, default_folders()
    stored: dict[str, Outcome] = {}
    for folder in folders.folders():
        try:
            run = read(folder)
            found = verification.problems(run)
            if (losses := restricted_history.read(folders, run)) is not None:
                found += (f"losses over training: {problem}" for problem in restricted_history.problems(run, losses))
        except DamagedRun as error:
            complain(error)
            bad += 1
            continue
        stored[run.config.hash] = Outcome.of(run)
        if _told(folder.name, found):
            bad += 1
        else:
            good += 1
            print(f"{printable(folder.name)}: agrees")
    broken = [path for path in outcomes.tables(folders) if not _table_holds(path, stored)]
    print(f"{good} runs agree with their history, {bad} do not")
    if bad or broken:
        raise typer.Exit(1)


@app.command()
def publish(
    names: Names,
    maps: Annotated[
        Literal["all", "last", "none"], typer.Option(help="Maps of the 2-D logits to keep: all, last or none.")
    ] = "last",
    weights: Annotated[bool, typer.Option("--weights", help="Keep the final weights, too.")] = False,
    answers: Annotated[
        bool, typer.Option("--answers", help="Without weights: keep what the final model answers to each pair.")
    ] = False,
    to: To = None,
) -> None:
    """Copy runs to the published ones, with what the book needs of them."""
    from grokbook.runs import publish as publishing

    target = _published(to)
    for run in _read(names):
        path = publishing.publish(run, target, maps=maps, weights=weights, answers=answers)
        print(f"{path}: {_size(path) / 1e3:,.0f} kB")
    print(f"{_size(target) / 1e6:.1f} MB are published")


@app.command()
def ablations(names: Names, to: To = None) -> None:
    """Train runs once more, and keep their restricted and ablated losses over training (Appendix E)."""
    from grokbook.analysis import restricted_history

    target = _published(to)
    for run in _read(names):
        print(restricted_history.keep(run, target))


@app.command()
def repeat(names: Names, device: Device = "auto", to: To = None) -> None:
    """Train runs once more, and keep how that ended in the table of repeats. The stored runs stay as they are."""
    from grokbook.runs import repeats
    from grokbook.training import train as training
    from grokbook.training.ensure import default_store

    target, whole = _published(to), default_store().sources
    configs = [run.config for run in _read(names)]
    sources = [whole.get(source) for config in configs if (source := config.source) and source in whole]

    def keep(run: Run) -> None:
        if run.config in configs:  # and is no source that had to be trained
            print(repeats.keep(run, target))

    # Apart, so that heirs start from the stored sources although these may be trained once more, too.
    training.train([config for config in configs if config.source is None], device, on_finish=keep)
    heirs = [config for config in configs if config.source is not None]
    training.train(heirs, device, sources=sources, on_finish=keep)


@app.command()
def tabulate(
    name: Annotated[str, typer.Argument(metavar="[EXPERIMENT]", help="See grokbook sweep --list.")] = "summary-grid",
    to: Annotated[Path | None, typer.Option(help="The file; by default beside the published runs.")] = None,
) -> None:
    """Write how an experiment's stored runs ended into its table, one row each. Rows that are there stay."""
    from grokbook.paper import experiments
    from grokbook.runs import outcomes
    from grokbook.runs.disk import table_lock

    folders = default_folders()
    configs = experiments.experiment(name).configs()
    path = to or outcomes.table_path(_published(None, "the table is: --to FILE"), name)
    found = list(outcomes.stored(folders, configs))
    with table_lock(path):
        known = outcomes.read(path)
        rows = outcomes.merge(known, found)
        new = [row for row in rows if row not in known]
        if new:
            outcomes.write(rows, path)
    print(f"{path}: {len(rows)} runs, {len(new)} of them new")


@app.command()
def rename(
    place: Annotated[Path | None, typer.Argument(help="A folder of runs; by default the one for new runs.")] = None,
) -> None:
    """Give runs their names that were stored while step budget and tail were part of a name. Contents stay."""
    from grokbook.runs import renaming

    for old, new in renaming.rename(place or default_folders().path):
        print(f"{old.name}: {'stays, its new name is taken' if new is None else new.name}")


@app.command()
def clean() -> None:
    """Remove the states that are kept so that runs can go on with larger budgets. Finished runs stay."""
    from grokbook.training.checkpoints import Checkpoints

    freed = Checkpoints(default_folders().states).clean()
    print(f"{freed / 1e6:.1f} MB were freed")


def _published(to: Path | None, what: str = "to publish: --to FOLDER") -> Path:
    """The folder to publish in: what is given, or that of the checkout."""
    published = default_folders().published
    if to is None and not published:
        raise ValueError(f"outside a checkout, say where {what}")
    return to or published[0]


def _table_holds(path: Path, stored: Mapping[str, Outcome]) -> bool:
    """Whether the rows of a table agree with themselves and with stored runs, by hash; says what does not."""
    from grokbook.runs import outcomes

    try:
        rows = outcomes.read(path)
    except DamagedRun as error:
        complain(error)
        return False
    compared, again, wrong = 0, 0, 0
    for row in rows:
        found = outcomes.problems(row)
        if (run := stored.get(row.config.hash)) is not None:
            same = row.same_training(run) and row.steps == run.steps  # else it has gone on since
            compared += same
            again += not same
            differ = outcomes.differences(row, run) if same else []
            found += [f"{name} is not that of the stored run" for name in differ]
        wrong += _told(f"{path.name}: {row.config.name}", found)
    trained_again = f", {again} were trained a second time" if again else ""
    print(f"{path.name}: {len(rows) - wrong} rows agree, {wrong} do not ({compared} compared with runs{trained_again})")
    return not wrong


def _told(where: str, problems: Iterable[str]) -> bool:
    """Whether there are problems, each of them said in a line."""
    lines = [f"{where}: {problem}" for problem in problems]
    print(*map(printable, lines), sep="\n", end="\n" * bool(lines), file=sys.stderr)
    return bool(lines)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _read(names: Iterable[str]) -> list[Run]:
    """The stored runs of these names, all of which are found before the first is read."""
    folders = [_find(name) for name in names]
    from grokbook.runs.run import read

    return [read(folder) for folder in folders]


def _find(name: str) -> Path:
    """The folder of the one stored run whose name or hash begins with ``name``."""

    def begins(full: str) -> bool:
        return full.startswith(name) or full.rpartition("-")[2].startswith(name)

    folders = list(default_folders().folders())
    found = [folder for folder in folders if begins(folder.name)]
    if not found:  # notes and links may have a name that the run once had
        former = {folder: config.former_name for folder in folders if (config := config_in(folder)) is not None}
        found = [folder for folder, full in former.items() if begins(full)]
    if not found:
        raise KeyError(f"no stored run is called {name!r}; see: grokbook runs list")
    if len(found) > 1:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise ValueError(f"{name!r} fits {len(found)} runs: {', '.join(f.name for f in found[:5])}{more}")
    return found[0]
