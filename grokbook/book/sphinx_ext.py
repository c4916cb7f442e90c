"""Sphinx extension: everything a page needs comes along with it.

At the start of an HTML build it copies plotly.js (from the installed plotly, so versions match) and MathJax (from the
installed sphinx-mathjax-offline) into `_static/vendor`. Pages load our own small script, which loads both where they
are needed, and the figures' side files when a figure comes near the viewport. sphinx-thebe, which jupyter-book always
adds and which asks a CDN, is taken out of every page, and finished pages are mended for readers who hear them.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import MISSING, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.core.render import load_mime_renders
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.pycode import ModuleAnalyzer

from grokbook.book import accessibility, directives, predictor, side_files
from grokbook.book.executions import ExecutionTable
from grokbook.book.plotly_mime import PlotlyMimeRenderer

STATIC = Path(__file__).resolve().parent / "static"
# All TeX packages in one file: tex-svg.js would load further scripts when a formula needs one.
MATHJAX = "vendor/mathjax/tex-svg-full.js"
PLOTLY = "vendor/plotly.min.js"
PREDICT = "grokbook-predict.js"
"""The script of the field of :mod:`grokbook.book.predictor`, for pages that have it."""
LEFT_OUT = ("thebe", MATHJAX)
"""Scripts and stylesheets that no page asks for itself: one asks a CDN, the other is loaded by grokbook-figures.js."""
FIGURES = ('class="grokbook-figure"', 'class="grokbook-explorer"')
TABLES = "api/tables"
"""The page that names functions of `grokbook.figures` one by one; the page on figures has all others."""
HIDDEN_COLON = "\ufdd0"  # a code point that no text has


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the handlers; ``ExtensionError`` where grokbook is on the path but not installed."""
    if PlotlyMimeRenderer not in load_mime_renders():  # and myst-nb would drop every figure silently
        raise ExtensionError("grokbook's mime renderer is not registered: pip install -e '.[book]'")
    app.add_directive("executions", ExecutionTable)
    app.connect("config-inited", _configure)
    app.connect("autodoc-skip-member", _skip_plain_fields)
    app.connect("autodoc-skip-member", _skip_tables)
    app.connect("autodoc-process-signature", _without_private_fields)
    app.connect("autodoc-process-docstring", _hide_colons, priority=400)
    app.connect("autodoc-process-docstring", _show_colons, priority=600)
    app.connect("builder-inited", _vendor)
    app.connect("doctree-resolved", _finish_page, priority=900)
    app.connect("html-page-context", _choose_scripts, priority=900)
    app.connect("build-finished", _publish)
    directives.setup(app)
    app.add_css_file("grokbook.css", priority=900)
    app.add_js_file("grokbook-figures.js", loading_method="defer")
    app.add_js_file("grokbook-explorer.js", loading_method="defer")
    app.add_js_file(PREDICT, loading_method="defer")
    app.add_js_file("grokbook-search.js")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def vendored_sources() -> dict[str, Path]:
    """Return the scripts to copy: path below `_static` -> installed file."""
    plotly, mathjax = (Path(str(files(package))) for package in ("plotly", "sphinx-mathjax-offline"))
    return {
        PLOTLY: plotly / "package_data" / "plotly.min.js",
        MATHJAX: mathjax / "static" / "mathjax" / "tex-svg-full.js",
    }


def _configure(app: Sphinx, config: Config) -> None:
    config.mathjax_path = MATHJAX
    # The theme reads the mode from here; without it a page logs an error to the console.
    config.html_context.setdefault("default_mode", "auto")
    config.html_static_path.append(str(STATIC))


def _skip_plain_fields(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out fields of a NamedTuple that have nothing but a place in its signature."""
    if skip or not str(obj.__doc__).startswith("Alias for field number "):
        return None
    module, owner = (app.env.temp_data[f"autodoc:{part}"] for part in ("module", "class"))
    return (owner, name) not in ModuleAnalyzer.for_module(module).find_attr_docs()


def _skip_tables(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out of all that `grokbook.figures` offers what the page on tables names."""
    if what != "module" or app.env.temp_data["autodoc:module"] != "grokbook.figures":
        return None
    page = Path(app.env.doc2path(TABLES))
    app.env.note_dependency(str(page))  # an entry there changes this page, too
    return True if name in re.findall(r"autofunction:: (\w+)", page.read_text("utf8")) else None


def _without_private_fields(
    app: Sphinx, what: str, name: str, obj: Any, options: object, signature: str | None, returns: str | None
) -> tuple[str, str] | None:
    """Write the signature of a dataclass whose defaults are made by functions, which Sphinx cannot take apart."""
    if what != "class" or not is_dataclass(obj) or "<factory>" not in (signature or ""):
        return None
    shown = [field for field in fields(obj) if field.init and not field.name.startswith("_")]
    optional = [field.default is not MISSING or field.default_factory is not MISSING for field in shown]
    parts = [f"{one.name}: {one.type}{' = ...' * default}" for one, default in zip(shown, optional, strict=True)]
    return f"({', '.join(parts)})", ""


def _hide_colons(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep napoleon, which comes next, from taking what stands before a colon for the type of an attribute."""
    if what in ("attribute", "data", "property") and lines:
        lines[0] = lines[0].replace(":", HIDDEN_COLON)


def _show_colons(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = [line.replace(HIDDEN_COLON, ":") for line in lines]


def _vendor(app: Sphinx) -> None:
    if app.builder.format != "html":
        return
    for name, source in vendored_sources().items():
        target = Path(app.outdir, "_static", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if name == PLOTLY:
            target.write_text(compiled_ahead(source.read_text("utf8")), "utf8")


def compiled_ahead(script: str) -> str:
    """plotly.js with parentheses around its body: Chromium compiles that while the page is read, not when it is run.

    A body in parentheses is taken for one that is called at once. One that is wrapped in another way stays as it is.
    """
    start, end = "this, () => {", "return Plotly;\n}));"
    if script.count(start) != 1 or not script.rstrip().endswith(end):
        return script
    head, body = script.rstrip().removesuffix("));").split(start)
    return f"{head}this, (() => {{{body})));\n"


def _finish_page(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Have Sphinx set MathJax up where only figures or their captions hold formulas; take out thebe's settings."""
    if _has_figures(doctree):
        app.env.get_domain("math").data["has_equations"][docname] = True
    for node in [node for node in doctree.findall(nodes.raw) if "text/x-thebe-config" in node.astext()]:
        node.parent.remove(node)


def _has_figures(doctree: nodes.document) -> bool:
    return any(mark in node.astext() for node in doctree.findall(nodes.raw) for mark in FIGURES)


def _choose_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Leave scripts out that a page does not need; have plotly.js read and compiled beside a page with figures."""
    predicts = doctree is not None and any(predictor.CLASS in node.astext() for node in doctree.findall(nodes.raw))
    left_out = LEFT_OUT if predicts else (*LEFT_OUT, PREDICT)

    def asked_for(asset: Any) -> bool:
        text = f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', '')}"
        return not any(name in text for name in left_out)

    for kind in {"script_files", "css_files"} & context.keys():
        context[kind][:] = filter(asked_for, context[kind])
    if doctree is not None and _has_figures(doctree):
        path = context["pathto"](f"_static/{PLOTLY}", 1)
        context["metatags"] = f'{context.get("metatags", "")}\n<link rel="preload" as="script" href="{path}">'


def _publish(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        side_files.publish(app.doctreedir, app.outdir)
        accessibility.mend_site(Path(app.outdir))
