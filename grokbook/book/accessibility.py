"""Mend what Sphinx, myst-nb and the theme write that keeps a reader who hears a page, or a phone, from its content.

All but the last are for rules of axe-core that the finished pages broke; the browser tests run axe-core over all pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path


def _parameters(match: re.Match[str]) -> str:
    """A signature with a line for each parameter is a list, and not one of definitions without terms."""
    items = match[1].replace("<dd>", "<li>").replace("</dd>", "</li>")
    return f'<ul class="grokbook-parameters">{items}</ul>'


MENDS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    # Works in a bibliography are items of the list that docutils puts them into.
    (r'role="doc-biblioentry"', 'role="listitem"'),
    (r'(?s)<dl>\s*((?:<dd><em class="sig-param">(?:(?!</?d[ld]>).)*</dd>\s*)+)</dl>', _parameters),
    # The arrow that unfolds a part of the contents says of which page.
    (
        r'(<a class="[^"]*reference internal" href="[^"]*">([^<]*)</a><details[^>]*>)<summary>',
        r'\1<summary aria-label="Pages of \2">',
    ),
    # A fold says what is in it, and not only that something is.
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # The corner of a table is no heading of anything.
    (r"<th( [^>]*)?>(?:<p></p>)?</th>", r"<td\1></td>"),
    (r'<div id="pst-primary-sidebar"(?! role)', r'\g<0> role="complementary" aria-label="Contents and search"'),
    # The stylesheet has every icon as a letter of a font. This script makes pictures of them once more: 1.5 MB that are
    # run before the page is shown, and again at each change of a figure.
    (r'\s*<script src="[^"]*/scripts/fontawesome\.js[^"]*"></script>', ""),
)


def mended(page: str) -> str:
    """A page's HTML with all mends; one that is mended stays as it is."""
    for pattern, replacement in MENDS:
        page = re.sub(pattern, replacement, page)
    return page


def mend_site(folder: Path) -> None:
    """Mend every page below a folder, but for what is copied there as it is."""
    for path in folder.rglob("*.html"):
        if "_static" not in path.relative_to(folder).parts:
            path.write_text(mended(path.read_text("utf8")), "utf8")
