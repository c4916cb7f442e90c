"""Random polynomials: what the families promise, and that a seed gives the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from grokbook.analysis import unseen
from grokbook.analysis.flatness import is_flat
from grokbook.analysis.isomorphisms import isomorphism
from grokbook.data import Operation
from grokbook.data.catalogue import CATALOGUE


def test_a_seed_gives_the_same_polynomials_of_each_family():
    found = list(unseen.polynomials(2))
    assert found == list(unseen.polynomials(2))
    assert [family for family, _ in found] == [each.__name__ for each in unseen.FAMILIES for _ in range(2)]
    assert [operation for _, operation in unseen.polynomials(2, seed=1)] != [operation for _, operation in found]


def test_no_two_are_the_same_problem_and_none_is_the_papers():
    known = [operation for group in CATALOGUE.values() for operation in group]
    for _, operation in unseen.polynomials(2):
        assert operation.degree <= unseen.DEGREE
        assert all(isomorphism(other, operation, unseen.P).isomorphism is None for other in known)
        known.append(operation)


@pytest.mark.parametrize("family", [unseen.sums, unseen.products, unseen.functions_of_sums])
def test_sums_products_and_their_functions_are_flat(family):
    generator = np.random.default_rng(3)
    for _ in range(20):
        operation = Operation.parse(family(generator))
        assert operation.degree <= unseen.DEGREE
        assert is_flat(operation, unseen.P)


@pytest.mark.parametrize("family", [unseen.sums, unseen.products, unseen.functions_of_sums])
def test_half_of_them_have_one_wave_for_both_operands(family):
    generator = np.random.default_rng(4)
    drawn = [Operation.parse(family(generator)) for _ in range(60)]
    assert 0.3 < np.mean([operation.symmetric for operation in drawn]) < 0.8
