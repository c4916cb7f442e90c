import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float64
from torch import Tensor

import grokbook
from grokbook import fourier
from grokbook.fourier import measures

P, K = 31, 15


def wave(kind: str, k: int, p: int = P) -> Float64[Tensor, " p"]:
    """A wave of norm one along the residues, from Python's own arithmetic."""
    function = {"cos": math.cos, "sin": math.sin}[kind]
    values = [function(2 * math.pi * (k * x % p) / p) for x in range(p)]
    return torch.tensor(values, dtype=torch.float64) * math.sqrt(2 / p)


def random(*shape: int, seed: int = 0) -> Float64[Tensor, "..."]:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def of(matrix: Tensor) -> dict[str, float]:
    """Everything that is recorded of a layer."""
    return measures.recorded(fourier.spectrum(matrix))


def by_definition(matrix: Float64[np.ndarray, "p n"], eta: float) -> tuple[float, float]:
    """FFS and FCR from the printed formulas, with NumPy's FFT."""
    transformed = np.fft.rfft(matrix, axis=0)[1:]
    u, v = np.linalg.norm(transformed.real, axis=1), np.linalg.norm(transformed.imag, axis=1)
    big = len(u)
    ffs = sum(int(u[k] > eta * max(u)) + int(v[k] > eta * max(v)) for k in range(big)) / (2 * big)
    fcr = sum(min(u[k] / v[k], v[k] / u[k]) for k in range(big)) / big
    return ffs, fcr


@given(
    half=st.integers(1, 20),
    n=st.integers(1, 8),
    seed=st.integers(0, 2**32),
    eta=st.sampled_from([0.2, 0.5, 0.8]),
)
def test_agrees_with_the_printed_formulas(half: int, n: int, seed: int, eta: float) -> None:
    matrix = random(2 * half + 1, n, seed=seed)
    ffs, fcr = by_definition(matrix.numpy(), eta)
    for spectrum in (fourier.spectrum(matrix), fourier.spectrum(matrix.numpy())):
        assert measures.ffs(spectrum, eta) == pytest.approx(ffs)
        assert measures.fcr(spectrum) == pytest.approx(fcr)


def test_weighted_fcr_in_closed_form() -> None:
    # Ratios 1/4 at a strong frequency, 1 at one a hundred times weaker: (1 + 0.04) / (4 + 0.04).
    layer = torch.stack([4 * wave("cos", 2), wave("sin", 2), 0.04 * wave("cos", 5), 0.04 * wave("sin", 5)], dim=1)
    spectrum = fourier.spectrum(layer)
    assert measures.weighted_fcr(spectrum) == pytest.approx(1.04 / 4.04)
    assert measures.fcr(spectrum) == pytest.approx((K - 1 + 0.25) / K), "the plain mean hardly sees it"


@given(half=st.integers(1, 20), n=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_weighted_fcr_is_a_mean_of_the_ratios(half: int, n: int, seed: int) -> None:
    transformed = np.fft.rfft(random(2 * half + 1, n, seed=seed).numpy(), axis=0)[1:]
    u, v = np.linalg.norm(transformed.real, axis=1), np.linalg.norm(transformed.imag, axis=1)
    expected = np.average(np.minimum(u / v, v / u), weights=np.maximum(u, v))
    spectrum = fourier.spectrum(random(2 * half + 1, n, seed=seed))
    assert measures.weighted_fcr(spectrum) == pytest.approx(expected)


def test_weighted_fcr_at_its_ends() -> None:
    assert measures.weighted_fcr(fourier.spectrum(torch.ones(P, 2))) == 1.0
    assert measures.weighted_fcr(fourier.spectrum(wave("sin", 3)[:, None])) == 0.0


@pytest.mark.parametrize("kind", ["cos", "sin"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_wave(kind: str, dtype: torch.dtype) -> None:
    spectrum = fourier.spectrum((wave(kind, 4)[:, None] * torch.tensor([1.0, -2.0])).to(dtype))
    # One of 2K norms is above; the frequency itself is fully biased, the K - 1 empty ones are not.
    assert measures.ffs(spectrum) == 1 / (2 * K)
    assert measures.fcr(spectrum) == pytest.approx((K - 1) / K)
    assert measures.gini(spectrum) == pytest.approx(1 - 1 / (2 * K))


@pytest.mark.parametrize(("weight", "above"), [(0.51, 2), (0.49, 1)])
def test_two_cosines_either_side_of_eta(weight: float, above: int) -> None:
    assert measures.ffs(fourier.spectrum(wave("cos", 2) + weight * wave("cos", 9))) == above / (2 * K)


def test_eta_is_the_share_of_the_maximum() -> None:
    spectrum = fourier.spectrum(wave("cos", 2) + 0.3 * wave("cos", 9))
    assert [measures.ffs(spectrum, eta) * 2 * K for eta in (0.1, 0.25, 0.35)] == [2, 2, 1]


def test_the_inequality_is_strict() -> None:
    cosine, sine = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([4.0, 2.1, 1.9])
    assert measures.ffs(fourier.Spectrum(torch.tensor(0.0), cosine, sine)) == 3 / 6


def test_cosines_and_sines_have_separate_maxima() -> None:
    # All sines are tiny beside the cosines, and all count: multiplication keeps FFS at 1 while FCR falls.
    cosines = torch.stack([wave("cos", k) for k in range(1, K + 1)], dim=1)
    sines = torch.stack([wave("sin", k) for k in range(1, K + 1)], dim=1)
    spectrum = fourier.spectrum(cosines + 0.01 * sines)
    assert measures.ffs(spectrum) == 1.0
    assert measures.fcr(spectrum) == pytest.approx(0.01)


def test_ratio_is_that_of_the_smaller_to_the_larger_either_way() -> None:
    cosine, sine = torch.tensor([1.0, 4.0, 2.0, 0.0]), torch.tensor([2.0, 1.0, 2.0, 3.0])
    found = measures.fcr(fourier.Spectrum(torch.tensor(9.0), cosine, sine))
    assert found == pytest.approx((1 / 2 + 1 / 4 + 1 + 0) / 4)


@pytest.mark.parametrize("matrix", [torch.full((P, 3), 0.3), torch.zeros(P, 3)])
def test_a_layer_without_frequencies(matrix: Tensor) -> None:
    found = of(matrix)
    assert {name: found[name] for name in ("ffs", "fcr", "gini")} == {"ffs": 0.0, "fcr": 1.0, "gini": 0.0}
    assert all(map(math.isfinite, found.values())), found


def test_the_constant_does_not_matter() -> None:
    matrix = random(P, 5)
    assert of(matrix + 3.0) == pytest.approx(of(matrix))


def test_white_noise_is_dense_and_nearly_balanced() -> None:
    n = 1000
    found = of(random(97, n))
    assert found["ffs"] == 1.0
    # Norms spread by 1/√(2n) each, so log u/v by 1/√n; the mean of exp(-|·|) is about 1 - √(2/(πn)) = 0.975.
    assert found["fcr"] == pytest.approx(1 - math.sqrt(2 / (math.pi * n)), abs=0.01)
    assert found["gini"] == pytest.approx(1 / math.sqrt(2 * n * math.pi), abs=0.005)


def test_smallest_modulus() -> None:
    # K = 1: each kind is its own maximum, so both count; norms by hand, √(2/3)·3/2 and √(1/2).
    spectrum = fourier.spectrum(torch.tensor([[2.0], [0.0], [1.0]]))
    assert measures.ffs(spectrum) == 1.0
    assert measures.fcr(spectrum) == pytest.approx(math.sqrt(1 / 2) / (1.5 * math.sqrt(2 / 3)))


@given(seed=st.integers(0, 2**32), exponent=st.integers(-60, 60))
def test_scale_does_not_matter(seed: int, exponent: int) -> None:
    matrix = random(11, 3, seed=seed)
    scaled = matrix * 2.0**exponent  # a power of two changes no digit, so nothing may change at all
    assert of(scaled) == pytest.approx(of(matrix), rel=1e-12)


@given(seed=st.integers(0, 2**32))
def test_rotating_the_channels_does_not_matter(seed: int) -> None:
    matrix = random(13, 6, seed=seed)
    rotation = torch.linalg.qr(random(6, 6, seed=seed + 1)).Q
    assert of(matrix @ rotation) == pytest.approx(of(matrix))


def test_what_is_recorded_is_what_the_registry_names() -> None:
    spectrum = fourier.spectrum(random(P, 4))
    together = {"ffs": measures.ffs(spectrum), "fcr": measures.fcr(spectrum), "gini": measures.gini(spectrum)}
    recorded = measures.recorded(spectrum)
    assert {name: recorded[name] for name in together} == together, "histories of the published runs have these"
    assert [*recorded] == [measure.name for measure in measures.MEASURES]
    assert len({measure.title for measure in measures.MEASURES}) == len(recorded)
    for measure in measures.MEASURES:
        assert recorded[measure.name] == measure.of(spectrum)
        assert measure.low <= recorded[measure.name] <= measure.high, f"{measure.name}: enter its low and high"


EVERY = [*(measure.of for measure in measures.MEASURES), measures.weighted_fcr, measures.cosine_share]


@pytest.mark.parametrize("matrix", [random(P, 4), random(P, 4).numpy(), [[1.0], [2.0], [0.0]]], ids=type)
@pytest.mark.parametrize("measure", EVERY)
def test_a_matrix_is_told_how_to_become_a_spectrum(measure, matrix) -> None:
    name, kind = measure.__name__, type(matrix).__name__
    expected = f"{name} takes a spectrum, not a {kind}: {name}(gb.fourier.spectrum(matrix))"
    with pytest.raises(TypeError, match=f"^{re.escape(expected)}$"):
        measure(matrix)
    assert measure(grokbook.fourier.spectrum(torch.eye(5))) >= 0, "which then works"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_none_give_nan(bad: float) -> None:
    matrix = random(P, 4)
    matrix[3, 1] = bad
    assert all(math.isnan(measure(fourier.spectrum(matrix))) for measure in EVERY)


@pytest.mark.parametrize("part", ["cosine", "sine"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_norm_that_is_none_gives_nan(part: str, bad: float) -> None:
    norms = {"constant": torch.tensor(0.0), "cosine": torch.ones(3), "sine": torch.ones(3)}
    norms[part][1] = bad
    assert all(math.isnan(measure(fourier.Spectrum(**norms))) for measure in EVERY)


@pytest.mark.parametrize("eta", [-0.1, 1.0, math.nan])
def test_eta_out_of_range(eta: float) -> None:
    with pytest.raises(ValueError, match="eta"):
        measures.ffs(fourier.spectrum(random(P, 2)), eta)


@pytest.mark.parametrize("measure", [*EVERY, measures.recorded, fourier.key_frequencies])
def test_several_spectra_at_once_are_refused(measure) -> None:
    rows = torch.ones(4, 7)
    measure(fourier.Spectrum.of_rows(rows[0]))
    with pytest.raises(ValueError, match=r"one spectrum at a time, not \[4\]"):
        measure(fourier.Spectrum.of_rows(rows))


def test_even_modulus_is_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        fourier.spectrum(random(8, 2))


def of_norms(cosine: list[float], sine: list[float]) -> fourier.Spectrum:
    return fourier.Spectrum(*(torch.tensor(norms, dtype=torch.float64) for norms in (7.0, cosine, sine)))


NORMS = st.floats(0, 1e6)


@given(st.lists(st.tuples(NORMS, NORMS), min_size=1, max_size=6).filter(lambda pairs: sum(map(sum, pairs)) > 1e-3))
def test_gini_is_half_the_relative_mean_difference(pairs: list[tuple[float, float]]) -> None:
    cosine, sine = map(list, zip(*pairs, strict=True))
    values = [*cosine, *sine]
    differences = sum(abs(x - y) for x in values for y in values)
    expected = differences / (2 * len(values) * sum(values))
    assert measures.gini(of_norms(cosine, sine)) == pytest.approx(expected, abs=1e-9)


def test_gini_at_its_ends() -> None:
    assert measures.gini(of_norms([0.1] * 4, [0.1] * 4)) == pytest.approx(0)
    assert measures.gini(of_norms([0.0, 0.0], [5.0, 0.0])) == 3 / 4
    assert measures.gini(of_norms([0.0] * 2, [0.0] * 2)) == 0


@pytest.mark.parametrize(("share", "expected"), [(0.5, 1.0), (0.8, 0.5), (0.2, 0.5), (1.0, 0.0), (0.0, 0.0)])
def test_fcr_where_every_frequency_has_the_same_share_of_cosines(share: float, expected: float) -> None:
    sizes = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)
    layer = fourier.Spectrum(torch.tensor(0.0), sizes * share**0.5, sizes * (1 - share) ** 0.5)
    assert measures.cosine_share(layer) == pytest.approx(share)
    assert measures.fcr_at(share) == pytest.approx(measures.fcr(layer)) == pytest.approx(expected)


def test_a_layer_without_waves_is_balanced() -> None:
    assert measures.cosine_share(fourier.Spectrum(torch.tensor(1.0), torch.zeros(3), torch.zeros(3))) == 0.5


def test_maps_correlate_by_their_squares_without_constants():
    one = torch.rand(5, 5, generator=torch.Generator().manual_seed(0))
    other = (2 - one.square()).sqrt()
    one[0], other[:, 0] = 9.0, 7.0
    assert measures.map_correlation(one, 3 * one) == pytest.approx(1)
    assert measures.map_correlation(one, other) == pytest.approx(-1)
    assert math.isnan(measures.map_correlation(one, torch.ones(5, 5)))
