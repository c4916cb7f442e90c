"""Answers to workshop 2, right and wrong, on a planted adder mod 13."""

import math

import numpy as np
import pytest
import torch
from garbage import assert_refused

from grokbook import Operation, fourier
from grokbook.analysis import restricted
from grokbook.book.workshop import circuit

P, KEY = 13, [2, 5]
X = torch.arange(P, dtype=torch.float64)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


COLUMN = noise(P, seed=1)
LAYER = torch.cat(
    [torch.stack([torch.cos(2 * math.pi * k * X / P) * 3, torch.sin(2 * math.pi * k * X / P) * 2], 1) for k in KEY], 1
)
LAYER = torch.cat([LAYER + 1, 0.3 * noise(P, 5)], dim=1)
D = X[:, None, None] + X[None, :, None] - X[None, None, :]
LOGITS = 7 * torch.cos(2 * math.pi * 2 * D / P) + 4 * torch.cos(2 * math.pi * 5 * D / P) + noise(P, P, P) + 2
WAVES = restricted.decompose(LOGITS, Operation.parse("a+b"))
TEST = torch.rand(P, P, generator=torch.Generator().manual_seed(3)) < 0.5
UNIT = math.sqrt(2 / P)


def coefficient(k: float, function=torch.cos, factor: float = UNIT) -> torch.Tensor:
    return factor * (COLUMN * function(2 * math.pi * k * X / P)).sum()


@pytest.mark.parametrize("form", [float, np.asarray, lambda t: t, lambda t: [t]])
def test_one_coefficient_by_hand(form):
    assert circuit.one_coefficient(form(coefficient(3)), COLUMN, 3)
    assert circuit.one_coefficient(fourier.coefficients(COLUMN.float())[5], COLUMN.float(), 3)


@pytest.mark.parametrize("k", [0, 6, 7, 10, 13, 40, -3])
def test_a_student_may_try_any_frequency(k):
    assert circuit.one_coefficient(coefficient(k), COLUMN, k)
    assert not circuit.one_coefficient(coefficient(k) + 1, COLUMN, k)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (coefficient(3, factor=1), "not of length one"),
        (coefficient(3, factor=2 / P), "multiplied by 2/p"),
        (coefficient(3, factor=math.sqrt(1 / P)), "belongs to the constant"),
        (coefficient(3, factor=1 / P), "That is a mean"),
        (coefficient(3, torch.sin), "of the sine"),
        (-coefficient(3), "sign is turned"),
        (coefficient(1), "frequency 1"),
        (UNIT * (COLUMN * torch.cos(360 * 3 * X / P)).sum(), "radians"),
        (coefficient(4), "Multiply the list"),
    ],
)
def test_mistakes_with_a_coefficient_are_explained(answer, part):
    verdict = circuit.one_coefficient(answer, COLUMN, 3)
    assert not verdict
    assert part in verdict.message


COS = torch.stack([torch.cos(2 * math.pi * k * X / P) for k in range(1, 7)]) @ LAYER
SIN = torch.stack([torch.sin(2 * math.pi * k * X / P) for k in range(1, 7)]) @ LAYER
NORMS = (COS.square().sum(1) + SIN.square().sum(1)).sqrt()  # by its definition, in a scale of its own


def test_the_spectrum_in_any_scale_and_form():
    for answer in (NORMS, NORMS.float(), (UNIT * NORMS).tolist(), NORMS[:, None].numpy()):
        assert circuit.spectrum(answer, LAYER)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (NORMS**2, "squares of norms"),
        (COS.norm(dim=1), "cosines alone"),
        (SIN.norm(dim=1), "sines alone"),
        (COS.norm(dim=1) + SIN.norm(dim=1), "right angles"),
        (torch.cat([LAYER.sum(0).norm()[None] / math.sqrt(2), NORMS]), "constant"),
        (torch.cat([LAYER.sum(0).norm()[None] / math.sqrt(2), NORMS[:-1]]), "lacks the last"),
        (torch.fft.rfft(LAYER, dim=1).norm(dim=0)[1:], "along the channels"),
        (NORMS.flip(0), "For each k"),
        (NORMS[:4], "I expect the shape (6,); yours has (4,)"),
    ],
)
def test_mistakes_with_the_spectrum_are_explained(answer, part):
    verdict = circuit.spectrum(answer, LAYER)
    assert not verdict
    assert part in verdict.message


def test_key_frequencies_in_any_order_and_on_either_side():
    for answer in ([2, 5], {5, 2}, torch.tensor([5, 2]), [2.0, 8.0], [11, 5], (5, 2, 2)):
        assert circuit.key_frequencies(answer, LAYER)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ([1, 4], "count from 0"),
        ([3, 6], "one too high"),
        ([2], "1 more"),
        ([2, 5, 6], "and 1 that are below"),
        ([0, 2, 5], "and 1 that are below"),
        ([1, 3], "half of the largest"),
        ([], "2 more"),
    ],
)
def test_mistakes_with_key_frequencies_are_explained(answer, part):
    verdict = circuit.key_frequencies(answer, LAYER)
    assert not verdict
    assert part in verdict.message


def test_other_thresholds_are_told_apart():
    heights = torch.tensor([1.0, 0.75, 0.6, 0.35, 0.1, 0.1])
    layer = torch.stack([h * torch.cos(2 * math.pi * k * X / P) for k, h in enumerate(heights.tolist(), start=1)], 1)
    assert circuit.key_frequencies([1, 2, 3], layer)
    assert "largest *square*" in circuit.key_frequencies([1, 2], layer).message
    assert "with the mean" in circuit.key_frequencies([1, 2, 3, 4], layer).message


def test_doubled_frequencies():
    # 2 → 4, 5 → 10 = 13 − 3
    assert circuit.doubles([4, 3], KEY, P)
    assert circuit.doubles({3, 4}, KEY, P)
    for answer, part in (
        ([4, 10], "are larger than 6"),
        ([4, 4], "reduced mod 6"),
        ([2, 4], "p − 2k"),
        ([1, 2], "Double"),
    ):
        verdict = circuit.doubles(answer, KEY, P)
        assert not verdict
        assert part in verdict.message


def test_neighbours_on_the_circle():
    # 5·8 = 40 = 3·13 + 1
    for answer in (8, 5, -8, torch.tensor(8.0), [5]):
        assert circuit.neighbour(answer, 5, P), answer
    assert "3 whole turns" in circuit.neighbour(8, 5, P).message
    for k, answer, part in (
        (5, 0, "0 itself"),
        (5, 1, "1 stands far from 0"),
        (5, 3, "miss it by 2/13"),
        (4, 4, "4·4/13 turns"),
        (5, 6, "is 4/13 of a turn"),
        (5, 2.5, "whole numbers"),
    ):
        verdict = circuit.neighbour(answer, k, P)
        assert not verdict
        assert part in verdict.message


def built(sign_b=1, sign_c=-1, turn=2 * math.pi / P, function=torch.cos, which=slice(None), factor=1.0):
    def rebuild(frequencies):
        d = X[:, None, None] + sign_b * X[None, :, None] + sign_c * X[None, None, :]
        return factor * sum(function(turn * k * d) for k in list(frequencies)[which])

    return rebuild


def test_rebuilt_logits_in_any_scale():
    for rebuild in (
        built(),
        built(factor=3.0),
        lambda ks: built()(ks).float().numpy(),
        lambda ks: built()(ks).tolist(),
    ):
        assert circuit.rebuilt(rebuild, KEY, P)
    assert torch.allclose(circuit.expected_sum(KEY, P), built()(KEY))


@pytest.mark.parametrize(
    ("rebuild", "part"),
    [
        (built(sign_b=-1), "That is a − b − c"),
        (built(sign_c=1), "class c is added"),
        (built(turn=1 / P), "lacks its 2π"),
        (built(turn=2 * math.pi), "lacks its 1/p"),
        (built(turn=1.0), "lacks the 2π/p"),
        (built(factor=-1), "sign is turned"),
        (built(function=torch.sin), "sin 0 = 0"),
        (built(which=slice(1)), "Only the first"),
        (built(which=slice(-1, None)), "Only the last"),
        (lambda ks: built()(ks).permute(2, 0, 1), "are the axes in another order"),
        (lambda ks: built()(ks).permute(0, 2, 1), "axes are in another order"),
        (lambda ks: built()(KEY), "no use of the frequencies"),
        (lambda ks: built()(ks)[0], "I expect the shape (13, 13, 13); yours has (13, 13)"),
        (lambda ks: built()(ks) + noise(P, P, P), "For each k"),
        (lambda ks: None, "returns nothing"),
        (lambda ks: ..., "Nothing here yet"),
    ],
)
def test_mistakes_with_rebuilt_logits_are_explained(rebuild, part):
    verdict = circuit.rebuilt(rebuild, KEY, P)
    assert not verdict
    assert part in verdict.message


def shares(of: torch.Tensor) -> list[float]:
    """By least squares over the two waves, one after the other: an independent way."""
    columns = [torch.cos(2 * math.pi * k * D / P).flatten() for k in KEY]
    fits = [torch.linalg.lstsq(c[:, None], of.flatten()[:, None]).solution * c[:, None] for c in columns]
    return [float(fit.square().sum() / of.square().sum()) for fit in fits]


CENTRED = LOGITS - LOGITS.mean(-1, keepdim=True)
EQUAL = sum(torch.cos(2 * math.pi * k * D / P) for k in KEY)


def test_the_sum_of_waves_is_exact_to_double_precision():
    torch.testing.assert_close(circuit.expected_sum(KEY, P), EQUAL, rtol=0, atol=1e-13)


def test_the_explained_share():
    assert circuit.explained(sum(shares(CENTRED)), LOGITS, KEY)
    assert circuit.explained(torch.tensor(sum(shares(CENTRED))).float(), LOGITS.float(), KEY)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (100 * sum(shares(CENTRED)), "percent"),
        (1 - sum(shares(CENTRED)), "*not* explained"),
        (math.sqrt(sum(shares(CENTRED))), "correlation"),
        (sum(shares(LOGITS)), "not centred"),
        (shares(CENTRED)[0], "one frequency alone"),
        (float((CENTRED * EQUAL).sum() ** 2 / EQUAL.square().sum() / CENTRED.square().sum()), "same amplitude"),
        (0.5, "Each wave explains"),
    ],
    ids=lambda value: value if isinstance(value, str) else "share",  # its last bits are not those of every process
)
def test_mistakes_with_the_explained_share_are_explained(answer, part):
    verdict = circuit.explained(answer, LOGITS, KEY)
    assert not verdict
    assert part in verdict.message


def test_a_share_close_to_one_is_not_right_by_rounding():
    logits = 7 * torch.cos(2 * math.pi * 2 * D / P) + 4 * torch.cos(2 * math.pi * 5 * D / P) + 0.02 * noise(P, P, P)
    centred = logits - logits.mean(-1, keepdim=True)
    share = sum(shares(centred))
    assert circuit.explained(share, logits, KEY)
    assert "rounding" in circuit.explained(1.0, logits, KEY).message
    assert "correlation" in circuit.explained(math.sqrt(share), logits, KEY).message


def projection(k: int, sign_b: int = 1, parts=("cos", "sin"), unit: bool = True, per: float = 1.0) -> torch.Tensor:
    angle = 2 * math.pi * k * (X[:, None] + sign_b * X[None, :]) / P
    total = torch.zeros_like(LOGITS)
    for part in parts:
        direction = getattr(angle, part)()
        direction = direction / direction.norm() if unit else direction
        total = total + direction[:, :, None] * (direction[:, :, None] * LOGITS).sum((0, 1)) / per
    return total


def test_ablated_logits():
    assert circuit.ablated(lambda k: LOGITS - projection(k), WAVES, 2)
    assert circuit.ablated(lambda k: (LOGITS - projection(k)).float().numpy(), WAVES, 5)


@pytest.mark.parametrize(
    ("without", "part"),
    [
        (lambda k: LOGITS, "Nothing is gone yet"),
        (lambda k: LOGITS - projection(k, parts=("cos",)), "The sine is still there"),
        (lambda k: LOGITS - projection(k, parts=("sin",)), "The cosine is still there"),
        (lambda k: projection(k), "Subtract it"),
        (lambda k: LOGITS + projection(k), "added the wave once more"),
        (lambda k: LOGITS - projection(k, unit=False), "far too much"),
        (lambda k: LOGITS - projection(k, unit=False, per=P), "not of length one"),
        (lambda k: LOGITS - projection(k, sign_b=-1), "waves of a − b"),
        (lambda k: LOGITS - projection(3), "For each of the two"),
        (lambda k: LOGITS[0], "yours has (13, 13)"),
    ],
)
def test_mistakes_with_ablated_logits_are_explained(without, part):
    verdict = circuit.ablated(without, WAVES, 2)
    assert not verdict
    assert part in verdict.message


def test_logits_that_are_changed_in_place_are_put_back():
    waves = restricted.decompose(LOGITS.clone(), Operation.parse("a+b"))

    def without(k: int) -> torch.Tensor:
        left = waves.logits
        left -= projection(k)
        return left

    verdict = circuit.ablated(without, waves, 2)
    assert not verdict
    assert "in place" in verdict.message
    assert torch.equal(waves.logits, LOGITS)
    assert circuit.ablated(lambda k: LOGITS - projection(k), waves, 2)


ANSWERS = (X[:, None] + X[None, :]).long() % P


def accuracy(some: torch.Tensor, pairs: torch.Tensor) -> float:
    return float((some.argmax(-1) == ANSWERS)[pairs].double().mean())


def test_accuracies_of_single_waves():
    weak = restricted.decompose(LOGITS + 4 * noise(P, P, P, seed=8), Operation.parse("a+b"))
    alone = [accuracy(weak.waves([k]), TEST) for k in KEY]
    assert len({*alone, *[accuracy(weak.waves([k]), ~TEST) for k in KEY], 0.0, 1.0}) == 6  # else nothing is told apart
    assert circuit.accuracies_alone(alone, weak, KEY, TEST)
    assert circuit.accuracies_alone(torch.tensor(alone), weak, KEY, TEST)
    everything = torch.ones_like(TEST)
    for answer, part in (
        ([100 * value for value in alone], "percents"),
        ([accuracy(weak.waves([k]), ~TEST) for k in KEY], "train pairs"),
        ([accuracy(weak.waves([k]), everything) for k in KEY], "all pairs"),
        ([1 - value for value in alone], "how often they are wrong"),
        ([accuracy(weak.logits - weak.waves([k]), TEST) for k in KEY], "*without* each"),
        (alone[::-1], "another order"),
        (alone[:1], "yours has (1,)"),
    ):
        verdict = circuit.accuracies_alone(answer, weak, KEY, TEST)
        assert not verdict
        assert part in verdict.message


def test_nothing_else_passes_or_raises():
    for check in (
        lambda answer: circuit.one_coefficient(answer, COLUMN, 3),
        lambda answer: circuit.spectrum(answer, LAYER),
        lambda answer: circuit.key_frequencies(answer, LAYER),
        lambda answer: circuit.doubles(answer, KEY, P),
        lambda answer: circuit.neighbour(answer, 5, P),
        lambda answer: circuit.rebuilt(answer, KEY, P),
        lambda answer: circuit.explained(answer, LOGITS, KEY),
        lambda answer: circuit.ablated(answer, WAVES, 2),
        lambda answer: circuit.accuracies_alone(answer, WAVES, KEY, TEST),
    ):
        assert_refused(check)
