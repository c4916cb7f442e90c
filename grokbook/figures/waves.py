"""Bars of a spectrum: norms of cosines upwards, of sines downwards and hatched."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokbook.figures.style import COSINE, SINE, arrange, describe
from grokbook.fourier import measures
from grokbook.fourier.transform import Spectrum, key_frequencies


def bars(spectra: Spectrum | Mapping[str, Spectrum], *, name: str = "bars", title: str = "Spectra") -> go.Figure:
    """Bars of one or several spectra of equally many frequencies, one plot below the other.

    Args:
        spectra: one, or several by what stands above their plots.
        name: of the figure's file.
        title: what stands above the figure.

    Raises:
        ValueError: there is none, or one is of several layers or times.
    """
    shown = {"": spectra} if isinstance(spectra, Spectrum) else dict(spectra)
    if not shown:
        raise ValueError("bars needs at least one spectrum")
    figure = make_subplots(
        rows=len(shown), cols=1, shared_xaxes=True, vertical_spacing=0.25 / len(shown), subplot_titles=list(shown)
    )
    for row, (label, spectrum) in enumerate(shown.items(), start=1):
        spectrum.check_single()
        index = "" if row == 1 else str(row)
        traces = wave_bars(spectrum, label or title, axes=(f"x{index}", f"y{index}"))
        figure.add_traces([trace.update(showlegend=row == 1) for trace in traces])
        limit = 1.05 * max(float(spectrum.cosine.max()), float(spectrum.sine.max()))
        figure.update_yaxes(title="norm", range=[-limit, limit], row=row, col=1)
    figure.update_xaxes(title="frequency k", row=len(shown), col=1)
    figure.update_layout(barmode="relative", bargap=0.15)
    arrange(figure, height=150 + 170 * len(shown), legend_y=1.06, t=70)
    told = "; ".join(f"{label}: {_told(spectrum)}" if label else _told(spectrum) for label, spectrum in shown.items())
    return describe(
        figure,
        name=name,
        title=title,
        caption=f"Norms of the cosine (up) and sine (down, hatched) components per frequency. {told}.",
        alt=f"{len(shown)} mirrored bar charts of norms against frequency. {told}.",
    )


def wave_bars(spectrum: Spectrum, of: str, *, axes: tuple[str, str]) -> list[go.Bar]:
    """The norms of cosines (upwards) and of sines (downwards, hatched) as traces for a pair of axes like ("x2", "y2").

    Args:
        spectrum: of one layer at one time.
        of: what the pointer says that it is of.
        axes: where they are drawn.
    """
    return [
        go.Bar(
            x=np.arange(1, len(norms) + 1),
            y=sign * norms,
            customdata=norms,
            name="cosine" if wave == "cos" else "sine",
            legendgroup=wave,
            xaxis=axes[0],
            yaxis=axes[1],
            marker={"color": colour, "pattern": {"shape": pattern, "solidity": 0.5}, "line": {"width": 0}},
            hovertemplate=f"k = %{{x}}: {wave} norm %{{customdata:.3g}}<extra>{of}</extra>",
        )
        for wave, norms, sign, colour, pattern in (
            ("cos", spectrum.cosine.numpy(), 1, COSINE, ""),
            ("sin", spectrum.sine.numpy(), -1, SINE, "/"),
        )
    ]


def _told(spectrum: Spectrum) -> str:
    key = key_frequencies(spectrum)
    which = f" (k = {', '.join(map(str, key))})" if 0 < len(key) <= 8 else ""
    measured = f"FFS {measures.ffs(spectrum):.2f}, FCR {measures.fcr(spectrum):.2f}"
    return f"{measured}, {len(key)} of {len(spectrum.cosine)} frequencies above half of the largest{which}"
