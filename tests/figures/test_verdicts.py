import math

import pytest

from grokbook import figures
from grokbook.paper.claims import CLAIMS, Criterion, Judgement, Verdict
from grokbook.paper.claims.criteria import Value


def criterion(what: str, *values: float, start: float | None = None) -> Criterion:
    return Criterion(what=what, values=tuple(Value(i, v, start) for i, v in enumerate(values)), at_most=1.0)


@pytest.fixture
def judgements():
    return [
        Judgement(claim=CLAIMS[0], criteria=(criterion("x < y", 0.5, 0.7, start=1.0), criterion("z", 0.1, 0.1))),
        Judgement(claim=CLAIMS[1], criteria=(criterion("w", 0.5, 1.1),)),
        Judgement(claim=CLAIMS[2], criteria=(criterion("v"),)),
    ]


def test_claims_have_a_row_each(judgements):
    frame = figures.claims_table(judgements)
    assert frame["verdict"].tolist() == ["reproduced", "partly", "not yet run"]
    assert frame["seeds"].tolist() == ["2", "2", "0"]
    assert frame["numbers kept"].tolist() == ["4 of 4", "1 of 2", "–"]
    assert frame["other limits"].tolist() == ["–", "more lenient: reproduced", "–"]


def test_criteria_have_their_numbers(judgements):
    first = figures.criteria_table(judgements[0]).iloc[0].to_dict()
    assert first == {
        "number": "x < y",
        "median": "0.6",
        "limit": "at most 1",
        "before training": "1",
        "kept by": "2 of 2",
        "range": "0.5 to 0.7",
    }
    (missing,) = figures.criteria_table(judgements[2]).to_dict("records")
    assert (missing["median"], missing["range"], missing["kept by"]) == ("not yet run", "–", "–")


def test_a_run_without_a_number_is_no_number():
    judgement = Judgement(claim=CLAIMS[0], criteria=(criterion("x", 0.5, math.nan, 0.7), criterion("y", math.nan)))
    some, none = figures.criteria_table(judgement).to_dict("records")
    assert (some["median"], some["range"], some["kept by"]) == ("0.6", "0.5 to 0.7", "2 of 2, 1 undecided")
    assert (none["median"], none["range"], none["kept by"]) == ("none", "–", "1 undecided")


def section(judgement: Judgement) -> str:
    return figures.claim_section(judgement, "page.html#heading", "this & that").data


def test_a_section_says_what_it_hangs_on_and_how_to_run_it_again(judgements):
    whole, split, _ = (section(judgement) for judgement in judgements)
    assert '<section id="c1" class="claim"><h3>C1: reproduced (by 2 seeds)</h3>' in whole
    assert (section(judgements[2]).count("seed"), judgements[2].verdict) == (0, Verdict.NOT_YET_RUN)
    assert "x &lt; y" in whole
    assert f"grokbook sweep {CLAIMS[0].experiments[0]}" in whole
    assert '<a href="page.html#heading">this &amp; that</a>' in whole
    assert "disagree" not in whole
    assert "Seeds disagree on: w." in split
    symbol = Judgement(claim=CLAIMS[1], criteria=(criterion("norms of W_L", 0.5, 1.1),))
    assert "Seeds disagree on: norms of W<sub>L</sub>." in section(symbol)
    assert "With more lenient limits: reproduced." in split
