"""Which parts of the logits carry the answers: ablated and restricted losses of runs, and Table 4 (Appendix E)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from grokbook.analysis import restricted
from grokbook.analysis.frequencies import multiple, others
from grokbook.analysis.restricted import COMBINATIONS, ETA, Constant, Dissected, Losses, ratio, side
from grokbook.analysis.restricted_history import IDENTICAL
from grokbook.figures.groups import Group, Row, as_table, grouped, span
from grokbook.figures.layout import arrange, describe, in_rows, share_legend, stacked
from grokbook.figures.style import PALETTE, STEP_AXIS, TRAIN, label_of
from grokbook.figures.tables import power_text
from grokbook.paper import results
from grokbook.runs.run import Run

KEY, OTHER = PALETTE[1], PALETTE[0]
LOG_LOSS = {"type": "log", "title": "loss (nats)", "dtick": 2, "exponentformat": "power"}
ETAS = tuple(i / 10 for i in range(1, 10))
DEPENDENT = 1.5
"""The model depends on a frequency if leaving it out raises the train loss to more than so many times the full one."""


Dissection = Mapping[str, Sequence[Dissected]]


def dissect(groups: Group) -> dict[str, list[Dissected]]:
    """Take the logits of runs apart, once for all figures and tables below; errors as in `restricted.ablations`."""
    return {label: [Dissected.of(run) for run in runs] for label, runs in groups.items()}


def ablated_losses(dissected: Dissected, eta: float = ETA, *, name: str | None = None) -> go.Figure:
    """The loss with one frequency left out, for each of them, over the train and the test pairs (paper Fig 13)."""
    run, table, full, ablated = dissected
    key, label = restricted.key_frequencies(run, eta), label_of(run)
    rest, ends = others(key, len(ablated)), [0, len(ablated) + 1]
    figure = _panels(
        {
            "full loss": _level(full, ends, dash="solid"),
            "restricted loss": _level(table.restricted(key), ends, dash="dash", color=PALETTE[2]),
            "restricted loss, constant kept": _level(table.restricted(key, "kept"), ends, dash="dot", color=PALETTE[4]),
            "without a key frequency": _without(key, ablated, symbol="diamond", color=KEY, size=9),
            "without another frequency": _without(rest, ablated, symbol="circle-open", color=OTHER, size=7),
        },
        "frequency k that is left out",
    )
    figure.update_xaxes(range=ends)
    finding = _ablation_finding(dissected, key)
    return describe(
        arrange(figure, height=600, legend_y=1.06, t=100),
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
    alone, kept = table.nested(order), table.nested(order, "kept")
    hover = "%{x} kept, k = %{customdata} the last: loss %{y:.3g}<extra></extra>"
    marks = {"mode": "lines+markers", "marker": {"size": 5}, "hovertemplate": hover}
    look = marks | {"x": list(range(1, len(order) + 1)), "customdata": order}
    figure = _panels(
        {
            "frequencies alone": (alone, look | {"line": {"dash": "solid", "color": PALETTE[2], "width": 2}}),
            "frequencies and the constant": (kept, look | {"line": {"dash": "dot", "color": PALETTE[4], "width": 2}}),
            "full loss": _level(full, [1, len(order)]),
        },
        "frequencies kept, strongest first",
    )
    figure.add_vline(x=n_key, line={"color": KEY, "width": 1, "dash": "dash"})
    of_key, of_all = (f"{loss_text(alone[n - 1].train)} ({loss_text(kept[n - 1].train)}" for n in (n_key, len(order)))
    finding = (
        f"With the {n_key} key frequencies the train loss is {of_key} with the constant), with all {len(order)} it is "
        f"{of_all}); the full loss is {loss_text(full.train)}. The same {n_key} are key for "
        f"{_range_of_eta(combined.tolist(), n_key)}."
    )
    return describe(
        arrange(figure, height=600, legend_y=1.06, t=75),
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
    frequencies, over the train pairs. For the losses see :func:`grokbook.analysis.restricted.over_training`.
    """
    figure, label, told = go.Figure(), label_of(run), []
    for title, left, constant, part, dash, colour in OVER_TRAINING:
        drawn = losses[(losses["left"] == left) & (losses["constant"] == constant)].set_index("step")[part]
        told.append(f"{title} {loss_text(drawn.iloc[0])} → {loss_text(drawn.iloc[-1])}")
        drawn = drawn[drawn.index > 0]
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
    summary = "; ".join(told)
    return describe(
        arrange(figure, height=460, legend_y=1.02),
        name=name or f"losses-over-training-{run.config.hash}",
        title=f"{label}: restricted and excluded loss over training",
        caption=f"{label}: losses of the full logits, of the key frequencies alone (restricted) and of all but these "
        f"(excluded). From initialisation to the end — {summary}. "
        + ("Dashed line: its grok step." if run.grok_step is not None else "The run has not grokked.")
        + _of_twin(losses),
        alt=f"Five loss curves on logarithmic axes for {label}. {summary}.",
    )


def _of_twin(losses: pd.DataFrame) -> str:
    deviation = losses.attrs.get("deviation", 0.0)
    if deviation <= IDENTICAL:
        return ""
    return (
        " The run was trained once more for the losses, and took another path to the same key frequencies: its spectra "
        f"deviate from the stored ones by up to {deviation:.1%} of the largest norm. "
        "What is said of grokking is of the stored run."
    )


Line = tuple[Sequence[Losses], dict[str, Any]]
"""Losses, and how they are drawn."""


def _panels(lines: Mapping[str, Line], axis: str) -> go.Figure:
    """Train pairs over test pairs on one logarithmic range."""
    figure = stacked(["over train pairs", "over test pairs"], 0.11, shared_xaxes=True)
    for part, place in in_rows(("train", "test")):
        for title, (losses, look) in lines.items():
            y = [getattr(loss, part) for loss in losses]
            hover = look.get("hovertemplate") or f"{title}: {loss_text(y[0])}<extra></extra>"
            figure.add_scatter(**look | {"hovertemplate": hover}, y=y, name=title, legendgroup=title, **place)
    share_legend(figure)
    figure.update_xaxes(title=axis, row=2, col=1)
    shown = np.concatenate([np.asarray(trace.y, dtype=float) for trace in figure.data])
    low, high = np.log10(shown[shown > 0]).min(), np.log10(shown[shown > 0]).max()  # 0 has no place on the axis
    margin = 0.05 * (high - low) + 0.1
    figure.update_yaxes(LOG_LOSS | {"range": [low - margin, high + margin]})
    return figure


def _level(loss: Losses, ends: Sequence[int], **line: str) -> Line:
    return [loss, loss], {"x": ends, "mode": "lines", "line": {"color": TRAIN, "width": 1.8} | line}


def _without(frequencies: Sequence[int], ablated: Sequence[Losses], **marker: Any) -> Line:
    hover = "without k = %{x}: loss %{y:.3g}<extra></extra>"
    look = {"x": frequencies, "mode": "markers", "marker": marker, "hovertemplate": hover}
    return [ablated[k - 1] for k in frequencies], look


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


# --- tables ---------------------------------------------------------------------------------------


def _each(dissection: Dissection) -> Iterator[tuple[Row, Dissected]]:
    for label, group in dissection.items():
        for each in group:
            yield {"run": label, "seed": each.run.config.seed}, each


def restricted_table(
    dissection: Dissection, eta: float = ETA, *, over: str = "train", constant: Constant = "residual"
) -> pd.DataFrame:
    """Table 4, the paper's numbers beside those here: one row per combination of parts, one column per run."""
    columns: dict[str, list[str]] = {
        "loss": list(COMBINATIONS),
        "of": [" + ".join(part.replace("_", "-") for part in kept) for kept in COMBINATIONS.values()],
    }
    for label, group in dissection.items():
        reported = results.table_4(group[0].run.config)
        if reported is not None and over == "train" and constant == "residual":
            columns[f"{label}, paper"] = [loss_text(reported[row]) for row in COMBINATIONS]
        for run, table, *_ in group:
            found = table.combinations(restricted.key_frequencies(run, eta), constant)
            title = f"{label}, seed {run.config.seed}"
            columns[title] = [loss_text(getattr(losses, over)) for losses in found.values()]
    return pd.DataFrame(columns)


COMPARED: Mapping[str, str] = {"restricted": "non-key and residual", "(d)": "non-key", "(c)": "residual"}
"""Rows of Table 4 whose losses the paper compares with the full one, and what they leave out."""


@as_table
def restricted_ratio_table(dissection: Dissection, eta: float = ETA) -> Iterator[Row]:
    """Losses over the full loss of the same pairs, in the paper and here, with the constant in either place.

    "agrees" compares the paper with the train pairs: is the loss lower, the same (within 10 %) or higher in both?
    """
    for named, (run, table, full, _) in _each(dissection):
        key, reported = restricted.key_frequencies(run, eta), results.table_4(run.config)
        apart, kept = table.combinations(key), table.combinations(key, "kept")
        for row, left_out in COMPARED.items():
            over_full = ratio(apart[row].train, full.train)
            paper = None if reported is None else ratio(reported[row], reported["full"])
            yield {
                **named,
                "left out": left_out,
                "paper": "–" if paper is None else _times(paper),
                "train": _times(over_full),
                "agrees": "–" if paper is None else "yes" if side(paper) == side(over_full) else "no",
                "train, constant kept": _times(ratio(kept[row].train, full.train)),
                "test": _times(ratio(apart[row].test, full.test)),
                "test, constant kept": _times(ratio(kept[row].test, full.test)),
            }


@as_table
def key_threshold_table(dissection: Dissection) -> Iterator[Row]:
    """What Table 4 would say for other thresholds η, over the train pairs; thresholds with one outcome share a row."""
    for named, (run, table, *_) in _each(dissection):
        for key, etas in grouped((restricted.key_frequencies(run, eta), eta) for eta in ETAS).items():
            losses = table.combinations(key)
            yield {
                **named,
                "η": span([f"{eta:g}" for eta in etas]),
                "key frequencies": ", ".join(map(str, key)) if len(key) <= 8 else f"{len(key)} of them",
                **{row: loss_text(losses[row].train) for row in ("restricted", "(a)", "(d)", "(e)")},
            }


@as_table
def dependent_table(dissection: Dissection, eta: float = ETA, *, count: int = 6) -> Iterator[Row]:
    """The non-key frequencies whose absence raises the train loss most, and which multiples of key ones they are."""
    for named, (run, _, full, ablated) in _each(dissection):
        key = restricted.key_frequencies(run, eta)
        rest = others(key, len(ablated))
        multiples = {k: multiple(k, key, run.config.p) for k in rest}
        among = f"{sum(found is not None for found in multiples.values())} of {len(rest)}"
        for k in sorted(rest, key=lambda k: -ablated[k - 1].train)[:count]:
            yield {
                **named,
                "k": k,
                "train": _times(ratio(ablated[k - 1].train, full.train)),
                "test": _times(ratio(ablated[k - 1].test, full.test)),
                "multiple": "–" if (found := multiples[k]) is None else "{} · {}".format(*found),
                "multiples among all non-key": among,
            }


@as_table
def shares_table(dissection: Dissection, eta: float = ETA) -> Iterator[Row]:
    """How much of the logits each part is, as shares of their squared norm."""
    for named, (run, table, *_) in _each(dissection):
        key = restricted.key_frequencies(run, eta)
        shares = {part.replace("_", "-"): f"{share:.2%}" for part, share in table.shares(key).items()}
        yield {**named, "key frequencies": ", ".join(map(str, key)), **shares}


def _times(times: float) -> str:
    """A number of times in two or three digits: 0.49, 137, 5.3 × 10⁶."""
    if not np.isfinite(times):
        return "–"
    if 0.01 <= times < 9999.5:
        return f"{times:.2f}" if times < 10 else f"{times:,.0f}"
    return power_text(times)


def loss_text(loss: float) -> str:
    """Four digits, written as in Table 4: 1.008e-7, 4.576."""
    if loss >= 0.01:
        return f"{loss:#.4g}"
    mantissa, exponent = f"{loss:.3e}".split("e")
    return f"{mantissa}e{int(exponent)}"
