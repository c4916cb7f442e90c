"""What the README says was found is what the published runs say, and what it tells to call is there."""

import re
from itertools import chain

import pytest
from checkout import ROOT

import grokbook as gb
from grokbook.analysis.coordinates import MOST, Logarithms, leading, restriction

README = " ".join((ROOT / "README.md").read_text("utf8").split())
MAKEFILE = (ROOT / "Makefile").read_text("utf8")
NUMBERS = {3: "three", 4: "four", 5: "five", 6: "six"}


def published(operation: str) -> list[gb.Run]:
    runs = gb.default_store().stored([gb.paper.single(operation, seed=seed) for seed in (0, 1, 2)])
    assert len(runs) == 3
    return runs


def key_frequencies(run: gb.Run) -> int:
    return len(gb.fourier.key_frequencies(gb.fourier.spectrum(run.weights.W_E[: run.config.p])))


def test_addition_keeps_a_few_frequencies() -> None:
    counts = [key_frequencies(run) for run in published("a+b")]
    assert f"Of 48 frequencies, the embedding keeps {NUMBERS[min(counts)]} to {NUMBERS[max(counts)]}." in README


def test_multiplication_needs_all_until_it_is_seen_over_logarithms() -> None:
    runs = published("a*b")
    assert {key_frequencies(run) for run in runs} == {48}
    counts, kept, removed = set(), set(), set()
    for run in runs:
        found = leading(run.weights.W_E[:97], Logarithms())
        counts.add(len(found.frequencies))
        _, these, others = restriction(run, Logarithms(), found.frequencies)
        kept.add(f"{these:.0%}".removesuffix("%"))
        removed.add(f"{others:.0%}".removesuffix("%"))
    assert MOST == 0.8
    few, most = (NUMBERS[count] for count in sorted(counts))
    assert f"{few} or {most} frequencies make up 80 % of the embedding." in README
    assert kept == {"97", "100"}
    assert "With these alone, 97 to 100 % of the test pairs are right" in README
    assert f"with all but these, {' or '.join(sorted(removed))} %." in README


def test_half_right_is_right_on_mirror_images_alone() -> None:
    (run,) = gb.default_store().stored([gb.paper.single("a^2+ab+b^2", fraction=0.5)])
    mirrored, others = gb.analysis.symmetry.by_mirror(run)
    right = run.history.iloc[-1].test_accuracy
    assert mirrored == 1
    assert f"a²+ab+b² gets {100 * right:.0f} % of the test pairs right" in README
    assert f"and {100 * others:.0f} % of the others." in README


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make (\w+)", README)) - {"up"}))
def test_every_target_of_make_exists(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_every_link_to_a_file_leads_to_one() -> None:
    links = chain(re.findall(r"\]\(([\w./-]+)\)", README), re.findall(r'src(?:set)?="([^"]+)"', README))
    assert {link for link in links if not (ROOT / link).exists()} == set()
