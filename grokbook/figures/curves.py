"""Many runs against step: accuracy, and the progress measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.figures.groups import Group, brief_outcome, change, curve, outcome
from grokbook.figures.style import (
    DASHES,
    PALETTE,
    PLAIN_LAYERS,
    STEP_AXIS,
    TRAIN,
    arrange,
    describe,
    share_step_axis,
    titled_plots,
)
from grokbook.runs.history import limits
from grokbook.runs.run import Run


def accuracy_curves(groups: Group, *, name: str = "accuracy", title: str | None = None) -> go.Figure:
    """Train (thin, pale) and test accuracy against step; the grok step of each run is marked.

    Args:
        groups: runs by label.
        name: of the figure's file.
        title: what stands above the figure; by default the labels of the groups.
    """
    figure = go.Figure()
    for trace in _accuracies(groups, set()):
        figure.add_scatter(**trace)
    figure.update_layout(xaxis=STEP_AXIS, yaxis={"title": "accuracy", "tickformat": ".0%", "range": [-0.03, 1.05]})
    arrange(figure, height=430, legend_y=1.02)
    summary = "; ".join(f"{label}: {outcome(runs)}" for label, runs in groups.items())
    return describe(
        figure,
        name=name,
        title=title or f"{', '.join(groups)}: accuracy",
        caption=f"Test accuracy against training step; thin and grey: train accuracy, diamond: grok step. {summary}.",
        alt=f"Curves of train and test accuracy on a logarithmic step axis. {summary}.",
    )


def accuracy_panels(
    panels: Mapping[str, Group], *, name: str, title: str, train: bool = True, height: int = 170
) -> go.Figure:
    """Plots of train and test accuracy against step, one below the other on one step axis; grok steps are marked.

    Args:
        panels: groups by what stands above their plot. A label means the same runs' kind in each of them: it has one
            colour, one dash, and one entry in the legend.
        name: of the figure's file.
        title: what stands above the figure.
        train: whether train accuracy is drawn.
        height: of a plot, in pixels.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not any(runs for groups in panels.values() for runs in groups.values()):
        raise ValueError("accuracy_panels needs at least one run")
    labels = list(dict.fromkeys(label for groups in panels.values() for label in groups))
    plots = height * len(panels) + 45 * (len(panels) - 1)
    gap = 45 / plots
    figure = titled_plots(list(panels), gap)
    shown: set[str] = set()
    for row, groups in enumerate(panels.values(), start=1):
        for trace in _accuracies({label: groups.get(label, ()) for label in labels}, shown, train=train):
            figure.add_scatter(**trace, row=row, col=1)
    share_step_axis(figure, rows=len(panels))
    figure.update_yaxes(tickformat=".0%", range=[-0.05, 1.08], dtick=0.5)
    arrange(figure, height=plots + 140, legend_y=1 + 0.7 * gap, t=70)
    summary = "; ".join(
        f"{panel}: {', '.join(f'{label} {brief_outcome(runs)}' for label, runs in groups.items() if runs)}"
        for panel, groups in panels.items()
        if any(groups.values())
    )
    thin = "; thin and grey: train accuracy" if train else ""
    return describe(
        figure,
        name=name,
        title=title,
        caption=f"Test accuracy against training step{thin}; diamond: grok step. Grok steps, or the best test accuracy "
        f"where it did not grok — {summary}.",
        alt=f"{len(panels)} plots of accuracy against a logarithmic step axis, one below the other. {summary}.",
    )


def progress_measures(groups: Group, layer: str = "embedding", *, name: str | None = None) -> go.Figure:
    """FFS, FCR and test accuracy against step on one time axis (paper Fig 10 and 19); grok steps as vertical lines."""
    figure = _stacked(groups, {f"ffs_{layer}": "FFS", f"fcr_{layer}": "FCR", "test_accuracy": "test accuracy"})
    summary = "; ".join(
        f"{label}: FFS {change(runs, f'ffs_{layer}')}, FCR {change(runs, f'fcr_{layer}')}"
        for label, runs in groups.items()
    )
    return describe(
        figure,
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
    columns = {
        "gini_embedding": "Gini W<sub>E</sub>",
        "gini_neuron_logit": "Gini W<sub>L</sub>",
        "weight_norm": "weight norm",
        "test_loss": "test loss",
    }
    figure = _stacked(groups, columns)
    summary = "; ".join(
        f"{label}: Gini of the embedding {change(runs, 'gini_embedding')}, of the neuron–logit map "
        f"{change(runs, 'gini_neuron_logit')}, weight norm {change(runs, 'weight_norm')}"
        for label, runs in groups.items()
    )
    return describe(
        figure,
        name=name,
        title=f"{', '.join(groups)}: Gini coefficients, weight norm, test loss",
        caption="Gini coefficients of the spectra of both layers, the norm of all weights, and the test loss in nats; "
        f"vertical lines mark grok steps. From initialisation to the end — {summary}.",
        alt=f"Four stacked line charts over training: two Gini coefficients, weight norm, test loss. {summary}.",
    )


def _stacked(groups: Group, columns: Mapping[str, str]) -> go.Figure:
    """Columns of the history, by their titles, below each other on one step axis; shares are drawn from 0 to 1."""
    figure = make_subplots(rows=len(columns), cols=1, shared_xaxes=True, vertical_spacing=0.05)
    for label, runs, look in _styled(groups):
        for index, run in enumerate(runs):
            for row, (column, title) in enumerate(columns.items(), start=1):
                value = "%{y:.1%}" if column == "test_accuracy" else "%{y:.3f}"
                figure.add_scatter(
                    **curve(run, column),
                    line=look | {"width": 1.8},
                    name=label,
                    legendgroup=label,
                    showlegend=row == 1 and index == 0,
                    hovertemplate=f"{title} {value} at step %{{x:,}}<extra>{label}</extra>",
                    row=row,
                    col=1,
                )
            if run.grok_step is not None:
                figure.add_vline(x=run.grok_step, line=look | {"width": 1}, opacity=0.7)
    for row, (column, title) in enumerate(columns.items(), start=1):
        shown = {"range": [-0.04, 1.06]} if limits(column) == (0, 1) else {"rangemode": "tozero"}
        percent = {"tickformat": ".0%"} if column == "test_accuracy" else {}
        figure.update_yaxes(title=title, **shown, **percent, row=row, col=1)
    share_step_axis(figure, rows=len(columns))
    arrange(figure, height=130 + 170 * len(columns), legend_y=1.02)
    return figure


def _styled(groups: Group) -> Iterator[tuple[str, Sequence[Run], dict[str, str]]]:
    """Every group, with a colour and a dash of its own."""
    for index, (label, runs) in enumerate(groups.items()):
        yield label, runs, {"color": PALETTE[index % len(PALETTE)], "dash": DASHES[index % len(DASHES)]}


def _accuracies(groups: Group, shown: set[str], *, train: bool = True) -> Iterator[dict[str, Any]]:
    """Curves of train and test accuracy and marks of grok steps as scatter traces take them.

    Train curves come first, so that they lie below. What has its entry in the legend is put into ``shown``.
    """

    def entry(group: str) -> dict[str, Any]:
        first = group not in shown
        shown.add(group)
        return {"legendgroup": group, "showlegend": first}

    for label, runs in groups.items() if train else ():
        for run in runs:
            yield (
                curve(run, "train_accuracy")
                | entry("train")
                | {
                    "line": {"color": TRAIN, "width": 1},
                    "name": "train (all runs)",
                    "legendrank": 2000,  # last
                    "hovertemplate": f"train %{{y:.1%}} at step %{{x:,}}<extra>{label}</extra>",
                }
            )
    for label, runs, look in _styled(groups):
        for run in runs:
            yield (
                curve(run, "test_accuracy")
                | entry(label)
                | {
                    "line": look | {"width": 2},
                    "name": label,
                    "hovertemplate": f"test %{{y:.1%}} at step %{{x:,}}<extra>{label}</extra>",
                }
            )
            if run.grok_step is not None:
                yield entry(label) | {
                    "x": [run.grok_step],
                    "y": run.history.loc[run.history["step"] == run.grok_step, "test_accuracy"].tolist(),
                    "mode": "markers",
                    "marker": {"color": look["color"], "size": 9, "symbol": "diamond"},
                    "hovertemplate": f"{label} grokked at step {run.grok_step:,}<extra></extra>",
                }
