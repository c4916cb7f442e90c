"""Workshop 2, read the circuit: waves in the embedding, key frequencies; and the checks of :mod:`.logits`.

Shapes as in :mod:`grokbook.fourier.transform`: p residues, K = p // 2 frequencies counted from 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from grokbook import fourier
from grokbook.book.workshop import verdicts
from grokbook.book.workshop.logits import ablated as ablated
from grokbook.book.workshop.logits import accuracies_alone as accuracies_alone
from grokbook.book.workshop.logits import expected_sum as expected_sum
from grokbook.book.workshop.logits import explained as explained
from grokbook.book.workshop.logits import rebuilt as rebuilt
from grokbook.book.workshop.verdicts import Found, number, numbers, self_check, whole_number, whole_numbers


@self_check
def one_coefficient(coefficient: Any, column: Float[Tensor, " p"], k: int) -> Found:
    """Exercise 2.1: the coefficient of a list of p numbers along the unit wave √(2/p) cos(2πkx/p)."""
    column = column.double()
    p, x = len(column), torch.arange(len(column), dtype=torch.float64)

    def along(wave: Float[Tensor, " p"]) -> float:
        return math.sqrt(2 / p) * float(column @ wave)

    # From the definition, and not from the library, which knows k = 1..K alone: a student may try any other.
    angle = 2 * math.pi * (k * x % p) / p
    expected, sine = along(angle.cos()), along(angle.sin())
    raw = expected / math.sqrt(2 / p)
    mistakes = {
        "raw": raw,
        "square": expected * math.sqrt(2 / p),
        "constant": expected / math.sqrt(2),
        "sign": -expected,
        "sine": (sine, -sine),
        "degrees": along(torch.cos(360 * k * x / p)),
        "first": along(torch.cos(2 * math.pi * x / p)),
        "mean": raw / p,
    }
    return verdicts.compare(number(coefficient, "the coefficient"), expected, mistakes)


@self_check
def spectrum(norms: Any, matrix: Float[Tensor, "p n"]) -> Found:
    """Exercise 2.2: norms of all frequencies of a layer, cosine and sine together; in any scale."""
    found = fourier.spectrum(matrix.double())
    cosine, sine, expected, constant = found.cosine, found.sine, found.combined, found.constant[None]
    mistakes = {
        "squares": expected**2,
        "cosines": cosine,
        "sines": sine,
        "sum": cosine + sine,
        "constant": torch.cat([constant, expected]),
        "shifted": torch.cat([constant, expected[:-1]]),
        "channels": torch.fft.rfft(matrix.double(), dim=1).norm(dim=0)[1:],
    }
    largest = int(expected.argmax()) + 1
    given = numbers(norms, "the norms").squeeze()
    return verdicts.compare(given, expected, mistakes, scale=True, count=len(expected), largest=largest)


@self_check
def key_frequencies(key: Any, matrix: Float[Tensor, "p n"]) -> Found:
    """Exercise 2.3: the frequencies above half of the largest norm, in any order; k and p − k are the same wave."""
    p, found = len(matrix), fourier.spectrum(matrix.double())
    expected = set(fourier.key_frequencies(found))
    given = set(whole_numbers(key, "the key frequencies"))
    folded = {_folded(k, p) for k in given}

    def above(heights: Tensor, whole: Tensor) -> set[int]:
        return set((1 + torch.nonzero(heights > 0.5 * whole).flatten()).tolist())

    if folded == expected and 0 not in given:
        return verdicts.right(count=len(expected), half=p // 2, listed=_listed(sorted(expected)))
    mistakes = {
        "places": given == {k - 1 for k in expected},
        "shifted": given == {k + 1 for k in expected},
        "squares": folded == above(found.combined**2, found.combined.max() ** 2),
        "mean": folded == above(found.combined, found.combined.mean()),
        "fewer": folded < expected,
        "more": folded > expected,
    }
    return verdicts.mistaken(mistakes, lacking=len(expected - folded), besides=len(folded - expected))


@self_check
def doubles(answer: Any, key: Sequence[int], p: int) -> Found:
    """Exercise 2.4: for each key frequency k the frequency in 1..K that is the same wave as 2k; in any order."""
    given, half = sorted(whole_numbers(answer, "the doubled frequencies")), p // 2
    expected = [_folded(2 * k, p) for k in key]
    if given == sorted(expected):
        return verdicts.right(listed=_listed(key), doubled=_listed(expected))
    mistakes = {
        "unfolded": given in (sorted(2 * k for k in key), sorted(2 * k % p for k in key)),
        "half": given == sorted(2 * k % half for k in key),
        "mirrored": given == sorted(abs(half - 2 * k) for k in key),
    }
    return verdicts.mistaken(mistakes, half=half)


@self_check
def neighbour(answer: Any, k: int, p: int) -> Found:
    """Exercise 2.5: a residue next to 0 on the circle of frequency k: k⁻¹ mod p, or its negative."""
    given = whole_number(answer, "the neighbour")
    steps, one, turns = given % p, pow(k, -1, p), round(k * (given % p) / p)
    facts = {"given": given, "steps": steps, "one": one, "other": p - one, "last": p - 1, "at": k * steps % p}
    if steps in (one, p - one):
        return verdicts.right(**facts, turns=f"{turns} whole turn{'s' * (turns != 1)}")
    mistakes = {
        "key": steps in (k % p, -k % p),
        "turn": given in (round(p / k), p // k),
        "zero": steps == 0,
        "one": steps in (1, p - 1),
    }
    return verdicts.mistaken(mistakes, **facts, miss=_folded(k * given, p))


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _folded(k: int, p: int) -> int:
    """The frequency up to p // 2 that is the same wave as k, which is also how far k steps are from a whole turn."""
    return min(k % p, -k % p)
