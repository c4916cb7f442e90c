"""What a reader has to load: budgets for pages and for the data of figures."""

import re
from pathlib import Path

import pytest
from book_sample import ROOT

from grokbook.book.build import build

pytestmark = pytest.mark.xdist_group("browser")  # one process builds the book

PAGE, FIGURE = 150_000, 1_500_000
"""Bytes at most, of a page's HTML and of the data of one figure."""


@pytest.fixture(scope="module")
def book() -> Path:
    return build(ROOT).parent


def test_pages_are_light(book):
    pages = [path for path in book.rglob("*.html") if "_static" not in path.parts]
    pages.remove(book / "genindex.html")  # every name of the library on one page, which nobody reads through
    assert len(pages) > 10
    assert not {path.name: path.stat().st_size for path in pages if path.stat().st_size > PAGE}


def test_the_data_of_a_figure_is_light_and_so_are_its_numbers(book):
    files = [path for folder in ("figures", "explorer") for path in (book / "_static" / folder).iterdir()]
    assert len(files) > 100
    assert not {path.name: path.stat().st_size for path in files if path.stat().st_size > FIGURE}


def test_every_figure_in_a_page_has_both_files(book):
    for page in book.rglob("*.html"):
        for key in re.findall(r'data-figure="([^"]+)"', page.read_text("utf8")):
            for suffix in (".js", ".csv"):
                assert (book / "_static" / "figures" / (key + suffix)).is_file(), (page.name, key)
