"""Many runs against step: accuracy, and the progress measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import plotly.graph_objects as go

from grokbook.figures.groups import Group, brief_outcome, change, curve, outcome
from grokbook.figures.layout import arrange, describe, in_rows, share_legend, share_step_axis, stacked
from grokbook.figures.style import DASHES, PALETTE, PLAIN_LAYERS, STEP_AXIS, TRAIN
from grokbook.runs.history import limits
from grokbook.runs.run import Run


def accuracy_curves(groups: Group, *, name: str = "accuracy", title: str | None = None) -> go.Figure:
    """Train (thin, pale) and test accuracy against step; the grok step of each run is marked."""
    figure = go.Figure()
    _add_accuracies(figure, groups)
    share_legend(figure)
    figure.update_layout(xaxis=STEP_AXIS, yaxis={"title": "accuracy", "tickformat": ".0%", "range": [-0.03, 1.05]})
    summary = "; ".join(f"{label}: {outcome(runs)}" for label, runs in groups.items())
    return describe(
        arrange(figure, height=430, legend_y=1.02),
        name=name,
        title=title or f"{', '.join(groups)}: accuracy",
        caption=f"Test accuracy against training step; thin and grey: train accuracy, diamond: grok step. {summary}.",
        alt=f"Curves of train and test accuracy on a logarithmic step axis. {summary}.",
    )


def accuracy_panels(
    panels: Mapping[str, Group], *, name: str, title: str, train: bool = True, height: int = 170
) -> go.Figure:
    """Plots of train and test accuracy against step, one below the other on one step axis; grok steps are marked.

    Groups are given by what stands above their plot. A label means the same runs' kind in each of them: it has one
    colour, one dash, and one entry in the legend. The height is that of a plot, in pixels. ``ValueError`` without runs.
    """
    if not any(runs for groups in panels.values() for runs in groups.values()):
        raise ValueError("accuracy_panels needs at least one run")
    labels = list(dict.fromkeys(label for groups in panels.values() for label in groups))
    plots = height * len(panels) + 45 * (len(panels) - 1)
    gap = 45 / plots
    figure = stacked(list(panels), gap, at_left=True, shared_xaxes=True)
    for groups, place in in_rows(panels.values()):
        _add_accuracies(figure, {label: groups.get(label, ()) for label in labels}, train=train, **place)
    share_legend(figure)
    share_step_axis(figure, rows=len(panels))
    figure.update_yaxes(tickformat=".0%", range=[-0.05, 1.08], dtick=0.5)
    summary = "; ".join(
        f"{panel}: {', '.join(f'{label} {brief_outcome(runs)}' for label, runs in groups.items() if runs)}"
        for panel, groups in panels.items()
        if any(groups.values())
    )
    thin = "; thin and grey: train accuracy" if train else ""
    return describe(
        arrange(figure, height=plots + 140, legend_y=1 + 0.7 * gap, t=70),
        name=name,
        title=title,
        caption=f"Test accuracy against training step{thin}; diamond: grok step. Grok steps, or the best test accuracy "
        f"where it did not grok — {summary}.",
        alt=f"{len(panels)} plots of accuracy against a logarithmic step axis, one below the other. {summary}.",
    )


def progress_measures(groups: Group, layer: str = "embedding", *, name: str | None = None) -> go.Figure:
    """FFS, FCR and test accuracy against step on one time axis (paper Fig 10 and 19); grok steps as vertical lines."""
    columns = {f"ffs_{layer}": "FFS", f"fcr_{layer}": "FCR"}
    summary = _changes(groups, columns)
    return describe(
        _stacked(groups, columns | {"test_accuracy": "test accuracy"}),
        name=name or f"measures-{layer}",
        title=f"{', '.join(groups)}: FFS and FCR of the {PLAIN_LAYERS[layer]}",
        caption=f"FFS and FCR of the {PLAIN_LAYERS[layer]} with test accuracy; vertical lines mark grok steps. "
        f"From initialisation to the end — {summary}.",
        alt=f"Three stacked line charts over training: FFS, FCR, test accuracy. {summary}.",
    )


def other_measures(groups: Group, *, name: str = "measures-others") -> go.Figure:
    """What others follow, on the same runs: Gini coefficients, the weight norm and the test loss; grok steps as lines.

    The Gini coefficient of the spectra of W_E and W_L is a sparsity without a threshold (0: all components equal); the
    weight norm is the L2 norm of all weights together; the test loss is in nats.
    """
    gini = {"gini_embedding": "Gini W<sub>E</sub>", "gini_neuron_logit": "Gini W<sub>L</sub>"}
    told = {"gini_embedding": "Gini of the embedding", "gini_neuron_logit": "of the neuron–logit map"}
    summary = _changes(groups, told | {"weight_norm": "weight norm"})
    return describe(
        _stacked(groups, gini | {"weight_norm": "weight norm", "test_loss": "test loss"}),
        name=name,
        title=f"{', '.join(groups)}: Gini coefficients, weight norm, test loss",
        caption="Gini coefficients of the spectra of both layers, the norm of all weights, and the test loss in nats; "
        f"vertical lines mark grok steps. From initialisation to the end — {summary}.",
        alt=f"Four stacked line charts over training: two Gini coefficients, weight norm, test loss. {summary}.",
    )


def _changes(groups: Group, columns: Mapping[str, str]) -> str:
    return "; ".join(
        f"{label}: {', '.join(f'{title} {change(runs, column)}' for column, title in columns.items())}"
        for label, runs in groups.items()
    )


def _stacked(groups: Group, columns: Mapping[str, str]) -> go.Figure:
    """Columns of the history, by their titles, below each other on one step axis; shares are drawn from 0 to 1."""
    figure = stacked([""] * len(columns), 0.05, shared_xaxes=True)
    for label, run, look in _styled(groups):
        for (column, title), place in in_rows(columns.items()):
            value = "%{y:.1%}" if column == "test_accuracy" else "%{y:.3f}"
            _add_curve(figure, label, run, column, f"{title} {value}", look | {"width": 1.8}, **place)
        if run.grok_step is not None:
            figure.add_vline(x=run.grok_step, line=look | {"width": 1}, opacity=0.7)
    share_legend(figure)
    for (column, title), place in in_rows(columns.items()):
        shown = {"range": [-0.04, 1.06]} if limits(column) == (0, 1) else {"rangemode": "tozero"}
        percent = {"tickformat": ".0%"} if column == "test_accuracy" else {}
        figure.update_yaxes(title=title, **shown, **percent, **place)
    share_step_axis(figure, rows=len(columns))
    return arrange(figure, height=130 + 170 * len(columns), legend_y=1.02)


def _styled(groups: Group) -> Iterator[tuple[str, Run, dict[str, str]]]:
    """Every run with its label, and the colour and the dash of its group."""
    for index, (label, runs) in enumerate(groups.items()):
        for run in runs:
            yield label, run, {"color": PALETTE[index % len(PALETTE)], "dash": DASHES[index % len(DASHES)]}


def _add_curve(
    figure: go.Figure, label: str, run: Run, column: str, shown: str, line: Mapping[str, Any], **fields: Any
) -> None:
    """A column of a run's history against step, under its label; ``shown`` is what hovering says of a value."""
    entry = {"name": label, "legendgroup": label} | fields
    hover = f"{shown} at step %{{x:,}}<extra>{label}</extra>"
    figure.add_scatter(**curve(run, column), line=line, hovertemplate=hover, **entry)


def _add_accuracies(figure: go.Figure, groups: Group, *, train: bool = True, **place: int) -> None:
    """Curves of train and test accuracy, those of train below all others, and marks of grok steps."""
    for label, run, _ in _styled(groups) if train else ():
        entry = {"name": "train (all runs)", "legendgroup": "train", "legendrank": 2000}  # the last one
        thin = {"color": TRAIN, "width": 1}
        _add_curve(figure, label, run, "train_accuracy", "train %{y:.1%}", thin, **entry, **place)
    for label, run, look in _styled(groups):
        _add_curve(figure, label, run, "test_accuracy", "test %{y:.1%}", look | {"width": 2}, **place)
        if run.grok_step is not None:
            figure.add_scatter(
                x=[run.grok_step],
                y=run.history.loc[run.history["step"] == run.grok_step, "test_accuracy"].tolist(),
                mode="markers",
                marker={"color": look["color"], "size": 9, "symbol": "diamond"},
                legendgroup=label,
                hovertemplate=f"{label} grokked at step {run.grok_step:,}<extra></extra>",
                **place,
            )
