"""Flat or not: the paper's operations, whole families, generic polynomials, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sympy import GF
from sympy.polys.rings import ring

from grokbook.analysis.flatness import is_flat
from grokbook.data import Operation
from grokbook.data.catalogue import CATALOGUE

P = 97


def test_four_operations_of_the_paper_are_not_flat():
    curved = [str(operation) for group in CATALOGUE.values() for operation in group if not is_flat(operation, P)]
    assert curved == ["a^2+ab+b^2", "a^2+ab+b^2+a", "a^3+ab", "a^3+ab^2+b"]


def in_one(variable):
    """Polynomials in one variable that are not constant, in parentheses."""
    coefficients = st.tuples(st.integers(-2, 2), st.integers(-2, 2)).filter(any)
    return coefficients.map(lambda c: f"({c[0]}*{variable}^2 + {c[1]}*{variable})".replace("+ -", "- "))


@given(in_one("a"), in_one("b"), st.sampled_from("+*"), st.integers(1, 3), st.integers(0, 5))
def test_functions_of_sums_and_products_are_flat(u, v, sign, n, k):
    assert is_flat(f"({u}{sign}{v})^{n} + {k}*({u}{sign}{v})", P)


@given(st.dictionaries(st.sampled_from([(i, j) for i in range(4) for j in range(4)]), st.integers(1, 96), min_size=8))
def test_a_generic_polynomial_is_not(coefficients):
    assume({(2, 1), (1, 2), (1, 1)} <= coefficients.keys())
    operation = Operation.from_coefficients(coefficients)
    assert not is_flat(operation, P)


@given(
    st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)), st.integers(1, 100), min_size=1),
    st.sampled_from([11, 97, 10007]),
)
def test_it_is_what_computer_algebra_says(coefficients, p):
    assume(any(i + j and c % p for (i, j), c in coefficients.items()))
    operation = Operation.from_coefficients(coefficients)
    space, a, b = ring("a, b", GF(p))
    f = space.from_dict({each: space.domain(c) for each, c in operation.coefficients.items()})
    f_a, f_b = f.diff(a), f.diff(b)
    bend = [u * u.diff(a).diff(b) - u.diff(a) * u.diff(b) for u in (f_a, f_b)]
    assert is_flat(operation, p) == bool(bend[0] * f_b**2 == bend[1] * f_a**2)


def test_it_is_exact_modulo_p():
    assert is_flat("a+b+31a^2*b", 31)
    assert not is_flat("a+b+31a^2*b", 37)


@pytest.mark.parametrize(
    ("operation", "p", "message"),
    [
        ("a+b", 96, "p must be prime"),
        ("a^7+b", 7, "degree 7"),
        ("a+*b", 7, "cannot read"),
    ],
)
def test_refuses(operation, p, message):
    with pytest.raises(ValueError, match=message):
        is_flat(operation, p)


def test_refuses_a_table():
    with pytest.raises(ValueError, match="no formula"):
        is_flat(Operation.from_function("max", max, 7), 7)


def test_refuses_a_constant():
    with pytest.raises(ValueError, match="same value"):
        is_flat("7a+7b", 7)
