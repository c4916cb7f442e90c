import re
import subprocess
import sys

import docutils.nodes
import pytest
from checkout import ROOT

from grokbook import RunStore
from grokbook.book import pages
from grokbook.paper.claims import CLAIMS
from grokbook.paper.experiments import EXPERIMENTS


def test_every_experiment_has_a_place():
    assert pages.EXPERIMENTS.keys() == EXPERIMENTS.keys()


@pytest.mark.parametrize("place", sorted(set(pages.EXPERIMENTS.values())), ids=lambda place: place.address)
def test_a_place_is_a_heading_of_its_page(place):
    headings = re.findall(r"^##+ (.+)$", (ROOT / "notebooks" / f"{place.page}.md").read_text(), re.MULTILINE)
    assert place.anchor in map(docutils.nodes.make_id, headings), f"{place.page} has {headings}"


def test_a_place_is_named_as_a_sentence_does():
    place = pages.Place("pre_grokked", "linear-expressions")
    assert (place.address, place.title) == ("pre_grokked.html#linear-expressions", "pre-grokked")


def test_a_page_has_the_claims_whose_figures_it_shows(tmp_path):
    names = [judgement.claim.name for judgement in pages.judgements(RunStore(tmp_path), "mixtures")]
    assert names == ["C8", "C9", "C19"]
    shown = [claim for page in {each.page for each in pages.EXPERIMENTS.values()} for claim in _claims(page)]
    assert sorted(shown) == sorted(claim.name for claim in CLAIMS), "each on one page"


def _claims(page):
    return [claim.name for claim in CLAIMS if pages.of_claim(claim).page == page]


def test_places_are_known_without_jupyter_or_torch():
    code = (
        "import sys; from grokbook.book import pages; print(*{'torch', 'plotly', 'IPython', 'sphinx'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
