"""Draw the picture of the README: `python -m grokbook.book.picture`.

The figure comes from the published run of a+b, and is drawn by Plotly in headless Chromium (playwright, of the `test`
extra), once for light pages and once for dark ones, with text that can be read on a phone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import plotly.graph_objects as go

from grokbook import figures, paper
from grokbook.book.build import from_checkout
from grokbook.book.chromium import chromium
from grokbook.training import ensure

INKS = {"grokking.png": ("#2b343c", "#a5400c", "#8b949c"), "grokking-dark.png": ("#dfe5ea", "#ffb483", "#8f9aa4")}
"""File name to the colours of text, test accuracy and train accuracy."""
WIDTH, HEIGHT, SCALE = 720, 640, 2
FONT = 22
"""Pixels in a picture of that width: still 11 of them when a phone shows it half as wide."""


def pictures(folder: Path) -> Path:
    """Write the pictures, for light and for dark pages, as PNGs with transparent background; returns the folder."""
    run = ensure.default_store().get(paper.single("a+b"))
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE)
        for name, inks in INKS.items():
            page.set_content(_page(figures.overview(run), *inks))
            page.wait_for_selector(".main-svg")
            page.add_style_tag(content="html, body { margin: 0; background: transparent !important; }")
            page.screenshot(path=folder / name, omit_background=True)
    return folder


def _page(figure: go.Figure, text: str, test: str, train: str) -> str:
    """The figure as a page of its own, in these colours."""
    axes = {"gridcolor": "rgba(125,135,144,0.35)", "linecolor": text, "zeroline": False, "title_standoff": 8}
    figure.update_xaxes(**axes).update_yaxes(**axes)
    figure.update_yaxes(title="frequency k", row=2, col=1)
    for trace, colour, width in zip(figure.data, (train, test), (2.5, 4), strict=False):
        trace.update(line={"color": colour, "width": width})
    figure.update_layout(
        template=None,
        width=WIDTH,
        height=HEIGHT,
        margin={"l": 95, "r": 15, "t": 50, "b": 70},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": text, "size": FONT},
    )
    return figure.to_html(include_plotlyjs=True, config={"staticPlot": True, "responsive": False})


if __name__ == "__main__":
    sys.exit(from_checkout(lambda root: pictures(root / "book" / "images"), "the pictures are drawn"))
