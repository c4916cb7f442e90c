"""Table 5 as a heatmap: which operation groks from how much of its table, and after how many steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from grokbook.data.polynomials import Kind
from grokbook.figures.groups import grouped
from grokbook.figures.layout import arrange, category_rows, describe, in_rows
from grokbook.figures.predictions import probability
from grokbook.paper import predicted
from grokbook.paper.table_5 import Cell, Group, agreement, count

_SCALE = "Viridis"
_BAR = 300  # pixels: the colour bar
_FAILED, _EMPTY = "rgba(128,128,128,0.30)", "rgba(128,128,128,0.11)"  # see-through: they follow the page's background
_TICKS = [m * 10**k for k in range(7) for m in (1, 3)]


def outcome_grid(grid: Sequence[Cell], *, name: str = "summary-grid") -> go.Figure:
    """Tasks against fractions, in the colour of the steps to grok (paper Table 5).

    A cell that groks has the median of its seeds' grok steps as colour and number; one that does not is grey and has
    its best test accuracy; one that was not run is empty but for a dot. ``ValueError`` without any cell.
    """
    if not grid:
        raise ValueError("there is no cell to draw")
    kinds = grouped((cell.operation.kind, cell) for cell in grid)
    figure, shades = _panels(kinds), Shades.of(grid)
    for cells, place in in_rows(kinds.values()):
        for groks in (True, False, None):
            _add_cells(figure, cells, groks, shades, place)
    figure.update_layout(coloraxis=shades.axis(figure.layout.height))
    told = _findings(grid)
    return describe(
        figure,
        name=name,
        title="Steps to grok, by operation and fraction",
        caption="Rows: operations by kind, with a pre-grokked module below the one from scratch; columns: the share r "
        "of all pairs that is trained on. Coloured, with a number: steps to grok (median of the seeds that do; k: "
        "thousand; *: other seeds do not). Grey, with a percentage: best test accuracy where no seed groks. "
        f"Dot: not run. {told}",
        alt=f"Heatmap of {len(grid)} cells, operations by fractions of the table. {told}",
    )


def _panels(kinds: Mapping[Kind, Sequence[Cell]]) -> go.Figure:
    """A plot for each kind, with a row for each task and a column for each fraction, one below the other."""
    tasks = {
        f"<b>{Group(kind).label}</b>": list(dict.fromkeys(cell.label for cell in cells))
        for kind, cells in kinds.items()
    }
    figure, height = category_rows(tasks, row=24, gap=44)
    # In the margin, over the names of its rows: over the columns stand the fractions.
    figure.update_annotations(x=0, xanchor="right", xshift=-3, font={"size": 12})
    fractions = sorted({cell.fraction for cells in kinds.values() for cell in cells})
    columns = {"categoryarray": [f"{each:g}" for each in fractions], "range": [-0.5, len(fractions) - 0.5], "dtick": 1}
    figure.update_xaxes(columns, type="category", categoryorder="array", side="top", automargin=False)
    figure.update_xaxes(showgrid=False, ticks="")
    figure.update_yaxes(showgrid=False, ticks="", zeroline=False)
    figure.update_xaxes(title={"text": "fraction r", "standoff": 4}, row=1, col=1)
    return arrange(figure, height=height + 86, l=100, t=66, b=20, r=10)


def _add_cells(
    figure: go.Figure, panel: Sequence[Cell], groks: bool | None, shades: Shades, place: Mapping[str, int]
) -> None:
    """Cells of a panel with one outcome and their texts; the colours of those that grok tell their grok step."""
    at = {_at(cell): cell for cell in panel if cell.groks is groks}
    if not at:
        return
    # Every row and column of the panel, cells or not: Plotly misplaces what is left when a category is left out.
    x, y = (list(dict.fromkeys(names)) for names in zip(*map(_at, panel), strict=True))

    def matrix(value: Callable[[Cell], Any]) -> list[list[Any]]:
        return [[value(at[r, name]) if (r, name) in at else None for r in x] for name in y]

    flat = _FAILED if groks is False else _EMPTY
    one: dict[str, Any] = {"colorscale": [[0, flat], [1, flat]], "zmin": 0, "zmax": 1, "showscale": False}
    figure.add_heatmap(
        x=x,
        y=y,
        z=matrix(_shade if groks else lambda _: 0),
        **({"coloraxis": "coloraxis"} if groks else one),
        hovertext=matrix(_hover),
        hovertemplate="%{hovertext}<extra></extra>",
        hoverongaps=False,
        xgap=2,
        ygap=2,
        **place,
    )
    # Texts of the heatmap itself would take their colours from cells on a white page, and be pale on some.
    inks = {"color": [shades.ink(_shade(cell)) for cell in at.values()]} if groks else {}
    figure.add_scatter(
        x=[fraction for fraction, _ in at],
        y=[label for _, label in at],
        text=[_text(cell) for cell in at.values()],
        mode="text",
        textfont={"size": 11} | inks,
        hoverinfo="skip",
        showlegend=False,
        **place,
    )


class Shades(NamedTuple):
    """The colours of cells that grok: log10 of steps, bright where few are needed."""

    low: float
    high: float

    @classmethod
    def of(cls, grid: Iterable[Cell]) -> Shades:
        """From the smallest to the largest grok step of some cells."""
        shades = [_shade(cell) for cell in grid if cell.groks] or [3.0, 5.0]
        middle, half = (max(shades) + min(shades)) / 2, (max(shades) - min(shades)) / 2
        return cls(middle - max(half, 0.25), middle + max(half, 0.25))  # a colour bar needs some length

    def ink(self, shade: float) -> str:
        """Black or white, whichever stands out more on a cell of this shade (WCAG's contrast ratio)."""
        place = 1 - (shade - self.low) / (self.high - self.low)
        (colour,) = sample_colorscale(_SCALE, [min(max(place, 0.0), 1.0)], colortype="tuple")  # the ends, to rounding
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"

    def axis(self, height: int | float) -> dict[str, Any]:
        """The colour axis of a figure of this height in pixels."""
        ticks = [tick for tick in _TICKS if self.low <= math.log10(tick) <= self.high]
        place = {"thickness": 12, "len": min(1.0, _BAR / height), "y": 1, "yanchor": "top"}
        marks = {"tickvals": [math.log10(tick) for tick in ticks], "ticktext": [compact(tick) for tick in ticks]}
        bar = {"title": {"text": "steps to grok"}, **marks, **place}
        return {"cmin": self.low, "cmax": self.high, "colorscale": _SCALE, "reversescale": True, "colorbar": bar}


# --- words ----------------------------------------------------------------------------------------


def compact(steps: int | float) -> str:
    """A number of steps in at most four characters: 400, 8.1k, 28k."""
    if steps < 1000:
        return f"{steps:.0f}"
    return f"{steps / 1000:.1f}k".replace(".0k", "k") if steps < 9950 else f"{steps / 1000:.0f}k"


def percentage(share: float) -> str:
    """A share, rounded to percents; to tenths where it is small, and, downwards, where it comes close to 99 %."""
    if 0.985 <= share < 1:
        return f"{math.floor(1000 * share) / 10:.1f}%"
    return f"{100 * share:.1f}%" if share < 0.0995 else f"{round(100 * share)}%"


def _at(cell: Cell) -> tuple[str, str]:
    return f"{cell.fraction:g}", cell.label


def _shade(cell: Cell) -> float:
    return math.log10(max(cell.grok_step or 1, 1))


def _text(cell: Cell) -> str:
    if cell.grok_step is not None:
        return compact(cell.grok_step) + "*" * cell.divided
    return "·" if cell.best_test_accuracy is None else percentage(cell.best_test_accuracy)


def _hover(cell: Cell) -> str:
    paper = cell.reported
    lines = [f"<b>{cell.label}, r = {cell.fraction:g}</b>", f"paper: {'says nothing' if paper is None else paper.text}"]
    for each in cell.outcomes:
        failed = f"does not grok, best {each.best_test_accuracy:.1%}"
        ended = failed if each.grok_step is None else f"groks at step {each.grok_step:,}"
        lines.append(f"seed {each.config.seed}: {ended}")
    if missing := len(cell.wanted) - len(cell.outcomes):
        lines.append(f"{missing} of {len(cell.wanted)} seeds not run")
    if (said := next(filter(None, map(predicted.said_of, cell.wanted)), None)) is not None:
        whence = "said before its run" if said.beforehand else "by the law, which was fitted to it"
        lines.append(f"to grok within {said.budget:,} steps: {probability(said.probability)}, {whence}")
    if cell.budgets:
        lines.append(f"budget: {' or '.join(f'{budget:,}' for budget in cell.budgets)} steps")
    return "<br>".join(lines)


def _findings(grid: Sequence[Cell]) -> str:
    runs, found = count(grid), agreement(grid)
    sentences = [f"{runs.run} of {runs.wanted} runs are there, in {found.run} of {found.cells} cells."]
    if found.run:
        grokked = sorted((cell for cell in grid if cell.groks), key=lambda cell: cell.grok_step or 0)
        divided = f", {found.divided} of them not with every seed" if found.divided else ""
        sentences.append(f"Of these cells {len(grokked)} grok{divided}.")
        if len(grokked) > 1:
            ends = grokked[0], grokked[-1]
            first, last = (f"{cell.label} at r = {cell.fraction:g} ({cell.grok_step:,.0f} steps)" for cell in ends)
            sentences.append(f"First is {first}, last {last}.")
    if known := found.agree + found.here_alone + found.paper_alone:
        sentences.append(
            f"{found.agree} of {known} agree with the paper; {found.here_alone} grok here alone, "
            f"{found.paper_alone} in the paper alone."
        )
    return " ".join(sentences)
