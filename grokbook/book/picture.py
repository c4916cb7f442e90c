"""Draw the picture of the landing page and the README: `python -m grokbook.book.picture`.

The figure comes from the published run of a+b, and is drawn by Plotly in headless Chromium (playwright, of the `test`
extra), with text in a grey that can be read on light and on dark pages.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from grokbook import figures, paper, store
from grokbook.folders import checkout

GREY = "#7d8790"
WIDTH, HEIGHT, SCALE = 900, 520, 1.5


def picture(target: Path) -> None:
    """Write the picture as a PNG with transparent background."""
    from playwright.sync_api import sync_playwright

    run = store.default_store().get(paper.single("a+b"))
    figure = figures.overview(run)
    axes = {"gridcolor": "rgba(125,135,144,0.25)", "linecolor": GREY, "zeroline": False}
    figure.update_xaxes(**axes).update_yaxes(**axes)
    figure.update_layout(
        template=None, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": GREY, "size": 15}
    )
    page_source = figure.to_html(include_plotlyjs=True, config={"staticPlot": True, "responsive": False})
    chromium = os.environ.get("GROKBOOK_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE)
        page.set_content(page_source)
        page.wait_for_selector(".main-svg")
        page.add_style_tag(content="html, body { margin: 0; background: transparent !important; }")
        page.screenshot(path=target, omit_background=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT})
        browser.close()


if __name__ == "__main__":
    root = checkout()
    if root is None:
        sys.exit("the picture belongs to a checkout; this grokbook is installed without one")
    picture(root / "book" / "images" / "grokking.png")
