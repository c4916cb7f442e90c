"""Render a notebook's Plotly output as a light placeholder plus a side file that is loaded when scrolled to.

A page must work from `file://`, where a script may load another script but must not fetch JSON. So each figure
becomes `_static/figures/<name>-<hash>.js`, one call of `grokbook.add(key, figure)`, and its numbers a CSV of the same
name beside it; the page itself holds the caption, the alternative text, the link to the numbers, the command that
makes the figure, and a box of the right height.

Figures bring `layout.meta = {"caption": ..., "alt": ..., "name": ...}`. Caption and alternative text are required.
A `"title"` becomes a heading above the plot; below `"min_width"` pixels the figure scrolls inside its own box.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from docutils import nodes
from myst_nb.core.render import MimeData, MimeRenderPlugin, NbElementRenderer
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.template import FileRenderer

from grokbook.book import side_files
from grokbook.book.csv import to_csv

MIME = "application/vnd.plotly.v1+json"
DEFAULT_HEIGHT = 450
BOTTOM_MARGIN = 60
TEMPLATES = FileRenderer([Path(__file__).parent / "templates"])
"""HTML of what pages hold beside their text."""
logger = logging.getLogger(__name__)


class Placeholder(NamedTuple):
    """The HTML that goes into the page, and the side files that go next to it, as name -> text."""

    html: str
    files: dict[str, str]
    missing: tuple[str, ...]


class PlotlyMimeRenderer(MimeRenderPlugin):
    """myst-nb mime renderer (entry point group `myst_nb.mime_renderers`)."""

    mime_priority_overrides: ClassVar[Sequence[tuple[str, str, int | None]]] = [("*", MIME, 0)]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        """Return the placeholder as one raw node; the side file waits in Sphinx's doctree folder."""
        if inline or data.mime_type != MIME:
            return None
        content: Any = data.content
        figure = json.loads(content) if isinstance(content, str | bytes) else content
        return [place(renderer.renderer.sphinx_env, figure)]


def place(env: BuildEnvironment, figure: Mapping[str, Any]) -> nodes.raw:
    """The figure's place in the page that is being read; its side files are kept for the site."""
    parents = env.docname.split("/")[:-1]
    command = f"grokbook notebook {env.docname.rpartition('/')[2]}" if parents == ["notebooks"] else ""
    placeholder = render(figure, root="../" * len(parents), command=command)
    for key in placeholder.missing:
        logger.warning("figure without layout.meta.%s", key, location=env.docname, type="grokbook", subtype="figure")
    for name, text in placeholder.files.items():
        side_files.write(env.doctreedir, side_files.FIGURES, name, text)
    return nodes.raw("", placeholder.html, format="html", classes=["output"])


def render(figure: Mapping[str, Any], *, root: str = "", command: str = "") -> Placeholder:
    """Split a figure, as Plotly writes it, into its place in the page and its side files.

    ``root`` is the way from the page to the site's root, like ``"../"``; ``command`` makes the figure anew.
    """
    # The template is rebuilt in the browser from the theme's colours; a width would defeat the responsive layout.
    layout = {key: value for key, value in figure.get("layout", {}).items() if key not in ("template", "width")}
    if layout.get("sliders"):
        layout = _without_slider_room(layout)
    meta = dict(layout.get("meta") or {})
    body = {"data": figure.get("data", []), "layout": layout, "frames": figure.get("frames", [])}
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    slug = re.sub(r"[^a-z0-9]+", "-", str(meta.get("name", "figure")).lower()).strip("-") or "figure"
    key = f"{slug}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    # A play button needs no room of its own: every slider has one.
    buttons = [button for menu in layout.get("updatemenus") or () for button in menu.get("buttons", ())]
    menus = any(button.get("method") != "animate" for button in buttons)
    place = {
        "key": key,
        "slug": slug,
        # A plot that holds formulas itself needs MathJax to be drawn; captions, which are in meta, stand outside of it.
        "maths": text.count("$") > json.dumps(meta).count("$"),
        "title": _with_maths(str(meta.get("title") or "")),
        "alt": html.escape(str(meta.get("alt", ""))),
        "caption": _with_maths(str(meta.get("caption", ""))),
        "height": int(layout.get("height") or DEFAULT_HEIGHT),
        "min_width": int(meta.get("min_width") or 0),
        "controls": len(layout.get("sliders") or ()) + menus,
        "numbers": f"{root}_static/{side_files.FIGURES}/{key}.csv",
        "command": command,
    }
    return Placeholder(
        html=TEMPLATES.render("figure.html", place),
        files={f"{key}.js": f"grokbook.add({json.dumps(key)},{text});\n", f"{key}.csv": to_csv(figure)},
        missing=tuple(name for name in ("caption", "alt") if not str(meta.get(name, "")).strip()),
    )


def _without_slider_room(layout: dict[str, Any]) -> dict[str, Any]:
    """Take back the bottom margin for Plotly's own slider: ours stands below the plot, not in it."""
    margin = dict(layout.get("margin") or {})
    spare = max(0, margin.get("b", 0) - BOTTOM_MARGIN)
    height = layout.get("height", DEFAULT_HEIGHT + spare) - spare
    return {**layout, "margin": {**margin, "b": margin.get("b", BOTTOM_MARGIN) - spare}, "height": height}


def _with_maths(text: str) -> str:
    """Escape a caption for HTML, handing its `$...$` to MathJax the way Sphinx does."""
    parts = re.split(r"\$([^$]+)\$", text)
    return "".join(
        rf'<span class="math notranslate nohighlight">\({html.escape(part)}\)</span>' if i % 2 else html.escape(part)
        for i, part in enumerate(parts)
    )
