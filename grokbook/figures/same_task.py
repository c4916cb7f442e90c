"""Operations that are the same learning problem: their runs side by side, and their layers after relabelling."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from grokbook.analysis.renamings import Reading
from grokbook.data.operations import pretty
from grokbook.figures.groups import grouped, span, steps_text
from grokbook.figures.layout import arrange, category_rows, describe, in_rows, share_legend
from grokbook.figures.predictions import end_text
from grokbook.figures.style import LAYERS, PALETTE, PLAIN_LAYERS, TRAIN
from grokbook.fourier.measures import ffs
from grokbook.fourier.transform import Spectrum
from grokbook.paper.predicted import End, Predicted
from grokbook.paper.same_task import Pool
from grokbook.runs.outcomes import Outcome


def pooled_steps(pools: Sequence[Pool], *, name: str = "pooled-steps") -> go.Figure:
    """Grok steps of runs at one fraction, a plot for each class of operations that are one problem, a row for each.

    A run that did not grok stands, open, at the steps it had. ``ValueError`` without any pool.
    """
    if not pools:
        raise ValueError("there is no class to draw")
    titles = {f"as {_first(pool)}: {_counted(pool)} grokked": list(map(pretty, pool.members)) for pool in pools}
    figure, height = category_rows(titles, row=24, gap=34, at_left=True, shared_xaxes=True)
    for pool, place in in_rows(pools):
        for grokked in (True, False):
            shown = [each for each in pool.outcomes if (each.grok_step is not None) is grokked]
            if shown:
                figure.add_scatter(
                    x=[each.grok_step or each.steps for each in shown],
                    y=[pretty(str(each.config.parsed_operations[0])) for each in shown],
                    text=[f"seed {each.config.seed}: {_ended(each)}" for each in shown],
                    mode="markers",
                    marker=_mark(grokked, PALETTE[0] if grokked else PALETTE[1]),
                    name="grokked" if grokked else "not grokked by then",
                    legendgroup=str(grokked),
                    hovertemplate="%{y}, %{text}<extra></extra>",
                    **place,
                )
    share_legend(figure)
    figure.update_xaxes(_step_axis(each.grok_step or each.steps for pool in pools for each in pool.outcomes))
    figure.update_xaxes(title="step", row=len(pools), col=1)
    told = "; ".join(f"{_first(pool)} and the same: {_in_words(pool)}" for pool in pools)
    return describe(
        arrange(figure, height=height + 130, legend_y=1 + 34 / height, l=100, t=84, b=50),
        name=name,
        title="Steps to grok, operations of one problem together",
        caption=f"A plot for each class, a row for each of its operations, a mark for each run (p = "
        f"{pools[0].outcomes[0].config.p}, r = {pools[0].fraction:g}): {told}.",
        alt=f"Dot plots of steps to grok, one for each class of operations that are one problem. {told}.",
    )


def _first(pool: Pool) -> str:
    return pretty(next(iter(pool.members)))


def _counted(pool: Pool) -> str:
    return f"{len(pool.grok_steps)} of {len(pool.outcomes)}"


def _mark(grokked: bool, colour: str) -> dict[str, Any]:
    if grokked:
        return {"symbol": "circle", "color": colour, "size": 9, "opacity": 0.75}
    return {"symbol": "diamond-open", "color": colour, "size": 9, "line": {"width": 1.5}}


def _ended(outcome: Outcome) -> str:
    if outcome.grok_step is not None:
        return f"grokked at step {outcome.grok_step:,}"
    return f"not grokked within {outcome.steps:,} steps, best {outcome.best_test_accuracy:.1%}"


def _step_axis(steps: Iterable[int | float]) -> dict[str, Any]:
    """A logarithmic axis that holds some steps, with ticks at 1, 2 and 5 times powers of ten."""
    listed = list(steps)
    low, high = math.log10(min(listed)) - 0.1, math.log10(max(listed)) + 0.1
    ticks = [m * 10**k for k in range(8) for m in (1, 2, 5) if low <= math.log10(m * 10**k) <= high]
    texts = [f"{tick // 1000}k" if tick >= 1000 else str(tick) for tick in ticks]
    return {"type": "log", "range": [low, high], "tickmode": "array", "tickvals": ticks, "ticktext": texts}


def _in_words(pool: Pool) -> str:
    """How many runs grokked, and when."""
    count = _counted(pool)
    if not pool.grok_steps:
        return f"{count} grokked, best test accuracy {max(each.best_test_accuracy for each in pool.outcomes):.1%}"
    return f"{count} grokked, at steps {steps_text(pool.grok_steps)}"


# --- layers ---------------------------------------------------------------------------------------


def relabelled_chart(readings: Sequence[Reading], *, name: str = "relabelled") -> go.Figure:
    """FFS of both layers of runs, and of relabelled ones: over the residues, and over the operation's own coordinate.

    A row for each operation and each relabelling, a mark for each run. ``ValueError`` without any reading.
    """
    if not readings:
        raise ValueError("there is no layer to draw")
    rows = grouped((each.what, each) for each in readings)
    panels = {title: list(rows) for title in LAYERS.values()}
    figure, height = category_rows(panels, row=30, gap=56, at_left=True, shared_xaxes=True)
    for layer, place in in_rows(LAYERS):
        for label, colour, symbol, found in _series([each for each in readings if each.layer == layer]):
            figure.add_scatter(
                x=[ffs(spectrum) for _, spectrum in found],
                y=[each.what for each, _ in found],
                text=[f"seed {each.seed}" for each, _ in found],
                mode="markers",
                marker={"symbol": symbol, "color": colour, "size": 13 if "open" in symbol else 9, "opacity": 0.8},
                name=label,
                legendgroup=symbol,
                hovertemplate=f"%{{y}}, %{{text}}: %{{x:.2f}}<extra>{label}</extra>",
                **place,
            )
    share_legend(figure)
    figure.update_xaxes(range=[-0.03, 1.03])
    figure.update_xaxes(title="FFS", row=len(LAYERS), col=1)
    told = ". ".join(f"{PLAIN_LAYERS[layer].capitalize()}: {_spans(readings, layer)}" for layer in LAYERS)
    return describe(
        arrange(figure, height=height + 160, legend_y=1 + 40 / height, l=120, t=100, b=55),
        name=name,
        title="FFS of runs, and of a+b relabelled",
        caption=f"FFS at the end, a mark for each seed; what is named is FFS over the residues x. {told}.",
        alt=f"Dot plots of FFS for both layers. {told}.",
    )


def _series(
    readings: Sequence[Reading],
) -> Iterator[tuple[str, str, str, list[tuple[Reading, Spectrum]]]]:
    """What is drawn in one colour and shape, without what is empty: label, colour, symbol, and spectra."""
    for label, colour, symbol, found in (
        ("a run", PALETTE[0], "circle", [(each, each.over_residues) for each in readings if not each.relabelled]),
        ("relabelled", PALETTE[1], "square", [(each, each.over_residues) for each in readings if each.relabelled]),
        ("own coordinate", PALETTE[4], "diamond-open", [(each, each.own) for each in readings if each.own is not None]),
    ):
        if found:
            yield label, colour, symbol, found


def _spans(readings: Sequence[Reading], layer: str) -> str:
    rows = grouped((each.what, ffs(each.over_residues)) for each in readings if each.layer == layer)
    return "; ".join(f"{what} {span([f'{value:.2f}' for value in sorted(values)])}" for what, values in rows.items())


# --- an embedding for each operand ----------------------------------------------------------------


class _Mark(NamedTuple):
    """A run in the plot of the control."""

    fraction: float
    steps: int
    grokked: bool
    text: str


def control_chart(rows: Sequence[Predicted], others: Sequence[Outcome], *, name: str = "separate-control") -> go.Figure:
    """Grok steps predicted for runs with separate embeddings, what they were, and those of runs with one embedding.

    A row for each fraction. A run that did not grok stands, open, at the steps it had. ``ValueError`` without any.
    """
    if not rows:
        raise ValueError("nothing is predicted")
    fractions = sorted({row.fraction for row in rows})
    labels = {fraction: f"r = {fraction:g}" for fraction in fractions}
    figure = go.Figure()
    for fraction in fractions:
        said = next(row for row in rows if row.fraction == fraction)
        figure.add_scatter(
            x=said.interval,
            y=[labels[fraction]] * 2,
            mode="lines",
            line={"color": TRAIN, "width": 10},
            opacity=0.5,
            name="predicted for two: 80 %",
            legendgroup="predicted",
            hovertemplate=f"predicted: median {said.steps:,.0f}, 80 % in {said.interval[0]:,.0f} to "
            f"{said.interval[1]:,.0f}<extra></extra>",
        )
        figure.add_scatter(
            x=[said.steps],
            y=[labels[fraction]],
            mode="markers",
            marker={"symbol": "line-ns", "size": 18, "color": TRAIN, "line": {"width": 3, "color": TRAIN}},
            name="its median",
            legendgroup="median",
            hoverinfo="skip",
        )
    two = [_of_row(row, row.end) for row in rows if row.end is not None]
    one = [_of_outcome(each) for each in others if each.config.fraction in labels]
    for label, found, colour in (("one embedding", one, PALETTE[1]), ("two embeddings", two, PALETTE[0])):
        for grokked in (True, False):
            shown = [each for each in found if each.grokked is grokked]
            if shown:
                figure.add_scatter(
                    x=[each.steps for each in shown],
                    y=[labels[each.fraction] for each in shown],
                    text=[each.text for each in shown],
                    mode="markers",
                    marker=_mark(grokked, colour),
                    name=label if grokked else f"{label}, not grokked",
                    legendgroup=f"{label} {grokked}",
                    hovertemplate=f"{label}, %{{text}}<extra></extra>",
                )
    share_legend(figure)
    figure.add_vline(x=rows[0].budget, line={"color": TRAIN, "width": 1, "dash": "dot"})
    ends = [each.steps for each in (*one, *two)]
    figure.update_xaxes(_step_axis([*ends, *(step for row in rows for step in row.interval)]))
    figure.update_xaxes(title="step (dotted: budget)")
    figure.update_yaxes(categoryorder="array", categoryarray=list(labels.values())[::-1], type="category")
    told = f"With one embedding {_at_each(one)}. With two {_at_each(two) if two else 'no run is known yet'}"
    return describe(
        arrange(figure, height=360, legend_y=1.04, l=70, t=110, b=60),
        name=name,
        title="a+b with one embedding, and with one for each operand",
        caption=f"Steps to grok. Bars: where 80 % of runs with two embeddings were predicted, with the median. {told}.",
        alt=f"Dot plot of steps to grok, a row for each fraction. {told}.",
    )


def _of_row(row: Predicted, end: End) -> _Mark:
    return _Mark(row.fraction, end.steps, end.grokked, f"seed {row.seed}: {end_text(row)}")


def _of_outcome(outcome: Outcome) -> _Mark:
    config, step = outcome.config, outcome.grok_step
    text = f"seed {config.seed}: {_ended(outcome)}"
    return _Mark(config.fraction, outcome.steps if step is None else step, step is not None, text)


def _at_each(marks: Sequence[_Mark]) -> str:
    """When runs grokked, fraction by fraction."""
    at = grouped((each.fraction, each) for each in sorted(marks, key=lambda each: each.fraction))
    texts = []
    for fraction, there in at.items():
        steps = [each.steps for each in there if each.grokked]
        when = f", at steps {steps_text(steps)}" if steps else ""
        texts.append(f"{len(steps)} of {len(there)} grokked at r = {fraction:g}{when}")
    return "; ".join(texts)
