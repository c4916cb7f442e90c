import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float64
from torch import Tensor
from torch.testing import assert_close

from grokbook import fourier

ODD = [3, 5, 9, 97]
PRIMES = [3, 5, 7, 13, 41, 97]


def wave(kind: str, k: int, p: int) -> Float64[Tensor, " p"]:
    """cos or sin of 2πkx/p from Python's own arithmetic."""
    function = {"cos": math.cos, "sin": math.sin}[kind]
    return torch.tensor([function(2 * math.pi * (k * x % p) / p) for x in range(p)], dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> Float64[Tensor, "..."]:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("p", ODD)
def test_basis_is_orthonormal_and_complete(p: int) -> None:
    rows = fourier.basis(p)
    assert rows.shape == (p, p)
    assert_close(rows @ rows.T, torch.eye(p, dtype=torch.float64))


@pytest.mark.parametrize("p", ODD)
def test_rows_are_the_waves_their_labels_name(p: int) -> None:
    rows, labels = fourier.basis(p), fourier.frequency_labels(p)
    assert len(labels) == p
    assert labels[0] == "const"
    assert_close(rows[0], torch.full((p,), p**-0.5, dtype=torch.float64))
    for row, label in zip(rows[1:], labels[1:], strict=True):
        kind, k = label.split()
        assert_close(row, wave(kind, int(k), p) * math.sqrt(2 / p))


def test_labels_count_frequencies_from_one() -> None:
    assert fourier.frequency_labels(5) == ["const", "cos 1", "sin 1", "cos 2", "sin 2"]


def test_angles_stay_exact_for_a_large_modulus() -> None:
    p = 1009
    rows = fourier.basis(p)
    k, x = p // 2, p - 1  # k·x is large here, the angle -2πk/p is not
    angle, scale = 2 * math.pi * k / p, math.sqrt(2 / p)
    assert rows[2 * k - 1, x].item() == pytest.approx(scale * math.cos(angle), abs=1e-15)
    assert rows[2 * k, x].item() == pytest.approx(-scale * math.sin(angle), abs=1e-15)


@pytest.mark.parametrize("p", [-3, 0, 1, 2, 4, 96])
def test_even_and_tiny_moduli_are_refused(p: int) -> None:
    for function in (fourier.basis, fourier.frequency_labels, fourier.multiplicative_basis):
        with pytest.raises(ValueError, match=f"odd.*{p}"):
            function(p)
    if p > 0:
        with pytest.raises(ValueError, match="odd"):
            fourier.spectrum(torch.ones(p, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "other"), [("cos", "sin"), ("sin", "cos")])
def test_one_wave_is_one_coefficient(kind: str, other: str, dtype: torch.dtype) -> None:
    p, k, directions = 97, 17, torch.tensor([3.0, -4.0], dtype=torch.float64)
    matrix = wave(kind, k, p)[:, None] * directions
    found = fourier.spectrum(matrix.to(dtype))
    norms = {"cos": found.cosine, "sin": found.sine}
    assert norms[kind].dtype == dtype
    assert norms[kind][k - 1].item() == pytest.approx(5 * math.sqrt(p / 2))
    assert torch.nonzero(norms[kind]).flatten().tolist() == [k - 1]  # rounding noise is an exact zero
    assert not norms[other].any()
    assert found.constant == 0
    assert fourier.key_frequencies(found) == (k,)


def test_two_cosines_keep_their_weights() -> None:
    p = 31
    found = fourier.spectrum(3.0 * wave("cos", 2, p) + 0.25 * wave("cos", 15, p))
    expected = torch.zeros(p // 2, dtype=torch.float64)
    expected[1], expected[14] = 3.0 * math.sqrt(p / 2), 0.25 * math.sqrt(p / 2)
    assert_close(found.cosine, expected)
    assert not found.sine.any()


def test_constant_has_no_frequency() -> None:
    found = fourier.spectrum(torch.full((97, 4), 0.1))
    assert found.constant.item() == pytest.approx(0.1 * math.sqrt(97 * 4))
    assert not found.cosine.any()
    assert not found.sine.any()
    assert fourier.key_frequencies(found) == ()


def test_zero_matrix_has_an_empty_spectrum() -> None:
    found = fourier.spectrum(torch.zeros(5, 2))
    assert not torch.cat([found.constant[None], found.cosine, found.sine]).any()
    assert fourier.key_frequencies(found) == ()


def test_white_noise_is_white() -> None:
    p, n = 97, 4000
    found = fourier.spectrum(random(p, n))
    energy = torch.cat([found.constant[None], found.cosine, found.sine]).square() / n
    # Each is a mean of n squares of standard normals: 1 with standard deviation √(2/n) = 0.022.
    assert_close(energy, torch.ones(p, dtype=torch.float64), atol=5 * math.sqrt(2 / n), rtol=0)


def test_smallest_modulus() -> None:
    # By hand, with u = (1, -1/2, -1/2)·√(2/3) and v = (0, 1, -1)/√2.
    found = fourier.spectrum(torch.tensor([[2.0], [0.0], [1.0]], dtype=torch.float64))
    assert found.constant.item() == pytest.approx(math.sqrt(3))
    assert found.cosine.tolist() == pytest.approx([1.5 * math.sqrt(2 / 3)])
    assert found.sine.tolist() == pytest.approx([math.sqrt(1 / 2)])


@pytest.mark.parametrize("p", ODD)
def test_agrees_with_the_fast_fourier_transform(p: int) -> None:
    matrix = random(p, 6, seed=p)
    fft = np.fft.rfft(matrix.numpy(), axis=0)  # Σ x e^(-2πikx/p): the sine comes with a minus
    signed = fourier.coefficients(matrix).numpy()
    np.testing.assert_allclose(signed[0], fft[0].real / math.sqrt(p), atol=1e-12)
    np.testing.assert_allclose(signed[1::2], fft[1:].real * math.sqrt(2 / p), atol=1e-12)
    np.testing.assert_allclose(signed[2::2], -fft[1:].imag * math.sqrt(2 / p), atol=1e-12)


@given(p=st.integers(1, 30).map(lambda half: 2 * half + 1), n=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_energy_is_preserved(p: int, n: int, seed: int) -> None:
    matrix = random(p, n, seed=seed)
    found = fourier.spectrum(matrix)
    energy = found.constant.square() + found.cosine.square().sum() + found.sine.square().sum()
    assert_close(energy, matrix.square().sum())


def test_every_axis_after_the_first_is_summed_over() -> None:
    cube = random(7, 2, 3)
    assert_close(fourier.spectrum(cube), fourier.spectrum(cube.reshape(7, 6)))
    assert_close(fourier.spectrum(cube[:, 0, 0]), fourier.spectrum(cube[:, :1, 0]))


@pytest.mark.parametrize(
    ("given_dtype", "computed"),
    [(torch.int64, torch.float32), (torch.bfloat16, torch.float32), (torch.float64, torch.float64)],
)
def test_precision_is_at_least_single(given_dtype: torch.dtype, computed: torch.dtype) -> None:
    assert fourier.spectrum(torch.eye(5).to(given_dtype)).cosine.dtype == computed


def test_a_stack_of_runs_can_be_mapped_over() -> None:
    stack = random(4, 11, 3)
    mapped = torch.func.vmap(fourier.spectrum)(stack)
    for index, matrix in enumerate(stack):
        assert_close(fourier.Spectrum(*(part[index] for part in mapped)), fourier.spectrum(matrix))


def test_cached_basis_survives_inference_mode_and_callers() -> None:
    matrix = random(23, 2).requires_grad_()
    fourier.transform._cached_basis.cache_clear()
    with torch.inference_mode():
        fourier.spectrum(matrix)
    fourier.basis(23).zero_()  # what a caller does to its own copy stays there
    fourier.coefficients(matrix).square().sum().backward()
    assert matrix.grad is not None
    assert_close(matrix.grad, 2 * matrix.detach())  # Parseval, differentiated


def trigonometric_table(p: int, k: int, sign: int) -> Float64[Tensor, "p p 1"]:
    """cos(2πk(a ± b)/p) for all pairs, a slow and b fast."""
    return torch.tensor(
        [[[math.cos(2 * math.pi * (k * (a + sign * b) % p) / p)] for b in range(p)] for a in range(p)],
        dtype=torch.float64,
    )


@pytest.mark.parametrize(("sign", "sine_sine"), [(+1, -1), (-1, +1)])
def test_sum_has_opposite_signs_and_difference_equal_ones(sign: int, sine_sine: int) -> None:
    p, k = 13, 4
    expected = torch.zeros(p, p, 1, dtype=torch.float64)
    expected[2 * k - 1, 2 * k - 1] = p / 2
    expected[2 * k, 2 * k] = sine_sine * p / 2
    assert_close(fourier.coefficients_2d(trigonometric_table(p, k, sign)), expected)


def test_first_axis_is_a_and_second_is_b() -> None:
    p = 11
    labels = fourier.frequency_labels(p)
    table = wave("cos", 2, p)[:, None, None] * wave("sin", 5, p)[None, :, None]  # cos 2 of a, sin 5 of b
    for logits in (table, table.reshape(p * p, 1)):
        found = fourier.spectrum_2d(logits)
        assert found[labels.index("cos 2"), labels.index("sin 5")].item() == pytest.approx(p / 2)
        assert found.sum().item() == pytest.approx(p / 2)


def test_spectrum_2d_agrees_with_the_outer_product_of_the_basis() -> None:
    p, n_out = 7, 4
    logits = random(p, p, n_out)
    rows = fourier.basis(p)
    projected = torch.einsum("ia,jb,abn->ijn", rows, rows, logits)
    assert_close(fourier.coefficients_2d(logits), projected)
    assert_close(fourier.spectrum_2d(logits), projected.square().sum(-1).sqrt())


@pytest.mark.parametrize("shape", [(10, 3), (5, 7, 3), (16, 3), (4, 4, 3)])
def test_logits_that_are_no_odd_square_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="p"):
        fourier.spectrum_2d(torch.zeros(shape))


def test_key_frequencies_combine_cosine_and_sine_and_need_more_than_eta() -> None:
    found = fourier.Spectrum(
        constant=torch.tensor(100.0),
        cosine=torch.tensor([3.0, 2.4, 0.0, 2.5]),
        sine=torch.tensor([4.0, 1.0, 2.6, 0.0]),
    )
    assert fourier.key_frequencies(found) == (1, 2, 3)  # norms 5, 2.6, 2.6 and exactly half: not above
    assert fourier.key_frequencies(found, eta=0.9) == (1,)
    assert fourier.key_frequencies(found, eta=0.1) == (1, 2, 3, 4)
    for eta in (-0.1, 1.0, 2.0):
        with pytest.raises(ValueError, match=r"eta must be in \[0, 1\)"):
            fourier.key_frequencies(found, eta=eta)


@pytest.mark.parametrize("p", PRIMES)
def test_primitive_root_generates_every_nonzero_residue(p: int) -> None:
    root = fourier.primitive_root(p)
    assert {pow(root, exponent, p) for exponent in range(p - 1)} == set(range(1, p))
    smaller = range(2, root)
    assert all(len({pow(g, exponent, p) for exponent in range(p - 1)}) < p - 1 for g in smaller)


@pytest.mark.parametrize("p", [9, 15, 1, 2, 91])
def test_primitive_root_needs_an_odd_prime(p: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        fourier.primitive_root(p)


@pytest.mark.parametrize("p", PRIMES)
def test_discrete_logs_turn_products_into_sums(p: int) -> None:
    logs = fourier.discrete_logs(p)
    assert sorted(logs.tolist()) == list(range(p - 1))
    a, b = torch.meshgrid(torch.arange(1, p), torch.arange(1, p), indexing="ij")
    product = a * b % p
    assert torch.equal(logs[product - 1], (logs[a - 1] + logs[b - 1]) % (p - 1))


@pytest.mark.parametrize("p", PRIMES)
def test_multiplicative_basis_is_orthonormal_on_the_group(p: int) -> None:
    rows = fourier.multiplicative_basis(p)
    assert rows.shape == (p - 1, p)
    assert not rows[:, 0].any()
    assert_close(rows @ rows.T, torch.eye(p - 1, dtype=torch.float64))


@pytest.mark.parametrize("p", PRIMES)
def test_characters_turn_multiplication_into_rotation(p: int) -> None:
    rows = fourier.multiplicative_basis(p)
    a, b = torch.meshgrid(torch.arange(1, p), torch.arange(1, p), indexing="ij")
    product = a * b % p
    for k in range(1, (p - 1) // 2):
        cos, sin = rows[2 * k - 1 : 2 * k + 1] * math.sqrt((p - 1) / 2)
        assert_close(cos[product], cos[a] * cos[b] - sin[a] * sin[b])
        assert_close(sin[product], sin[a] * cos[b] + cos[a] * sin[b])
    legendre = rows[-1] * math.sqrt(p - 1)
    assert_close(legendre[product], legendre[a] * legendre[b])
    squares = {x * x % p for x in range(1, p)}
    assert {x for x in range(1, p) if legendre[x] > 0} == squares


# --- spectra as rows ------------------------------------------------------------------------------


def test_rows_of_a_spectrum_are_in_the_order_of_the_basis():
    p, k = 7, 3
    waves = fourier.basis(p)
    found = fourier.spectrum((5 * waves[2 * k - 1] + 2 * waves[2 * k])[:, None])
    torch.testing.assert_close(found.to_rows(), torch.tensor([0.0, 0, 0, 0, 0, 5, 2], dtype=torch.float64))
    assert found.combined[k - 1].item() == pytest.approx(math.sqrt(29))


def test_rows_and_spectra_are_two_ways_to_write_the_same_also_over_time():
    rows = torch.arange(22.0).reshape(2, 11)
    assert torch.equal(fourier.Spectrum.of_rows(rows).to_rows(), rows)
    assert fourier.Spectrum.of_rows(rows).sine[1, 0] == rows[1, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_weak_component_is_no_rounding_noise(dtype):
    waves = fourier.basis(31)
    layer = (waves[1] + 1e-5 * waves[4]).to(dtype)[:, None]
    spectrum = fourier.spectrum(layer)
    assert float(spectrum.sine[1]) == pytest.approx(1e-5, rel=0.05)
    assert int((spectrum.to_rows() > 0).sum()) == 2


def test_a_spectrum_is_shown_by_its_key_frequencies():
    layer = (fourier.basis(31)[[3, 12]] * torch.tensor([[2.0], [1.5]])).T
    assert repr(fourier.spectrum(layer)) == "Spectrum(15 frequencies; key: 2, 6)"
    assert repr(fourier.spectrum(torch.ones(31, 1))) == "Spectrum(15 frequencies; key: none)"
    assert repr(fourier.Spectrum.of_rows(torch.ones(4, 31))) == "Spectrum(4 times, 15 frequencies)"
