import pytest

from grokbook.analysis import frequencies
from grokbook.analysis.frequencies import by_chance, drawn, multiple, others


def test_multiples_go_round_the_circle():
    assert multiple(36, [14, 18], 97) == (2, 18)
    assert multiple(43, [14, 18], 97) == (3, 18)  # 54 = 97 - 43
    assert multiple(41, [14, 18], 97) is None


def test_others_are_all_that_was_not_chosen():
    assert others(iter([5, 2, 2]), 5) == [1, 3, 4]
    assert others([], 2) == [1, 2]


def test_as_many_others_are_drawn_each_time():
    found = list(drawn([1, 4], 6))
    assert len(found) == frequencies.DRAWS
    assert all(len(set(each)) == 2 and set(each) <= {2, 3, 5, 6} for each in found)
    assert len({tuple(each) for each in found}) > 1
    assert found == list(drawn([4, 1], 6)), "the same at each call"
    assert list(drawn([1, 2], 3)) == [], "one is left, where two are wanted"


def test_two_sets_share_by_chance_what_independent_draws_would():
    """Each of the other's three has a chance of 4 / 6."""
    assert by_chance([1, 2, 3, 4], [2, 5, 6], 6) == pytest.approx(2)
