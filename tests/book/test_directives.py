"""Directives and roles, in a page of their own."""

import re
from pathlib import Path

import pytest
from book_sample import ROOT, write_sample_book

from grokbook.book import directives
from grokbook.book.build import BuildError, build
from grokbook.paper import claims
from grokbook.training import ensure as store

pytestmark = pytest.mark.xdist_group("browser")  # one process builds the book


@pytest.fixture(scope="module")
def judged() -> dict[str, claims.Judgement]:
    return {each.claim.name: each for each in claims.judge(store.default_store())}


def test_the_landing_page_counts_the_verdicts_that_the_claims_have(judged):
    page = (build(ROOT).parent / "intro.html").read_text("utf8")
    assert claims.counted(judged.values()) in page
    chips = re.findall(r'<span class="gb-verdict [^"]*">(C\d+) ([^<]+)</span>', page)
    assert dict(chips) == {name: each.verdict.value for name, each in judged.items()}
    assert len(chips) == len(judged), "each claim is on one card"


def test_every_published_run_is_in_the_explorer():
    site = build(ROOT).parent
    page = (site / "explorer.html").read_text("utf8")
    (script,) = re.findall(r'data-runs="([^"?]+)\?', page)
    listed = (site / "_static" / "explorer" / script).read_text("utf8")
    for folder in directives.published().folders():
        key = folder.name.rpartition("-")[2][:8]
        assert f'"key":"{key}"' in listed
        for name in (f"run-{key}.js", f"spectra-{key}.csv"):
            assert (site / "_static" / "explorer" / name).is_file()


def test_a_claim_that_does_not_exist_breaks_the_build(tmp_path: Path, monkeypatch):
    root = write_sample_book(tmp_path / "repository")
    intro = root / "book" / "intro.md"
    intro.write_text(intro.read_text() + "\n\nWhat of {verdict}`C99`?\n")
    with pytest.raises(BuildError, match="no claim 'C99'"):
        build(root)
