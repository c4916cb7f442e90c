"""Tables of runs as the book shows them, text of its cells, and the line on what machine a notebook ran."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from IPython.display import HTML, Markdown, display

from grokbook import paper
from grokbook.analysis.symmetry import by_mirror, classes, mirrored, share_with_twins
from grokbook.data.operations import pretty
from grokbook.data.tokens import n_train
from grokbook.figures.groups import Group, Row, as_table, cell, each_run, grok_or_best, outcome
from grokbook.figures.style import LAYER_SYMBOLS
from grokbook.fourier import measures
from grokbook.paper import results
from grokbook.runs.provenance import here, sentence
from grokbook.runs.run import Run

SPECTRAL = {"FFS": measures.ffs, "FCR": measures.fcr, "weighted FCR": measures.weighted_fcr}


def table(frame: pd.DataFrame) -> HTML:
    """A data frame as the book shows tables: no index, W_E with a subscript. Only long cells and lists wrap."""
    if frame.empty:
        return HTML("<p>Nothing to show: no stored run is a row of this table.</p>")
    shown = frame.to_html(index=False, border=0, justify="left")
    shown = re.sub(r"<td>(?=[^<]{28})", '<td class="words">', shown)
    shown = re.sub(r"<td>(?=[^<]{15})(?=[^<]*[,;:] )", '<td class="list">', shown)
    return HTML(subscripted(shown))


def subscripted(text: str) -> str:
    """HTML text with subscripts in the names of layers: W_E, W_L, W_U."""
    return re.sub(r"\bW_([ELU])\b", r"W<sub>\1</sub>", text)


def markdown(text: str) -> Markdown:
    """Text that a cell has put together, shown as Markdown."""
    return Markdown(text)


def note() -> None:
    """Say what this notebook ran on: a line for readers, and the same as the output's metadata for programs."""
    facts = here()
    display({"text/plain": sentence(facts)}, metadata={"grokbook": facts}, raw=True)


@as_table
def outcome_table(groups: Group) -> Iterator[Row]:
    """One row per run: how it ended, and its measures at the end. Budget: the steps it could have had."""
    for named, run in each_run(groups):
        yield {
            **named,
            "steps": f"{run.steps:,}",
            "budget": f"{run.config.max_steps:,}",
            "grok step": cell(run.grok_step, ","),
            "best test accuracy": f"{run.best_test_accuracy:.1%}",
            **{
                f"{measure.upper()} {symbol}": f"{run.history[f'{measure}_{layer}'].iloc[-1]:.2f}"
                for layer, symbol in LAYER_SYMBOLS.items()
                for measure in ("ffs", "fcr")
            },
        }


@as_table
def seed_table(groups: Group) -> Iterator[Row]:
    """One row per group with several seeds, a column per seed: the grok step, or the best test accuracy without one."""
    seeds = sorted({run.config.seed for runs in groups.values() for run in runs})
    for label, runs in groups.items():
        if len({run.config.seed for run in runs}) > 1:
            ended = {f"seed {seed}": grok_or_best([run for run in runs if run.config.seed == seed]) for seed in seeds}
            yield {"run": label, **ended, "grok": f"{sum(run.grok_step is not None for run in runs)} of {len(runs)}"}


THRESHOLDS = (90, 95, 97, 98, 99, 99.5)
"""Percents of test accuracy."""


@as_table
def threshold_table(groups: Group) -> Iterator[Row]:
    """Grok steps for other accuracies than 99 %, and the accuracy at the end: how firm the word "grokked" is."""
    for named, run in each_run(groups):
        steps = {f"{percent:g} %": cell(run.grok_step_at(percent / 100), ",") for percent in THRESHOLDS}
        yield {**named, **steps, "accuracy at the end": f"{run.history['test_accuracy'].iloc[-1]:.2%}"}


@as_table
def paper_table(groups: Group) -> Iterator[Row]:
    """What the paper's Table 5 says of each run, and what happened here."""
    for named, run in each_run(groups):
        reported = results.reported(run.config)
        yield {
            **named,
            "paper": "–" if reported is None else reported.text,
            "here": outcome([run]),
            "agrees": "–" if reported is None else _agreement(run, reported.grokked),
        }


def _agreement(run: Run, grokked: bool) -> str:
    if grokked == (run.grok_step is not None):
        return "yes"
    if grokked and run.config.max_steps < results.MAX_STEPS:
        return f"not within {run.config.max_steps:,} steps; the paper had {results.MAX_STEPS:,}"
    return "no"


HALFWAY: Mapping[str, str] = {
    "test_accuracy": "test accuracy",
    "ffs_embedding": "FFS W_E",
    "fcr_embedding": "FCR W_E",
    "gini_embedding": "Gini W_E",
    "ffs_neuron_logit": "FFS W_L",
    "fcr_neuron_logit": "FCR W_L",
}


@as_table
def halfway_table(groups: Group) -> Iterator[Row]:
    """When each number had made half of its way from the random start to the end; "–" where it moved less than 0.1."""
    for named, run in each_run(groups):
        yield {**named, **{title: cell(run.halfway(column), ",") for column, title in HALFWAY.items()}}


@as_table
def spectra_table(groups: Group) -> Iterator[Row]:
    """FFS, FCR and weighted FCR of both layers at the end, with the grok step."""
    for named, run in each_run(groups):
        measured = {
            f"{name} {symbol}": f"{measure(run.spectrum(layer)):.2f}"
            for layer, symbol in LAYER_SYMBOLS.items()
            for name, measure in SPECTRAL.items()
        }
        yield {**named, "grok step": cell(run.grok_step, ","), **measured}


# --- how much of a test set could be looked up ----------------------------------------------------


@as_table
def twin_table(groups: Group) -> Iterator[Row]:
    """One row per run: values that its operation tells apart, test pairs with a twin, and when what is known.

    "Train set known": the first step with 99 % train accuracy; for twins see :mod:`grokbook.analysis.symmetry`.

    Raises:
        ValueError: a run is on several operations, or on other operands than the residues.
    """
    for named, run in each_run(groups):
        config = run.config
        if len(config.operations) > 1 or config.operands != "residues":
            raise ValueError(f"twins are counted for one operation over residues, not for {config.label}")
        (operation,) = config.parsed_operations
        share = share_with_twins(operation, config.p, config.fraction, config.seed)
        known, test = run.first_step("train_accuracy"), run.history.set_index("step")["test_accuracy"]
        yield {
            **named,
            "values told apart": " and ".join(str(each.max() + 1) for each in classes(operation, config.p)),
            "test pairs with a twin": f"{share:.1%}",
            "train set known": cell(known, ","),
            "test accuracy then": "–" if known is None else f"{test[known]:.1%}",
            "grok step": cell(run.grok_step, ","),
        }


@as_table
def mirror_table(runs: Sequence[Run]) -> Iterator[Row]:
    """One row per run: test pairs whose mirror image is trained on, and how many of these and of the others are right.

    Of runs that were published with neither weights nor answers, only the best test accuracy is known.

    Raises:
        ValueError: a run is not on one symmetric operation over the residues.
    """
    for run in sorted(runs, key=lambda run: (run.config.p, run.config.fraction, run.config.seed)):
        config = run.config
        n_test = config.p**2 - n_train(config.p**2, config.fraction)
        found = by_mirror(run) if run.has_answers else (None, None)
        yield {
            "p": config.p,
            "r": f"{config.fraction:g}",
            "seed": config.seed,
            "best test accuracy": f"{run.best_test_accuracy:.1%}",
            "mirror images": f"{mirrored(config).sum() / n_test:.1%}",
            "right of these": cell(found[0], ".1%"),
            "right of the others": cell(found[1], ".1%"),
            "by chance": f"{1 / config.p:.1%}",
        }


@as_table
def paper_mirror_table(symmetric: str, others: Sequence[str], p: int = 97) -> Iterator[Row]:
    """The paper's best accuracies where a symmetric operation fails, less its mirror images, beside its look-alikes.

    A row for each fraction. "Without mirror images": the accuracy on all other test pairs, if all mirror images are
    right: of a random split these are a share r (1 − 1/p).
    """
    for fraction in paper.FRACTIONS:
        reported = {each: results.reported(paper.single(each, p=p, fraction=fraction)) for each in (symmetric, *others)}
        best = {operation: None if found is None else found.best for operation, found in reported.items()}
        if (accuracy := best[symmetric]) is not None:
            share = fraction * (1 - 1 / p)
            left = (accuracy / 100 - share) / (1 - share)
            told = {pretty(other): "–" if best[other] is None else f"{best[other]:g}%" for other in others}
            row = {"r": f"{fraction:g}", pretty(symmetric): f"{accuracy:g}%", "without mirror images": f"{left:.1%}"}
            yield row | told


# --- text of cells --------------------------------------------------------------------------------


def number_text(value: float) -> str:
    """A number in up to three digits, or whole thousands: 0.0417, 0.667, 1,600, 9.3 × 10⁶."""
    if 0.001 <= abs(value) < 99_999.5 or value == 0:
        shown = f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"
        return shown.replace("-", "−")
    return power_text(value)


def power_text(value: float) -> str:
    """A number in two digits times a power of ten: 5.3 × 10⁶."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", "−")


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
