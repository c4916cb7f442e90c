"""The sample book on paper."""

from pathlib import Path

import pytest
from book_sample import sample_site
from pypdf import PdfReader
from sphinx_external_toc.parsing import parse_toc_yaml

from grokbook.book import chromium, pdf
from grokbook.book.build import BuildError

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    root = sample_site().parents[2]
    return PdfReader(pdf.pdf(root, tmp_path_factory.mktemp("pdf") / "book.pdf"))


def annotations(paper: PdfReader) -> list[dict]:
    return [note.get_object() for page in paper.pages for note in page.get("/Annots") or ()]


def test_every_page_has_a_bookmark_in_the_order_of_the_contents(paper):
    titles = [item.title for item in paper.outline]
    assert titles == ["A sample book", "A travelling wave", "Look up"]
    starts = [paper.get_destination_page_number(item) for item in paper.outline]
    assert starts[0] == 0 < starts[1] < starts[2]


def test_figures_are_drawn_with_the_text_on_their_axes(paper):
    text = " ".join(page.extract_text() for page in paper.pages)
    assert "A wave of frequency" in text  # the caption
    assert "k = 3" in text  # a legend, which only a drawn figure has


def test_links_lead_to_the_web_or_stay_in_the_file(paper):
    uris = [str(note.get("/A", {}).get("/URI", "")) for note in annotations(paper)]
    assert not [uri for uri in uris if uri.startswith("file:")]
    inside = [note for note in annotations(paper) if "/Dest" in note or note.get("/A", {}).get("/S") == "/GoTo"]
    assert inside, "the card on the first page leads to the chapter"


def test_contents_are_walked_from_top_to_bottom(tmp_path: Path):
    toc = tmp_path / "_toc.yml"
    toc.write_text(
        "format: jb-book\nroot: a\nparts:\n- caption: One\n  chapters:\n  - file: b\n    sections:\n    - file: c\n"
        "- caption: Two\n  chapters:\n  - file: d\n"
    )
    assert list(parse_toc_yaml(toc)) == ["a", "b", "c", "d"]


def test_a_figure_that_cannot_be_drawn_is_an_error(tmp_path: Path):
    (tmp_path / "bad.html").write_text('<figure class="grokbook-figure"></figure>')
    with pytest.raises(BuildError, match="bad: 1 figures"):
        list(pdf.printed(tmp_path, ["bad"]))


def test_without_a_browser_it_says_so(monkeypatch):
    monkeypatch.delenv(chromium.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=chromium.VARIABLE):
        chromium.executable()
