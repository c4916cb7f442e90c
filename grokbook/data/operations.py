"""Integer polynomials in two operands, a and b: reading, evaluating mod p, naming and classifying them.

An `Operation` is its expanded polynomial over the integers, and nothing else: ``a+b`` and ``b + a`` are one
operation, so are ``ab``, ``b*a`` and ``a·b``, or ``(a+b)^2`` and ``a^2+2ab+b^2``; ``a-b`` and ``b-a`` are
two. Identity does not depend on the modulus: ``98a+b`` is not ``a+b``, although the two agree mod 97.

    >>> op = Operation.parse("a*a + b*a + b**2")
    >>> str(op), op.kind.value, op(96, 2, 97)
    ('a^2+ab+b^2', 'cross_high', 3)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from operator import index
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, overload

import numpy as np

from grokbook.data.expressions import (
    LATEX,
    MAX_LENGTH,
    TEXT,
    UNICODE,
    Polynomial,
    Summand,
    add,
    clip,
    excess,
    power,
    read,
    scale,
    write,
)

if TYPE_CHECKING:
    from torch import Tensor

MAX_MODULUS: Final = 2**31  # (p-1)² + (p-1) must fit into int64


class Kind(StrEnum):
    """Where a polynomial stands in the paper's taxonomy (Tables 1 and 3); the first kind that fits."""

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


class Term(NamedTuple):
    """One monomial, coefficient · a^a · b^b."""

    coefficient: int
    a: int
    b: int


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Operation:
    """A polynomial f(a, b) with integer coefficients that depends on a or b, of total degree at most 32.

    Equality and hash are those of the expanded polynomial; `str` is its canonical name. A constant is no
    operation: with nothing to compute from a and b there is nothing to learn.
    """

    terms: tuple[Term, ...]
    """Non-zero, by falling total degree, then falling power of a: as `from_coefficients` makes them."""

    def __post_init__(self) -> None:
        if self.terms != _sorted_terms(self.coefficients):
            raise ValueError("terms are not in canonical order: use Operation.from_coefficients")
        if any(min(t.a, t.b) < 0 for t in self.terms):
            raise ValueError("an operation has no negative powers")
        if self.degree < 1:
            raise ValueError("an operation must depend on a or b, this one is constant")
        problem = excess(self.coefficients)
        if not problem and len(str(self)) > MAX_LENGTH:
            problem = f"its name would be longer than {MAX_LENGTH} characters"
        if problem:
            raise ValueError(f"operation too large: {problem}")

    @classmethod
    def parse(cls, text: Any) -> Operation:
        """Read an expression such as ``2a - 3b``, ``a*b+b``, ``(a-b)**4``, ``a² − 2·a×b``.

        Numbers, a, b, ``+ - *``, powers ``^`` or ``**`` or superscripts, parentheses, and products without a
        sign (``2ab``, ``(a+b)(a-b)``). A power takes a plain number from 0 to 32.

        Raises:
            ValueError: `text` is no string, does not read, or is too large (see the limits of this module);
                the message names the column (counted from 1).
        """
        if not isinstance(text, str):
            raise ValueError(f"an operation is read from a string, not from {type(text).__name__}")
        return _parsed(text)

    @classmethod
    def from_coefficients(cls, coefficients: Mapping[tuple[int, int], int]) -> Operation:
        """The operation Σ coefficients[i, j] · aⁱ · bʲ; zeros may be given.

        Raises:
            TypeError: a coefficient is no integer.
            ValueError: the polynomial is constant, has negative powers or exceeds a limit.
        """
        return cls(terms=_sorted_terms(coefficients))

    @overload
    def __call__(self, a: int, b: int, p: int) -> int: ...
    @overload
    def __call__(self, a: np.ndarray, b: np.ndarray, p: int) -> np.ndarray: ...
    @overload
    def __call__(self, a: Tensor, b: Tensor, p: int) -> Tensor: ...
    def __call__(self, a: Any, b: Any, p: int) -> Any:
        """f(a, b) mod p, exactly, in 0..p-1.

        Args:
            a: integer, integer numpy array or integer torch tensor, of any dtype but torch.uint64.
            b: likewise, of a shape that broadcasts with a's. Arrays do not mix with tensors.
            p: modulus, 2..2³¹, prime or not.

        Returns:
            An int for two integers, else int64 of the broadcast shape.

        Raises:
            TypeError: an operand or p is not integer.
            ValueError: p is out of range.
        """
        p = index(p)
        if not 2 <= p <= MAX_MODULUS:
            raise ValueError(f"modulus p = {p} is not in 2..{MAX_MODULUS}")
        if any(map(_is_tensor, (a, b))) and any(isinstance(x, np.ndarray) for x in (a, b)):
            raise TypeError("operands mix a numpy array with a torch tensor")
        a, b = _residues(a, p), _residues(b, p)
        powers_a = _powers(a, max(term.a for term in self.terms), p)
        powers_b = _powers(b, max(term.b for term in self.terms), p)
        total = 0 * (a + b)  # carries the broadcast shape even where f does not depend on b
        for term in self.terms:
            monomial = powers_a[term.a] * powers_b[term.b] % p
            total = (total + term.coefficient % p * monomial) % p
        return total

    def __str__(self) -> str:
        """Canonical name, without spaces; `parse` reads it back to the same operation.

        f(a±b) of degree >= 2 is written in powers of (a±b), its linear part expanded: ``(a+b)^2+a+b``.
        All else is expanded, the first positive term in front, the others in the order of `terms`: ``b-a``.
        """
        return _name(self)

    def __repr__(self) -> str:
        return f"Operation.parse({str(self)!r})"

    @property
    def latex(self) -> str:
        """The canonical form as LaTeX, without dollar signs: ``a^{2}+ab+b^{2}``."""
        return write(self._summands(), LATEX)

    @property
    def pretty(self) -> str:
        """The canonical form in Unicode for labels: ``a²+ab+b²``, ``a−b``, and ``a·b`` for the product."""
        return "a·b" if self == _PRODUCT else write(self._summands(), UNICODE)

    @property
    def kind(self) -> Kind:
        """The kind of polynomial, from its algebra alone; see `Kind`."""
        if self.elementary:
            return Kind.ELEMENTARY
        if self.linear:
            return Kind.LINEAR
        if not self.has_cross_term:
            return Kind.POWER_SUM if self._is_power_sum() else Kind.UNIVARIATE
        if self.factorizable:
            return Kind.FACTORIZABLE
        only_ab = all(term.a + term.b <= 1 or (term.a, term.b) == (1, 1) for term in self.terms)
        return Kind.CROSS if only_ab else Kind.CROSS_HIGH

    @property
    def coefficients(self) -> Polynomial:
        """Coefficients of the expanded form by exponents (of a, of b)."""
        return {(term.a, term.b): term.coefficient for term in self.terms}

    @property
    def degree(self) -> int:
        """Total degree: 3 for a³+ab and for a²b."""
        return max((term.a + term.b for term in self.terms), default=0)

    @property
    def elementary(self) -> bool:
        """Whether this is a+b, a-b or ab (in this order of the operands)."""
        return self in (_SUM, _DIFFERENCE, _PRODUCT)

    @property
    def linear(self) -> bool:
        """Whether the total degree is 1; true of a+b and a-b too."""
        return self.degree == 1

    @property
    def has_cross_term(self) -> bool:
        """Whether some term of the expanded form holds both a and b."""
        return any(term.a and term.b for term in self.terms)

    @property
    def symmetric(self) -> bool:
        """Whether f(a, b) = f(b, a)."""
        return self.coefficients == {(t.b, t.a): t.coefficient for t in self.terms}

    @property
    def even_in_a(self) -> bool:
        """Whether f(-a, b) = f(a, b): only even powers of a (or none)."""
        return all(term.a % 2 == 0 for term in self.terms)

    @property
    def even_in_b(self) -> bool:
        """Whether f(a, -b) = f(a, b): only even powers of b (or none)."""
        return all(term.b % 2 == 0 for term in self.terms)

    @property
    def factorizable(self) -> bool:
        """Whether f factors *through* a+b or a-b: f(a, b) = g(a±b) with g of degree >= 2 (paper §6.2).

        Not the same as having a+b or a-b for a factor (`divisible_by_sum`, `divisible_by_difference`):
        a²-b² = (a+b)(a-b) has both and is no g(a±b), (a+b)²+1 is one and has neither.
        """
        return self._inner() is not None

    @property
    def outer(self) -> Operation | None:
        """The g of degree >= 2 with f(a, b) = g(a±b), as a polynomial in a; None where there is none."""
        inner = self._inner()
        return None if inner is None else Operation.from_coefficients({(k, 0): c for k, c in inner[1].items()})

    @property
    def divisible_by_sum(self) -> bool:
        """Whether a+b divides f over the integers, that is f(a, -a) = 0 for every a."""
        return self._vanishes_on_line(-1)

    @property
    def divisible_by_difference(self) -> bool:
        """Whether a-b divides f over the integers, that is f(a, a) = 0 for every a."""
        return self._vanishes_on_line(1)

    def _vanishes_on_line(self, slope: int) -> bool:
        by_degree = [0] * (self.degree + 1)
        for term in self.terms:
            by_degree[term.a + term.b] += term.coefficient * slope**term.b
        return not any(by_degree)

    def _is_power_sum(self) -> bool:
        n = self.degree
        return {key: abs(c) for key, c in self.coefficients.items()} == {(n, 0): 1, (0, n): 1}

    def _inner(self) -> tuple[int, dict[int, int]] | None:
        """(s, g) with f(a, b) = Σ g[k] (a + s·b)^k, s = ±1 and degree >= 2; None where there is none."""
        if self.degree < 2:
            return None
        g = {term.a: term.coefficient for term in self.terms if term.b == 0}  # the coefficients of f(a, 0)
        for sign in (1, -1):
            expanded: Polynomial = {}
            for k, coefficient in g.items():
                expanded = add(expanded, scale(power({(1, 0): 1, (0, 1): sign}, k), coefficient))
            if expanded == self.coefficients:
                return sign, g
        return None

    def _summands(self) -> list[Summand]:
        inner = self._inner()
        if inner is None:
            lead = next((term for term in self.terms if term.coefficient > 0), self.terms[0])
            ordered = [lead, *(term for term in self.terms if term is not lead)]
            return [Summand(t.coefficient, (("a", t.a), ("b", t.b))) for t in ordered]
        sign, g = inner
        base = "(a+b)" if sign > 0 else "(a-b)"
        high = [Summand(g[k], ((base, k),)) for k in sorted(g, reverse=True) if k > 1]
        low = [Summand(t.coefficient, (("a", t.a), ("b", t.b))) for t in self.terms if t.a + t.b <= 1]
        return high + low


# --- evaluation -----------------------------------------------------------------------------------


# A grid of 861 runs reads 2,800 expressions, of which 60 differ.
@lru_cache(maxsize=1024)
def _parsed(text: str) -> Operation:
    polynomial = read(text)
    try:
        return Operation.from_coefficients(polynomial)
    except ValueError as error:
        raise ValueError(f"cannot read {clip(text, 0)}: column 1: {error}") from None


@lru_cache(maxsize=1024)
def _name(operation: Operation) -> str:
    return write(operation._summands(), TEXT)


def _residues(x: Any, p: int) -> Any:
    """`x` mod p as an int or as int64."""
    if isinstance(x, int | np.integer) and not isinstance(x, bool):
        return int(x) % p
    if isinstance(x, np.ndarray) and x.dtype == np.uint64:  # reduce before widening: it need not fit into int64
        return np.asarray(x % np.uint64(p)).astype(np.int64)
    if isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.integer):
        return x.astype(np.int64) % p
    if _is_tensor(x) and str(x.dtype).removeprefix("torch.") in _TENSOR_INTEGERS:
        return x.long() % p
    kind = x.dtype if isinstance(x, np.ndarray) or _is_tensor(x) else type(x).__name__
    raise TypeError(f"operands must be integers or integer arrays, not {kind}")


_TENSOR_INTEGERS: Final = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "int64"})


def _is_tensor(x: Any) -> bool:
    """Whether `x` is a torch tensor; asked without importing torch, which takes longer than all else here."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def _powers(x: Any, highest: int, p: int) -> list[Any]:
    """[1, x, x², …] mod p up to x^highest; every product of two residues is reduced at once: no overflow."""
    powers: list[Any] = [1]
    for _ in range(highest):
        powers.append(powers[-1] * x % p)
    return powers


def pretty(text: str) -> str:
    """How an operation is written on pages: :attr:`Operation.pretty` of what the text says."""
    return Operation.parse(text).pretty


def _sorted_terms(polynomial: Mapping[tuple[int, int], int]) -> tuple[Term, ...]:
    terms = (Term(index(c), i, j) for (i, j), c in polynomial.items() if c)
    return tuple(sorted(terms, key=lambda term: (-term.a - term.b, -term.a)))


# --- the paper's operations -----------------------------------------------------------------------

_SUM: Final = Operation(terms=(Term(1, 1, 0), Term(1, 0, 1)))
_DIFFERENCE: Final = Operation(terms=(Term(1, 1, 0), Term(-1, 0, 1)))
_PRODUCT: Final = Operation(terms=(Term(1, 1, 1),))

CATALOGUE: Final[Mapping[Kind, tuple[Operation, ...]]] = MappingProxyType(
    {
        kind: tuple(map(Operation.parse, names.split()))
        for kind, names in {
            Kind.ELEMENTARY: "a+b a-b ab",
            Kind.LINEAR: "2a+b 2a-b 2a+3b 2a-3b",
            Kind.CROSS: "ab+a+b ab+b ab-b",
            Kind.UNIVARIATE: "a^2+b a^2-b a^3+2b a^3-2b",
            Kind.CROSS_HIGH: "a^2+ab+b^2 a^2+ab+b^2+a a^3+ab a^3+ab^2+b",
            Kind.POWER_SUM: "a^2+b^2 a^2-b^2 a^3+b^3 a^4+b^4 a^5+b^5 a^6+b^6 a^7+b^7",
            Kind.FACTORIZABLE: "(a+b)^2 (a+b)^2+a+b (a-b)^2 (a+b)^3 (a-b)^3 (a+b)^4 (a-b)^4 (a+b)^5 (a+b)^6 (a+b)^7",
        }.items()
    }
)
"""The 35 operations of the paper's Table 5, in the order of its groups. Its 42 columns are these, six of them
once more with a pre-grokked module, and a²-b² once more as factorizable. Which sums of powers and which
factorizable polynomials it holds is a reconstruction: the published text gives only their groups and numbers.
"""
