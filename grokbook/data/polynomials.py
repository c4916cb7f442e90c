"""Algebra of integer polynomials in a and b: values mod p, functions of a±b, kinds. Coefficients come by exponents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate, repeat
from operator import index
from typing import Any, NamedTuple

from grokbook.data.expressions import MAX_LENGTH, Coefficients, add, degree, excess, multiply


class Kind(StrEnum):
    """Where an operation stands in the paper's taxonomy (Tables 1 and 3); the first kind that fits a polynomial."""

    ELEMENTARY = "elementary"
    """a+b, a-b or ab, exactly."""
    LINEAR = "linear"
    """Total degree 1, a constant allowed: 2a-3b, b-a, a+b+1."""
    POWER_SUM = "power_sum"
    """±aⁿ ± bⁿ with n >= 2."""
    UNIVARIATE = "univariate"
    """Every term holds one operand only, degree >= 2, no power sum: a²+b, a³-2b."""
    FACTORIZABLE = "factorizable"
    """Factors through a±b: f(a+b) or f(a-b) for some f of degree >= 2: (a-b)³, (a+b)²+a+b."""
    CROSS = "cross"
    """c·ab plus terms of degree <= 1: ab+b, ab+a+b."""
    CROSS_HIGH = "cross_high"
    """Any other polynomial with a cross term: a²+ab+b², a³+ab."""
    TABLE = "table"
    """No formula at all, but a table; the paper has none of these."""

    @property
    def words(self) -> str:
        """How texts call it: "power sum"."""
        return self.value.replace("_", " ")


ELEMENTARY: tuple[Coefficients, ...] = ({(1, 0): 1, (0, 1): 1}, {(1, 0): 1, (0, 1): -1}, {(1, 1): 1})
"""a+b, a-b and ab, in this order of the operands."""


class Term(NamedTuple):
    """One monomial, coefficient · a^a · b^b."""

    coefficient: int
    a: int
    b: int


def sorted_terms(coefficients: Mapping[tuple[int, int], int]) -> tuple[Term, ...]:
    """Non-zero terms by falling total degree, then falling power of a. ``TypeError``: a coefficient is no integer."""
    terms = (Term(index(c), i, j) for (i, j), c in coefficients.items() if c)
    return tuple(sorted(terms, key=lambda term: (-term.a - term.b, -term.a)))


def check(terms: tuple[Term, ...]) -> None:
    """Raise ValueError unless these are the terms of an operation, in their order."""
    coefficients = {(term.a, term.b): term.coefficient for term in terms}
    if terms != sorted_terms(coefficients):
        raise ValueError("terms are not in canonical order: use Operation.from_coefficients")
    if any(min(exponents) < 0 for exponents in coefficients):
        raise ValueError("an operation has no negative powers")
    if degree(coefficients) < 1:
        raise ValueError("an operation must depend on a or b, this one is constant")
    problem = excess(coefficients)
    if not problem and len(name(terms)) > MAX_LENGTH:
        problem = f"its name would be longer than {MAX_LENGTH} characters"
    if problem:
        raise ValueError(f"operation too large: {problem}")


def evaluate(terms: Sequence[Term], a: Any, b: Any, p: int) -> Any:
    """The sum of terms mod p at residues a and b; every product of two residues is reduced at once: no overflow."""
    powers_a = _powers(a, max(term.a for term in terms), p)
    powers_b = _powers(b, max(term.b for term in terms), p)
    total = 0 * (a + b)  # carries the broadcast shape even where f does not depend on b
    for term in terms:
        monomial = powers_a[term.a] * powers_b[term.b] % p
        total = (total + term.coefficient % p * monomial) % p
    return total


def _powers(x: Any, highest: int, p: int) -> list[Any]:
    """[1, x, x², …] mod p up to x^highest."""
    return list(accumulate(repeat(x, highest), lambda power, x: power * x % p, initial=1))


def is_constant(f: Coefficients, p: int) -> bool:
    """Whether f takes one value only mod a prime p, like ``97a + 97b`` at p = 97 or ``a^3 - a`` at p = 3."""
    # x^p = x for residues, and a polynomial with all exponents below p is constant only if it looks so.
    reduced: Counter[tuple[int, int]] = Counter()
    for (i, j), coefficient in f.items():
        reduced[tuple((e - 1) % (p - 1) + 1 if e else 0 for e in (i, j))] += coefficient  # type: ignore[index]
    return not any(coefficient % p for exponents, coefficient in reduced.items() if exponents != (0, 0))


def outer(f: Coefficients) -> tuple[int, dict[int, int]] | None:
    """(s, g) with f(a, b) = Σ g[k] (a + s·b)^k, s = ±1 and degree >= 2; None where there is none."""
    if degree(f) < 2:
        return None
    g = {i: coefficient for (i, j), coefficient in f.items() if j == 0}  # the coefficients of f(a, 0)
    for sign in (1, -1):
        expanded: Coefficients = {}
        for k in range(max(g, default=0), -1, -1):  # Horner's rule
            expanded = add(multiply(expanded, {(1, 0): 1, (0, 1): sign}), {(0, 0): g.get(k, 0)})
        if expanded == f:
            return sign, g
    return None


def vanishes_on_line(f: Coefficients, slope: int) -> bool:
    """Whether f(a, slope · a) = 0 for every integer a."""
    by_degree: Counter[int] = Counter()
    for (i, j), coefficient in f.items():
        by_degree[i + j] += coefficient * slope**j
    return not any(by_degree.values())


def kind_of(f: Coefficients) -> Kind:
    """The kind of polynomial, from its algebra alone."""
    n = degree(f)
    if f in ELEMENTARY:
        return Kind.ELEMENTARY
    if n == 1:
        return Kind.LINEAR
    if not any(i and j for i, j in f):
        is_sum = {exponents: abs(c) for exponents, c in f.items()} == {(n, 0): 1, (0, n): 1}
        return Kind.POWER_SUM if is_sum else Kind.UNIVARIATE
    if outer(f) is not None:
        return Kind.FACTORIZABLE
    return Kind.CROSS if all(i + j <= 1 or (i, j) == (1, 1) for i, j in f) else Kind.CROSS_HIGH


@lru_cache(maxsize=1024)
def name(terms: tuple[Term, ...]) -> str:
    """The canonical form in ASCII, without spaces: see `Polynomial` in the module of operations."""
    text = ""
    for coefficient, product in _summands(terms):
        number = "" if abs(coefficient) == 1 and product else abs(coefficient)
        text += f"{'+' if coefficient > 0 else '-'}{number}{product}"
    return text.removeprefix("+")


def _summands(terms: tuple[Term, ...]) -> list[tuple[int, str]]:
    """What the canonical form is a sum of, in order: numbers, and what each of them multiplies."""
    inner = outer({(term.a, term.b): term.coefficient for term in terms})
    if inner is None:
        lead = next((term for term in terms if term.coefficient > 0), terms[0])
        return [_monomial(lead), *(_monomial(term) for term in terms if term is not lead)]
    sign, g = inner
    base = "(a+b)" if sign > 0 else "(a-b)"
    high = [(g[k], f"{base}^{k}") for k in sorted(g, reverse=True) if k > 1]
    return high + [_monomial(term) for term in terms if term.a + term.b <= 1]


def _monomial(term: Term) -> tuple[int, str]:
    powers = (("a", term.a), ("b", term.b))
    return term.coefficient, "".join(base if power == 1 else f"{base}^{power}" for base, power in powers if power)
