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
    found: dict[str, list[Dissected]] = {}
    for label, runs in groups.items():
        tables = [restricted.ablations(run) for run in runs]
        found[label] = [
            Dissected(run, table, table.loss(table.waves.logits), table.ablated())
            for run, table in zip(runs, tables, strict=True)
        ]
    return found


def ablated_losses(dissected: Dissected, eta: float = ETA, *, name: str | None = None) -> go.Figure:
    """The loss with one frequency left out, for each of them, over the train and the test pairs (paper Fig 13)."""
    run, table, full, ablated = dissected
    key, label = restricted.key_frequencies(run, eta), label_of(run)
    lines = {
        "full loss": (full, "solid", TRAIN),
        "restricted loss": (table.restricted(key), "dash", PALETTE[2]),
        "restricted loss, constant kept": (table.restricted(key, "kept"), "dot", PALETTE[4]),
    }
    figure = _panels()
    for row, part in enumerate(PANELS, start=1):
        for title, (losses, dash, colour) in lines.items():
            line = {"dash": dash, "color": colour, "width": 1.8}
            value = getattr(losses, part)
            figure.add_scatter(
                x=[0, len(ablated) + 1],
                y=[value, value],
                mode="lines",
                line=line,
                hovertemplate=f"{title}: {loss_text(value)}<extra></extra>",
                **_legend(title, row),
            )
        for title, chosen, symbol, colour in (
            ("without a key frequency", key, "diamond", KEY),
            ("without another frequency", others(key, len(ablated)), "circle-open", OTHER),
        ):
            figure.add_scatter(
                x=list(chosen),
                y=[getattr(ablated[k - 1], part) for k in chosen],
                mode="markers",
                marker={"symbol": symbol, "color": colour, "size": 9 if symbol == "diamond" else 7},
                hovertemplate="without k = %{x}: loss %{y:.3g}<extra></extra>",
                **_legend(title, row),
            )
    figure.update_xaxes(range=[0, len(ablated) + 1])
    figure.update_xaxes(title="frequency k that is left out", row=2, col=1)
    _share_range(figure)
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
    figure = _panels()
    for row, part in enumerate(PANELS, start=1):
        for losses_by_count, title, dash, colour in (
            (curves["residual"], "frequencies alone", "solid", PALETTE[2]),
            (curves["kept"], "frequencies and the constant", "dot", PALETTE[4]),
        ):
            figure.add_scatter(
                x=list(range(1, len(order) + 1)),
                y=[getattr(losses, part) for losses in losses_by_count],
                customdata=order,
                mode="lines+markers",
                marker={"size": 5},
                line={"dash": dash, "color": colour, "width": 2},
                hovertemplate="%{x} kept, k = %{customdata} the last: loss %{y:.3g}<extra></extra>",
                **_legend(title, row),
            )
        value = getattr(full, part)
        figure.add_scatter(
            x=[1, len(order)],
            y=[value, value],
            mode="lines",
            line={"color": TRAIN, "width": 1.8},
            hovertemplate=f"full loss: {loss_text(value)}<extra></extra>",
            **_legend("full loss", row),
        )
        figure.add_vline(x=n_key, line={"color": KEY, "width": 1, "dash": "dash"}, row=row, col=1)
    figure.update_xaxes(title="frequencies kept, strongest first", row=2, col=1)
    _share_range(figure)
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
    chosen = {
        title: losses[(losses["left"] == left) & (losses["constant"] == constant)].set_index("step")[part]
        for title, left, constant, part, _, _ in OVER_TRAINING
    }
    for title, *_, dash, colour in OVER_TRAINING:
        values = chosen[title][chosen[title].index > 0]
        figure.add_scatter(
            x=values.index.to_numpy(),
            y=values.to_numpy(),
            mode="lines",
            line={"dash": dash, "color": colour, "width": 2},
            name=title,
            hovertemplate=f"{title} %{{y:.3g}} at step %{{x:,}}<extra></extra>",
        )
    if run.grok_step is not None:
        figure.add_vline(x=run.grok_step, line={"color": TRAIN, "width": 1, "dash": "dash"})
    figure.update_layout(xaxis=STEP_AXIS, yaxis=LOG_LOSS)
    arrange(figure, height=460, legend_y=1.02)
    first, last = ({title: float(values.iloc[i]) for title, values in chosen.items()} for i in (0, -1))
    summary = "; ".join(f"{title} {loss_text(first[title])} → {loss_text(last[title])}" for title in chosen)
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


def _panels() -> go.Figure:
    """Train pairs over test pairs, each with a logarithmic loss axis."""
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.11, subplot_titles=[f"over {x}" for x in PANELS.values()]
    )
    figure.update_yaxes(LOG_LOSS)
    return figure


def _share_range(figure: go.Figure) -> None:
    """Give both panels one range of losses, so that they can be compared; a loss of 0 has no place on it."""
    shown = np.concatenate([np.asarray(trace.y, dtype=float) for trace in figure.data])
    low, high = np.log10(shown[shown > 0]).min(), np.log10(shown[shown > 0]).max()
    margin = 0.05 * (high - low) + 0.1
    figure.update_yaxes(range=[low - margin, high + margin])


def _legend(title: str, row: int) -> dict[str, Any]:
    """One entry for both panels."""
    return {"name": title, "legendgroup": title, "showlegend": row == 1, "row": row, "col": 1}


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
