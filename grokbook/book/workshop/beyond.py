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
from grokbook.book.workshop import verdicts
from grokbook.book.workshop.verdicts import Found, number, numbers, self_check, whole_number, whole_numbers
from grokbook.data.operations import Operation

TRIED = ("a+b", "(a+b)^2", "(a+b)^3", "(a+b)^2+a+b", "a-b", "ab", "a^2+b^2", "a^2-b^2", "(a-b)^2", "a^2+ab+b^2", "2a+b")
"""Operations that exercise 3.7 tries a function on: some through a + b, some symmetric, some divisible by a + b."""


@self_check
def generator(g: Any, p: int) -> Found:
    """Exercise 3.1: any primitive root mod p."""
    given = whole_number(g, "the generator")
    if given % p == 0:
        return verdicts.wrong("zero")
    powers = {pow(given, exponent, p) for exponent in range(p - 1)}
    order = len(powers)
    facts = {"given": given, "all": p - 1, "steps": f"{order} step{'s' * (order > 1)}", "missed": p - 1 - order}
    if order == p - 1:
        return verdicts.right(**facts)
    return verdicts.mistaken({"coprime": math.gcd(given, p - 1) == 1 and given > 1}, **facts)


@self_check
def logarithms(log: Any, g: int, p: int) -> Found:
    """Exercise 3.2: for x = 1..p−1 the exponent l with gˡ = x mod p; exponents count mod p − 1."""
    if isinstance(log, Mapping):
        log = [log[x] for x in range(1, p) if x in log]
    given = np.asarray(whole_numbers(log, "the logarithms"))
    if len(given) == p:
        given = given[1:]
    if len(given) != p - 1:
        return verdicts.wrong("count", expected=p - 1, found=len(given))
    powers = np.asarray([pow(g, exponent, p) for exponent in range(p - 1)])
    expected = powers.argsort()

    def same(one: np.ndarray) -> bool:
        return bool(np.all((given - one) % (p - 1) == 0))

    if same(expected):
        return verdicts.right(last=p - 1, half=expected[p - 2])
    mistakes = {
        "powers": np.array_equal(given, powers) or np.array_equal(given, np.roll(powers, -1)),
        "shifted": same(expected + 1) or same(expected - 1),
        "negative": same(-expected),
        # To another base they are multiplied by a number that has no factor in common with p − 1.
        "base": any(math.gcd(factor, p - 1) == 1 and same(factor * expected) for factor in range(2, p - 1)),
    }
    exact = [pow(g, int(exponent) % (p - 1), p) for exponent in given]
    x = next(x for x in range(1, p) if exact[x - 1] != x)
    return verdicts.mistaken(mistakes, x=x, given=given[x - 1], exact=exact[x - 1])


@self_check
def multiplicative_spectrum(norms: Any, matrix: Float[Tensor, "p n"]) -> Found:
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
    if kept.shape == (top,) and verdicts.close(np.sort(kept), np.sort(expected[:top]), scale=True):
        return verdicts.right(strong=int((expected[:top] > 0.5 * expected[:top].max()).sum()), top=top)
    with_last = {
        "values": over(matrix[fourier.discrete_logs(p)]),
        "unordered": over(matrix[1:]),
        "zero": over(matrix[[0, *powers]]),
        "squares": over(matrix[powers]) ** 2,
    }
    mistakes = {
        **{key: (whole, whole[:top]) for key, whole in with_last.items()},
        "plain": fourier.spectrum(matrix).combined,
        "channels": over(matrix[powers].T)[:top],
        "constant": (around[: top + 1], around),
    }
    otherwise = ["otherwise"] if given.shape == (top,) else ["otherwise", "count"]
    return verdicts.mistaken(verdicts.near(given, mistakes, scale=True), *otherwise, top=top, given=given)


@self_check
def odd_share(share: Any, matrix: Float[Tensor, "p n"]) -> Found:
    """Exercise 3.4: the share of a layer's sum of squares in its odd part, (W[x] − W[−x]) / 2."""
    matrix = matrix.double()
    mirrored, total = matrix[-torch.arange(len(matrix))], float(matrix.square().sum())
    odd, even, flipped = (
        float(((matrix - other) / 2).square().sum()) / total for other in (mirrored, -mirrored, matrix.flip(0))
    )
    mistakes = {
        "even": even,
        "flipped": flipped,
        "four": 4 * odd,
        "two": 2 * odd,
        "root": math.sqrt(odd),
        "percent": 100 * odd,
        "ratio": odd / even if even else 0.0,
        "sum": odd * total,
    }
    return verdicts.compare(number(share, "the share"), odd, mistakes)


@self_check
def distinct_powers(counts: Any, exponents: Sequence[int], p: int) -> Found:
    """Exercise 3.5: for each exponent n how many different values xⁿ mod p takes, over all residues x."""
    given = whole_numbers(list(counts.values()) if isinstance(counts, Mapping) else counts, "the counts")
    expected = [(p - 1) // math.gcd(n, p - 1) + 1 for n in exponents]
    if given == expected:
        return verdicts.right(all=", ".join(f"x^{n}: {count}" for n, count in zip(exponents, expected, strict=True)))
    if len(given) != len(exponents):
        listed = ", ".join(map(str, exponents))
        return verdicts.wrong("count", expected=len(exponents), listed=listed, found=len(given))
    mistakes = {
        "zero": given == [count - 1 for count in expected],
        "whole": given == [len({x**n for x in range(p)}) for n in exponents],
        "decimal": given == [len({float(x) ** n % p for x in range(p)}) for n in exponents],
    }
    n, count = next((n, one) for n, one, other in zip(exponents, given, expected, strict=True) if one != other)
    return verdicts.mistaken(mistakes, n=n, count=count)


@self_check
def chirp_share(share: Any, matrix: Float[Tensor, "p n"], key: Sequence[int], power: int = 2) -> Found:
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
    if verdicts.close(given, captured(power, middle=False), tolerance=1e-3):  # a constant more or less in the span
        expected = captured(power, middle=False)
    mistakes = {
        "plain": captured(1),
        "power": captured(2 * power),
        "cosines": captured(power, which="cos"),
        "sines": captured(power, which="sin"),
        "uncentred": (captured(power, of=matrix), captured(power, middle=False, of=matrix)),
        "rest": 1 - expected,
        "percent": 100 * expected,
        "root": math.sqrt(expected),
    }
    return verdicts.compare(given, expected, mistakes, count=len(key), plain=captured(1))


@self_check
def through_sum(function: Any, p: int) -> Found:
    """Exercise 3.7: a function of a table [p, p] that says whether its values depend on (a + b) mod p alone."""
    a = torch.arange(p)
    tables = {text: Operation.parse(text)(a[:, None], a[None, :], p) for text in TRIED}
    given = {
        text: _truth(verdicts.result(function, table.clone(), what="your function")) for text, table in tables.items()
    }
    plus, minus = (a[:, None] + a) % p, (a[:, None] - a) % p

    def every(holds: Callable[[Tensor], Tensor]) -> dict[str, bool]:
        return {text: bool(holds(table).all()) for text, table in tables.items()}

    expected = every(lambda table: table == table[0][plus])
    if given == expected:
        return verdicts.right(tried=len(TRIED), chosen=", ".join(text for text in TRIED if expected[text]))
    mistakes = {
        "constant": len(set(given.values())) == 1,
        "symmetry": given == every(lambda table: table == table.T),
        "factor": given == every(lambda table: table[a, -a % p] == 0),
        "difference": given == every(lambda table: table == table[:, 0][minus]),
    }
    text = next(text for text in TRIED if given[text] != expected[text])
    return verdicts.mistaken(mistakes, given=given[text], text=text)


@self_check
def completed_square(u: Any, v: Any, p: int) -> Found:
    """Exercise 3.8: u and v with a² + ab + b² = (a + u·b)² + v·b² mod p, for all a and b."""
    first, second = whole_number(u, "u"), whole_number(v, "v")
    facts = {"first": first, "second": second, "ab": 2 * first % p, "bb": first * first % p}
    u_is_right = (2 * first - 1) % p == 0
    if u_is_right and (first * first + second - 1) % p == 0:
        return verdicts.right(**facts)
    mistakes = {
        "quarter": u_is_right and (second - pow(4, -1, p)) % p == 0,
        "v": u_is_right,
        "one": first % p == 1,
        "sign": 2 * first % p == p - 1,
        "two": first % p == 2,
    }
    return verdicts.mistaken(mistakes, **facts)


def _truth(returned: Any) -> bool:
    array = numbers(returned, "what it returns")
    if array.size != 1 or array.item() not in (0.0, 1.0):
        raise verdicts.Unreadable("I expect True or False for a table.")
    return bool(array.item())
