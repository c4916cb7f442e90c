"""Pre-grokked runs beside those from scratch: a grid of sources and targets, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.analysis.coordinates import natural
from grokbook.analysis.transfers import Fate, fate, from_scratch, gains, share_coordinate, speed_up
from grokbook.data.operations import Operation, pretty
from grokbook.figures.groups import Row, as_table, curve, grok_or_best, grok_steps, grouped
from grokbook.figures.layout import arrange, describe, share_legend
from grokbook.figures.style import LOG_STEPS, PALETTE, TRAIN
from grokbook.model.names import MODULES
from grokbook.paper import results
from grokbook.paper.configs import Transfer
from grokbook.runs.run import Run

SCRATCH = "from scratch"
_LOOKS = {SCRATCH: (TRAIN, "solid"), "PG-E": (PALETTE[0], "dash"), "PG-T": (PALETTE[1], "solid")}
"""Colours and dashes."""
Scratch = Mapping[str, Sequence[Run]]
"""Runs from scratch, by their operation."""
Transfers = Mapping[Transfer, Sequence[Run]]
"""Runs with a module, by what was learned before, what is learned, and which module is taken over."""


def transfer_grid(scratch: Scratch, transfers: Transfers, *, name: str = "transfers") -> go.Figure:
    """Test accuracy against step for every source (column) and target (row), with and without a module (paper Fig 2).

    The runs from scratch say which operations these are; of transfers that are not there cells stay empty.
    """
    operations = list(scratch)
    size, names = len(operations), [pretty(operation) for operation in operations]
    titles = {"column_titles": [f"from {each}" for each in names], "row_titles": [f"on {each}" for each in names]}
    gaps = {"horizontal_spacing": 0.03, "vertical_spacing": 0.04}
    figure = make_subplots(rows=size, cols=size, shared_xaxes=True, shared_yaxes=True, **gaps, **titles)
    for (row, target), (col, source) in product(enumerate(operations, start=1), repeat=2):
        modules = {module: transfers.get(_transfer(module, source, target), ()) for module in MODULES}
        for label, runs in {SCRATCH: scratch[target], **modules}.items():
            colour, dash = _LOOKS[label]
            for run in runs:
                figure.add_scatter(
                    **curve(run, "test_accuracy"),
                    line={"color": colour, "dash": dash, "width": 2},
                    name=label,
                    legendgroup=label,
                    hovertemplate=f"{label}: %{{y:.1%}} at step %{{x:,}}<extra></extra>",
                    row=row,
                    col=col,
                )
    share_legend(figure)
    figure.update_xaxes(LOG_STEPS)
    figure.update_xaxes(title="step", row=size)
    figure.update_yaxes(tickformat=".0%", range=[-0.05, 1.08], dtick=0.5)
    cells = [transfers.get(_transfer(*cell)) for cell in product(MODULES, operations, operations)]
    missing = sum(not runs for runs in cells)
    unseen = f" {missing} of {len(cells)} are not stored and not drawn." if missing else ""
    every = grouped((transfer.module, run.grok_step) for transfer, runs in transfers.items() for run in runs)
    of_modules = {module: every[module] for module in MODULES if module in every}
    counts = [f"{len(of) - of.count(None)} of {len(of)} with {module}" for module, of in of_modules.items()]
    counted = f"Runs that grok: {', '.join(counts)}." if counts else ""
    told = "; ".join(
        f"{transfer.module} {pretty(transfer.source)} → {pretty(transfer.target)}: {grok_steps(runs)}"
        for transfer, runs in transfers.items()
    )
    return describe(
        arrange(figure, height=160 + 150 * size, legend_y=1.06, t=70, r=40),
        name=name,
        title="With modules from each source, on each target",
        caption="Test accuracy against step, columns by source, rows by target; grey: from scratch, dashed: PG-E, "
        f"solid: PG-T. {counted}{unseen}",
        alt=f"A grid of {size} by {size} small plots of test accuracy, with and without pre-grokked modules. "
        f"Grok steps (– if it does not): {told}.",
    )


def _transfer(module: str, source: str, target: str) -> Transfer:
    return Transfer.parse(f"{module} {source} -> {target}")


@as_table
def transfer_table(scratch: Scratch, transfers: Transfers) -> Iterator[Row]:
    """One row per target: grok steps from scratch and with each module, or best test accuracies (paper Table 6)."""
    columns = {transfer.label: transfer for transfer in transfers}
    for target, runs in scratch.items():
        with_modules = {
            label: grok_or_best(transfers.get(_transfer(column.module, column.source, target), ()))
            for label, column in columns.items()
        }
        yield {"target": pretty(target), SCRATCH: grok_or_best(runs), **with_modules}


@as_table
def speed_up_table(scratch: Scratch, transfers: Transfers) -> Iterator[Row]:
    """One row per run with a module: how many times as fast as from scratch with its seed, and the paper's word.

    Where both grok it is the ratio of their grok steps; where the one from scratch does not, its steps give a bound.
    """
    for transfer, before, run in _compared(scratch, transfers):
        yield {
            "target": pretty(transfer.target),
            "module": transfer.label,
            "seed": run.config.seed,
            "here": "from scratch not yet run" if before is None else _speed_up(before, run),
            "paper": {True: "helps", False: "does not help", None: "–"}[results.transfer_helps(run.config)],
        }


@as_table
def transfer_counts(scratch: Scratch, transfers: Transfers) -> Iterator[Row]:
    """One row per module: of the runs with it, how many grok sooner than the one from scratch with their seed.

    What becomes of a run is told as in :class:`grokbook.analysis.transfers.Fate`. "As in the paper" counts, among runs
    that the paper has a word on and that have one to compare with, those that it is right about.
    """
    for module in MODULES:
        runs = [(before, run) for transfer, before, run in _compared(scratch, transfers) if transfer.module == module]
        found = [(fate(before, run), results.transfer_helps(run.config)) for before, run in runs]
        known = [(each, helps) for each, helps in found if each is not Fate.UNKNOWN and helps is not None]
        agree = sum((each is Fate.SOONER) is helps for each, helps in known)
        yield {
            "module": module,
            "runs": len(runs),
            **_counts([each for each, _ in found]),
            "as in the paper": f"{agree} of {len(known)}" if known else "–",
        }


@as_table
def coordinate_transfer_table(scratch: Scratch, transfers: Transfers) -> Iterator[Row]:
    """One row per run with a pre-grokked embedding: the coordinates of source and target, and how both runs ended.

    Not in the paper; coordinates are those of :func:`grokbook.analysis.coordinates.natural`, same ones first.
    """
    for same, word in ((True, "yes"), (False, "no")):
        for transfer, before, run in _embeddings(scratch, transfers, same):
            yield {
                "embedding from": pretty(transfer.source),
                "over": _coordinate(transfer.source),
                "target": pretty(transfer.target),
                "a sum of": _coordinate(transfer.target),
                "same": word,
                "seed": run.config.seed,
                SCRATCH: grok_or_best([] if before is None else [before]),
                "with it": grok_or_best([run]),
            }


@as_table
def coordinate_transfer_counts(scratch: Scratch, transfers: Transfers) -> Iterator[Row]:
    """Of the runs with a pre-grokked embedding, by whether source and target have one coordinate: how many grok sooner.

    As :func:`transfer_counts` counts them. "Gains" are among those that neither grok: with the embedding, their best
    test accuracy is at least twice that from scratch.
    """
    for same, coordinate in ((True, "the same"), (False, "another")):
        runs = [(before, run) for _, before, run in _embeddings(scratch, transfers, same)]
        counts = _counts([fate(*pair) for pair in runs])
        yield {"coordinate": coordinate, "runs": len(runs), **counts, "gains": sum(gains(*pair) for pair in runs)}


def _compared(scratch: Scratch, transfers: Transfers) -> Iterator[tuple[Transfer, Run | None, Run]]:
    """Each run with a module, after the one from scratch on the same operation and with the same seed."""
    alone = [run for runs in scratch.values() for run in runs]
    for transfer, runs in transfers.items():
        for run in runs:
            yield transfer, from_scratch(run, alone), run


def _embeddings(scratch: Scratch, transfers: Transfers, same: bool) -> list[tuple[Transfer, Run | None, Run]]:
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
