"""Sphinx extension: everything a page needs comes along with it.

At the start of an HTML build it copies plotly.js (from the installed plotly, so versions match) and MathJax (from the
installed sphinx-mathjax-offline) into `_static/vendor`. Pages load our own small script, which loads plotly.js and
the figures' side files when a figure comes near the viewport. sphinx-thebe, which jupyter-book always adds and which
asks a CDN, is taken out of every page.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.core.render import load_mime_renders
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

from grokbook.book.plotly_mime import PlotlyMimeRenderer, side_files

STATIC = Path(__file__).resolve().parent / "static"
# All TeX packages in one file: tex-svg.js would load further scripts when a formula needs one.
MATHJAX = "vendor/mathjax/tex-svg-full.js"
PLOTLY = "vendor/plotly.min.js"


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the handlers.

    Raises:
        ExtensionError: grokbook is on the path but not installed: myst-nb would drop every figure silently.
    """
    if PlotlyMimeRenderer not in load_mime_renders():
        raise ExtensionError("grokbook's mime renderer is not registered: pip install -e '.[book]'")
    app.connect("config-inited", _configure)
    app.connect("builder-inited", _vendor)
    app.connect("doctree-resolved", _mark_maths)
    app.connect("doctree-resolved", _drop_thebe_settings, priority=900)
    app.connect("html-page-context", _drop_thebe_scripts, priority=900)
    app.connect("build-finished", _publish_figures)
    app.add_css_file("grokbook.css", priority=900)
    app.add_js_file("grokbook-figures.js", loading_method="defer")
    app.add_js_file("grokbook-search.js")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def vendored_sources() -> dict[str, Path]:
    """Return the scripts to copy: path below `_static` -> installed file."""
    sources = {
        PLOTLY: _package_folder("plotly") / "package_data" / "plotly.min.js",
        MATHJAX: _package_folder("sphinx-mathjax-offline") / "static" / "mathjax" / "tex-svg-full.js",
    }
    for path in sources.values():
        if not path.is_file():
            raise ExtensionError(f"{path} is missing from the installed package")
    return sources


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ExtensionError(f"the book needs the Python package {name!r}: pip install 'grokbook[book]'")
    return Path(spec.origin).parent


def _configure(app: Sphinx, config: Config) -> None:
    config.mathjax_path = MATHJAX
    # The theme reads the mode from here; without it a page logs an error to the console.
    config.html_context.setdefault("default_mode", "auto")
    config.html_static_path.append(str(STATIC))


def _vendor(app: Sphinx) -> None:
    if app.builder.format != "html":
        return
    for name, source in vendored_sources().items():
        target = Path(app.outdir, "_static", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _mark_maths(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Have Sphinx load MathJax where only figures or their captions hold formulas."""
    if any('class="grokbook-figure"' in node.astext() for node in doctree.findall(nodes.raw)):
        app.env.get_domain("math").data["has_equations"][docname] = True


def _drop_thebe_settings(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in [node for node in doctree.findall(nodes.raw) if "text/x-thebe-config" in node.astext()]:
        node.parent.remove(node)


def _drop_thebe_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    for files in ("script_files", "css_files"):
        kept = [asset for asset in context.get(files, ()) if "thebe" not in _asset_text(asset)]
        if files in context:
            context[files][:] = kept


def _asset_text(asset: Any) -> str:
    return f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', '')}"


def _publish_figures(app: Sphinx, exception: Exception | None) -> None:
    folder = side_files(app.doctreedir)
    if exception is None and app.builder.format == "html" and folder.is_dir():
        shutil.copytree(folder, Path(app.outdir, "_static", "figures"), dirs_exist_ok=True)
