"""The logits of workshop 2: rebuilt from waves, explained by them, and without them.

Shapes: logits [p, p, p] over operands a, b and the class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokbook.analysis.restricted import LogitWaves
from grokbook.book.workshop.verdicts import (
    PERCENT,
    Verdict,
    close,
    compare,
    number,
    numbers,
    result,
    right,
    self_check,
    told,
    wrong,
)


@self_check
def rebuilt(rebuild: Any, frequencies: Sequence[int], p: int) -> Verdict:
    """Exercise 2.6: a function of frequencies that returns Σ_k cos(2πk(a + b − c)/p), [p, p, p], in any scale."""
    a = torch.arange(p)
    plus_b, minus_c = a[None, :, None], -a[None, None, :]

    def waves(which: Sequence[int], phase: Tensor, turn: float = 2 * math.pi / p, wave: Any = torch.cos) -> Tensor:
        return torch.stack([wave(turn * k * phase.double()) for k in which]).sum(0)

    phase = a[:, None, None] + plus_b + minus_c
    for which in (list(frequencies), list(frequencies)[:1]):
        given = numbers(result(rebuild, which, what="your function `rebuild`"), "what it returns")
        expected = waves(which, phase)
        if close(given, expected, scale=True):
            continue
        mistakes = [
            (waves(frequencies, phase), "It makes no use of the frequencies it is given, but always of the same ones."),
            (
                waves(which, phase - 2 * plus_b),
                "That is a − b − c: is a sign turned round, or are the axes in another order? a first, then b, then c.",
            ),
            (
                waves(which, phase - 2 * minus_c),
                "The class c is added. The wave is to be highest where c *equals* a + b: take a + b − c.",
            ),
            (waves(which, phase, 1 / p), "The angle lacks its 2π: a whole turn is 2π."),
            (waves(which, phase, 2 * math.pi), "The angle lacks its 1/p: p steps make k whole turns."),
            (waves(which, phase, 1.0), "The angle is 2πk(a + b − c)/p: yours lacks the 2π/p."),
            (-expected, "The sign is turned round: the right class should come out highest."),
            (expected.permute(0, 2, 1), "The axes are in another order: a first, then b, then the class c."),
            (waves(which[:1], phase), "Only the first frequency is in it: add up the waves of all of them."),
            (waves(which[-1:], phase), "Only the last frequency is in it: add up the waves of all of them."),
            (
                waves(which, phase, wave=torch.sin),
                "With sines the right class gets 0: sin 0 = 0. The cosine is highest there.",
            ),
        ]
        shape = "" if given.shape == (p, p, p) else f" I expect the shape ({p}, {p}, {p}); yours has {given.shape}."
        otherwise = f"For each k the logits are cos(2πk(a + b − c)/p), at [a, b, c].{shape}"
        return told(given, mistakes, otherwise, scale=True)
    accuracy = (expected_sum(frequencies, p).argmax(-1) == (a[:, None] + a[None, :]) % p).double().mean()
    return right(
        f"Waves of {len(frequencies)} frequencies, nothing learned, and {accuracy:.1%} of all pairs are right."
    )


def expected_sum(frequencies: Sequence[int], p: int) -> Float[Tensor, "p p p"]:
    """Σ_k cos(2πk(a + b − c)/p) at [a, b, c]: the logits of a model that adds by turning."""
    a, of_phase = torch.arange(p), torch.zeros(p, dtype=torch.float64)
    for k in frequencies:
        of_phase += torch.cos(2 * math.pi * (k * a % p).double() / p)
    return of_phase[(a[:, None, None] + a[None, :, None] - a[None, None, :]) % p]


@self_check
def explained(share: Any, logits: Float[Tensor, "p p p"], key: Sequence[int]) -> Verdict:
    """Exercise 2.7: the share of the logits' variance in the waves cos(2πk(a + b − c)/p) of the key frequencies."""
    p = len(logits)
    centred = logits.double() - logits.double().mean(-1, keepdim=True)
    waves = [expected_sum([k], p) for k in key]

    def captured(wave: Tensor) -> float:
        return float((centred * wave).sum()) ** 2 / float(wave.square().sum())

    total, parts = float(centred.square().sum()), [captured(wave) for wave in waves]
    expected, alike = sum(parts) / total, captured(torch.stack(waves).sum(0)) / total
    mistakes = [
        (100 * expected, PERCENT),
        (1 - expected, "That is the share that is *not* explained."),
        (math.sqrt(expected), "That is a correlation; squared it becomes the share of the variance."),
        (
            sum(parts) / float(logits.double().square().sum()),
            "You divide by logits that are not centred. What all classes share changes no answer: take the mean "
            "over classes out of both.",
        ),
        (max(parts) / total, "That is one frequency alone. Add up the shares of all key frequencies."),
        (alike, "That gives all waves the same amplitude. Each frequency has its own: fit them one by one."),
    ]
    given = number(share, "the share")
    each = ", ".join(f"{part / total:.0%} (k = {k})" for k, part in zip(key, parts, strict=True))
    # Close to 1 a tolerance of a share is wide: both what is explained and what is not have to fit.
    if close(given, expected) and not close(1 - given, 1 - expected, tolerance=0.05):
        otherwise = (
            "Close, but not within what rounding explains. Is every frequency's own amplitude in it, squared, and is "
            "the total that of `centred`?"
        )
        return told(1 - given, [(1 - answer, message) for answer, message in mistakes], otherwise)
    passed = f"{expected:.1%} of the model's logits are {len(waves)} waves: {each}."
    otherwise = "Each wave explains amplitude² · Σ wave²; add these up and divide by Σ centred²."
    return compare(given, expected, mistakes, passed, otherwise)


@self_check
def ablated(without: Any, waves: LogitWaves, k: int) -> Verdict:
    """Exercise 2.8: a function of k that returns the logits [p, p, p] without cos w_k(a+b) and sin w_k(a+b)."""
    logits, p = waves.logits.clone(), len(waves.logits)
    expected = logits - waves.waves([k])
    try:
        given = numbers(result(without, k, what="your function `without`"), "what it returns")
    finally:
        changed = not torch.equal(waves.logits, logits)
        waves.logits.copy_(logits)  # later cells need them
    if changed:
        return wrong(
            "It changes `logits` themselves, in place, so that they would lack the wave ever after (I have put them "
            "back). Write `left = left - …` in place of `left -= …`, or begin with a copy: `left = logits.clone()`."
        )
    angle = 2 * math.pi * k * waves.phase.double() / p

    def projected(direction: Tensor) -> Tensor:
        unit = direction / direction.norm()
        return unit[:, :, None] * torch.einsum("ab,abc->c", unit, logits)

    cosine, sine = projected(angle.cos()), projected(angle.sin())
    raw = sum(d[:, :, None] * torch.einsum("ab,abc->c", d, logits) for d in (angle.cos(), angle.sin()))
    a = torch.arange(p, dtype=torch.float64)
    turned = 2 * math.pi * k * (a[:, None] - a[None, :]) / p
    mistakes = [
        (logits, "Nothing is gone yet: these are the full logits."),
        (logits - cosine, "The sine is still there. A frequency is a plane: take out both directions."),
        (logits - sine, "The cosine is still there. A frequency is a plane: take out both directions."),
        (cosine + sine, "That is what should go. Subtract it from the logits."),
        (logits + cosine + sine, "You have added the wave once more. It is to be subtracted."),
        (logits - raw, "The directions are not of length one, so far too much is taken out: divide each by its norm."),
        (logits - raw / p, "The directions are not of length one: divide each by its norm."),
        (
            logits - projected(turned.cos()) - projected(turned.sin()),
            "These are the waves of a − b. The model adds: take a + b.",
        ),
    ]
    full, left = (float((x.argmax(-1) == waves.phase).double().mean()) for x in (logits, expected))
    passed = f"Without k = {k}, {left:.1%} of all pairs are right; with it {full:.1%}."
    otherwise = (
        "For each of the two unit directions over the pairs: how much of it is in the logits of each "
        "class? Take that out."
    )
    return compare(given, expected, mistakes, passed, otherwise)


@self_check
def accuracies_alone(answer: Any, waves: LogitWaves, key: Sequence[int], test: Tensor) -> Verdict:
    """Exercise 2.9: test accuracy of each key frequency's part of the logits alone, in the order of ``key``."""
    given = numbers(answer, "the accuracies").reshape(-1)
    hits = [waves.waves([k]).argmax(-1) == waves.phase for k in key]

    def share(pairs: Tensor) -> np.ndarray:
        return np.asarray([float(hit[pairs].double().mean()) for hit in hits])

    expected = share(test)
    left_out = [(waves.logits - waves.waves([k])).argmax(-1) == waves.phase for k in key]
    mistakes = [
        (100 * expected, "These are percents; an accuracy is between 0 and 1."),
        (share(~test), "These are the train pairs. `test` is true at the test pairs."),
        (share(torch.ones_like(test)), "These are all pairs. Take the test pairs alone: `[test]`."),
        (1 - expected, "That is how often they are wrong."),
        (
            [float(hit[test].double().mean()) for hit in left_out],
            "That is the model *without* each of them. What is asked for is each of them alone.",
        ),
        (np.sort(expected), "These are in another order: the first number belongs to the first key frequency."),
    ]
    each = ", ".join(f"{value:.1%} (k = {k})" for k, value in zip(key, expected, strict=True))
    passed = f"Alone they reach {each}."
    otherwise = (
        "For each k: the class with the highest logit in `part([k])`, compared with `answers`, at the test pairs."
    )
    return compare(given, expected, mistakes, passed, otherwise)
