"""Workshop 2, read the circuit: waves in the embedding, key frequencies, and the logits: rebuilt, explained, ablated.

Shapes as in :mod:`grokbook.fourier.transform`: p residues, K = p // 2 frequencies counted from 1; logits [p, p, p] over
operands a, b and the class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokbook import fourier
from grokbook.analysis.restricted import LogitWaves
from grokbook.book.workshop import verdicts
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


@self_check
def rebuilt(rebuild: Any, frequencies: Sequence[int], p: int) -> Found:
    """Exercise 2.6: a function of frequencies that returns Σ_k cos(2πk(a + b − c)/p), [p, p, p], in any scale."""
    a = torch.arange(p)
    plus_b, minus_c = a[None, :, None], -a[None, None, :]

    def waves(which: Sequence[int], phase: Tensor, turn: float = 2 * math.pi / p, wave: Any = torch.cos) -> Tensor:
        return torch.stack([wave(turn * k * phase.double()) for k in which]).sum(0)

    phase = a[:, None, None] + plus_b + minus_c
    for which in (list(frequencies), list(frequencies)[:1]):
        given = numbers(verdicts.result(rebuild, which, what="your function `rebuild`"), "what it returns")
        expected = waves(which, phase)
        if verdicts.close(given, expected, scale=True):
            continue
        mistakes = {
            "fixed": waves(frequencies, phase),
            "difference": waves(which, phase - 2 * plus_b),
            "class_added": waves(which, phase - 2 * minus_c),
            "no_pi": waves(which, phase, 1 / p),
            "no_p": waves(which, phase, 2 * math.pi),
            "no_turn": waves(which, phase, 1.0),
            "sign": -expected,
            "axes": expected.permute(0, 2, 1),
            "first": waves(which[:1], phase),
            "last": waves(which[-1:], phase),
            "sines": waves(which, phase, wave=torch.sin),
        }
        return verdicts.compare(given, expected, mistakes, scale=True)
    accuracy = (expected_sum(frequencies, p).argmax(-1) == (a[:, None] + a[None, :]) % p).double().mean()
    return verdicts.right(count=len(frequencies), accuracy=accuracy)


def expected_sum(frequencies: Sequence[int], p: int) -> Float[Tensor, "p p p"]:
    """Σ_k cos(2πk(a + b − c)/p) at [a, b, c]: the logits of a model that adds by turning."""
    a, of_phase = torch.arange(p), torch.zeros(p, dtype=torch.float64)
    for k in frequencies:
        of_phase += torch.cos(2 * math.pi * (k * a % p).double() / p)
    return of_phase[(a[:, None, None] + a[None, :, None] - a[None, None, :]) % p]


@self_check
def explained(share: Any, logits: Float[Tensor, "p p p"], key: Sequence[int]) -> Found:
    """Exercise 2.7: the share of the logits' variance in the waves cos(2πk(a + b − c)/p) of the key frequencies."""
    p = len(logits)
    centred = logits.double() - logits.double().mean(-1, keepdim=True)
    waves = [expected_sum([k], p) for k in key]

    def captured(wave: Tensor) -> float:
        return float((centred * wave).sum()) ** 2 / float(wave.square().sum())

    total, parts = float(centred.square().sum()), [captured(wave) for wave in waves]
    expected = sum(parts) / total
    mistakes = {
        "percent": 100 * expected,
        "rest": 1 - expected,
        "root": math.sqrt(expected),
        "uncentred": sum(parts) / float(logits.double().square().sum()),
        "single": max(parts) / total,
        "alike": captured(torch.stack(waves).sum(0)) / total,
    }
    given = number(share, "the share")
    # Close to 1 a tolerance of a share is wide: both what is explained and what is not have to fit.
    if verdicts.close(given, expected) and not verdicts.close(1 - given, 1 - expected, tolerance=0.05):
        left = {key: 1 - answer for key, answer in mistakes.items()}
        return verdicts.mistaken(verdicts.near(1 - given, left), "close")
    return verdicts.compare(given, expected, mistakes, count=len(waves), each=_each(np.divide(parts, total), key, 0))


@self_check
def ablated(without: Any, waves: LogitWaves, k: int) -> Found:
    """Exercise 2.8: a function of k that returns the logits [p, p, p] without cos w_k(a+b) and sin w_k(a+b)."""
    logits, p = waves.logits.clone(), len(waves.logits)
    expected = logits - waves.waves([k])
    try:
        given = numbers(verdicts.result(without, k, what="your function `without`"), "what it returns")
    finally:
        changed = not torch.equal(waves.logits, logits)
        waves.logits.copy_(logits)  # later cells need them
    if changed:
        return verdicts.wrong("in_place")
    angle = 2 * math.pi * k * waves.phase.double() / p

    def projected(direction: Tensor) -> Tensor:
        unit = direction / direction.norm()
        return unit[:, :, None] * torch.einsum("ab,abc->c", unit, logits)

    cosine, sine = projected(angle.cos()), projected(angle.sin())
    raw = sum(d[:, :, None] * torch.einsum("ab,abc->c", d, logits) for d in (angle.cos(), angle.sin()))
    a = torch.arange(p, dtype=torch.float64)
    turned = 2 * math.pi * k * (a[:, None] - a[None, :]) / p
    mistakes = {
        "nothing": logits,
        "sine_left": logits - cosine,
        "cosine_left": logits - sine,
        "wave": cosine + sine,
        "added": logits + cosine + sine,
        "long": logits - raw,
        "long_mean": logits - raw / p,
        "difference": logits - projected(turned.cos()) - projected(turned.sin()),
    }
    full, left = (float((x.argmax(-1) == waves.phase).double().mean()) for x in (logits, expected))
    return verdicts.compare(given, expected, mistakes, full=full, left=left)


@self_check
def accuracies_alone(answer: Any, waves: LogitWaves, key: Sequence[int], test: Tensor) -> Found:
    """Exercise 2.9: test accuracy of each key frequency's part of the logits alone, in the order of ``key``."""
    given = numbers(answer, "the accuracies").reshape(-1)
    parts = [waves.waves([k]) for k in key]

    def share(pairs: Tensor, logits: Sequence[Tensor] = parts) -> np.ndarray:
        return np.asarray([float((each.argmax(-1) == waves.phase)[pairs].double().mean()) for each in logits])

    expected = share(test)
    mistakes = {
        "percents": 100 * expected,
        "train": share(~test),
        "all": share(torch.ones_like(test)),
        "wrong": 1 - expected,
        "without": share(test, [waves.logits - part for part in parts]),
        "order": np.sort(expected),
    }
    return verdicts.compare(given, expected, mistakes, each=_each(expected, key, 1))


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _folded(k: int, p: int) -> int:
    """The frequency up to p // 2 that is the same wave as k, which is also how far k steps are from a whole turn."""
    return min(k % p, -k % p)


def _each(shares: np.ndarray, key: Sequence[int], digits: int) -> str:
    return ", ".join(f"{share:.{digits}%} (k = {k})" for share, k in zip(shares, key, strict=True))
