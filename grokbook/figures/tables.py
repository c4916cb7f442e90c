"""Tables of runs as the book shows them, text of its cells, and the line on what machine a notebook ran."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from IPython.display import HTML, Markdown, display

from grokbook import paper
from grokbook.analysis.symmetry import by_mirror, classes, mirrored, share_with_twins
from grokbook.data.operations import pretty
from grokbook.data.tokens import n_train
from grokbook.figures.groups import Group, grok_or_best, outcome
from grokbook.figures.style import LAYER_SYMBOLS
from grokbook.fourier import measures
from grokbook.fourier.transform import Spectrum
from grokbook.paper import results
from grokbook.runs.provenance import here, sentence
from grokbook.runs.run import Run

SPECTRAL: Mapping[str, Callable[[Spectrum], float]] = {
    "FFS": measures.ffs,
    "FCR": measures.fcr,
    "weighted FCR": measures.weighted_fcr,
}


def table(frame: pd.DataFrame) -> HTML:
    """A data frame as the book shows tables: no index, W_E with a subscript. Only long cells and lists wrap."""
    if frame.empty:
        return HTML("<p>Nothing to show yet: none of the runs it would be about is stored.</p>")
    shown = frame.to_html(index=False, border=0, justify="left")
    shown = re.sub(r"<td>(?=[^<]{28})", '<td class="words">', shown)
    shown = re.sub(r"<td>(?=[^<]{15})(?=[^<]*[,;:] )", '<td class="list">', shown)
    return HTML(re.sub(r"\bW_([ELU])\b", r"W<sub>\1</sub>", shown))


def markdown(text: str) -> Markdown:
    """Text that a cell has put together, shown as Markdown."""
    return Markdown(text)


def note() -> None:
    """Say what this notebook ran on: a line for readers, and the same as the output's metadata for programs."""
    facts = here()
    display({"text/plain": sentence(facts)}, metadata={"grokbook": facts}, raw=True)


def per_run(groups: Group, cells: Callable[[Run], Mapping[str, object]]) -> pd.DataFrame:
    """One row per run: its group, its seed, and what else is told of it."""
    return pd.DataFrame(
        {"run": label, "seed": run.config.seed, **cells(run)} for label, runs in groups.items() for run in runs
    )


def outcome_table(groups: Group) -> pd.DataFrame:
    """One row per run: how it ended, and its measures at the end. Budget: the steps it could have had."""
    return per_run(
        groups,
        lambda run: {
            "steps": f"{run.steps:,}",
            "budget": f"{run.config.max_steps:,}",
            "grok step": step_text(run.grok_step),
            "best test accuracy": f"{run.best_test_accuracy:.1%}",
            **{
                f"{measure.upper()} {symbol}": f"{run.history[f'{measure}_{layer}'].iloc[-1]:.2f}"
                for layer, symbol in LAYER_SYMBOLS.items()
                for measure in ("ffs", "fcr")
            },
        },
    )


def seed_table(groups: Group) -> pd.DataFrame:
    """One row per group with several seeds, a column per seed: the grok step, or the best test accuracy without one."""
    seeds = sorted({run.config.seed for runs in groups.values() for run in runs})
    several = {label: runs for label, runs in groups.items() if len({run.config.seed for run in runs}) > 1}
    return pd.DataFrame(
        {
            "run": label,
            **{f"seed {seed}": grok_or_best([run for run in runs if run.config.seed == seed]) for seed in seeds},
            "grok": f"{sum(run.grok_step is not None for run in runs)} of {len(runs)}",
        }
        for label, runs in several.items()
    )


THRESHOLDS = (90, 95, 97, 98, 99, 99.5)
"""Percents of test accuracy."""


def threshold_table(groups: Group) -> pd.DataFrame:
    """Grok steps for other accuracies than 99 %, and the accuracy at the end: how firm the word "grokked" is."""
    return per_run(
        groups,
        lambda run: {
            **{f"{percent:g} %": step_text(run.grok_step_at(percent / 100)) for percent in THRESHOLDS},
            "accuracy at the end": f"{run.history['test_accuracy'].iloc[-1]:.2%}",
        },
    )


def paper_table(groups: Group) -> pd.DataFrame:
    """What the paper's Table 5 says of each run, and what happened here."""

    def cells(run: Run) -> dict[str, str]:
        reported = results.reported(run.config)
        return {
            "paper": "–" if reported is None else reported.text,
            "here": outcome([run]),
            "agrees": "–" if reported is None else _agreement(run, reported.grokked),
        }

    return per_run(groups, cells)


def _agreement(run: Run, grokked: bool) -> str:
    if grokked == (run.grok_step is not None):
        return "yes"
    if grokked and run.config.max_steps < results.MAX_STEPS:
        return f"not within {run.config.max_steps:,} steps; the paper had {results.MAX_STEPS:,}"
    return "no"


HALFWAY_COLUMNS: Mapping[str, str] = {
    "test_accuracy": "test accuracy",
    "ffs_embedding": "FFS W_E",
    "fcr_embedding": "FCR W_E",
    "gini_embedding": "Gini W_E",
    "ffs_neuron_logit": "FFS W_L",
    "fcr_neuron_logit": "FCR W_L",
}


def halfway_table(groups: Group) -> pd.DataFrame:
    """When each number had made half of its way from the random start to the end; "–" where it moved less than 0.1."""
    return per_run(
        groups, lambda run: {title: step_text(run.halfway(column)) for column, title in HALFWAY_COLUMNS.items()}
    )


def spectra_table(groups: Group) -> pd.DataFrame:
    """FFS, FCR and weighted FCR of both layers at the end, with the grok step."""
    return per_run(
        groups,
        lambda run: {
            "grok step": step_text(run.grok_step),
            **{
                f"{name} {symbol}": f"{measure(run.spectrum(layer)):.2f}"
                for layer, symbol in LAYER_SYMBOLS.items()
                for name, measure in SPECTRAL.items()
            },
        },
    )


# --- how much of a test set could be looked up ----------------------------------------------------


def twin_table(groups: Group) -> pd.DataFrame:
    """One row per run: values that its operation tells apart, test pairs with a twin, and when what is known.

    "Train set known": the first step with 99 % train accuracy, and test accuracy at that step. See
    :mod:`grokbook.analysis.symmetry`.

    Raises:
        ValueError: a run is on several operations, or on other operands than the residues.
    """

    def cells(run: Run) -> dict[str, str]:
        config = run.config
        if len(config.operations) > 1 or config.operands != "residues":
            raise ValueError(f"twins are counted for one operation over residues, not for {config.label}")
        (operation,) = config.parsed_operations
        share = share_with_twins(operation, config.p, config.fraction, config.seed)
        known, test = run.first_step("train_accuracy"), run.history.set_index("step")["test_accuracy"]
        return {
            "values told apart": " and ".join(str(each.max() + 1) for each in classes(operation, config.p)),
            "test pairs with a twin": f"{share:.1%}",
            "train set known": step_text(known),
            "test accuracy then": "–" if known is None else f"{test[known]:.1%}",
            "grok step": step_text(run.grok_step),
        }

    return per_run(groups, cells)


def mirror_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run: test pairs whose mirror image is trained on, and how many of these and of the others are right.

    Of runs that were published with neither weights nor answers, only the best test accuracy is known. See
    :mod:`grokbook.analysis.symmetry`.

    Raises:
        ValueError: a run is not on one symmetric operation over the residues.
    """
    rows = []
    for run in sorted(runs, key=lambda run: (run.config.p, run.config.fraction, run.config.seed)):
        config = run.config
        n_test = config.p**2 - n_train(config.p**2, config.fraction)
        found = tuple(f"{share:.1%}" for share in by_mirror(run)) if run.has_answers else ("–", "–")
        rows.append(
            {
                "p": config.p,
                "r": f"{config.fraction:g}",
                "seed": config.seed,
                "best test accuracy": f"{run.best_test_accuracy:.1%}",
                "mirror images": f"{mirrored(config).sum() / n_test:.1%}",
                "right of these": found[0],
                "right of the others": found[1],
                "by chance": f"{1 / config.p:.1%}",
            }
        )
    return pd.DataFrame(rows)


def paper_mirror_table(symmetric: str, others: Sequence[str], p: int = 97) -> pd.DataFrame:
    """The paper's best accuracies where a symmetric operation fails, less its mirror images, beside its look-alikes.

    A row for each fraction. "Without mirror images": the accuracy on all other test pairs, if all mirror images are
    right: of a random split these are a share r (1 − 1/p).
    """
    rows = []
    for fraction in paper.FRACTIONS:
        best = {
            operation: None if reported is None else reported.best
            for operation in (symmetric, *others)
            for reported in [results.reported(paper.single(operation, p=p, fraction=fraction))]
        }
        if (accuracy := best[symmetric]) is not None:
            share = fraction * (1 - 1 / p)
            left = (accuracy / 100 - share) / (1 - share)
            told = {pretty(other): "–" if best[other] is None else f"{best[other]:g}%" for other in others}
            row = {"r": f"{fraction:g}", pretty(symmetric): f"{accuracy:g}%", "without mirror images": f"{left:.1%}"}
            rows.append(row | told)
    return pd.DataFrame(rows)


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


def step_text(step: int | None) -> str:
    """A step as tables show it; a dash where there is none."""
    return "–" if step is None else f"{step:,}"
