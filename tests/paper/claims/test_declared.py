import re
from collections import Counter

import pytest

from grokbook.paper.claims import CLAIMS
from grokbook.paper.claims.declared import declared

IN_WORDS = {
    *("yes", "no", "larger", "last", "fewer than half", "lower for even n", "lower for odd n", "helps ≤ hurts"),
    "97 does, 59 and 113 do not",
}
"""Limits of a comparison, or of whether runs grok, which hold or do not."""
OF_EACH = {"for each n", "in each pair"}
NUMBER = r"(?:\d+(?:\.\d+)?(?:/\d+(?:\.\d+)?)?|½)"
IN_NUMBERS = re.compile(
    rf"(?:≤|≥|<|>|interval above) {NUMBER}(?: for .+| at some r)?|within {NUMBER}(?:–{NUMBER}| either way)"
)


def is_limit(text: str) -> bool:
    """Whether a text says where each of the numbers that it is about has to lie."""
    parts = [text] if text in IN_WORDS else re.split(", (?:and )?", text)
    limits = [part for part in parts if part not in OF_EACH]
    return bool(limits) and all(part in IN_WORDS or IN_NUMBERS.fullmatch(part) for part in limits)


def test_every_claim_has_its_sub_claims_in_order():
    names = list(dict.fromkeys(each.claim for each in declared()))
    assert names == [claim.name for claim in CLAIMS], "declared.toml has a sub-claim for each claim, in order"
    assert {*Counter((each.claim, each.part) for each in declared()).values()} == {1}
    for claim in CLAIMS:
        parts = [each.part for each in declared() if each.claim == claim.name]
        assert parts in ([""], [*"abc"[: len(parts)]]), claim.name


def test_every_sub_claim_has_a_limit_and_a_number_of_runs():
    for each in declared():
        assert is_limit(each.kept), each
        assert each.runs == "all" or each.runs >= 0
        assert each.turning is None or each.turning > each.runs


@pytest.mark.parametrize("text", ["about 1", "≤", "≤ x", "larger, and larger still", "for each n", ""])
def test_what_is_no_limit_is_seen(text):
    assert not is_limit(text)
