"""Workshop 3, beyond addition: logarithms, even powers, chirps, and polynomials through a + b.

Shapes as in :mod:`grokbook.fourier.transform`: p residues, a layer [p, n] with one row per residue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokbook import fourier
from grokbook.book.workshop.verdicts import (
    PERCENT,
    Mistake,
    Unreadable,
    Verdict,
    close,
    compare,
    number,
    numbers,
    result,
    right,
    self_check,
    told,
    whole_numbers,
    wrong,
)
from grokbook.data.operations import Operation

TRIED = ("a+b", "(a+b)^2", "(a+b)^3", "(a+b)^2+a+b", "a-b", "ab", "a^2+b^2", "a^2-b^2", "(a-b)^2", "a^2+ab+b^2", "2a+b")
"""Operations that exercise 3.7 tries a function on: some through a + b, some symmetric, some divisible by a + b."""


@self_check
def generator(g: Any, p: int) -> Verdict:
    """Exercise 3.1: any primitive root mod p."""
    (given,) = whole_numbers(number(g, "the generator"), "the generator")
    if given % p == 0:
        return wrong("The powers of 0 are all 0.")
    order = _order(given, p)
    if order == p - 1:
        return right(f"The powers of {given} run through all {p - 1} residues but 0 before they come back to 1.")
    seen = f"The powers of {given} come back to 1 after {order} step{'s' if order > 1 else ''}"
    if math.gcd(given, p - 1) == 1 and given > 1:
        return wrong(f"{seen}. To have no factor in common with p − 1 is not what counts: try out the powers.")
    return wrong(f"{seen}, so {p - 1 - order} residues are never met. {p - 1} steps are needed.")


@self_check
def logarithms(log: Any, g: int, p: int) -> Verdict:
    """Exercise 3.2: for x = 1..p−1 the exponent l with gˡ = x mod p; exponents count mod p − 1."""
    if isinstance(log, Mapping):
        log = [log[x] for x in range(1, p) if x in log]
    given = np.asarray(whole_numbers(log, "the logarithms"))
    if len(given) == p:
        given = given[1:]
    if len(given) != p - 1:
        return wrong(f"I expect {p - 1} logarithms, of 1, 2, …, {p - 1}; yours has {len(given)}. (0 has none.)")
    powers = np.asarray([pow(g, exponent, p) for exponent in range(p - 1)])
    expected = powers.argsort()

    def same(one: np.ndarray) -> bool:
        return bool(np.all((given - one) % (p - 1) == 0))

    if same(expected):
        return right(f"log {g} = 1, and log {p - 1} = {expected[p - 2]}: half of {p - 1}, since (−1)² = 1.")
    if np.array_equal(given, powers) or np.array_equal(given, np.roll(powers, -1)):
        return wrong(
            "These are the powers of g, one after the other. The logarithm goes the other way: from x to the exponent."
        )
    if same(expected + 1) or same(expected - 1):
        return wrong("All of them are off by one: g⁰ = 1, so the logarithm of 1 is 0.")
    if same(-expected):
        return wrong("All of them have the opposite sign: these are logarithms to the base 1/g.")
    # To another base they are multiplied by a number that has no factor in common with p − 1.
    if any(math.gcd(factor, p - 1) == 1 and same(factor * expected) for factor in range(2, p - 1)):
        return wrong(f"These are logarithms, to another base than g = {g}.")
    exact = [pow(g, int(exponent) % (p - 1), p) for exponent in given]
    x = next(x for x in range(1, p) if exact[x - 1] != x)
    return wrong(f"For x = {x} you have {given[x - 1]}, but {g} to this power is {exact[x - 1]} mod {p}.")


@self_check
def multiplicative_spectrum(norms: Any, matrix: Float[Tensor, "p n"]) -> Verdict:
    """Exercise 3.3: norms of the waves over logarithms, m = 1, 2, …, without the last, (p−1)/2; in any scale.

    Another primitive root orders the residues in another way and has the same norms in another order: it is accepted.
    """
    matrix, p = matrix.double(), len(matrix)
    top = (p - 1) // 2 - 1
    given = numbers(norms, "the norms").squeeze()

    def over(rows: Tensor) -> np.ndarray:
        return np.asarray(torch.fft.rfft(rows, dim=0).norm(dim=1)[1 : len(rows) // 2 + 1])

    powers = [pow(fourier.primitive_root(p), exponent, p) for exponent in range(p - 1)]
    around = torch.fft.rfft(matrix[powers], dim=0).norm(dim=1)
    expected = over(matrix[powers])
    # The last wave, ±1, may be there; its length is a matter of convention.
    kept = given[:top] if given.shape == (top + 1,) else given
    if kept.shape == (top,) and close(np.sort(kept), np.sort(expected[:top]), scale=True):
        strong = int((expected[:top] > 0.5 * expected[:top].max()).sum())
        return right(f"{strong} of {top} waves over the logarithms are above half of the largest.")
    plain, constant = fourier.spectrum(matrix).combined, "The constant, m = 0, is in it: frequencies count from 1."
    variants = [
        (
            over(matrix[fourier.discrete_logs(p)]),
            "You have put the logarithm of x where x should stand. Row i should be that of gⁱ: index with the powers.",
        ),
        (over(matrix[1:]), "The rows are still in the order 1, 2, 3, …. They are to be in the order g⁰, g¹, g², …."),
        (over(matrix[[0, *powers]]), "The row of 0 is in it: 0 is no power of g."),
        (over(matrix[powers]) ** 2, "These are squares of norms: take the root."),
    ]
    mistakes: list[Mistake] = [(part, message) for whole, message in variants for part in (whole, whole[:top])]
    mistakes += [
        (plain, "That is the spectrum over the residues themselves: reorder the rows first."),
        (over(matrix[powers].T)[:top], "You have transformed along the channels. The waves run over the rows."),
        (around[: top + 1], constant),
        (around, constant),
    ]
    otherwise = "Take the rows in the order g⁰, g¹, g², …, transform along them, and take norms over the channels."
    if given.shape != (top,):
        otherwise = f"{otherwise} I expect {top} numbers; yours has the shape {given.shape}."
    return told(given, mistakes, otherwise, scale=True)


@self_check
def odd_share(share: Any, matrix: Float[Tensor, "p n"]) -> Verdict:
    """Exercise 3.4: the share of a layer's sum of squares in its odd part, (W[x] − W[−x]) / 2."""
    matrix = matrix.double()
    mirrored, total = matrix[-torch.arange(len(matrix))], float(matrix.square().sum())
    odd, even, flipped = (
        float(((matrix - other) / 2).square().sum()) / total for other in (mirrored, -mirrored, matrix.flip(0))
    )
    mistakes = [
        (even, "That is the even part, (W[x] + W[−x]) / 2."),
        (flipped, "`flip` takes x to p − 1 − x. The opposite of x is p − x, and 0 is its own."),
        (4 * odd, "Half of the difference is the odd part: the squares are 4 times too large."),
        (2 * odd, "Half of the difference is the odd part: together with the even part it has to make 1."),
        (math.sqrt(odd), "That is the root of the share: squares are compared, as in a variance."),
        (100 * odd, PERCENT),
        (odd / even if even else 0.0, "That is odd over even. The share is odd over everything."),
        (odd * total, "That is the sum of squares itself. Divide it by that of the whole layer."),
    ]
    passed = f"{odd:.1%} of this embedding is odd: so much of it tells x from −x."
    otherwise = "The odd part is (W[x] − W[−x]) / 2, with −x taken mod p. Its sum of squares over that of the layer."
    return compare(number(share, "the share"), odd, mistakes, passed, otherwise)


@self_check
def distinct_powers(counts: Any, exponents: Sequence[int], p: int) -> Verdict:
    """Exercise 3.5: for each exponent n how many different values xⁿ mod p takes, over all residues x."""
    given = whole_numbers(list(counts.values()) if isinstance(counts, Mapping) else counts, "the counts")
    expected = [(p - 1) // math.gcd(n, p - 1) + 1 for n in exponents]
    if given == expected:
        told_all = ", ".join(f"x^{n}: {count}" for n, count in zip(exponents, expected, strict=True))
        return right(f"{told_all}. It is (p − 1) / gcd(n, p − 1), and one more for 0.")
    if given == [count - 1 for count in expected]:
        return wrong("0 is a value, too: 0ⁿ = 0.")
    if given == [len({x**n for x in range(p)}) for n in exponents]:
        return wrong("These are powers of whole numbers: reduce them mod p.")
    if given == [len({float(x) ** n % p for x in range(p)}) for n in exponents]:
        return wrong("Powers of decimal numbers are rounded: use whole numbers, `pow(x, n, p)`.")
    if len(given) != len(exponents):
        return wrong(
            f"I expect {len(exponents)} counts, for n = {', '.join(map(str, exponents))}; yours has {len(given)}."
        )
    n, count = next((n, one) for n, one, other in zip(exponents, given, expected, strict=True) if one != other)
    return wrong(f"For n = {n} you have {count}. Collect pow(x, n, p) for all x in a set: how large is it?")


@self_check
def chirp_share(share: Any, matrix: Float[Tensor, "p n"], key: Sequence[int], power: int = 2) -> Verdict:
    """Exercise 3.6: the share of a centred layer in the span of cos(2πk xⁿ/p) and sin(2πk xⁿ/p), k key, n = power."""
    p, matrix = len(matrix), matrix.double()
    centred = matrix - matrix.mean(0)

    def captured(n: int, *, middle: bool = True, which: str = "both", of: Tensor = centred) -> float:
        residues = torch.arange(p)
        angle = 2 * math.pi * torch.tensor([[k * pow(int(x), n, p) % p for x in residues] for k in key]).double() / p
        rows = torch.cat([angle.cos(), angle.sin()]) if which == "both" else getattr(angle, which)()
        rows = rows - rows.mean(1, keepdim=True) if middle else rows
        left, values, _ = torch.linalg.svd(rows.T, full_matrices=False)
        kept = left[:, values > 1e-9 * values.max()]
        return float((kept.T @ of).square().sum() / of.square().sum())

    expected = captured(power)
    given = number(share, "the share")
    if close(given, captured(power, middle=False), tolerance=1e-3):  # a constant more or less in the span
        expected = captured(power, middle=False)
    uncentred = "The layer is not centred: take its mean over the residues out first."
    mistakes = [
        (captured(1), "These are plain waves of x. In a chirp the angle is 2πkx²/p."),
        (captured(2 * power), "The angle has a power too much: x² is to be multiplied with k, and that is all."),
        (captured(power, which="cos"), "Only the cosines are in the span: a chirp has a cosine and a sine."),
        (captured(power, which="sin"), "Only the sines are in the span: a chirp has a cosine and a sine."),
        (captured(power, of=matrix), uncentred),
        (captured(power, middle=False, of=matrix), uncentred),
        (1 - expected, "That is what is left over. The share that is explained is asked for."),
        (100 * expected, PERCENT),
        (math.sqrt(expected), "That is the root of the share: squares are compared, as in a variance."),
    ]
    passed = (
        f"{expected:.0%} of the embedding's variance is {len(key)} chirps; {len(key)} plain waves with the "
        f"same k make {captured(1):.0%}."
    )
    otherwise = (
        "Fit all channels by the chirps at once (least squares), and divide the sum of squares of the "
        "fit by that of the centred layer."
    )
    return compare(given, expected, mistakes, passed, otherwise)


@self_check
def through_sum(function: Any, p: int) -> Verdict:
    """Exercise 3.7: a function of a table [p, p] that says whether its values depend on (a + b) mod p alone."""
    a = torch.arange(p)
    tables = {text: Operation.parse(text)(a[:, None], a[None, :], p) for text in TRIED}
    given = {text: _truth(result(function, table.clone(), what="your function")) for text, table in tables.items()}
    plus, minus = (a[:, None] + a) % p, (a[:, None] - a) % p

    def every(holds: Callable[[Tensor], Tensor]) -> dict[str, bool]:
        return {text: bool(holds(table).all()) for text, table in tables.items()}

    expected = every(lambda table: table == table[0][plus])
    if given == expected:
        chosen = ", ".join(text for text, is_through in expected.items() if is_through)
        return right(f"Of {len(TRIED)} operations these go through a + b: {chosen}.")
    if len(set(given.values())) == 1:
        return wrong(f"It says {next(iter(given.values()))} of every table.")
    if given == every(lambda table: table == table.T):
        return wrong(
            "That is symmetry, f(a, b) = f(b, a). a² + b² has it, too, and takes different values where a + b is "
            "the same."
        )
    if given == every(lambda table: table[a, -a % p] == 0):
        return wrong(
            "That asks whether a + b is a *factor*: whether f(a, −a) = 0. (a + b)(a − b) has it, and also needs a − b."
        )
    if given == every(lambda table: table == table[:, 0][minus]):
        return wrong("That finds functions of a − b.")
    text = next(text for text in TRIED if given[text] != expected[text])
    return wrong(
        f"It says {given[text]} of {text}. Compare pairs with the same a + b mod p: do all of them have the same value?"
    )


@self_check
def completed_square(u: Any, v: Any, p: int) -> Verdict:
    """Exercise 3.8: u and v with a² + ab + b² = (a + u·b)² + v·b² mod p, for all a and b."""
    (first,), (second,) = (whole_numbers(number(value, name), name) for value, name in ((u, "u"), (v, "v")))
    ab, bb = (2 * first - 1) % p, (first * first + second - 1) % p
    if ab == 0 and bb == 0:
        return right(f"{first} is 1/2 mod {p} and {second} is 3/4: a² + ab + b² = (a + {first}b)² + {second}b².")
    if ab == 0:
        if (second - pow(4, -1, p)) % p == 0:
            return wrong("u is right. v is what is *missing* to one b²: 1 − u², and that is 3/4, not 1/4.")
        return wrong(f"u is right. (a + {first}b)² has {first * first % p} b² in it: v is what is missing to one b².")
    if first % p == 1:
        return wrong("(a + b)² has 2ab in it, and one ab is wanted. What is half of one, mod p?")
    if 2 * first % p == p - 1:
        return wrong("The sign of u is turned round: this gives −ab.")
    if first % p == 2:
        return wrong(f"(a + 2b)² has 4ab in it. u has to be one half: the number with 2·u = 1 mod {p}.")
    return wrong(f"(a + {first}b)² has {2 * first % p} ab in it, and one is wanted: 2·u has to be 1 mod {p}.")


def _order(g: int, p: int) -> int:
    """After how many factors g the product is 1 for the first time; g is no multiple of p."""
    power, order = g % p, 1
    while power != 1:
        power, order = power * g % p, order + 1
    return order


def _truth(returned: Any) -> bool:
    array = numbers(returned, "what it returns")
    if array.size != 1 or array.item() not in (0.0, 1.0):
        raise Unreadable("I expect True or False for a table.")
    return bool(array.item())
