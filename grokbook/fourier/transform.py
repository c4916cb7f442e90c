"""The real discrete Fourier transform over residues, additive and multiplicative.

Shapes: `p` residues, `K = p // 2` frequencies, `n` anything else (channels, neurons, classes).
The p orthonormal basis rows are ordered: the constant, then cos 1, sin 1, cos 2, sin 2, ..., cos K, sin K.
Frequencies are counted from 1, so `spectrum.cosine[k - 1]` belongs to frequency k.

Only odd p is served. An even p has a Nyquist row, a cosine without a sine, for which "cosine against sine"
means nothing; the paper's moduli are odd primes.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, Real
from torch import Tensor

from grokbook.data.tokens import is_prime

# A norm below this many machine epsilons of the whole is what rounding leaves behind, not a coefficient.
ROUNDING_UNITS = 16

Matrix = Real[Tensor | np.ndarray, "p *n"]
"""One row per residue; a vector is a matrix of one column."""


class Spectrum(NamedTuple):
    """Norms of the Fourier coefficients of a matrix (paper, section 5.1); frequency k is at index k - 1."""

    constant: Float[Tensor, "*time"]
    cosine: Float[Tensor, "*time K"]
    sine: Float[Tensor, "*time K"]

    def __repr__(self) -> str:
        """What a layer's spectrum is about, and of a single one its key frequencies."""
        *times, count = self.cosine.shape
        if times:
            return f"Spectrum({' × '.join(map(str, times))} times, {count} frequencies)"
        return f"Spectrum({count} frequencies; key: {', '.join(map(str, key_frequencies(self))) or 'none'})"

    @classmethod
    def of_rows(cls, rows: Float[Tensor, "*time p"]) -> Spectrum:
        """Take apart norms in the order of :func:`basis`, one spectrum per leading index."""
        return cls(constant=rows[..., 0], cosine=rows[..., 1::2], sine=rows[..., 2::2])

    def to_rows(self) -> Float[Tensor, "*time p"]:
        """The inverse of :meth:`of_rows`: constant, cos 1, sin 1, cos 2, …."""
        waves = torch.stack([self.cosine, self.sine], dim=-1).flatten(-2)
        return torch.cat([self.constant.unsqueeze(-1), waves], dim=-1)

    @property
    def combined(self) -> Float[Tensor, "*time K"]:
        """√(‖u_k‖² + ‖v_k‖²): cosine and sine of a frequency together."""
        return torch.hypot(self.cosine, self.sine)

    def check_single(self) -> None:
        """Raise ``ValueError`` unless this is the spectrum of one layer at one time."""
        if self.cosine.ndim != 1:
            raise ValueError(f"one spectrum at a time, not {list(self.cosine.shape[:-1])}: pick one, like rows[-1]")


def basis(p: int) -> Float64[Tensor, "{p} {p}"]:
    """Orthonormal rows over the residues 0..p-1: constant, then cos(2πkx/p) and sin(2πkx/p) for k = 1..p//2.

    Row 2k - 1 is the cosine, row 2k the sine of frequency k. The result is a fresh tensor each time.
    ``ValueError``: p is even or below 3.
    """
    _check_odd(p)
    residues = torch.arange(p)
    frequencies = torch.arange(1, p // 2 + 1)
    return _real_waves(residues, frequencies, period=p)


def frequency_labels(p: int) -> list[str]:
    """Names of the rows of `basis(p)`: "const", "cos 1", "sin 1", "cos 2", ...; ValueError as there."""
    _check_odd(p)
    return ["const"] + [f"{wave} {k}" for k in range(1, p // 2 + 1) for wave in ("cos", "sin")]


def coefficients(matrix: Matrix) -> Float[Tensor, "p *n"]:
    """Signed Fourier coefficients along the first (residue) axis, one row per row of `basis(p)`.

    Computed in the dtype of `matrix`, but never below float32. Differentiable; works under `torch.func.vmap`.
    ``ValueError``: the first axis has an even length, or fewer than 3 entries.
    """
    matrix = torch.as_tensor(matrix)
    p = matrix.shape[0]
    dtype = torch.promote_types(matrix.dtype, torch.float32)
    rows = _cached_basis(p, dtype, matrix.device)
    return (rows @ matrix.to(dtype).reshape(p, -1)).reshape(matrix.shape)


def spectrum(matrix: Matrix) -> Spectrum:
    """Transform along the residue axis, then take the L2 norm over every other axis (paper, section 5.1).

    Norms that are pure rounding noise, below 16 machine epsilons of the norm of the whole matrix, come back as
    exact zeros: a measure that divides one norm by another must not read structure into them. ``ValueError``: the
    first axis has an even length, or fewer than 3 entries.
    """
    transformed = coefficients(matrix)
    norms = torch.linalg.vector_norm(transformed.reshape(len(transformed), -1), dim=1)
    noise = ROUNDING_UNITS * torch.finfo(norms.dtype).eps * torch.linalg.vector_norm(norms)
    norms = torch.where(norms < noise, torch.zeros_like(norms), norms)
    return Spectrum.of_rows(norms)


def coefficients_2d(
    logits: Real[Tensor, "a b n_out"] | Real[Tensor, "pairs n_out"],
) -> Float[Tensor, "p p n_out"]:
    """Signed coefficients of the logits over all p² inputs, both input axes transformed.

    Entry (i, j) belongs to basis row i over a and basis row j over b. The logits come as [p, p, n_out]
    (indexed a, b) or as [p·p, n_out] in row-major order, a slow and b fast.

    With w = 2πk/p, a function of the sum and one of the difference differ by one sign at (k, k)::

        cos w(a+b) = cos wa cos wb - sin wa sin wb        cos w(a-b) = cos wa cos wb + sin wa sin wb

    Raises:
        ValueError: the inputs do not form a square, or p is even or below 3.
    """
    if logits.ndim == 2:
        side = math.isqrt(logits.shape[0])
        if side * side != logits.shape[0]:
            raise ValueError(f"{logits.shape[0]} rows are not the p² pairs of any p")
        logits = logits.reshape(side, side, -1)
    if logits.ndim != 3 or logits.shape[0] != logits.shape[1]:
        raise ValueError(f"logits must be [p, p, n_out] or [p·p, n_out], not {list(logits.shape)}")
    over_a = coefficients(logits)
    return _cached_basis(len(over_a), over_a.dtype, over_a.device) @ over_a


def spectrum_2d(logits: Real[Tensor, "a b n_out"] | Real[Tensor, "pairs n_out"]) -> Float[Tensor, "p p"]:
    """The L2 norm over outputs of `coefficients_2d` (same inputs, same errors): the paper's p × p heatmap.

    Axis 0 is the basis row over a, axis 1 the one over b; `frequency_labels(p)` names both.
    """
    norms: Tensor = torch.linalg.vector_norm(coefficients_2d(logits), dim=-1)
    return norms


def key_frequencies(spectrum: Spectrum, eta: float = 0.5) -> tuple[int, ...]:
    """Frequencies k (counted from 1) with √(‖u_k‖² + ‖v_k‖²) > η · max, in increasing order.

    The paper's threshold for "key" is lost from its text. This rule, and η = 0.5 by analogy with FFS, is a choice
    of this book, so whatever is built on it should be shown for other η too. A spectrum without any frequency has
    no key frequency. ``ValueError``: these are the spectra of several layers or times, or η is not in [0, 1).
    """
    spectrum.check_single()
    if not 0 <= eta < 1:
        raise ValueError(f"eta must be in [0, 1), not {eta}")
    combined = spectrum.combined
    return tuple(int(index) + 1 for index in torch.nonzero(combined > eta * combined.max()).flatten())


def primitive_root(p: int) -> int:
    """The smallest generator of the multiplicative group of residues mod p. ``ValueError``: p is not an odd prime."""
    _check_odd(p)
    if not is_prime(p):
        raise ValueError(f"p must be an odd prime, not {p}")
    exponents = [(p - 1) // factor for factor in range(2, p) if (p - 1) % factor == 0 and is_prime(factor)]
    return next(g for g in range(2, p) if all(pow(g, exponent, p) != 1 for exponent in exponents))


def discrete_logs(p: int) -> Int64[Tensor, " {p}-1"]:
    """The exponents l with g^l = x (mod p), g = `primitive_root(p)`, for the nonzero residues x = 1..p-1.

    ``ValueError``: p is not an odd prime.
    """
    root, power = primitive_root(p), 1
    logs = torch.empty(p - 1, dtype=torch.int64)
    for exponent in range(p - 1):
        logs[power - 1] = exponent
        power = power * root % p
    return logs


def multiplicative_basis(p: int) -> Float64[Tensor, "{p}-1 {p}"]:
    """Real and imaginary parts of the multiplicative characters: orthonormal rows over 1..p-1, zero at residue 0.

    In multiplicative coordinates a·b is an addition: log(a·b) = log a + log b (mod p - 1). The rows are waves in
    that logarithm: constant, cos 1, sin 1, ..., up to frequency (p-1)/2 - 1, and last the Nyquist row (-1)^log x,
    which is the Legendre symbol of x. ``ValueError``: p is not an odd prime.
    """
    logs = discrete_logs(p)
    order = p - 1
    waves = _real_waves(logs, torch.arange(1, order // 2), period=order)
    nyquist = (1.0 - 2.0 * (logs % 2).double()) / math.sqrt(order)
    rows = torch.zeros(order, p, dtype=torch.float64)
    rows[:-1, 1:] = waves
    rows[-1, 1:] = nyquist
    return rows


def _real_waves(
    positions: Int64[Tensor, " n"], frequencies: Int64[Tensor, " k"], period: int
) -> Float64[Tensor, "rows n"]:
    """The unit constant, then cosine and sine of each frequency, interleaved; every row has norm one."""
    # Reducing k·x before the division keeps the angle in one turn, hence exact to the last bit for any p.
    angles = (frequencies[:, None] * positions[None, :] % period).double() * (2 * math.pi / period)
    waves = torch.stack([angles.cos(), angles.sin()], dim=1).flatten(0, 1) * math.sqrt(2 / period)
    constant = torch.full((1, len(positions)), 1 / math.sqrt(period), dtype=torch.float64)
    return torch.cat([constant, waves])


@lru_cache(maxsize=16)
def _cached_basis(p: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "p p"]:
    """`basis(p)` where and as the data is. Shared between callers: never written to, never handed out."""
    # A tensor born in inference mode could never take part in a gradient later.
    with torch.inference_mode(False):
        return basis(p).to(device=device, dtype=dtype)


def _check_odd(p: int) -> None:
    if p < 3 or p % 2 == 0:
        raise ValueError(f"p must be odd and at least 3, not {p}")
