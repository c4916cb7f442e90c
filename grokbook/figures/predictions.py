"""Predictions and what became of them: the law's curve with runs as dots, and findings in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.analysis import grok_law
from grokbook.analysis.grok_law import Law
from grokbook.analysis.prediction import published_law
from grokbook.data.operations import pretty
from grokbook.figures.groups import grouped
from grokbook.figures.layout import arrange, describe, share_legend
from grokbook.figures.style import PALETTE, TRAIN
from grokbook.model.registry import MODELS
from grokbook.paper.predicted import Predicted
from grokbook.paper.prediction_scores import LAW, MEASURES, Scores

_BAND: Final = "rgba(128,128,128,0.20)"
_SYMBOLS: Final = {
    "grokked": {"symbol": "circle", "line": {"width": 0}},
    "not within its budget": {"symbol": "diamond-open", "line": {"width": 1.5}},
    "predicted, not yet known": {"symbol": "cross-thin-open", "line": {"width": 1.5}},
}
"""How runs are drawn, by what became of them."""
_FLAT: Final = {True: ("flat", PALETTE[0]), False: ("not flat", PALETTE[1])}
_TOP: Final = 4
"""How many budgets high the plots are."""
_APART: Final = 1.2
"""By which factor names stand above or below their marks, on the axis of steps."""
_NEAR: Final = 0.02
"""How near in ρ marks stand in the way of a name."""
YOURS: Final = "yours"
"""Name of the trace in which a page marks what its reader has asked for: see :mod:`grokbook.book.predictor`."""


def law_figure(
    rows: Sequence[Predicted],
    *,
    name: str,
    title: str,
    labels: Mapping[str, str] | None = None,
    law: Law | None = None,
) -> go.Figure:
    """Grok step against correlation, a plot for each modulus and fraction, with the law's curve and its band.

    A run that is not yet known stands on the curve, where it is predicted. Pre-grokked runs, of which the law says
    nothing, are left out.

    Args:
        rows: runs with one model.
        name: of the figure's file.
        title: above the figure.
        labels: operations whose names are written beside their latest runs, with Plotly's words for where: "top left".
        law: by default the published one.

    Raises:
        ValueError: there is no run from scratch, or there are several models.
    """
    rows = [row for row in rows if row.module is None]
    if len({row.model for row in rows}) != 1:
        raise ValueError("law_figure needs runs from scratch, all with the same model")
    law = published_law() if law is None else law
    panels = grouped(((row.p, row.fraction), row) for row in rows)
    columns = min(len(panels), 3)
    lines = math.ceil(len(panels) / columns)
    titles = [f"p = {p}, r = {fraction:g}" for p, fraction in panels] if len(panels) > 1 else None
    figure = make_subplots(
        rows=lines,
        cols=columns,
        subplot_titles=titles,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=0.16,
    )
    figure.update_annotations(font={"size": 13})
    top = _TOP * max(row.budget for row in rows)
    low = min([top / 300] + [row.end.steps for row in rows if row.end] + [row.steps for row in rows if not row.end])
    for i, inside in enumerate(panels.values()):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        _add_law(figure, inside[0], law, top, max(row.budget for row in inside), place)
        for flat, (_, colour) in _FLAT.items():
            for label, look in _SYMBOLS.items():
                shown = [row for row in inside if row.flat is flat and _ended(row) == label]
                _add_runs(figure, shown, look | {"color": colour}, top, place)
        _add_labels(figure, inside, labels or {}, place)
    _explain(figure, rows)
    nobody: dict[str, Any] = {"x": [None], "y": [None], "name": YOURS, "showlegend": False}  # until a reader asks
    star = {"symbol": "star", "size": 17, "color": PALETTE[3]}
    figure.add_scatter(**nobody, mode="markers", marker=star, hovertemplate="%{text}<extra></extra>", row=1, col=1)
    symbol = "ρ<sub>sym</sub>" if MODELS[rows[0].model].one_embedding else "ρ"
    figure.update_xaxes(range=[min(row.rho for row in rows) - 0.06, 1.08], dtick=0.2)
    figure.update_xaxes(title=f"correlation {symbol}", row=lines, col=2 if columns > 2 else None)
    figure.update_yaxes(type="log", range=[math.log10(low / 1.6), math.log10(top * 1.15)], dtick=1, tickformat=",")
    figure.update_yaxes(title="grok step", col=1)
    arrange(figure, height=430 if lines == 1 else 270 * lines, legend_y=1.02 if len(panels) == 1 else 1.08, l=70)
    told = _told(rows)
    wave = "the best product of waves with one embedding" if symbol != "ρ" else "the best product of waves"
    describe(
        figure,
        name=name,
        title=title,
        caption=f"Grok step against the correlation {symbol.replace('<sub>sym</sub>', '_sym')} with {wave}. Line: the "
        "law's median, with a band that is to hold 80 % of runs. Dotted: the budget. Open diamonds: runs that did not "
        f"grok by then. {told}",
        alt=f"Dots for runs, correlation to the right, grok step up, about a curve that falls to the right. {told}",
    )
    # On a phone more plots side by side scroll in their own box.
    return figure if columns < 3 else figure.update_layout(meta=figure.layout.meta | {"min_width": 200 * columns})


def _ended(row: Predicted) -> str:
    grokked, failed, unknown = _SYMBOLS
    return unknown if row.end is None else grokked if row.end.grokked else failed


def _add_law(figure: go.Figure, row: Predicted, law: Law, top: int, budget: int, place: dict[str, int]) -> None:
    """The median of the grok step, the band about it, and the budget."""
    rho = np.linspace(0.15, 1.08, 187)
    pairs = grok_law.pairs(row.p, row.fraction, row.model)
    low, high = np.array([law.interval(each, pairs, row.fraction) for each in rho]).T
    median = np.array([law.steps(each, pairs, row.fraction) for each in rho])
    inside = low < 3 * top
    ceiling = 3 * top  # above the plot
    figure.add_scatter(
        x=[*rho[inside], *rho[inside][::-1]],
        y=[*np.minimum(high[inside], ceiling), *low[inside][::-1]],
        mode="lines",
        line={"width": 0, "color": TRAIN},
        fill="toself",
        fillcolor=_BAND,
        hoverinfo="skip",
        name="80 % of runs",
        legendgroup="band",
        **place,
    )
    drawn = median < ceiling
    line = {"color": TRAIN, "width": 2}
    figure.add_scatter(
        x=rho[drawn],
        y=median[drawn],
        mode="lines",
        line=line,
        hoverinfo="skip",
        name="the law",
        legendgroup="law",
        **place,
    )
    dotted = {"color": TRAIN, "width": 1, "dash": "dot"}
    figure.add_scatter(
        x=[rho[0], rho[-1]], y=[budget] * 2, mode="lines", line=dotted, hoverinfo="skip", showlegend=False, **place
    )


def _add_runs(
    figure: go.Figure, rows: Sequence[Predicted], look: dict[str, Any], top: int, place: dict[str, int]
) -> None:
    if rows:
        figure.add_scatter(
            x=[row.rho for row in rows],
            y=[min(row.steps, top) if row.end is None else row.end.steps for row in rows],
            text=[_hover(row) for row in rows],
            mode="markers",
            marker=look | {"size": 8, "opacity": 0.85},
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
            **place,
        )


def _hover(row: Predicted) -> str:
    low, high = row.interval
    lines = [
        f"<b>{pretty(row.operation)}</b>, seed {row.seed}",
        f"ρ {row.rho:.3f}, {'flat' if row.flat else 'not flat'}",
        f"predicted: {probability(row.probability)} within {row.budget:,}, median {steps(row.steps)}",
        f"80 % between {steps(low)} and {steps(high)}",
        end_text(row),
    ]
    return "<br>".join(lines)


def _add_labels(figure: go.Figure, rows: Sequence[Predicted], labels: Mapping[str, str], place: dict[str, int]) -> None:
    """Names of operations, each above or below its runs, and those that grokked beside them."""
    latest = {row.operation: row for row in sorted(rows, key=lambda row: 0 if row.end is None else row.end.steps)}
    shown = [latest[each] for each in latest if each in labels]
    if shown:
        figure.add_scatter(
            x=[row.rho for row in shown],
            y=[_beside(row, rows, above=labels[row.operation].startswith("top")) for row in shown],
            text=[pretty(row.operation) for row in shown],
            mode="text",
            textposition=[labels[row.operation] for row in shown],
            textfont={"size": 12},
            hoverinfo="skip",
            showlegend=False,
            **place,
        )


def _beside(row: Predicted, rows: Sequence[Predicted], *, above: bool) -> int | float:
    """At which step a name is out of the way of marks."""
    if row.end is None or not row.end.grokked:
        heights = [row.steps if row.end is None else row.end.steps]
    else:
        near = (other.end for other in rows if abs(other.rho - row.rho) < _NEAR)
        heights = [end.steps for end in near if end is not None and end.grokked]
    return max(heights) * _APART if above else min(heights) / _APART


def _explain(figure: go.Figure, rows: Sequence[Predicted]) -> None:
    """Entries of the legend for colours and symbols that occur."""
    nothing = {"x": [None], "y": [None], "mode": "markers", "hoverinfo": "skip", "row": 1, "col": 1}
    ends, flat = {_ended(row) for row in rows}, {row.flat for row in rows}
    for is_flat, (label, colour) in _FLAT.items():
        if is_flat in flat:
            marker = {"color": colour, "size": 9, "symbol": "square"}
            figure.add_scatter(**nothing, marker=marker, name=label, legendgroup=label)
    for label, look in _SYMBOLS.items():
        if label in ends:
            figure.add_scatter(**nothing, marker=look | {"color": TRAIN, "size": 9}, name=label, legendgroup=label)
    share_legend(figure)


def _told(rows: Sequence[Predicted]) -> str:
    known = [row for row in rows if row.end is not None]
    if not known:
        return f"None of these {len(rows)} runs is known yet: crosses stand where they are predicted."
    grokked = [row for row in known if row.end is not None and row.end.grokked]
    inside = sum(row.inside is True for row in grokked)
    left = len(rows) - len(known)
    return (
        f"{len(grokked)} of {len(known)} runs grokked, {inside} of them inside the band."
        + f" {left} are not yet known." * bool(left)
    )


# --- numbers in words -----------------------------------------------------------------------------


def probability(share: int | float) -> str:
    """In percent; less than 1 % and more than 99 % are not told apart."""
    return "< 1 %" if share < 0.01 else "> 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def steps(number: int | float) -> str:
    """A predicted step; ten millions and more are not told apart."""
    return f"{float(f'{number:.2g}'):,.0f}" if number < 1e7 else "> 10 million"


def end_text(row: Predicted) -> str:
    """How a run ended: "grokked at step 4,900", "not within 40,000 steps (best 31.2 %)", "not yet known"."""
    if row.end is None:
        return "not yet known"
    if row.end.grokked:
        return f"grokked at step {row.end.steps:,}"
    best = "" if row.end.best is None else f" (best {100 * row.end.best:.1f} %)"
    return f"not within {row.end.steps:,} steps{best}"


# --- findings -------------------------------------------------------------------------------------


def prediction_finding(rows: Sequence[Predicted], scores: Scores) -> str:
    """What is known of a set of predictions, and how good it was, in a sentence or two of Markdown."""
    known = [row for row in rows if row.end is not None]
    expected = sum(row.probability for row in rows)
    if not known:
        return f"**None of the {len(rows)} runs is known yet. The law expects {expected:.0f} of them to grok.**"
    right = sum(row.right is True for row in known)
    there = (
        f"All {len(rows)} runs are known" if len(known) == len(rows) else f"{len(known)} of {len(rows)} runs are known"
    )
    said = [f"**{there}: {right} of {len(known)} ended on the predicted side of ½.**"]
    expected, grokked = sum(row.probability for row in known), sum(row.end.grokked for row in known if row.end)
    said.append(f"The law expected {expected:.0f} of them to grok, and {grokked} did.")
    value, low, high = scores.estimates[LAW]["AUC"]
    if not math.isnan(value):
        simple = {name: each["AUC"].value for name, each in scores.estimates.items() if name != LAW}
        best = max(simple, key=lambda name: simple[name])
        said.append(f"AUC {value:.2f} [{low:.2f}, {high:.2f}]; {best} has {simple[best]:.2f}.")
    return " ".join(said)


def known_finding(scores: Scores) -> str:
    """How well the law does on runs that it was not fitted to, class by class, in Markdown."""
    ours = scores.estimates[LAW]
    others = ", ".join(f"{name} {each['AUC'].value:.2f}" for name, each in scores.estimates.items() if name != LAW)
    auc, accuracy, factor = ours["AUC"], ours["accuracy"], ours["step factor"]
    return (
        f"**Of {scores.runs} runs in {scores.groups} classes, {100 * accuracy.value:.0f} % ended on the predicted side "
        f"of ½, and half of the grok steps were off by a factor below {factor.value:.1f}.** AUC {auc.value:.3f} "
        f"[{auc.low:.3f}, {auc.high:.3f}]; {others}."
    )


def no_better_finding(scores: Scores) -> str:
    """Where the law is no better than something simpler, plainly."""
    if not scores.runs:
        return "Nothing can be compared yet."
    weak = {measure: scores.no_better(measure) for measure in MEASURES}
    told = [
        f"in {measure} than {' or '.join(f'*{each}*' for each in names)}" for measure, names in weak.items() if names
    ]
    if not told:
        return "The law does better than each of them, in each score, in at least 95 % of the resamples."
    return f"**Where the law is not better in 95 % of the resamples:** {'; '.join(told)}."
