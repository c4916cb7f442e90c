"""Twins by definition, one pair after the other; and what arithmetic says of powers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokbook import data, twins
from grokbook.operations import CATALOGUE, Operation

EVERY_OPERATION = [operation for group in CATALOGUE.values() for operation in group]


def slow(operation, p, fraction, seed):
    def of_a(a):
        return tuple(operation(a, b, p) for b in range(p))

    def of_b(b):
        return tuple(operation(a, b, p) for a in range(p))

    train = data.split(p * p, fraction, seed).tolist()
    kinds = [(of_a(a), of_b(b)) for a in range(p) for b in range(p)]
    known = {kind for kind, drawn in zip(kinds, train, strict=True) if drawn}
    tested = [kind for kind, drawn in zip(kinds, train, strict=True) if not drawn]
    return sum(kind in known for kind in tested) / len(tested)


@pytest.mark.parametrize("n", range(2, 8))
@pytest.mark.parametrize("p", [7, 31, 97])
def test_a_power_has_as_many_values_as_arithmetic_says(n, p):
    of_a, of_b = twins.classes(Operation.parse(f"a^{n}+2b"), p)
    assert of_a.max() + 1 == (p - 1) // math.gcd(n, p - 1) + 1
    assert sorted(of_b) == list(range(p))


def test_values_are_alike_where_the_operation_is():
    of_a, of_b = twins.classes(Operation.parse("a^2+b"), 7)
    assert all(of_a[x] == of_a[-x % 7] for x in range(7))
    assert len(set(of_a.tolist())) == 4
    assert len(set(of_b.tolist())) == 7


@given(st.sampled_from(EVERY_OPERATION), st.sampled_from([5, 7, 11]), st.floats(0.1, 0.9), st.integers(0, 5))
def test_the_share_is_that_of_the_definition(operation, p, fraction, seed):
    assert twins.share_with_twins(operation, p, fraction, seed) == pytest.approx(slow(operation, p, fraction, seed))


def test_no_data_set_no_share():
    with pytest.raises(ValueError, match="prime"):
        twins.share_with_twins(Operation.parse("a+b"), 8, 0.3, 0)
