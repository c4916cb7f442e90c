"""Which operations are one learning problem: the paper's, renamed tables, and none where there is none."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokbook.analysis import isomorphisms
from grokbook.analysis.isomorphisms import classes, isomorphism
from grokbook.data import Operation
from grokbook.data.catalogue import CATALOGUE

PAPER = [operation for group in CATALOGUE.values() for operation in group]


def names(found):
    return [[str(operation) for operation in each] for each in found if len(each) > 1]


def test_the_papers_35_operations_are_26_problems_with_one_embedding():
    found = classes(PAPER, 97)
    assert len(found) == 26
    assert names(found) == [
        ["a+b", "a^5+b^5", "a^7+b^7", "(a+b)^5", "(a+b)^7"],
        ["ab", "ab+a+b"],
        ["ab+b", "ab-b"],
        ["a^2+b", "a^2-b"],
        ["a^3+2b", "a^3-2b"],
        ["(a+b)^2", "(a+b)^2+a+b"],
    ]


def test_with_separate_embeddings_all_linear_ones_are_addition():
    found = names(classes(PAPER, 97, separate=True))
    assert {"a+b", "a-b", "2a+b", "2a-b", "2a+3b", "2a-3b"} <= set(found[0])
    assert found[1] == ["ab", "ab+a+b", "ab+b", "ab-b"]


@given(st.randoms(use_true_random=False), st.booleans(), st.sampled_from(["a+b", "a^2-b", "a^2+b^2", "a^3+ab", "ab"]))
def test_renamed_tables_are_recognised(random, separate, expression):
    p = 13
    generator = np.random.default_rng(random.randrange(2**32))
    f = Operation.parse(expression)
    pi, tau, sigma = (generator.permutation(p) for _ in range(3))
    tau = tau if separate else pi
    table = np.empty((p, p), int)
    table[np.ix_(pi, tau)] = sigma[f.labels(p)]
    g = Operation.from_table("renamed", table)
    found = isomorphism(f, g, p, separate)
    assert found.complete
    assert found.isomorphism is not None
    maps = found.isomorphism
    for bijection in maps.pi, maps.tau:
        assert sorted(bijection) == list(range(p))
    assert separate or (maps.pi == maps.tau).all()
    assert (g.labels(p)[np.ix_(maps.pi, maps.tau)] == maps.sigma[f.labels(p)]).all()


def by_trying_all(f, g, separate):
    """Whether some bijections of the residues turn one table into the other, up to labels."""
    p = len(f)

    def pattern(table):
        return np.unique(table, return_inverse=True)[1].reshape(-1)

    def first_seen(numbers):
        order = dict.fromkeys(numbers)
        rank = {number: k for k, number in enumerate(order)}
        return [rank[number] for number in numbers]

    wanted = first_seen(pattern(f))
    bijections = [np.array(x) for x in permutations(range(p))]
    return any(
        first_seen(pattern(g[np.ix_(pi, tau)])) == wanted
        for pi in bijections
        for tau in (bijections if separate else [pi])
    )


@given(st.data())
def test_agrees_with_a_search_through_all_bijections(data):
    p = 4
    tables = st.lists(st.integers(0, 2), min_size=p * p, max_size=p * p).filter(lambda x: len(set(x)) > 1)
    f, g = (np.array(data.draw(tables)).reshape(p, p) for _ in range(2))
    separate = data.draw(st.booleans())
    found = isomorphism(Operation.from_table("f f", f), Operation.from_table("g g", g), p, separate)
    assert (found.isomorphism is not None) == by_trying_all(f, g, separate)


def test_says_where_the_search_was_not_complete(monkeypatch):
    monkeypatch.setattr(isomorphisms, "MAX_REFINEMENTS", 3)
    found = isomorphism("a+b", "a^5+b^5", 7)
    assert not found.complete
    assert found.isomorphism is not None
    assert not isomorphism("2a+b", "2a+3b", 11).complete
    assert isomorphism("2a+b", "2a+3b", 11).isomorphism is None


def test_refuses_a_constant_and_a_table_of_another_modulus():
    with pytest.raises(ValueError, match="same value"):
        isomorphism("7a+7b", "a+b", 7)
    with pytest.raises(ValueError, match="no labels for p = 11"):
        isomorphism("a+b", Operation.from_function("max", max, 7), 11)
