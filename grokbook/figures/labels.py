"""Label distributions of many operations: KL(train ‖ test) and entropies, told apart by whether the operation groks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from grokbook.analysis.labels import STATISTICS, Labels, Outcomes, by_histogram, mean_kl, parted, separation, twins
from grokbook.data.polynomials import Kind
from grokbook.figures.groups import Row, as_table, cell, grouped, span
from grokbook.figures.layout import arrange, category_rows, describe, in_rows, share_legend
from grokbook.figures.style import PALETTE, TRAIN

_MARKS = (
    (True, "groks", PALETTE[0], "circle"),
    (False, "does not grok", PALETTE[1], "diamond"),
    (None, "not known", TRAIN, "square"),
)
"""How the operations of each outcome are called and drawn."""


# --- figures --------------------------------------------------------------------------------------


def label_kl(surveyed: Sequence[Labels], outcomes: Outcomes, *, name: str = "label-kl") -> go.Figure:
    """KL(train ‖ test) of each operation (paper Fig 21, top): mean and standard deviation over seeds, grouped by kind.

    Behind the marks stands what the number of labels alone lets one expect (`grokbook.analysis.labels.expected_kl`).
    """
    figure = _panels(surveyed, "KL(train ‖ test) in nats")
    for group, place in in_rows(_by_kind(surveyed).values()):
        figure.add_scatter(
            x=[labels.expected_kl for labels in group],
            y=[labels.operation.pretty for labels in group],
            mode="markers",
            marker={"symbol": "line-ns", "size": 15, "line": {"width": 2, "color": TRAIN}, "color": TRAIN},
            name="expected from the number of labels",
            legendgroup="expected",
            legendrank=2000,  # last
            hovertemplate="%{y}: %{x:.4f} expected<extra></extra>",
            **place,
        )
    _add_marks(figure, surveyed, outcomes, lambda labels: labels.kl, "KL")
    share_legend(figure)
    top = max(float(labels.kl.mean() + labels.kl.std()) for labels in surveyed)
    figure.update_xaxes(range=[0, 1.08 * max(top, max(labels.expected_kl for labels in surveyed))])
    least, most = (choose(surveyed, key=mean_kl) for choose in (min, max))
    off = max(abs(mean_kl(labels) / labels.expected_kl - 1) for labels in surveyed)
    finding = (
        f"KL runs from {mean_kl(least):.4f} ({least.operation.pretty}) to {mean_kl(most):.4f} "
        f"({most.operation.pretty}); the number of labels alone predicts each mean to within {off:.0%}. "
        f"{_told_apart(surveyed, outcomes, 'KL(train ‖ test)')}"
    )
    return describe(
        figure,
        name=name,
        title="KL divergence between train and test labels",
        caption=f"Mean over {_seeds(surveyed)}, bars: one standard deviation either way, grouped by kind. {finding}",
        alt=f"Dot plot of {_size(surveyed)}. {finding}",
    )


def label_entropies(surveyed: Sequence[Labels], outcomes: Outcomes, *, name: str = "label-entropies") -> go.Figure:
    """Entropy of train (filled) and test labels (open) of each operation (paper Fig 21, middle and bottom)."""
    p = len(surveyed[0].counts)
    figure = _panels(surveyed, f"entropy in nats (dotted: ln {p})")
    _add_marks(figure, surveyed, outcomes, lambda labels: labels.train_entropy, "train", "train")
    _add_marks(figure, surveyed, outcomes, lambda labels: labels.test_entropy, "test", "test", hollow=True)
    share_legend(figure)
    lowest = min(float(min(labels.train_entropy.min(), labels.test_entropy.min())) for labels in surveyed)
    limits = [lowest - 0.05 * (math.log(p) - lowest) - 0.02, math.log(p) + 0.05 * (math.log(p) - lowest) + 0.02]
    figure.update_xaxes(range=limits)
    figure.add_vline(x=math.log(p), line={"color": TRAIN, "width": 1.5, "dash": "dot"})
    even = sum(len(set(labels.histogram)) == 1 and labels.n_labels == p for labels in surveyed)
    least = min(surveyed, key=lambda labels: labels.entropy)
    spread = max(float(max(labels.train_entropy.std(), labels.test_entropy.std())) for labels in surveyed)
    gaps = [float((labels.test_entropy - labels.train_entropy).mean()) for labels in surveyed]
    finding = (
        f"All {p} labels occur equally often in the tables of {even} of {len(surveyed)} operations, whose entropy is "
        f"ln {p} = {math.log(p):.2f}; it is lowest for {least.operation.pretty}, {least.entropy:.2f}, "
        f"with {_plural(least.n_labels, 'label')}. Test minus train entropy is {min(gaps):.3f} to {max(gaps):.3f} "
        f"on average. {_told_apart(surveyed, outcomes, 'entropy of train')}"
    )
    return describe(
        figure,
        name=name,
        title="Entropy of train and test labels",
        caption=f"Filled: train labels, open: test labels; means over {_seeds(surveyed)}; one standard deviation over "
        f"them, {spread:.2g} nats at most, is drawn as a bar. {finding}",
        alt=f"Dot plot of {_size(surveyed)}, two marks each. {finding}",
    )


def _panels(surveyed: Sequence[Labels], unit: str) -> go.Figure:
    """A plot for each kind with a row for each operation, one below the other, on one value axis."""
    names = grouped((labels.operation.kind.words, labels.operation.pretty) for labels in surveyed)
    figure, height = category_rows(names, row=22, gap=40, at_left=True, shared_xaxes=True)
    figure.update_xaxes(title=unit, row=len(names), col=1)
    return arrange(figure, height=height + 150, legend_y=1 + 30 / height, l=90, t=90, b=60)


def _add_marks(
    figure: go.Figure,
    surveyed: Sequence[Labels],
    outcomes: Outcomes,
    of: Callable[[Labels], np.ndarray],
    what: str,
    label: str = "",
    *,
    hollow: bool = False,
) -> None:
    """Mean and standard deviation over seeds of a statistic, in the colour and shape of each operation's outcome."""
    for group, place in in_rows(_by_kind(surveyed).values()):
        for outcome, told, colour, symbol in _MARKS:
            shown = [labels for labels in group if outcomes.get(labels.operation) is outcome]
            if not shown:
                continue
            title = f"{told}, {label}" if label else told
            figure.add_scatter(
                x=[float(of(labels).mean()) for labels in shown],
                y=[labels.operation.pretty for labels in shown],
                error_x={"array": [float(of(labels).std()) for labels in shown], "width": 3, "thickness": 1.2},
                mode="markers",
                marker={"color": colour, "symbol": symbol + "-open" * hollow, "size": 9},
                name=title,
                legendgroup=title,
                hovertemplate=f"%{{y}}: {what} %{{x:.4f}} ± %{{error_x.array:.4f}}<extra>{told}</extra>",
                **place,
            )


def _by_kind(surveyed: Iterable[Labels]) -> dict[Kind, list[Labels]]:
    return grouped((labels.operation.kind, labels) for labels in surveyed)


def _seeds(surveyed: Sequence[Labels]) -> str:
    return _plural(len(surveyed[0].kl), "seed")


def _size(surveyed: Sequence[Labels]) -> str:
    return f"{_plural(len(surveyed), 'operation')} in {_plural(len(_by_kind(surveyed)), 'group')}"


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


# --- do they tell who groks? ----------------------------------------------------------------------


def _told_apart(surveyed: Sequence[Labels], outcomes: Outcomes, statistic: str) -> str:
    one, other = parted(surveyed, outcomes, STATISTICS[statistic])
    if not one or not other:
        return "There are not both kinds of outcome to compare."
    found = separation(one, other)
    within = sum(min(one) <= x <= max(one) for x in other)
    return (
        f"Of the {len(other)} operations that do not grok, {within} lie within the range of the {len(one)} that do "
        f"(AUC {found.auc:.2f}, p = {found.p_value:.2g})."
    )


@as_table
def separation_table(surveyed: Sequence[Labels], judges: Mapping[str, Outcomes]) -> Iterator[Row]:
    """How far each statistic tells the operations that grok from those that do not, by each judge of that.

    In brackets: how many grok, and how many do not. Ranges are of the operations' means. For AUC and p see
    `grokbook.analysis.labels.Separation`: AUC is the share of pairs in which the operation that groks has the larger
    value. A dash stands where there are not both outcomes.
    """
    for judge, told in judges.items():
        for title, value in STATISTICS.items():
            one, other = parted(surveyed, told, value)
            auc, p_value = separation(one, other) if one and other else (None, None)
            yield {
                "outcome by": f"{judge} ({len(one)}, {len(other)})",
                "statistic": title,
                "grok": _range(one),
                "do not": _range(other),
                "AUC": cell(auc, ".2f"),
                "p": cell(p_value, ".2g"),
            }


def _range(values: Sequence[float]) -> str:
    return span([f"{value:.3g}" for value in sorted(values)], " … ") if values else "–"


@as_table
def histogram_table(surveyed: Sequence[Labels], outcomes: Outcomes) -> Iterator[Row]:
    """Operations whose labels occur equally often, in one row: which of them grok, and which do not."""
    columns = {"groks": True, "does not": False} | ({"not known": None} if len(outcomes) < len(surveyed) else {})
    for group in by_histogram(surveyed):
        names = grouped((outcomes.get(labels.operation), labels.operation.pretty) for labels in group)
        yield {
            "labels": group[0].n_labels,
            "how often they occur": counts_in_words(group[0].histogram),
            **{column: ", ".join(names.get(outcome, ["–"])) for column, outcome in columns.items()},
        }


def counts_in_words(histogram: tuple[int, ...]) -> str:
    """Such as "96 × 96, 1 × 193": how many labels occur how often; in short where there are many such terms."""
    if len(set(histogram)) > 6:
        return f"{len(set(histogram))} different counts, {histogram[0]} to {histogram[-1]}"
    return ", ".join(f"{histogram.count(times)} × {times}" for times in sorted(set(histogram)))


def label_findings(surveyed: Sequence[Labels], judges: Mapping[str, Outcomes]) -> pd.DataFrame:
    """What the numbers say of the paper's claim that label distributions do not matter, in sentences."""
    means = [mean_kl(labels) for labels in surveyed]
    rows = [("Do the operations differ in KL?", "–", f"By a factor of {max(means) / min(means):.1f} at most.")]
    for judge, outcomes in judges.items():
        one, other = parted(surveyed, outcomes, mean_kl)
        if not one or not other:
            rows.append(("Do label statistics tell who groks?", judge, "It does not know of both outcomes."))
            continue
        found = {title: separation(*parted(surveyed, outcomes, value)) for title, value in STATISTICS.items()}
        shown = "; ".join(f"{title} {result.auc:.2f} (p = {result.p_value:.2g})" for title, result in found.items())
        rows.append(("Do label statistics tell who groks?", judge, f"AUC, where 0.50 is chance: {shown}."))
        paired, alone = twins(surveyed, outcomes)
        others = f", all but {', '.join(operation.pretty for operation in alone)}" if alone and paired else ""
        with_twin = f"{len(paired)} of {len(other)}{others}."
        rows.append(("How many that do not grok have a twin that does?", judge, with_twin))
    return pd.DataFrame(rows, columns=["question", "outcome by", "finding"])
