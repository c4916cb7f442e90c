"""Does the first figure of every page stand within 2 seconds of opening the page from disk?

    python -m benchmarks.first_figure                                # every page of the built book that has a figure
    python -m benchmarks.first_figure --rounds 9 notebooks/elementary explorer

Each time a page is opened in a fresh context of headless Chromium: nothing is cached, no script compiled. The clock
starts with the navigation and ends when the frame after the figure was drawn begins. A first figure that is further
down is jumped to as soon as it is there, as by a reader who follows a link to it; figures load when they come near.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.table import render
from grokbook.book.chromium import chromium
from grokbook.runs.store import checkout

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SECONDS = 2.0
"""What a reader may have to wait."""
WINDOW = (1280, 900)
FIGURES = ".grokbook-figure, .grokbook-explorer"
WATCH = f"""
    addEventListener("DOMContentLoaded", () => {{
        const figure = document.querySelector("{FIGURES}");
        figure.scrollIntoView({{ behavior: "instant" }});
        const look = () => {{
            if (figure.dataset.state !== "drawn") return requestAnimationFrame(look);
            requestAnimationFrame(() => {{ window.firstFigure = performance.now() / 1000; }});
        }};
        look();
    }});
"""


class Waited(NamedTuple):
    """Seconds until the first figure of a page stood, one for each round."""

    page: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """What counts: a machine that is busy elsewhere makes outliers."""
        return statistics.median(self.seconds)


def pages_with_figures(site: Path) -> list[str]:
    """The names of the pages that have a figure, in order."""
    found = (path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts)
    marks = tuple(f'class="{mark.strip()[1:]}"' for mark in FIGURES.split(","))
    with_figures = (path for path in found if any(mark in path.read_text("utf8") for mark in marks))
    return sorted(path.relative_to(site).with_suffix("").as_posix() for path in with_figures)


def wait(browser: Browser, page: Path) -> float:
    """Open a page cold; seconds until its first figure stands."""
    context = browser.new_context(viewport={"width": WINDOW[0], "height": WINDOW[1]})
    try:
        tab = context.new_page()
        tab.add_init_script(WATCH)
        tab.goto(page.as_uri(), wait_until="commit")
        return tab.wait_for_function("window.firstFigure", timeout=60_000).json_value()
    finally:
        context.close()


def measure(site: Path, names: Sequence[str], rounds: int) -> list[Waited]:
    """Open every page once per round, in turns, after one that does not count and has the files read from disk."""
    with chromium() as browser:
        taken = [[wait(browser, site / f"{name}.html") for name in names] for _ in range(rounds + 1)][1:]
    return [Waited(name, tuple(each)) for name, each in zip(names, zip(*taken, strict=True), strict=True)]


def lines(found: Sequence[Waited], limit: float) -> Iterator[str]:
    """A table of the pages, the slowest first, and how many are too slow."""
    ordered = sorted(found, key=lambda one: -one.median)
    rows = [[one.page, f"{one.median:.2f}", f"{min(one.seconds):.2f}–{max(one.seconds):.2f}"] for one in ordered]
    yield render(["page", "median s", "range"], rows)
    yield ""
    slow = [one.page for one in ordered if one.median > limit]
    yield f"{len(slow)} of {len(found)} pages over {limit:g} s" + (f": {', '.join(slow)}" if slow else "")


def main(argv: list[str] | None = None) -> int:
    """Measure, print the table; 1 if a page is too slow."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_figure", description=main.__doc__)
    parser.add_argument("pages", nargs="*", help="such as notebooks/elementary; all that have a figure by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="what a reader may have to wait")
    parser.add_argument("--site", type=Path, help="folder of the built site; that of the checkout by default")
    options = parser.parse_args(argv)
    site = options.site or (checkout() or Path()) / "book" / "_build" / "html"
    known = pages_with_figures(site)
    unknown = set(options.pages) - set(known)
    if options.rounds < 1:
        parser.error("at least one round")
    if unknown or not known:
        parser.error(f"no page with a figure: {', '.join(sorted(unknown)) or site}")
    load = os.getloadavg()[0]
    found = measure(site, options.pages or known, options.rounds)
    print(f"{os.cpu_count()} cores, load {load:.1f} at the start, {options.rounds} rounds\n")
    print("\n".join(lines(found, options.seconds)))
    return int(any(one.median > options.seconds for one in found))


if __name__ == "__main__":
    sys.exit(main())
