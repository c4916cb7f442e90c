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

import numpy as np
from jaxtyping import Int64

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
    n = 4 * operation.degree  # above the degree of both sides in either operand
    f = np.zeros((n, n), np.int64)
    for (i, j), coefficient in operation.coefficients.items():
        f[i, j] = coefficient % p

    def times(*factors: Int64[np.ndarray, "n n"]) -> Int64[np.ndarray, "n n"]:
        """Their product: with b = aⁿ they are polynomials of a alone, and none of the degrees of b runs over."""
        product, *others = (factor.ravel() for factor in factors)
        for other in others:
            product = np.convolve(product, other)[: n * n] % p
        return product.reshape(n, n)

    def along(u: Int64[np.ndarray, "n n"], axis: int) -> Int64[np.ndarray, "n n"]:
        """The derivative with respect to a (axis 0) or b (axis 1)."""
        return np.roll(np.moveaxis(np.moveaxis(u, axis, 1) * np.arange(n), 1, axis), -1, axis) % p

    def bend(u: Int64[np.ndarray, "n n"]) -> Int64[np.ndarray, "n n"]:
        return (times(u, along(along(u, 0), 1)) - times(along(u, 0), along(u, 1))) % p

    f_a, f_b = along(f, 0), along(f, 1)
    return bool((times(bend(f_a), f_b, f_b) == times(bend(f_b), f_a, f_a)).all())
