"""Which parts of the logits carry the answers: ablated and restricted losses of runs (paper, Appendix E)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.analysis import restricted
from grokbook.analysis.frequencies import others
from grokbook.analysis.restricted import ETA, Ablations, Constant, Losses
from grokbook.analysis.restricted_history import IDENTICAL
from grokbook.figures.groups import Group
from grokbook.figures.style import PALETTE, STEP_AXIS, TRAIN, arrange, describe, label_of
from grokbook.runs.run import Run

KEY, OTHER = PALETTE[1], PALETTE[0]
PANELS: Mapping[str, str] = {"train": "train pairs", "test": "test pairs"}
LOG_LOSS = {"type": "log", "title": "loss (nats)", "dtick": 2, "exponentformat": "power"}
DEPENDENT = 1.5
"""The model depends on a frequency if leaving it out raises the train loss to more than so many times the full one."""


class Dissected(NamedTuple):
    """A run whose logits are taken apart, with its losses so far as every figure needs them."""

    run: Run
    table: Ablations
    full: Losses
    ablated: Sequence[Losses]
    """Frequency k is at index k - 1."""


Dissection = Mapping[str, Sequence[Dissected]]


def dissect(groups: Group) -> dict[str, list[Dissected]]:
    """Take the logits of runs apart, once for all figures and tables below; errors as in `restricted.ablations`."""
    return {label: [_dissected(run) for run in runs] for label, runs in groups.items()}


def _dissected(run: Run) -> Dissected:
    table = restricted.ablations(run)
    return Dissected(run, table, table.loss(table.waves.logits), table.ablated())


def ablated_losses(dissected: Dissected, eta: float = ETA, *, name: str | None = None) -> go.Figure:
    """The loss with one frequency left out, for each of them, over the train and the test pairs (paper Fig 13)."""
    run, table, full, ablated = dissected
    key, label = restricted.key_frequencies(run, eta), label_of(run)
    rest, ends = others(key, len(ablated)), [0, len(ablated) + 1]
    without = {"mode": "markers", "hovertemplate": "without k = %{x}: loss %{y:.3g}<extra></extra>"}
    key_mark, other_mark = (
        {"symbol": "diamond", "color": KEY, "size": 9},
        {"symbol": "circle-open", "color": OTHER, "size": 7},
    )
    figure = _panels(
        {
            "full loss": _level(full, ends, dash="solid"),
            "restricted loss": _level(table.restricted(key), ends, dash="dash", color=PALETTE[2]),
            "restricted loss, constant kept": _level(table.restricted(key, "kept"), ends, dash="dot", color=PALETTE[4]),
            "without a key frequency": ([ablated[k - 1] for k in key], {"x": key, "marker": key_mark, **without}),
            "without another frequency": ([ablated[k - 1] for k in rest], {"x": rest, "marker": other_mark, **without}),
        }
    )
    figure.update_xaxes(range=ends)
    figure.update_xaxes(title="frequency k that is left out", row=2, col=1)
    arrange(figure, height=600, legend_y=1.06, t=100)
    finding = _ablation_finding(dissected, key)
    return describe(
        figure,
        name=name or f"ablated-{run.config.hash}",
        title=f"{label}: loss without one frequency",
        caption=f"{label}: loss with one frequency left out of the logits (key frequencies as diamonds), over train "
        f"and test pairs; lines: full and restricted loss. {finding}",
        alt=f"Two panels of points on a logarithmic loss axis, one per frequency left out, for {label}. {finding}",
    )


def restricted_by_count(dissected: Dissected, eta: float = ETA, *, name: str | None = None) -> go.Figure:
    """Restricted loss of the 1, 2, 3, … strongest frequencies of the neuron–logit map: what each threshold gives."""
    run, table, full, _ = dissected
    combined, label = restricted.key_spectrum(run).combined, label_of(run)
    order = (combined.argsort(descending=True) + 1).tolist()
    n_key = len(restricted.key_frequencies(run, eta))
    curves: dict[Constant, list[Losses]] = {"residual": table.nested(order), "kept": table.nested(order, "kept")}
    look = {
        "x": list(range(1, len(order) + 1)),
        "customdata": order,
        "mode": "lines+markers",
        "marker": {"size": 5},
        "hovertemplate": "%{x} kept, k = %{customdata} the last: loss %{y:.3g}<extra></extra>",
    }
    alone, with_constant = (
        {"dash": "solid", "color": PALETTE[2], "width": 2},
        {"dash": "dot", "color": PALETTE[4], "width": 2},
    )
    figure = _panels(
        {
            "frequencies alone": (curves["residual"], look | {"line": alone}),
            "frequencies and the constant": (curves["kept"], look | {"line": with_constant}),
            "full loss": _level(full, [1, len(order)]),
        }
    )
    figure.add_vline(x=n_key, line={"color": KEY, "width": 1, "dash": "dash"})
    figure.update_xaxes(title="frequencies kept, strongest first", row=2, col=1)
    arrange(figure, height=600, legend_y=1.06, t=75)
    at = {constant: losses[n_key - 1].train for constant, losses in curves.items()}
    finding = (
        f"With the {n_key} key frequencies the train loss is {loss_text(at['residual'])} ({loss_text(at['kept'])} with "
        f"the constant), with all {len(order)} it is {loss_text(curves['residual'][-1].train)} "
        f"({loss_text(curves['kept'][-1].train)}); the full loss is {loss_text(full.train)}. The same {n_key} are "
        f"key for {_range_of_eta(combined.tolist(), n_key)}."
    )
    return describe(
        figure,
        name=name or f"restricted-{run.config.hash}",
        title=f"{label}: restricted loss by number of frequencies",
        caption=f"{label}: restricted loss against the number of frequencies that are kept, in the order of their "
        f"norm in the neuron–logit map; dashed line: the key frequencies at η = {eta:g}. {finding}",
        alt=f"Curves of restricted loss against the number of frequencies kept, for {label}. {finding}",
    )


OVER_TRAINING: Sequence[tuple[str, str, Constant, str, str, str]] = (
    ("train loss", "full", "residual", "train", "solid", TRAIN),
    ("test loss", "full", "residual", "test", "solid", PALETTE[0]),
    ("restricted loss, all pairs", "restricted", "residual", "all", "dash", PALETTE[2]),
    ("the same, constant kept", "restricted", "kept", "all", "dot", PALETTE[4]),
    ("excluded loss, train pairs", "(e)", "residual", "train", "dashdot", PALETTE[1]),
)
"""Title, combination and reading of the constant (see :mod:`grokbook.analysis.restricted`), pairs, dash and colour."""


def losses_over_training(run: Run, losses: pd.DataFrame, *, name: str | None = None) -> go.Figure:
    """Restricted and excluded loss while a run trains, beside its train and test loss (after Nanda et al. 2023).

    Restricted loss is that of the key frequencies alone, over all pairs; excluded loss that of all but the key
    frequencies, over the train pairs.

    Args:
        run: the run.
        losses: see :func:`grokbook.analysis.restricted.over_training`.
        name: of the figure's file.
    """
    figure, label = go.Figure(), label_of(run)
    chosen = {}
    for title, left, constant, part, dash, colour in OVER_TRAINING:
        drawn = losses[(losses["left"] == left) & (losses["constant"] == constant)].set_index("step")[part]
        chosen[title], drawn = drawn, drawn[drawn.index > 0]
        figure.add_scatter(
            x=drawn.index.to_numpy(),
            y=drawn.to_numpy(),
            mode="lines",
            line={"dash": dash, "color": colour, "width": 2},
            name=title,
            hovertemplate=f"{title} %{{y:.3g}} at step %{{x:,}}<extra></extra>",
        )
    if run.grok_step is not None:
        figure.add_vline(x=run.grok_step, line={"color": TRAIN, "width": 1, "dash": "dash"})
    figure.update_layout(xaxis=STEP_AXIS, yaxis=LOG_LOSS)
    arrange(figure, height=460, legend_y=1.02)
    summary = "; ".join(
        f"{title} {loss_text(values.iloc[0])} → {loss_text(values.iloc[-1])}" for title, values in chosen.items()
    )
    return describe(
        figure,
        name=name or f"losses-over-training-{run.config.hash}",
        title=f"{label}: restricted and excluded loss over training",
        caption=f"{label}: losses of the full logits, of the key frequencies alone (restricted) and of all but these "
        f"(excluded). From initialisation to the end — {summary}. "
        + ("Dashed line: its grok step." if run.grok_step is not None else "The run has not grokked.")
        + _of_twin(losses),
        alt=f"Five loss curves on logarithmic axes for {label}. {summary}.",
    )


def _of_twin(losses: pd.DataFrame) -> str:
    """Where losses are not those of the stored run itself, how near to it they are (see `ablation_history`)."""
    deviation = losses.attrs.get("deviation", 0.0)
    if deviation <= IDENTICAL:
        return ""
    return (
        " The run was trained once more for the losses, and took another path to the same key frequencies: its spectra "
        f"deviate from the stored ones by up to {deviation:.1%} of the largest norm. "
        "What is said of grokking is of the stored run."
    )


def _panels(lines: Mapping[str, tuple[Sequence[Losses], dict[str, Any]]]) -> go.Figure:
    """Train pairs over test pairs on one logarithmic range; losses and the look of their trace by title."""
    titles = [f"over {pairs}" for pairs in PANELS.values()]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.11, subplot_titles=titles)
    for row, part in enumerate(PANELS, start=1):
        for title, (losses, look) in lines.items():
            y = [getattr(loss, part) for loss in losses]
            hover = look.get("hovertemplate") or f"{title}: {loss_text(y[0])}<extra></extra>"
            entry = {"name": title, "legendgroup": title, "showlegend": row == 1}
            figure.add_scatter(**look | entry | {"y": y, "hovertemplate": hover}, row=row, col=1)
    shown = np.concatenate([np.asarray(trace.y, dtype=float) for trace in figure.data])
    low, high = np.log10(shown[shown > 0]).min(), np.log10(shown[shown > 0]).max()  # 0 has no place on the axis
    margin = 0.05 * (high - low) + 0.1
    figure.update_yaxes(LOG_LOSS | {"range": [low - margin, high + margin]})
    return figure


def _level(loss: Losses, ends: Sequence[int], **line: str) -> tuple[Sequence[Losses], dict[str, Any]]:
    """One loss as a line from end to end."""
    return [loss, loss], {"x": ends, "mode": "lines", "line": {"color": TRAIN, "width": 1.8} | line}


def _ablation_finding(dissected: Dissected, key: Sequence[int]) -> str:
    _, _, full, ablated = dissected
    rest = others(key, len(ablated))
    least = min(ablated[k - 1].train for k in key) if key else math.nan
    needed = [k for k in rest if ablated[k - 1].train > DEPENDENT * full.train]
    which = f" (k = {', '.join(map(str, needed))})" if 0 < len(needed) <= 12 else ""
    return (
        f"Full loss {loss_text(full.train)} (train) and {loss_text(full.test)} (test). Without any one of the key "
        f"frequencies ({', '.join(map(str, key))}) the train loss is at least {loss_text(least)}; {len(needed)} "
        f"of the {len(rest)} others raise it to more than {DEPENDENT:g} times the full one{which}."
    )


def _range_of_eta(norms: Sequence[float], n_key: int) -> str:
    """For which thresholds the largest ``n_key`` norms are the key ones."""
    falling = sorted(norms, reverse=True)
    upper = falling[n_key - 1] / falling[0]
    if n_key == len(falling):
        return f"η below {upper:.2f}"
    return f"every η from {falling[n_key] / falling[0]:.2f} to {upper:.2f}"


def loss_text(loss: float) -> str:
    """Four digits, written as in Table 4: 1.008e-7, 4.576."""
    if loss >= 0.01:
        return f"{loss:#.4g}"
    mantissa, exponent = f"{loss:.3e}".split("e")
    return f"{mantissa}e{int(exponent)}"
