"""Whether a polynomial is flat: locally a function h(u(a) + v(b)), which its formula alone decides.

Over the complex numbers f is such a function, products included through their logarithms, exactly where
∂²/∂a∂b log(f_a / f_b) = 0: the curves a, b, f = const make a flat web (W. Blaschke). Without the quotients this is an
identity of polynomials::

    N(f_a) f_b² = N(f_b) f_a²,    N(u) = u u_ab - u_a u_b,

which is taken modulo p. It is the dichotomy of G. Elekes and L. Rónyai, which T. Tao carried to finite fields
(*Expanding polynomials over finite fields of large characteristic*, 2012): these polynomials do not expand, all others
do.
"""

from __future__ import annotations

from sympy import GF
from sympy.polys.rings import PolyElement, ring

from grokbook.data.operations import Operation, Polynomial
from grokbook.data.tokens import is_prime


def is_flat(operation: Operation | str, p: int) -> bool:
    """Whether a polynomial is locally h(u(a) + v(b)), modulo a prime p and exactly; a sum or product in disguise.

    Args:
        operation: a polynomial of degree below p, or its expression.
        p: a prime.

    Raises:
        ValueError: it does not read, is a table or constant mod p, its degree is p or more, or p is not prime.
    """
    operation = Operation.of(operation)
    if not isinstance(operation, Polynomial):
        raise ValueError(f"{operation!r} has no formula: flat or not is a property of polynomials")
    if not is_prime(p):
        raise ValueError(f"p must be prime, not {p}")
    operation.check(p)
    if operation.degree >= p:
        raise ValueError(f"{operation} has degree {operation.degree}: modulo {p} its derivatives say too little of it")
    space, a, b = ring("a, b", GF(p))
    f = space.from_dict({exponents: space.domain(c) for exponents, c in operation.coefficients.items()})
    f_a, f_b = f.diff(a), f.diff(b)

    def bend(u: PolyElement) -> PolyElement:
        return u * u.diff(a).diff(b) - u.diff(a) * u.diff(b)

    return bool(bend(f_a) * f_b**2 == bend(f_b) * f_a**2)
