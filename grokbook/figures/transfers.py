"""Pre-grokked runs beside those from scratch: a grid of sources and targets, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.analysis.coordinates import natural
from grokbook.analysis.transfers import Fate, fate, from_scratch, gains, share_coordinate, speed_up
from grokbook.data.operations import Operation, pretty
from grokbook.figures.groups import curve, grok_or_best, grok_steps
from grokbook.figures.style import LOG_STEPS, PALETTE, TRAIN, arrange, describe
from grokbook.model.names import MODULES
from grokbook.paper import results
from grokbook.paper.configs import Transfer
from grokbook.runs.run import Run

SCRATCH = "from scratch"
_LOOKS = {
    label: {"color": colour, "dash": dash, "width": 2}
    for label, colour, dash in ((SCRATCH, TRAIN, "solid"), ("PG-E", PALETTE[0], "dash"), ("PG-T", PALETTE[1], "solid"))
}


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
    for (row, target), (col, source) in product(enumerate(operations, start=1), repeat=2):
        modules = {module: transfers.get(_transfer(module, source, target), ()) for module in MODULES}
        for label, runs in {SCRATCH: scratch[target], **modules}.items():
            for index, run in enumerate(runs):
                figure.add_scatter(
                    **curve(run, "test_accuracy"),
                    line=_LOOKS[label],
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
    cells = [transfers.get(_transfer(*cell)) for cell in product(MODULES, operations, operations)]
    missing = sum(not runs for runs in cells)
    unseen = f" {missing} of {len(cells)} are not stored and not drawn." if missing else ""
    told = "; ".join(
        f"{transfer.module} {pretty(transfer.source)} → {pretty(transfer.target)}: {grok_steps(runs)}"
        for transfer, runs in transfers.items()
    )
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


def _how_many_grok(transfers: Transfers) -> str:
    """In words: of the runs with each module."""
    counts = []
    for module in MODULES:
        runs = [run for transfer, found in transfers.items() if transfer.module == module for run in found]
        if runs:
            counts.append(f"{sum(run.grok_step is not None for run in runs)} of {len(runs)} with {module}")
    return f"Runs that grok: {', '.join(counts)}." if counts else ""


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
    return pd.DataFrame(
        {
            "target": pretty(transfer.target),
            "module": transfer.label,
            "seed": run.config.seed,
            "here": "from scratch not yet run" if before is None else _speed_up(before, run),
            "paper": {True: "helps", False: "does not help", None: "–"}[results.transfer_helps(run.config)],
        }
        for transfer, before, run in _compared(scratch, transfers)
    )


def transfer_counts(scratch: Mapping[str, Sequence[Run]], transfers: Transfers) -> pd.DataFrame:
    """One row per module: of the runs with it, how many grok sooner than the one from scratch with their seed.

    What becomes of a run is told as in :class:`grokbook.analysis.transfers.Fate`. "As in the paper" counts, among runs
    that the paper has a word on and that have one to compare with, those that it is right about.
    """
    rows = []
    for module in MODULES:
        runs = [(before, run) for transfer, before, run in _compared(scratch, transfers) if transfer.module == module]
        found = [(fate(before, run), results.transfer_helps(run.config)) for before, run in runs]
        known = [(each, helps) for each, helps in found if each is not Fate.UNKNOWN and helps is not None]
        agree = sum((each is Fate.SOONER) is helps for each, helps in known)
        rows.append(
            {
                "module": module,
                "runs": len(runs),
                **_counts([each for each, _ in found]),
                "as in the paper": f"{agree} of {len(known)}" if known else "–",
            }
        )
    return pd.DataFrame(rows)


def coordinate_transfer_table(scratch: Mapping[str, Sequence[Run]], transfers: Transfers) -> pd.DataFrame:
    """One row per run with a pre-grokked embedding: the coordinates of source and target, and how both runs ended.

    Not in the paper; coordinates are those of :func:`grokbook.analysis.coordinates.natural`, same ones first.
    """
    return pd.DataFrame(
        {
            "embedding from": pretty(transfer.source),
            "over": _coordinate(transfer.source),
            "target": pretty(transfer.target),
            "a sum of": _coordinate(transfer.target),
            "same": "yes" if same else "no",
            "seed": run.config.seed,
            SCRATCH: grok_or_best([] if before is None else [before]),
            "with it": grok_or_best([run]),
        }
        for same in (True, False)
        for transfer, before, run in _embeddings(scratch, transfers, same)
    )


def coordinate_transfer_counts(scratch: Mapping[str, Sequence[Run]], transfers: Transfers) -> pd.DataFrame:
    """Of the runs with a pre-grokked embedding, by whether source and target have one coordinate: how many grok sooner.

    As :func:`transfer_counts` counts them. "Gains" are among those that neither grok: with the embedding, their best
    test accuracy is at least twice that from scratch.
    """
    rows = []
    for same, coordinate in ((True, "the same"), (False, "another")):
        runs = [(before, run) for _, before, run in _embeddings(scratch, transfers, same)]
        counts = _counts([fate(*pair) for pair in runs])
        rows.append(
            {"coordinate": coordinate, "runs": len(runs), **counts, "gains": sum(gains(*pair) for pair in runs)}
        )
    return pd.DataFrame(rows)


def _compared(scratch: Mapping[str, Sequence[Run]], transfers: Transfers) -> Iterator[tuple[Transfer, Run | None, Run]]:
    """Each run with a module, after the one from scratch on the same operation and with the same seed."""
    alone = [run for runs in scratch.values() for run in runs]
    for transfer, runs in transfers.items():
        for run in runs:
            yield transfer, from_scratch(run, alone), run


def _embeddings(
    scratch: Mapping[str, Sequence[Run]], transfers: Transfers, same: bool
) -> list[tuple[Transfer, Run | None, Run]]:
    """Those with a pre-grokked embedding, of a source with the target's coordinate, or of one with another."""
    return [
        (transfer, before, run)
        for transfer, before, run in _compared(scratch, transfers)
        if transfer.module == "PG-E" and share_coordinate(*map(Operation.parse, transfer[:2])) is same
    ]


def _counts(fates: Sequence[Fate]) -> dict[str, int]:
    return {each.value: fates.count(each) for each in Fate}


def _coordinate(operation: str) -> str:
    found = natural(Operation.parse(operation))
    return "none known" if found is None else found.embedding.name


def _speed_up(before: Run, after: Run) -> str:
    found = speed_up(before, after)
    if after.grok_step is None:
        ended = f"does not grok within {after.steps:,} steps, best {after.best_test_accuracy:.1%}"
        return ended + ("; from scratch it does" if found.at_most else "")
    if found.at_least:
        return f"more than {found.times:.1f} times as fast: from scratch it does not grok within {before.steps:,} steps"
    return f"{found.times:.1f} times as fast"
