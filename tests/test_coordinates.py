import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from grokbook import coordinates, fourier
from grokbook.coordinates import RESIDUES, Logarithms, Natural, Preimages, Values
from grokbook.operations import Operation
from grokbook.training import initial_weights

P = 13
X = torch.arange(P)
parse = Operation.parse


def wave(turns: torch.Tensor, k: int, period: int = P) -> torch.Tensor:
    """Cosine and sine of frequency k over what is given, as two channels."""
    angles = 2 * math.pi * k / period * turns.double()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


# --- which coordinates an operation has -----------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "embedding", "neuron_logit"),
    [
        ("a+b", "x", "x"),
        ("b-2a+1", "x", "x"),
        ("ab", "log x", "log x"),
        ("ab+3", "log x", "log(x − 3)"),
        ("ab+a+b", "log(x + 1)", "log(x + 1)"),
        ("ab-2a-2b", "log(x − 2)", "log(x + 4)"),
        ("a^2+b^2", "x²", "x"),
        ("b^3-a^3", "x³", "x"),
        ("(a+b)^2", "x", "s, s² = x"),
        ("(a-b)^2+a-b", "x", "s, s²+s = x"),
    ],
)
def test_coordinates_follow_from_the_formula(operation, embedding, neuron_logit):
    found = coordinates.natural(parse(operation))
    assert (found.embedding.name, found.neuron_logit.name) == (embedding, neuron_logit)


@pytest.mark.parametrize("operation", ["ab+b", "ab-b", "2ab", "a^2+b", "a^2+ab+b^2", "a^3+ab", "a^2b^2", "a^2"])
def test_others_have_none(operation):
    assert coordinates.natural(parse(operation)) is None


def inverse(coordinate: coordinates.Coordinate, answer: int) -> set[int]:
    """The numbers of a layer's coordinate that stand for a residue."""
    match coordinate:
        case Values(u):
            return {u(answer, 0, P)}
        case Preimages(h):
            return {s for s in range(P) if h(s, 0, P) == answer}
        case Logarithms(shift):
            logs = fourier.discrete_logs(P).tolist()
            return {logs[(answer + shift) % P - 1]} if (answer + shift) % P else set()
    raise AssertionError(coordinate)


@pytest.mark.parametrize("operation", ["a+b", "2a-3b+1", "ab", "ab+2", "ab+a+b", "ab-2a-2b+5", "a^2-b^2", "(a-b)^3"])
def test_in_its_coordinates_an_operation_is_a_sum(operation):
    """k u(a) + l u(b) + m is a number of the answer, with the same k, l and m for every pair."""
    op = parse(operation)
    found = coordinates.natural(op)
    period = P - 1 if isinstance(found.embedding, Logarithms) else P
    pairs = [(a, b) for a in range(P) for b in range(P)]
    known = [
        (u.pop(), v.pop(), answers)
        for a, b in pairs
        if (u := inverse(found.embedding, a))
        and (v := inverse(found.embedding, b))
        and (answers := inverse(found.neuron_logit, op(a, b, P)))
    ]
    assert len(known) >= (P - 1) ** 2
    assert any(
        all((k * u + l * v + m) % period in answers for u, v, answers in known)
        for k in range(1, period)
        for l in range(1, period)  # noqa: E741
        for m in range(period)
    )


# --- spectra --------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", range(1, P // 2 + 1))
@pytest.mark.parametrize("n", [1, 5])
def test_a_wave_over_a_power_that_renames_the_residues_is_one_frequency(n, k):
    layer = 3 * wave(X**n % P, k) + 7
    found = Values(parse(f"a^{n}")).spectrum(layer).combined
    expected = torch.zeros(P // 2, dtype=torch.float64)
    expected[k - 1] = 3 * math.sqrt(P)
    assert_close(found, expected)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_wave_over_another_power_stands_out_there_and_not_over_x(n):
    p = 97
    x = torch.arange(p)
    layer = wave(x**n % p, 10, period=p) + 5
    over_power, over_x = Values(parse(f"a^{n}")).spectrum(layer), RESIDUES.spectrum(layer)
    assert fourier.key_frequencies(over_power) == (10,)
    assert len(fourier.key_frequencies(over_x)) > 20
    assert 0.5 < float(over_power.combined.norm() / (layer - layer.mean(0)).norm()) < 1.5


def test_over_the_residues_a_spectrum_is_the_paper_s():
    layer = torch.randn(P, 4, generator=torch.Generator().manual_seed(0))
    found, expected = RESIDUES.spectrum(layer), fourier.spectrum(layer)
    assert_close(found.cosine, expected.cosine)
    assert_close(found.sine, expected.sine)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 6))
def test_preimages_put_rows_where_the_polynomial_leads(seed, n):
    layer = torch.randn(P, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = Preimages(parse(f"a^{n}+a" if n > 1 else "a")).spectrum(layer)
    rows = torch.stack([layer[(s**n + s if n > 1 else s) % P] for s in range(P)])
    assert_close(found.combined, (torch.fft.rfft(rows, dim=0, norm="ortho").abs() * math.sqrt(2)).norm(dim=1)[1:])


def test_logarithms_are_those_of_the_multiplicative_spectrum():
    layer = torch.randn(P, 4, generator=torch.Generator().manual_seed(0))
    assert_close(Logarithms(2).spectrum(layer).combined, fourier.multiplicative_spectrum(layer, 2).combined)


# --- keeping some waves ---------------------------------------------------------------------------

SPANNED = [RESIDUES, Values(parse("a^2")), Values(parse("a^3")), Logarithms(0), Logarithms(3)]


@pytest.mark.parametrize("coordinate", SPANNED, ids=lambda each: each.name)
def test_a_layer_of_these_waves_stays_as_it_is_and_of_others_little_is_kept(coordinate):
    mixed = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    layer = torch.cat([torch.ones(1, P, dtype=torch.float64), coordinate.waves([2], P)[:2]]).T @ mixed
    assert_close(coordinates.restrict(layer, coordinate, [2]), layer)
    assert_close(coordinates.restrict(layer, coordinate, [1, 2, 5]), layer)
    centred = layer - layer.mean(0)
    other = coordinates.restrict(centred, coordinate, [4])
    assert float(other.norm() / centred.norm()) < 0.9


@pytest.mark.parametrize("coordinate", SPANNED, ids=lambda each: each.name)
def test_what_is_kept_is_the_nearest_layer(coordinate):
    layer = torch.randn(P, 4, generator=torch.Generator().manual_seed(2))
    kept = coordinates.restrict(layer, coordinate, [1, 3])
    assert kept.dtype == layer.dtype
    spanning = torch.cat([torch.ones(1, P), coordinate.waves([1, 3], P).float()])
    assert_close(spanning @ (layer - kept), torch.zeros(len(spanning), 4), atol=1e-4, rtol=0)
    assert_close(coordinates.restrict(kept, coordinate, [1, 3]), kept)


def test_a_row_without_a_logarithm_is_kept():
    layer = torch.zeros(P, 2)
    layer[-3 % P] = 9
    assert_close(coordinates.restrict(layer, Logarithms(3), [1]), layer)


def test_the_last_wave_over_the_logarithm_has_no_sine():
    assert len(Logarithms().waves([P // 2], P)) == 2
    assert len(Logarithms().waves([1], P)) == 3


# --- what waves are worth to a model --------------------------------------------------------------


def test_all_waves_are_worth_all_and_none_leave_a_constant(grokked_run):
    p = grokked_run.config.p
    whole = coordinates.restriction(grokked_run, RESIDUES, range(1, p // 2 + 1))
    final = float(grokked_run.history["test_accuracy"].iloc[-1])
    assert whole.whole == pytest.approx(final, abs=1e-6)
    assert whole.kept == whole.whole
    assert whole.share == pytest.approx(1)
    none = coordinates.restriction(grokked_run, RESIDUES, [])
    assert none.share == pytest.approx(0, abs=1e-6)
    assert (none.kept, none.removed) == (whole.removed, whole.whole)
    assert whole.removed < 0.5 < whole.whole, "without any wave the model cannot tell a from another"


def test_shares_of_orthogonal_waves_add_up(wave_run):
    config = wave_run.config
    half = [coordinates.restriction(wave_run, RESIDUES, chosen).share for chosen in ([1, 2], [3, 4, 5])]
    assert sum(half) == pytest.approx(1)
    embedding = initial_weights(config, {}).W_E[: config.p]
    squares = fourier.spectrum(embedding).combined.square()
    assert half[0] == pytest.approx(float(squares[:2].sum() / squares.sum()), rel=1e-5)


def test_only_single_operations_with_weights_are_taken_apart(tiny_run, tiny_mixture):
    with pytest.raises(ValueError, match="published without its weights"):
        coordinates.restriction(replace(tiny_run, weights=None), RESIDUES, [1])
    with pytest.raises(ValueError, match="several operations"):
        coordinates.restriction(tiny_mixture, RESIDUES, [1])


def test_equal_coordinates_are_equal():
    assert coordinates.natural(parse("a-b")) == Natural(RESIDUES, RESIDUES)
    assert coordinates.natural(parse("(a-b)^2")) == coordinates.natural(parse("(a+b)^2"))
    assert len({Logarithms(0), Logarithms(), Logarithms(1)}) == 2
