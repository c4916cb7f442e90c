"""Small figures of the workshops: a table with blanks, residues on a circle, numbers by frequency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor

from grokbook import data, fourier
from grokbook.figures.layout import arrange, describe, in_rows, stacked
from grokbook.figures.style import COSINE, PALETTE, SINE
from grokbook.runs.config import RunConfig

PATTERNS = ("", "/", "x", ".")
"""Of bars, one per series: they are told apart without their colours."""


def circle(
    matrix: Float[Tensor, "p n"], k: int, *, marked: Sequence[int] = (0, 1), name: str | None = None
) -> go.Figure:
    """The residues in the plane of one frequency of a layer: each row of it, projected on the two directions.

    A layer has one row per residue, and frequencies 1..p // 2. Marked residues stand out.
    """
    p, rows = len(matrix), matrix.double() - matrix.double().mean(0)
    directions = fourier.coefficients(matrix.double())[[2 * k - 1, 2 * k]]
    points = (rows @ (directions / directions.norm(dim=1, keepdim=True)).T).numpy()
    chosen = [residue % p for residue in marked]
    others = [residue for residue in range(p) if residue not in chosen]
    named, figure = ", ".join(map(str, chosen)), go.Figure()
    for residues, title, symbol, size, colour, mode in (
        (others, "other residues", "circle-open", 6, COSINE, "markers"),
        (chosen, named, "diamond", 10, SINE, "markers+text"),
    ):
        figure.add_scatter(
            x=points[residues, 0],
            y=points[residues, 1],
            text=[str(residue) for residue in residues],
            mode=mode,
            textposition=_sides(points[residues]),
            textfont={"size": 13},
            marker={"symbol": symbol, "size": size, "color": colour},
            name=title,
            hovertemplate="residue %{text}<extra></extra>",
        )
    figure.update_xaxes(title=f"along the cosine of k = {k}")
    figure.update_yaxes(title=f"along the sine of k = {k}", scaleanchor="x")
    radii = np.linalg.norm(points, axis=1)
    text = (
        f"The {p} residues in the plane of frequency {k}, at a distance of {radii.min():.2f} to {radii.max():.2f} from "
        f"the middle; one step from x to x + 1 is {_turn(points):.3f} of a turn on average (k/p = {k / p:.3f})"
    )
    return describe(
        arrange(figure, height=520, legend_y=1.02),
        name=name or f"circle-{k}",
        title=f"Residues in the plane of frequency {k}",
        caption=f"{text}. Diamonds: {named}.",
        alt=f"{text}.",
    )


def by_frequency(
    series: Mapping[str, Sequence[float] | Float[Tensor, " K"]],
    *,
    name: str,
    title: str,
    unit: str,
    axis: str = "frequency k",
    letter: str = "k",
    percent: bool = False,
) -> go.Figure:
    """Bars of one or several quantities against frequency k = 1, 2, 3, …, one plot below the other.

    Values are given by what they are, those of k = 1 first, and ``percent`` says that they are shares, from 0 to 1.
    The axis says what the frequencies are of, and the letter stands for one of them.
    """
    values = {label: np.asarray(torch.as_tensor(heights, dtype=torch.float64)) for label, heights in series.items()}
    figure = stacked(list(values), 0.16)
    shown = "%{y:.1%}" if percent else "%{y:.3g}"
    for (label, heights), place in in_rows(values.items()):
        index = place["row"] - 1
        figure.add_bar(
            x=np.arange(1, len(heights) + 1),
            y=heights,
            name=label,
            showlegend=False,
            marker={"color": PALETTE[index], "pattern": {"shape": PATTERNS[index % 4], "solidity": 0.5}},
            hovertemplate=f"{letter} = %{{x}}: {shown}<extra>{label}</extra>",
            **place,
        )
    scale: dict[str, Any] = {"tickformat": ".0%", "range": [0, 1.03]} if percent else {"rangemode": "tozero"}
    figure.update_yaxes(title=unit, **scale)
    figure.update_xaxes(title=axis, row=len(values), col=1)
    figure.update_layout(bargap=0.15)
    say = _weakest if percent else _strongest
    told = "; ".join(f"{label}: {say(heights, letter)}" for label, heights in values.items())
    return describe(
        arrange(figure, height=110 + 190 * len(values), t=50),
        name=name,
        title=title,
        caption=f"{title}. {told}.",
        alt=f"{len(values)} bar charts against frequency. {told}.",
    )


def task_table(config: RunConfig, *, name: str = "task-table") -> go.Figure:
    """The table of one operation as its network is shown it: answers of the train pairs, and blanks to be filled."""
    p = config.p
    (operation, *_) = config.parsed_operations
    table = data.make([operation], p, config.fraction, config.seed, config.operands)
    answers, train = (data.over_residues(column, p) for column in (table.labels[0], table.train))
    shown = torch.where(train, answers.double(), torch.nan).T.numpy()
    hover = {"hovertemplate": "a = %{x}, b = %{y}: %{z}<extra></extra>", "hoverongaps": False}
    bar = {"title": {"text": "answer"}, "thickness": 12}
    figure = go.Figure().add_heatmap(z=shown, zmin=0, zmax=p - 1, colorscale="Viridis", colorbar=bar, **hover)
    figure.update_xaxes(title="a", constrain="domain")
    figure.update_yaxes(title="b", constrain="domain", scaleanchor="x")
    of, known = f"{operation.pretty} mod {p}", int(train.sum())
    counted = f"{known} of {p * p} pairs have their answer, {p * p - known} are blank"
    text = f"The table of {of} as the network sees it: {counted}."
    figure = arrange(figure, height=480, t=30)
    return describe(figure, name=name, title=f"{of}: what is shown", caption=text, alt=text)


def _strongest(heights: Float[np.ndarray, " K"], letter: str) -> str:
    above, high = int((heights > 0.5 * heights.max()).sum()), heights.argmax() + 1
    return f"{above} of {len(heights)} are above half of the largest, {heights.max():.3g} ({letter} = {high})"


def _weakest(shares: Float[np.ndarray, " K"], letter: str, count: int = 3) -> str:
    order = shares.argsort()
    low = ", ".join(f"{shares[place]:.1%} ({letter} = {place + 1})" for place in order[:count])
    others = [f"{shares[place]:.1%}" for place in order[count:]]
    rest = f"; all others {'at least ' if others[0] != others[-1] else ''}{others[0]}" if others else ""
    return f"lowest {low}{rest}"


def _sides(points: np.ndarray) -> list[str]:
    """Where the numbers of points [n, 2] on a circle stand: outside and inside in turns, lest neighbours collide."""
    sides = [""] * len(points)
    for turn, i in enumerate(np.argsort(np.arctan2(points[:, 1], points[:, 0]))):
        sides[i] = "middle right" if (points[i, 0] >= 0) == (turn % 2 == 0) else "middle left"
    return sides


def _turn(points: Float[np.ndarray, "p 2"]) -> float:
    """By how many turns one step takes a point further, on average over the circle; 0 to 1/2."""
    places = points[:, 0] + 1j * points[:, 1]
    step = (np.roll(places, -1) * places.conj()).sum()
    return abs(math.atan2(step.imag, step.real)) / (2 * math.pi)
