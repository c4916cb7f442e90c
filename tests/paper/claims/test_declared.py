import math
from collections import Counter

import pytest

from grokbook.paper.claims import CLAIMS
from grokbook.paper.claims.declared import Limit, SubClaim, declared


def kept(text):
    return SubClaim("C0", "", "a number", text, 3).limits


def test_every_claim_has_its_sub_claims_in_order():
    names = list(dict.fromkeys(each.claim for each in declared()))
    assert names == [claim.name for claim in CLAIMS], "declared.toml has a sub-claim for each claim, in order"
    assert {*Counter((each.claim, each.part) for each in declared()).values()} == {1}
    for claim in CLAIMS:
        parts = [each.part for each in declared() if each.claim == claim.name]
        assert parts in ([""], [*"abc"[: len(parts)]]), claim.name


def test_every_limit_is_one_that_a_number_can_keep_and_miss():
    for each in declared():
        assert each.limits, each
        for low, high, _ in each.limits:
            assert low <= high
            assert math.isfinite(low) or math.isfinite(high)
        assert each.runs == "all" or each.runs >= 0
        assert each.turning is None or each.turning > each.runs


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("≤ 0.5", [(-math.inf, 0.5, False)]),
        ("≥ 2/3", [(2 / 3, math.inf, False)]),
        ("≤ 1/1.5", [(-math.inf, 1 / 1.5, False)]),
        ("> 10 for a−b, < 2 for a+b", [(10, math.inf, True), (-math.inf, 2, True)]),
        ("interval above ½", [(0.5, math.inf, True)]),
        ("within 1.5 either way", [(1 / 1.5, 1.5, False)]),
        ("within 0.35–0.65", [(0.35, 0.65, False)]),
        ("≥ 0.9, and no", [(0.9, math.inf, False), (0, 0, False)]),
        ("lower for odd n, in each pair", [(1, 1, False)]),
        ("97 does, 59 and 113 do not", [(1, 1, False)]),
    ],
)
def test_a_limit_is_read_from_its_words(text, limits):
    assert kept(text) == tuple(Limit(*each) for each in limits)


@pytest.mark.parametrize("text", ["about 1", "≤", "≤ x", "larger, and larger still", ""])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(ValueError, match="is no limit"):
        kept(text)
