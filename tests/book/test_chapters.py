"""Every chapter follows one template, so that a reader finds the same things at the same places."""

import re
from pathlib import Path

import pytest
import yaml
from chapters import CHAPTERS, DRAWING, cells, drawing_helpers, draws, sections
from checkout import ROOT

from grokbook.book import pages
from grokbook.paper.claims import CLAIMS

OPENING = ["Overview.", "What you need.", "How long it takes.", "Where in the paper.", "The question."]
LOOK, PAPER, FOUND = "*What to look at:*", "**What the paper says", "**What we find"
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


@each_chapter
def test_a_chapter_opens_with_what_a_reader_wants_to_know_first(chapter):
    opening = cells(chapter, "markdown")[0]
    assert re.findall(r"^\*\*([^*\n]+\.)\*\*", opening, flags=re.M)[: len(OPENING)] == OPENING


@each_chapter
def test_a_chapter_ends_with_a_summary_and_leads_to_the_next_notebook(chapter):
    *_, (heading, text, code) = sections(chapter)
    assert heading == "Summary"
    assert code or len(text) > 200
    pages = [
        entry["file"]
        for part in yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())["parts"]
        for entry in part["chapters"]
        if entry["file"].startswith("notebooks/")
    ]
    following = pages[pages.index(f"notebooks/{chapter.stem}") + 1]
    link = re.match(r"\*\*Next:\*\* \[[^]]+\]\(([^)]+)\)", text.rstrip().split("\n\n")[-1])
    expected = f"{Path(following).name}.ipynb"
    assert link, f"{chapter.name}: end with **Next:** and a link to {expected}"
    assert link[1] == expected, f"{chapter.name}: in book/_toc.yml the next one is {expected}; then make pair"


@each_chapter
def test_every_figure_comes_with_what_to_look_at_and_what_to_compare_it_with(chapter):
    helpers = drawing_helpers(chapter)
    drawn = {heading: text for heading, text, code in sections(chapter) if draws(code, helpers)}
    assert drawn or chapter.stem in {"claims", "deviations"}
    assert {heading for heading, text in drawn.items() if LOOK not in text} == set()
    assert {heading for heading, text in drawn.items() if PAPER not in text and FOUND not in text} == set()
    whole = "\n".join(cells(chapter, "markdown"))
    assert PAPER in whole
    assert FOUND in whole


@pytest.mark.parametrize("page", sorted({pages.of_claim(claim).page for claim in CLAIMS}))
def test_a_chapter_that_shows_claims_ends_with_their_verdicts(page):
    *_, (_, text, code) = sections(ROOT / "notebooks" / f"{page}.md")
    assert re.search(rf'pages\.judgements\([^"]*, "{page}"\)', code[-1])
    assert "[the claims](claims.ipynb)" in text


@each_chapter
def test_text_is_plain_enough_for_readers_without_sphinx(chapter):
    """Colab and JupyterLab show roles and directives as they are written."""
    for text in cells(chapter, "markdown"):
        assert not re.search(r"\{[\w:-]+\}`|^\s*(:{3,}|`{3,}\{)", text, flags=re.M)


def test_what_counts_as_drawing_are_the_functions_that_make_figures():
    assert {"accuracy_curves", "layer_spectra", "logit_map", "outcome_grid"} <= DRAWING
    assert not {"table", "outcome_table", "pretty"} & DRAWING
    assert draws(["for run in runs:\n    display(figures.logit_map(run))"])
    assert draws(["draw(runs, 'x')"], {"draw"})
    assert not draws(["figures.table(figures.outcome_table(runs))"])
