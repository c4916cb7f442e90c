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
from grokbook.book.workshop.logits import ablated as ablated
from grokbook.book.workshop.logits import accuracies_alone as accuracies_alone
from grokbook.book.workshop.logits import expected_sum as expected_sum
from grokbook.book.workshop.logits import explained as explained
from grokbook.book.workshop.logits import rebuilt as rebuilt
from grokbook.book.workshop.verdicts import Verdict, compare, number, numbers, right, self_check, whole_numbers, wrong


@self_check
def one_coefficient(coefficient: Any, column: Float[Tensor, " p"], k: int) -> Verdict:
    """Exercise 2.1: the coefficient of a list of p numbers along the unit wave √(2/p) cos(2πkx/p)."""
    column = column.double()
    p, x = len(column), torch.arange(len(column), dtype=torch.float64)

    def along(wave: Float[Tensor, " p"]) -> float:
        return math.sqrt(2 / p) * float(column @ wave)

    # From the definition, and not from the library, which knows k = 1..K alone: a student may try any other.
    angle = 2 * math.pi * (k * x % p) / p
    expected, sine = along(angle.cos()), along(angle.sin())
    raw = expected / math.sqrt(2 / p)
    first = along(torch.cos(2 * math.pi * x / p))
    degrees = along(torch.cos(360 * k * x / p))
    mistakes = [
        (raw, "The wave is not of length one: multiply it by √(2/p)."),
        (expected * math.sqrt(2 / p), "You have multiplied by 2/p: its square root makes the wave a unit vector."),
        (expected / math.sqrt(2), "You have multiplied by √(1/p): that belongs to the constant. A wave has √(2/p)."),
        (-expected, "The sign is turned round: the list is multiplied with the wave as it is."),
        (sine, "That is the coefficient of the sine; the cosine is asked for."),
        (-sine, "That is the coefficient of the sine; the cosine is asked for."),
        (degrees, "`torch.cos` takes radians: a whole turn is 2π, not 360."),
        (first, f"That is the wave of frequency 1: the angle is 2πkx/p, with k = {k}."),
        (raw / p, "That is a mean. A coefficient is a sum: the list times the unit wave √(2/p) cos(2πkx/p)."),
    ]
    passed = f"The coefficient of cos {k} is {expected:.3f}: how far the list reaches in the direction of that wave."
    otherwise = "Multiply the list, entry by entry, with √(2/p) cos(2πkx/p), and add up."
    return compare(number(coefficient, "the coefficient"), expected, mistakes, passed, otherwise)


@self_check
def spectrum(norms: Any, matrix: Float[Tensor, "p n"]) -> Verdict:
    """Exercise 2.2: norms of all frequencies of a layer, cosine and sine together; in any scale."""
    found = fourier.spectrum(matrix.double())
    cosine, sine, expected, constant = found.cosine, found.sine, found.combined, found.constant[None]
    along_channels = torch.fft.rfft(matrix.double(), dim=1).norm(dim=0)[1:]
    mistakes = [
        (expected**2, "These are squares of norms: take the root."),
        (cosine, "These are the cosines alone. A wave may start anywhere, so the sines belong to its frequency."),
        (sine, "These are the sines alone: add the squares of the cosines."),
        (cosine + sine, "Cosines and sines are at right angles: their norms add up as √(u² + v²), not as u + v."),
        (torch.cat([constant, expected]), "The constant, k = 0, is in it: frequencies count from 1."),
        (torch.cat([constant, expected[:-1]]), "Your list starts with k = 0, and so lacks the last frequency."),
        (along_channels, "You have transformed along the channels. The waves run over the residues: the first axis."),
    ]
    given = numbers(norms, "the norms").squeeze()
    passed = f"{len(expected)} norms, the largest at k = {int(expected.argmax()) + 1}."
    otherwise = "For each k, put the coefficients of cosine and sine of all channels into one list, and take its norm."
    return compare(given, expected, mistakes, passed, otherwise, scale=True)


@self_check
def key_frequencies(key: Any, matrix: Float[Tensor, "p n"]) -> Verdict:
    """Exercise 2.3: the frequencies above half of the largest norm, in any order; k and p − k are the same wave."""
    p, found = len(matrix), fourier.spectrum(matrix.double())
    expected = set(fourier.key_frequencies(found))
    given = set(whole_numbers(key, "the key frequencies"))
    folded = {_folded(k, p) for k in given}

    def above(heights: Tensor, whole: Tensor) -> set[int]:
        return set((1 + torch.nonzero(heights > 0.5 * whole).flatten()).tolist())

    if folded == expected and 0 not in given:
        return right(f"{len(expected)} of {p // 2} frequencies are key: {_listed(sorted(expected))}.")
    if given == {k - 1 for k in expected}:
        return wrong("These are places in the list, which count from 0: frequency k stands at place k − 1.")
    if given == {k + 1 for k in expected}:
        return wrong("Each of them is one too high: the list has no k = 0 at its beginning.")
    if folded == above(found.combined**2, found.combined.max() ** 2):
        return wrong("That is more than half of the largest *square*. Compare the norms themselves.")
    if folded == above(found.combined, found.combined.mean()):
        return wrong("You compare with the mean. Compare with half of the *largest* norm.")
    if folded < expected:
        return wrong(
            f"These are key, but not all that are: {len(expected - folded)} more are above half of the largest."
        )
    if folded > expected:
        return wrong(
            f"All key frequencies are among them, and {len(folded - expected)} that are below half of the largest."
        )
    return wrong("Which norms are larger than half of the largest? And which frequency stands at which place?")


@self_check
def doubles(answer: Any, key: Sequence[int], p: int) -> Verdict:
    """Exercise 2.4: for each key frequency k the frequency in 1..K that is the same wave as 2k; in any order."""
    given = sorted(whole_numbers(answer, "the doubled frequencies"))
    expected = [_folded(2 * k, p) for k in key]
    if given == sorted(expected):
        return right(f"Doubled, {_listed(key)} are {_listed(expected)}.")
    if given == sorted(2 * k for k in key) or given == sorted(2 * k % p for k in key):
        return wrong(
            f"Doubled, yes; but some are larger than {p // 2}. At whole numbers x, k and p − k are the same cosine."
        )
    if given == sorted(2 * k % (p // 2) for k in key):
        return wrong(f"You have reduced mod {p // 2}. Waves repeat after p = {p}: k, k + p and p − k look the same.")
    if given == sorted(abs(p // 2 - 2 * k) for k in key):
        return wrong(f"It is p − 2k, not {p // 2} − 2k: a wave is the same at k and at p − k.")
    return wrong(f"Double each key frequency; where that is larger than {p // 2}, p minus it is the same wave.")


@self_check
def neighbour(answer: Any, k: int, p: int) -> Verdict:
    """Exercise 2.5: a residue next to 0 on the circle of frequency k: k⁻¹ mod p, or its negative."""
    (given,) = whole_numbers(number(answer, "the neighbour"), "the neighbour")
    one = pow(k, -1, p)
    if given % p in (one, p - one):
        turns = round(k * (given % p) / p)
        return right(
            f"{given % p} steps of {k}/{p} of a turn make {turns} whole turn{'s' if turns != 1 else ''}, and 1/{p} "
            f"more or less. Both {one} and {p - one} stand next to 0."
        )
    if given % p in (k % p, -k % p):
        return wrong(
            f"At {given} the angle is {k}·{given % p}/{p} turns. Find the x for which k·x is 1 more than a "
            "multiple of p."
        )
    if given in (round(p / k), p // k):
        return wrong(
            f"{given} steps come near a whole turn, and miss it by {_folded(k * given, p)}/{p}. It can be done "
            f"within 1/{p}."
        )
    if given % p == 0:
        return wrong("That is 0 itself. Which other residue comes nearest?")
    if given % p in (1, p - 1):
        return wrong(
            f"One step is {k}/{p} of a turn: 1 stands far from 0 on this circle. Neighbours are 1/{p} of a turn apart."
        )
    return wrong(
        f"At {given} the angle is {k * given % p}/{p} of a turn. Neighbours of 0 are at 1/{p} and {p - 1}/{p}."
    )


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _folded(k: int, p: int) -> int:
    """The frequency up to p // 2 that is the same wave as k, which is also how far k steps are from a whole turn."""
    return min(k % p, -k % p)
