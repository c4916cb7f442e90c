"""Pre-grokked runs beside those from scratch: a grid of sources and targets, and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.analysis.coordinates import natural
from grokbook.data.operations import Operation, pretty
from grokbook.figures.groups import curve, grok_or_best, grok_steps
from grokbook.figures.style import LOG_STEPS, PALETTE, arrange, describe
from grokbook.model.names import MODULES
from grokbook.paper import results
from grokbook.paper.configs import Transfer
from grokbook.runs.run import Run

SCRATCH = "from scratch"
_LOOKS = {SCRATCH: ("#8b949c", "solid"), "PG-E": (PALETTE[0], "dash"), "PG-T": (PALETTE[1], "solid")}


Transfers = Mapping[Transfer, Sequence[Run]]
"""Runs with a module, by what was learned before, what is learned, and which module is taken over."""


def transfer_grid(scratch: Mapping[str, Sequence[Run]], transfers: Transfers, *, name: str = "transfers") -> go.Figure:
    """Test accuracy against step for every source (column) and target (row), with and without a module (paper Fig 2).

    Args:
        scratch: runs from scratch by operation; its keys are the sources and the targets.
        transfers: runs with a module; cells that are not there stay empty.
        name: of the figure's file.
    """
    operations = list(scratch)
    size, names = len(operations), [pretty(operation) for operation in operations]
    figure = make_subplots(
        rows=size,
        cols=size,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=0.04,
        column_titles=[f"from {each}" for each in names],
        row_titles=[f"on {each}" for each in names],
    )
    for row, target in enumerate(operations, start=1):
        for col, source in enumerate(operations, start=1):
            modules = {module: transfers.get(_transfer(module, source, target), ()) for module in MODULES}
            for label, runs in {SCRATCH: scratch[target], **modules}.items():
                colour, dash = _LOOKS[label]
                for index, run in enumerate(runs):
                    figure.add_scatter(
                        **curve(run, "test_accuracy"),
                        line={"color": colour, "dash": dash, "width": 2},
                        name=label,
                        legendgroup=label,
                        showlegend=row == col == 1 and index == 0,
                        hovertemplate=f"{label}: %{{y:.1%}} at step %{{x:,}}<extra></extra>",
                        row=row,
                        col=col,
                    )
    figure.update_xaxes(LOG_STEPS)
    figure.update_xaxes(title="step", row=size)
    figure.update_yaxes(tickformat=".0%", range=[-0.05, 1.08], dtick=0.5)
    arrange(figure, height=160 + 150 * size, legend_y=1.06, t=70, r=40)
    cells = [_transfer(*cell) for cell in product(MODULES, operations, operations)]
    missing = sum(not transfers.get(cell) for cell in cells)
    unseen = f" {missing} of {len(cells)} are not stored and not drawn." if missing else ""
    told = "; ".join(_outcome(transfer, runs) for transfer, runs in transfers.items())
    return describe(
        figure,
        name=name,
        title="With modules from each source, on each target",
        caption="Test accuracy against step, columns by source, rows by target; grey: from scratch, dashed: PG-E, "
        f"solid: PG-T. {_how_many_grok(transfers)}{unseen}",
        alt=f"A grid of {size} by {size} small plots of test accuracy, with and without pre-grokked modules. "
        f"Grok steps (– if it does not): {told}.",
    )


def _transfer(module: str, source: str, target: str) -> Transfer:
    return Transfer.parse(f"{module} {source} -> {target}")


def _of_module(transfers: Transfers, module: str) -> list[Run]:
    return [run for transfer, found in transfers.items() if transfer.module == module for run in found]


def _how_many_grok(transfers: Transfers) -> str:
    """In words: of the runs with each module."""
    counts = []
    for module in MODULES:
        runs = _of_module(transfers, module)
        if runs:
            counts.append(f"{sum(run.grok_step is not None for run in runs)} of {len(runs)} with {module}")
    return f"Runs that grok: {', '.join(counts)}." if counts else ""


def _outcome(transfer: Transfer, runs: Sequence[Run]) -> str:
    return f"{transfer.module} {pretty(transfer.source)} → {pretty(transfer.target)}: {grok_steps(runs)}"


def transfer_table(scratch: Mapping[str, Sequence[Run]], transfers: Transfers) -> pd.DataFrame:
    """One row per target: the grok step from scratch and with each module, or the best test accuracy (paper Table 6).

    Args:
        scratch: runs from scratch by operation, the targets.
        transfers: runs with a module; each module and source has a column, seeds are listed in order.
    """
    columns = {transfer.label: transfer for transfer in transfers}
    return pd.DataFrame(
        {
            "target": pretty(target),
            SCRATCH: grok_or_best(runs),
            **{
                label: grok_or_best(transfers.get(_transfer(column.module, column.source, target), ()))
                for label, column in columns.items()
            },
        }
        for target, runs in scratch.items()
    )


def speed_up_table(scratch: Mapping[str, Sequence[Run]], transfers: Transfers) -> pd.DataFrame:
    """One row per run with a module: how many times as fast as from scratch with its seed, and the paper's word.

    Where both grok it is the ratio of their grok steps; where the one from scratch does not, its steps give a bound.
    """
    rows = []
    for transfer, runs in transfers.items():
        for run in runs:
            before = _alone(scratch, run)
            helps = {True: "helps", False: "does not help", None: "–"}[results.transfer_helps(run.config)]
            rows.append(
                {
                    "target": pretty(transfer.target),
                    "module": transfer.label,
                    "seed": run.config.seed,
                    "here": "from scratch not yet run" if before is None else _speed_up(before, run),
                    "paper": helps,
                }
            )
    return pd.DataFrame(rows)


def transfer_counts(scratch: Mapping[str, Sequence[Run]], transfers: Transfers) -> pd.DataFrame:
    """One row per module: of the runs with it, how many grok sooner than the one from scratch with their seed.

    "No sooner" holds those that grok as late or later, or not by the step at which the one from scratch does; a run
    that was stopped before the other one's grok step has nothing to compare with. "As in the paper" counts, among runs
    that the paper has a word on and that have one to compare with, those that it is right about.
    """
    rows = []
    for module in MODULES:
        runs = _of_module(transfers, module)
        fates = [(_fate(_alone(scratch, run), run), results.transfer_helps(run.config)) for run in runs]
        judged = [(fate == _FATES[0]) == helps for fate, helps in fates if fate != _FATES[-1] and helps is not None]
        counts = {each: sum(fate == each for fate, _ in fates) for each in _FATES}
        agree = f"{sum(judged)} of {len(judged)}" if judged else "–"
        rows.append({"module": module, "runs": len(runs), **counts, "as in the paper": agree})
    return pd.DataFrame(rows)


def coordinate_transfer_table(scratch: Mapping[str, Sequence[Run]], transfers: Transfers) -> pd.DataFrame:
    """One row per run with a pre-grokked embedding: the coordinates of source and target, and how both runs ended.

    Not in the paper; coordinates are those of :func:`grokbook.analysis.coordinates.natural`, same ones first.
    """
    ordered = sorted(_embeddings(transfers), key=lambda each: not _same_coordinate(each[0]))
    return pd.DataFrame(
        {
            "embedding from": pretty(transfer.source),
            "over": _coordinate(transfer.source),
            "target": pretty(transfer.target),
            "a sum of": _coordinate(transfer.target),
            "same": "yes" if _same_coordinate(transfer) else "no",
            "seed": run.config.seed,
            SCRATCH: grok_or_best([] if (before := _alone(scratch, run)) is None else [before]),
            "with it": grok_or_best([run]),
        }
        for transfer, run in ordered
    )


def coordinate_transfer_counts(scratch: Mapping[str, Sequence[Run]], transfers: Transfers) -> pd.DataFrame:
    """Of the runs with a pre-grokked embedding, by whether source and target have one coordinate: how many grok sooner.

    As :func:`transfer_counts` counts them. "Gains" are among those that neither grok: with the embedding, their best
    test accuracy is at least twice that from scratch.
    """
    rows = []
    for same in (True, False):
        runs = [run for transfer, run in _embeddings(transfers) if _same_coordinate(transfer) is same]
        pairs = [(_alone(scratch, run), run) for run in runs]
        fates = [_fate(before, run) for before, run in pairs]
        gains = [
            before is not None and run.best_test_accuracy >= 2 * before.best_test_accuracy
            for fate, (before, run) in zip(fates, pairs, strict=True)
            if fate == _FATES[2]
        ]
        counts = {each: fates.count(each) for each in _FATES}
        coordinate = "the same" if same else "another"
        rows.append({"coordinate": coordinate, "runs": len(runs), **counts, "gains": sum(gains)})
    return pd.DataFrame(rows)


def _embeddings(transfers: Transfers) -> list[tuple[Transfer, Run]]:
    """Runs with a pre-grokked embedding."""
    return [(transfer, run) for transfer, runs in transfers.items() if transfer.module == "PG-E" for run in runs]


def _coordinate(operation: str) -> str:
    found = natural(Operation.parse(operation))
    return "none known" if found is None else found.embedding.name


def _same_coordinate(transfer: Transfer) -> bool:
    """Whether the embedding of the source has waves over what the target is a sum of."""
    source, target = (natural(Operation.parse(each)) for each in (transfer.source, transfer.target))
    return source is not None and target is not None and source.embedding == target.embedding


_FATES = ("groks sooner", "no sooner", "neither groks", "nothing to compare with")


def _fate(before: Run | None, after: Run) -> str:
    """Which of the fates a run with a module has, beside the same one from scratch."""
    sooner, later, neither, unknown = _FATES
    if before is None:
        return unknown
    if after.grok_step is None:
        if before.grok_step is None:
            return neither
        return later if after.steps >= before.grok_step else unknown  # it was stopped before that step
    if before.grok_step is None:
        return sooner if after.grok_step < before.steps else unknown  # as was this one
    return sooner if after.grok_step < before.grok_step else later


def _alone(scratch: Mapping[str, Sequence[Run]], run: Run) -> Run | None:
    """The run from scratch on the same operation and with the same seed."""
    key = (run.config.operations, run.config.seed)
    every = (each for runs in scratch.values() for each in runs)
    return next((each for each in every if (each.config.operations, each.config.seed) == key), None)


def _speed_up(before: Run, after: Run) -> str:
    if after.grok_step is None:
        ended = f"does not grok within {after.steps:,} steps, best {after.best_test_accuracy:.1%}"
        return ended + ("" if before.grok_step is None else "; from scratch it does")
    if before.grok_step is None:
        bound = before.steps / after.grok_step
        return f"more than {bound:.1f} times as fast: from scratch it does not grok within {before.steps:,} steps"
    return f"{before.grok_step / after.grok_step:.1f} times as fast"
