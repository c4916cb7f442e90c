"""Random polynomials that nobody has trained, drawn by a seeded generator: the operations of some predictions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np

from grokbook.analysis.isomorphisms import isomorphism
from grokbook.analysis.waves import checked
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation, Polynomial

DEGREE: Final = 4
"""The largest total degree."""
P: Final = 59
"""The modulus for which no two are the same learning problem, and none is one of the paper's."""
SMALL: Final = 6
"""Coefficients are drawn from 1 to this."""


EACH: Final = 22
"""How many of each family :func:`listed` has."""


def _number(generator: np.random.Generator) -> int:
    return int(generator.integers(1, SMALL + 1))


def _univariate(variable: str, degree: int, generator: np.random.Generator) -> str:
    """A polynomial of this degree in one variable, with no constant and each lower power there or not."""
    lower = [f"{_number(generator)}{variable}^{k}" for k in range(1, degree) if generator.random() < 0.5]
    return " + ".join([f"{_number(generator)}{variable}^{degree}", *lower])


def _degrees(most: int, generator: np.random.Generator) -> tuple[int, int, bool]:
    """Degrees of a polynomial of a and of one of b, and whether they are to be the same polynomial: half the time."""
    of_a, of_b = (int(generator.integers(1, most + 1)) for _ in range(2))
    return of_a, of_b, bool(generator.random() < 0.5)


def sums(generator: np.random.Generator) -> str:
    """u(a) + v(b), half the time with v = u."""
    of_a, of_b, same = _degrees(DEGREE, generator)
    u = _univariate("a", of_a, generator)
    return f"{u} + {u.replace('a', 'b') if same else _univariate('b', of_b, generator)}"


def products(generator: np.random.Generator) -> str:
    """u(a) · v(b), each with a constant or none; half the time with v = u."""
    of_a, of_b, same = _degrees(DEGREE // 2, generator)
    u, v = (f"{_univariate(x, n, generator)} + {_number(generator) - 1}" for x, n in (("a", of_a), ("b", of_b)))
    return f"({u})({u.replace('a', 'b') if same else v})"


def functions_of_sums(generator: np.random.Generator) -> str:
    """h(a + n·b) with h of degree 2 to 4; half the time n = 1."""
    n = 1 if generator.random() < 0.5 else _number(generator)
    return _univariate(f"(a + {n}b)", int(generator.integers(2, DEGREE + 1)), generator)


def perturbations(generator: np.random.Generator) -> str:
    """One of the families above and one term with both operands."""
    family = (sums, products, functions_of_sums)[int(generator.integers(3))]
    i = int(generator.integers(1, DEGREE))
    j = int(generator.integers(1, DEGREE - i + 1))
    return f"{family(generator)} + {_number(generator)}a^{i}*b^{j}"


def generic(generator: np.random.Generator) -> str:
    """Each term of a random degree 2 to 4 there with probability ½."""
    degree = int(generator.integers(2, DEGREE + 1))
    exponents = ((i, j) for i in range(degree + 1) for j in range(degree + 1 - i) if i + j > 0)
    terms = [f"{_number(generator)}a^{i}*b^{j}" for i, j in exponents if generator.random() < 0.5]
    return " + ".join(terms) or "a + b"


FAMILIES: Final[tuple[Callable[[np.random.Generator], str], ...]] = (
    sums,
    products,
    functions_of_sums,
    perturbations,
    generic,
)


@cache
def listed() -> Mapping[str, tuple[Polynomial, ...]]:
    """Those that ``polynomials(EACH)`` draws, by family: kept in a file, since to tell all of them apart takes long."""
    text = files("grokbook.analysis").joinpath("predictions", "unseen.json").read_text(encoding="utf-8")
    return {family: tuple(map(Polynomial.parse, each)) for family, each in json.loads(text).items()}


def polynomials(each: int, seed: int = 0) -> Iterator[tuple[str, Polynomial]]:
    """So many polynomials of each family, with its name, no two of them the same learning problem at :data:`P`.

    None is one of the paper's Table 5, nor the same problem as one of these.
    """
    generator = np.random.default_rng(seed)
    known: list[Operation] = [operation for group in CATALOGUE.values() for operation in group]
    for family in FAMILIES:
        left = each
        while left:
            operation = Operation.parse(family(generator))
            if operation.degree > DEGREE or not _of_two(operation):
                continue
            if all(isomorphism(other, operation, P).isomorphism is None for other in known):
                known.append(operation)
                left -= 1
                yield family.__name__, operation


def _of_two(operation: Polynomial) -> bool:
    """Whether it depends on both operands."""
    try:
        checked(operation, P)
    except ValueError:
        return False
    return True
