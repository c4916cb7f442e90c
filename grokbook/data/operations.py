"""What is learned: a label f(a, b) mod p for each pair of operands, given by a polynomial or by a table.

A `Polynomial` is its expanded form over the integers, and nothing else: ``a+b`` and ``b + a`` are one operation, so are
``ab``, ``b*a`` and ``a·b``, or ``(a+b)^2`` and ``a^2+2ab+b^2``; ``a-b`` and ``b-a`` are two. Identity does not depend
on the modulus: ``98a+b`` is not ``a+b``, although the two agree mod 97. A `Table` is its name and its labels.

    >>> op = Operation.parse("a*a + b*a + b**2")
    >>> str(op), op.kind.value, op(96, 2, 97)
    ('a^2+ab+b^2', 'cross_high', 3)
    >>> division = Operation.from_function("a/b", lambda a, b: a * pow(b, -1, 5) % 5 if b else 0, p=5)
    >>> str(division), division.kind.value, division(3, 2, 5)
    ('a/b', 'table', 4)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, overload

import numpy as np
from jaxtyping import Int64

from grokbook.data import polynomials, tables
from grokbook.data.expressions import Coefficients, clip, degree, read, to_unicode
from grokbook.data.operands import is_tensor, reduced
from grokbook.data.polynomials import Kind, Term, sorted_terms

if TYPE_CHECKING:
    from torch import Tensor


class Operation(ABC):
    """A function of two residues to be learned: a `Polynomial`, or a `Table`.

    Equal operations are of one form and have the same terms, or the same name and labels. `str` is a canonical name.
    A constant is no operation: with nothing to compute from a and b there is nothing to learn.
    """

    __slots__ = ()

    @staticmethod
    def parse(text: Any) -> Polynomial:
        """Read an expression such as ``2a - 3b``, ``a*b+b``, ``(a-b)**4``, ``a² − 2·a×b``.

        Numbers, a, b, ``+ - *``, powers from 0 to 32 (``^``, ``**`` or superscripts), parentheses, and products
        without a sign (``2ab``, ``(a+b)(a-b)``). ``ValueError``: `text` is no string, does not read, or is too
        large; the message names the column, from 1.
        """
        if not isinstance(text, str):
            raise ValueError(f"an operation is read from a string, not from {type(text).__name__}")
        return _parsed(text)

    @staticmethod
    def from_coefficients(coefficients: Mapping[tuple[int, int], int]) -> Polynomial:
        """The operation Σ coefficients[i, j] · aⁱ · bʲ; zeros may be given.

        ``TypeError``: a coefficient is no integer. ``ValueError``: it is constant, has negative powers or is too large.
        """
        return Polynomial(terms=sorted_terms(coefficients))

    @staticmethod
    def from_table(name: str, table: Any) -> Table:
        """The operation whose labels stand in a table, such as the multiplication table of a group of p elements.

        A name has up to 30 printable characters and does not read as a polynomial. A table is an array, a tensor or
        nested lists: p × p whole numbers in 0..p-1, a along the rows.

        ``ValueError``: it is no such table, or has one label only; the message names the first wrong place.
        """
        tables.check_name(name)
        labels = tables.checked(name, table)
        return Table(name=name, p=len(labels), packed=tables.pack(labels))

    @staticmethod
    def from_function(name: str, function: Callable[[int, int], int], p: int) -> Table:
        """The operation whose label at residues a and b is ``function(a, b)``, an integer in 0..p-1; see `from_table`.

        ``ValueError``: as there, or the function fails; the message names the first wrong pair.
        """
        tables.check_name(name)
        return Operation.from_table(name, tables.filled(name, function, p))

    @staticmethod
    def of(value: Any) -> Operation:
        """An operation as it is, read from an expression, or from its own :attr:`plain` form.

        ``ValueError``: as `parse` and `from_table`; or the labels of a plain form are not those of its SHA-256.
        """
        if isinstance(value, Operation):
            return value
        return Operation.from_table(*tables.from_plain(value)) if isinstance(value, Mapping) else Operation.parse(value)

    @overload
    def __call__(self, a: int, b: int, p: int) -> int: ...
    @overload
    def __call__(self, a: np.ndarray, b: np.ndarray, p: int) -> np.ndarray: ...
    @overload
    def __call__(self, a: Tensor, b: Tensor, p: int) -> Tensor: ...
    def __call__(self, a: Any, b: Any, p: int) -> Any:
        """f(a, b) mod p, exactly, in 0..p-1.

        Args:
            a: integer, integer numpy array or integer torch tensor, of any dtype but torch.uint64; it counts mod p.
            b: likewise, of a shape that broadcasts with a's. Arrays do not mix with tensors.
            p: modulus, 2..2³¹, prime or not; of a table its own.

        Returns:
            An int for two integers, else int64 of the broadcast shape.

        ``TypeError``: an operand or p is not integer. ``ValueError``: p is out of range, or not that of the table.
        """
        return self._evaluate(*reduced(a, b, p))

    def labels(self, p: int) -> Int64[np.ndarray, "{p} {p}"]:
        """The labels of all pairs of residues, a along the rows."""
        a, b = np.ogrid[:p, :p]
        return self(a, b, p)

    def __repr__(self) -> str:
        return f"Operation.parse({str(self)!r})"

    @abstractmethod
    def __str__(self) -> str: ...

    @property
    def pretty(self) -> str:
        """Its name in Unicode for figures: ``a²+ab+b²``, ``a−b``, and ``a·b`` for the product."""
        return str(self)

    @property
    @abstractmethod
    def plain(self) -> str | dict[str, Any]:
        """All there is to it as plain values, for JSON; `of` reads it back."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """The kind of polynomial, from its algebra alone, or that it is a table; see `Kind`."""

    @property
    @abstractmethod
    def symmetric(self) -> bool:
        """Whether f(a, b) = f(b, a)."""

    @abstractmethod
    def check(self, p: int, operands: str = "residues") -> None:
        """Raise ValueError if there is nothing to learn mod a prime p, or no label for what the operands run over."""

    @abstractmethod
    def _evaluate(self, a: Any, b: Any, p: int) -> Any:
        """Labels at operands that are residues."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Polynomial(Operation):
    """A polynomial f(a, b) with integer coefficients that depends on a or b, of total degree at most 32.

    Its canonical name has no spaces, and `parse` reads it back. f(a±b) of degree >= 2 is written in powers of (a±b),
    its linear part expanded: ``(a+b)^2+a+b``. All else is expanded, the first positive term in front, the others in
    the order of `terms`: ``b-a``.
    """

    terms: tuple[Term, ...]
    """Non-zero, by falling total degree, then falling power of a: as `from_coefficients` makes them."""

    def __post_init__(self) -> None:
        polynomials.check(self.terms)

    def _evaluate(self, a: Any, b: Any, p: int) -> Any:
        return polynomials.evaluate(self.terms, a, b, p)

    def __str__(self) -> str:
        return polynomials.name(self.terms)

    @property
    def pretty(self) -> str:
        return "a·b" if self.coefficients == {(1, 1): 1} else to_unicode(str(self))

    @property
    def plain(self) -> str:
        return str(self)

    @property
    def kind(self) -> Kind:
        return polynomials.kind_of(self.coefficients)

    @property
    def coefficients(self) -> Coefficients:
        """Coefficients of the expanded form by exponents (of a, of b)."""
        return {(term.a, term.b): term.coefficient for term in self.terms}

    @property
    def degree(self) -> int:
        """Total degree: 3 for a³+ab and for a²b."""
        return degree(self.coefficients)

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
        return self.outer is not None

    @property
    def outer(self) -> Polynomial | None:
        """The g of degree >= 2 with f(a, b) = g(a±b), as a polynomial in a; None where there is none."""
        found = polynomials.outer(self.coefficients)
        return None if found is None else Operation.from_coefficients({(k, 0): c for k, c in found[1].items()})

    @property
    def divisible_by_sum(self) -> bool:
        """Whether a+b divides f over the integers, that is f(a, -a) = 0 for every a."""
        return polynomials.vanishes_on_line(self.coefficients, -1)

    @property
    def divisible_by_difference(self) -> bool:
        """Whether a-b divides f over the integers, that is f(a, a) = 0 for every a."""
        return polynomials.vanishes_on_line(self.coefficients, 1)

    def check(self, p: int, operands: str = "residues") -> None:
        if polynomials.is_constant(self.coefficients, p):
            raise ValueError(f"{self} has the same value at every pair mod {p}: there must be something to learn")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Table(Operation):
    """An operation that is known by its labels alone; `Operation.from_table` and `from_function` make it.

    What follows from a formula (degree, factors, kinds of terms) a table does not have, whatever its labels are.
    """

    name: str
    p: int
    """The one modulus that there are labels for."""
    packed: bytes
    """The labels as :func:`grokbook.data.tables.pack` writes them."""

    @property
    def plain(self) -> dict[str, Any]:
        return tables.to_plain(self.name, self.p, self.packed)

    @property
    def digest(self) -> str:
        """SHA-256 of the packed labels, which names a table beside its name."""
        return tables.digest(self.packed)

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(Polynomial, name):
            raise AttributeError(f"table {self.name!r} has no {name}: that follows from a formula")
        raise AttributeError(f"an operation has no {name}")

    def _evaluate(self, a: Any, b: Any, p: int) -> Any:
        self.check(p)
        labels = tables.unpack(self.packed, p)
        tensor = next((x for x in (a, b) if is_tensor(x)), None)
        found = (labels if tensor is None else tensor.new_tensor(labels))[a, b]
        return int(found) if isinstance(a, int) and isinstance(b, int) else found

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<table {self.name!r}, {self.p} × {self.p}, {self.digest[:8]}>"

    @property
    def kind(self) -> Kind:
        return Kind.TABLE

    @property
    def symmetric(self) -> bool:
        labels = tables.unpack(self.packed, self.p)
        return bool((labels == labels.T).all())

    def check(self, p: int, operands: str = "residues") -> None:
        if p != self.p:
            raise ValueError(f"table {self.name!r} is {self.p} × {self.p}: it has no labels for p = {p}")
        if operands != "residues":
            raise ValueError(f"table {self.name!r} has labels for residues alone: operands cannot be {operands!r}")


# A grid of 861 runs reads 2,800 expressions, of which 60 differ.
@lru_cache(maxsize=1024)
def _parsed(text: str) -> Polynomial:
    coefficients = read(text)
    try:
        return Operation.from_coefficients(coefficients)
    except ValueError as error:
        raise ValueError(f"cannot read {clip(text, 0)}: column 1: {error}") from None


def pretty(operation: str | Operation) -> str:
    """How an operation, or what an expression says, is written on pages: :attr:`Operation.pretty`."""
    return Operation.of(operation).pretty
