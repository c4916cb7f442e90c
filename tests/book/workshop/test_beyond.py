"""Answers to workshop 3, right and wrong, mod 13 (smallest primitive root 2)."""

import math
from math import gcd

import numpy as np
import pytest
import torch
from garbage import assert_refused

from grokbook import Operation
from grokbook.book.workshop import beyond

P = 13
X = torch.arange(P)
POWERS = [pow(2, i, P) for i in range(P - 1)]
LOGS = [POWERS.index(x) for x in range(1, P)]


def wrong(verdict, part: str) -> None:
    assert not verdict
    assert part in verdict.message


def layer(n: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(P, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_every_primitive_root_is_a_generator():
    roots = [g for g in range(1, P) if len({pow(g, i, P) for i in range(P)}) == P - 1]
    assert [g for g in range(P) if beyond.generator(g, P)] == roots == [2, 6, 7, 11]
    assert beyond.generator(torch.tensor(2.0), P)
    assert beyond.generator(15, P)
    wrong(beyond.generator(0, P), "are all 0")
    wrong(beyond.generator(26, P), "are all 0")
    wrong(beyond.generator(1, P), "after 1 step,")
    wrong(beyond.generator(3, P), "after 3 steps, so 9 residues are never met")
    wrong(beyond.generator(5, P), "no factor in common with p − 1 is not what counts")
    wrong(beyond.generator(2.5, P), "whole numbers")


@pytest.mark.parametrize(
    "answer",
    [
        LOGS,
        [12, *LOGS[1:]],  # exponents count mod p − 1
        [None, *LOGS][1:],
        [0, *LOGS],  # with a place for 0
        dict(zip(range(1, P), LOGS, strict=True)),
        torch.tensor(LOGS),
    ],
)
def test_logarithms(answer):
    assert beyond.logarithms(answer, 2, P)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (POWERS, "powers of g, one after the other"),
        ([*POWERS[1:], 1], "powers of g, one after the other"),
        ([log + 1 for log in LOGS], "off by one"),
        ([log - 1 for log in LOGS], "off by one"),
        ([-log for log in LOGS], "opposite sign"),
        ([[pow(6, i, P) for i in range(12)].index(x) for x in range(1, P)], "another base than g = 2"),
        ([LOGS[0], LOGS[2], LOGS[1], *LOGS[3:]], "For x = 2 you have 4, but 2 to this power is 3 mod 13"),
        (LOGS[:5], "I expect 12 logarithms"),
        ({1: 0}, "I expect 12 logarithms"),
    ],
)
def test_mistakes_with_logarithms_are_explained(answer, part):
    wrong(beyond.logarithms(answer, 2, P), part)


def waves(rows: torch.Tensor, count: int = 5) -> torch.Tensor:
    """Norms over orthonormal cosines and sines along the rows, m = 1, 2, …, from their definition."""
    n = len(rows)
    angles = 2 * math.pi / n * torch.outer(torch.arange(1, count + 1), torch.arange(n)).double()
    return torch.hypot((angles.cos() @ rows).norm(dim=1), (angles.sin() @ rows).norm(dim=1))


def test_the_spectrum_over_logarithms_in_any_scale_and_for_any_root():
    matrix = layer()
    assert beyond.multiplicative_spectrum(waves(matrix[POWERS]), matrix)
    assert beyond.multiplicative_spectrum((7 * waves(matrix[POWERS])).tolist(), matrix)
    assert beyond.multiplicative_spectrum(waves(matrix[POWERS], 6), matrix)  # with the last
    other = [pow(11, i, P) for i in range(P - 1)]
    assert not torch.allclose(waves(matrix[other]), waves(matrix[POWERS]))
    assert beyond.multiplicative_spectrum(waves(matrix[other]), matrix)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda w: waves(w[LOGS]), "index with the powers"),
        (lambda w: waves(w[1:]), "still in the order 1, 2, 3"),
        (lambda w: waves(w[[0, *POWERS]], 6), "The row of 0"),
        (lambda w: waves(w[POWERS]) ** 2, "squares of norms"),
        (lambda w: waves(w, 6), "over the residues themselves"),
        (lambda w: torch.fft.rfft(w[POWERS], dim=0).norm(dim=1), "constant"),
        (lambda w: torch.fft.rfft(w[POWERS], dim=0).norm(dim=1)[:6], "constant"),
        (lambda w: waves(w[POWERS]).flip(0) + 1, "Take the rows"),
        (lambda w: waves(w[POWERS])[:3], "I expect 5 numbers"),
    ],
)
def test_mistakes_with_the_spectrum_over_logarithms_are_explained(make, part):
    matrix = layer()
    wrong(beyond.multiplicative_spectrum(make(matrix), matrix), part)


def test_a_transform_along_the_channels_is_noticed():
    matrix = layer(n=11)
    wrong(beyond.multiplicative_spectrum(waves(matrix[POWERS].T), matrix), "along the channels")


def test_the_odd_share():
    matrix = layer()
    odd = (matrix - matrix[[0, *range(P - 1, 0, -1)]]) / 2
    total = matrix.square().sum()
    share = float(odd.square().sum() / total)
    assert beyond.odd_share(share, matrix)
    flipped = float(((matrix - matrix.flip(0)) / 2).square().sum() / total)
    for answer, part in (
        (1 - share, "even part"),
        (flipped, "`flip`"),
        (4 * share, "Half of the difference"),
        (2 * share, "Half of the difference"),
        (math.sqrt(share), "the root"),
        (100 * share, "percent"),
        (share / (1 - share), "odd over even"),
        (share * float(total), "the sum of squares itself"),
        (0.123, "The odd part is"),
    ):
        wrong(beyond.odd_share(answer, matrix), part)
    even = matrix + matrix[[0, *range(P - 1, 0, -1)]]
    assert beyond.odd_share(0.0, even)
    assert not beyond.odd_share(0.01, even)


def test_how_many_values_a_power_has():
    exponents = [2, 3, 4, 5, 13]
    counts = [len({pow(x, n, P) for x in range(P)}) for n in exponents]
    assert beyond.distinct_powers(counts, exponents, P)
    assert beyond.distinct_powers(dict(zip(exponents, counts, strict=True)), exponents, P)
    assert beyond.distinct_powers(torch.tensor(counts), exponents, P)
    for answer, part in (
        ([count - 1 for count in counts], "0 is a value"),
        ([P] * 5, "reduce them mod p"),
        ([len({float(x) ** n % P for x in range(P)}) for n in [2, 3, 4, 5, 30]], "For n = 13"),
        (counts[:2], "I expect 5 counts"),
        ([7, 5, 4, 12, 13], "For n = 5 you have 12"),
    ):
        wrong(beyond.distinct_powers(answer, exponents, P), part)
    wrong(beyond.distinct_powers([len({float(x) ** 11 % 97 for x in range(97)})], [11], 97), "rounded")
    assert all(beyond.distinct_powers([(P - 1) // gcd(n, P - 1) + 1], [n], P) for n in range(1, 30))


KEY = (2, 5)


def fitted(angle: torch.Tensor, target: torch.Tensor, parts=("cos", "sin"), centre: bool = True) -> float:
    columns = torch.cat([getattr(angle, part)() for part in parts]).T
    columns = columns - columns.mean(0) if centre else columns
    fit = columns @ torch.linalg.lstsq(columns, target, driver="gelsd").solution
    return float(fit.square().sum() / target.square().sum())


def chirps(n: int) -> torch.Tensor:
    return 2 * math.pi / P * torch.stack([k * X**n % P for k in KEY]).double()


def test_the_share_of_chirps():
    matrix = layer() + 3 * torch.cos(chirps(2)[0])[:, None] + 2
    centred = matrix - matrix.mean(0)
    share = fitted(chirps(2), centred)
    assert beyond.chirp_share(share, matrix, KEY)
    assert beyond.chirp_share(fitted(chirps(2), centred, centre=False), matrix, KEY)
    for answer, part in (
        (fitted(chirps(1), centred), "plain waves"),
        (fitted(chirps(4), centred), "a power too much"),
        (fitted(chirps(2), centred, ("cos",)), "Only the cosines"),
        (fitted(chirps(2), centred, ("sin",)), "Only the sines"),
        (fitted(chirps(2), matrix), "not centred"),
        (fitted(chirps(2), matrix, centre=False), "not centred"),
        (1 - share, "left over"),
        (100 * share, "percent"),
        (math.sqrt(share), "the root"),
        (0.01, "Fit all channels"),
    ):
        wrong(beyond.chirp_share(answer, matrix, KEY), part)


def table_of(text: str) -> torch.Tensor:
    return Operation.parse(text)(X[:, None], X[None, :], P)


def through(table) -> bool:
    return all(table[a, b] == table[(a + 1) % P, (b - 1) % P] for a in range(P) for b in range(P))


def test_through_the_sum():
    for function in (
        through,
        lambda t: np.bool_(through(t)),
        lambda t: torch.tensor(through(t)),
        lambda t: int(through(t)),
    ):
        assert beyond.through_sum(function, P)
    assert [text for text in beyond.TRIED if through(table_of(text))] == ["a+b", "(a+b)^2", "(a+b)^3", "(a+b)^2+a+b"]
    for function, part in (
        (lambda t: bool((t == t.T).all()), "That is symmetry"),
        (lambda t: all(t[a, -a % P] == 0 for a in range(P)), "*factor*"),
        (
            lambda t: all(t[a, b] == t[(a + 1) % P, (b + 1) % P] for a in range(P) for b in range(P)),
            "functions of a − b",
        ),
        (lambda t: True, "It says True of every table"),
        (lambda t: False, "It says False of every table"),
        (lambda t: bool((t == table_of("ab")).all()), "It says False of a+b"),
        (lambda t: t == t.T, "True or False"),
        (lambda t: None, "returns nothing"),
    ):
        wrong(beyond.through_sum(function, P), part)


def test_a_function_that_changes_its_table_harms_nobody():
    def careless(table):
        answer = through(table)
        table[:] = 0
        return answer

    assert beyond.through_sum(careless, P)


def test_the_completed_square():
    right = [
        (u, v)
        for u in range(P)
        for v in range(P)
        if torch.equal(((X[:, None] + u * X) ** 2 + v * X**2) % P, table_of("a^2+ab+b^2"))
    ]
    assert [(u, v) for u in range(P) for v in range(P) if beyond.completed_square(u, v, P)] == right == [(7, 4)]
    assert beyond.completed_square(7 - P, torch.tensor(4 + P), P)
    for answers, part in (
        ((7, 10), "not 1/4"),
        ((7, 5), "u is right"),
        ((1, 4), "2ab"),
        ((6, 4), "sign of u"),
        ((2, 4), "4ab"),
        ((5, 4), "10 ab"),
        ((0.5, 4), "whole numbers for u"),
        ((7, 0.75), "whole numbers for v"),
    ):
        wrong(beyond.completed_square(*answers, P), part)


def test_nothing_else_passes_or_raises():
    for check in (
        lambda answer: beyond.generator(answer, P),
        lambda answer: beyond.logarithms(answer, 2, P),
        lambda answer: beyond.multiplicative_spectrum(answer, layer()),
        lambda answer: beyond.odd_share(answer, layer(seed=2)),
        lambda answer: beyond.distinct_powers(answer, [2, 3], P),
        lambda answer: beyond.chirp_share(answer, layer(), KEY),
        lambda answer: beyond.through_sum(answer, P),
    ):
        assert_refused(check)
    assert_refused(lambda u, v: beyond.completed_square(u, v, P), 2)
