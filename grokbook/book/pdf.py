"""The whole book as one PDF: ``make pdf``, or ``python -m grokbook.book.pdf``.

Chromium prints each page of the built site, every figure drawn and every folded box open; the pages are joined in the
order of the table of contents, with bookmarks, and links from page to page lead to places in the same file. The
explorer, which is nothing without its controls, is left out.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urldefrag

from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import ArrayObject, Fit, NameObject
from sphinx_external_toc.parsing import parse_toc_yaml

from grokbook.book.build import BuildError, build, from_checkout
from grokbook.book.chromium import chromium
from grokbook.runs import disk

LEFT_OUT = ("explorer",)
WIDTH, HEIGHT = 760, 1075
"""Of the window, in pixels: that of the text on A4 paper, so that figures are drawn at the size they are printed in."""
TEMPLATES = files(__package__) / "templates"


def pdf(root: Path, target: Path) -> Path:
    """Build the site if it is not up to date, and print it; the file is replaced when all went well.

    Besides what :func:`grokbook.book.build.build` raises: ``BuildError`` where a figure cannot be drawn, and
    ``FileNotFoundError`` where there is no Chromium.
    """
    site = build(root).parent
    names = [name for name in parse_toc_yaml(root / "book" / "_toc.yml") if name not in LEFT_OUT]
    writer, starts = PdfWriter(), {}
    for name, (title, content) in zip(names, printed(site, names), strict=True):
        starts[name] = len(writer.pages)
        writer.append(PdfReader(io.BytesIO(content)), import_outline=False)
        writer.add_outline_item(title=title, page_number=starts[name])
    _keep_links_inside(writer, site, starts)
    for _ in range(3):  # a font and its file, an image and its mask: those inside have to be one before those around
        writer.compress_identical_objects(remove_duplicates=True, remove_unreferenced=True)
    writer.add_metadata({"/Title": "grokbook", "/Author": "The grokbook authors"})
    with disk.replacing(target) as partial:
        writer.write(partial)
    return target


def printed(site: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Title and PDF of each page."""
    ready, footer = ((TEMPLATES / name).read_text("utf8") for name in ("print.js", "footer.html"))
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.set_default_timeout(120_000)
        page.emulate_media(media="print")
        for name in names:
            page.goto((site / f"{name}.html").as_uri())
            missing = page.evaluate(ready)
            if missing:
                raise BuildError(f"{name}: {missing} figures could not be drawn")
            yield (
                page.title().partition(" — ")[0],
                page.pdf(
                    format="A4",
                    print_background=True,
                    display_header_footer=True,
                    header_template="<span></span>",
                    footer_template=footer,
                    margin={"top": "14mm", "bottom": "16mm", "left": "8mm", "right": "8mm"},
                ),
            )


def _keep_links_inside(writer: PdfWriter, site: Path, starts: dict[str, int]) -> None:
    """Let links to other pages of the site lead to these pages here; drop those to files, which nobody will have."""
    base = f"{site.as_uri()}/"
    for number, page in enumerate(writer.pages):
        for reference in page.pop("/Annots", None) or ():
            note = reference.get_object()
            uri = str(note.get("/A", {}).get("/URI", ""))
            name = unquote(urldefrag(uri.removeprefix(base)).url).removesuffix(".html")
            if not uri.startswith("file:"):
                page.setdefault(NameObject("/Annots"), ArrayObject()).append(reference)
            elif name in starts:
                writer.add_annotation(number, Link(rect=note["/Rect"], target_page_index=starts[name], fit=Fit.fit()))


if __name__ == "__main__":
    target = Path("book", "_build", "grokbook.pdf")
    sys.exit(from_checkout(lambda root: pdf(root, root / target), "the book is printed"))
