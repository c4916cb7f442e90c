"""Progress measures: how sparse and how balanced a layer's spectrum is.

Shapes: `p` residues, `K = p // 2` frequencies, `n` anything. With u_k, v_k the cosine and sine coefficients
of a layer at frequency k (`grokbook.fourier.transform`), the paper's two measures (section 7) are

    FFS(η) = 1/(2K) Σ_k ( 1[‖u_k‖ > η max_i ‖u_i‖] + 1[‖v_k‖ > η max_i ‖v_i‖] )
    FCR    = 1/K Σ_k min( ‖u_k‖ / ‖v_k‖ , ‖v_k‖ / ‖u_k‖ )

A low FFS means few key frequencies, a low FCR a bias to cosines or to sines. Both are free of scale and blind
to the constant. FCR counts all frequencies alike, also those that carry next to nothing; beside it stands a variant
of this book, `weighted_fcr_of`, in which a frequency counts as much as it carries. Norms that are pure rounding
noise count as zero (see `fourier.spectrum`). NaN or infinity anywhere in a layer gives NaN, never a number that
looks like a result.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Real
from torch import Tensor

from grokbook.fourier import transform
from grokbook.fourier.transform import Spectrum

Matrix = Real[Tensor | np.ndarray, "p *n"]


class Measures(NamedTuple):
    """The spectral measures of one layer, each between 0 and 1."""

    ffs: float
    fcr: float
    gini: float


def ffs(matrix: Matrix, eta: float = 0.5) -> float:
    """Fourier Frequency Sparsity of a layer with one row per residue; see `ffs_of`.

    Raises:
        ValueError: p is even or below 3, or eta lies outside [0, 1).
    """
    return ffs_of(transform.spectrum(torch.as_tensor(matrix)), eta)


def fcr(matrix: Matrix) -> float:
    """Fourier Coefficient Ratio of a layer with one row per residue; see `fcr_of`.

    Raises:
        ValueError: p is even or below 3.
    """
    return fcr_of(transform.spectrum(torch.as_tensor(matrix)))


def layer_measures(matrix: Matrix, eta: float = 0.5) -> Measures:
    """All measures of one layer from one transform; errors as in `ffs`."""
    return measures_of(transform.spectrum(torch.as_tensor(matrix)), eta)


def measures_of(spectrum: Spectrum, eta: float = 0.5) -> Measures:
    """FFS, FCR and the Gini coefficient of the 2K norms (cosines and sines, no constant); errors as in `ffs_of`."""
    spectrum.check_single()
    norms = torch.cat([spectrum.cosine, spectrum.sine])
    return Measures(ffs=ffs_of(spectrum, eta), fcr=fcr_of(spectrum), gini=gini(norms))


def ffs_of(spectrum: Spectrum, eta: float = 0.5) -> float:
    """The share of cosines and sines whose norm exceeds η times the largest of their own kind.

    Cosines and sines have separate maxima, and the inequality is strict, so a kind that is absent counts
    nothing: the FFS of a constant layer is 0.

    Raises:
        ValueError: eta lies outside [0, 1), or these are the spectra of several layers or times.
    """
    if not 0 <= eta < 1:
        raise ValueError(f"eta must be in [0, 1), not {eta}")
    cosine, sine = _one(spectrum)
    if not (cosine.isfinite().all() and sine.isfinite().all()):
        return math.nan
    above = (cosine > eta * cosine.max()).sum() + (sine > eta * sine.max()).sum()
    return int(above) / (2 * len(cosine))


def fcr_of(spectrum: Spectrum) -> float:
    """The mean over frequencies of the smaller norm over the larger one.

    A frequency with neither cosine nor sine is biased to neither: its ratio is 1. One with only a cosine, or
    only a sine, has ratio 0.

    Raises:
        ValueError: these are the spectra of several layers or times.
    """
    cosine, sine = _one(spectrum)
    if not (cosine.isfinite().all() and sine.isfinite().all()):
        return math.nan
    larger = torch.maximum(cosine, sine)
    ratio = torch.where(larger > 0, torch.minimum(cosine, sine) / larger, torch.ones_like(larger))
    return float(ratio.mean())


def weighted_fcr_of(spectrum: Spectrum) -> float:
    """FCR with each frequency weighted by its larger norm: Σ_k min(‖u_k‖, ‖v_k‖) / Σ_k max(‖u_k‖, ‖v_k‖).

    Not in the paper. In a sparse layer most frequencies are noise with some ratio of their own, and the plain mean of
    `fcr_of` is mostly about them; here they weigh little. A layer without any frequency is biased to neither: 1.

    Raises:
        ValueError: these are the spectra of several layers or times.
    """
    cosine, sine = _one(spectrum)
    if not (cosine.isfinite().all() and sine.isfinite().all()):
        return math.nan
    larger = torch.maximum(cosine, sine).sum()
    return float(torch.minimum(cosine, sine).sum() / larger) if larger > 0 else 1.0


BIASED = 2 / 3
"""A layer counts as biased to cosines if these have twice the squared norm of sines. Not in the paper."""


def cosine_share_of(spectrum: Spectrum) -> float:
    """The share of the squared norms that cosines have, against sines; 1/2 is balanced. Not in the paper.

    Raises:
        ValueError: these are the spectra of several layers or times.
    """
    cosine, sine = (float(norms.square().sum()) for norms in _one(spectrum))
    return 0.5 if cosine + sine == 0 else cosine / (cosine + sine)


def fcr_at(share: float) -> float:
    """FCR of a layer in which cosines have this share of the squared norm at each frequency."""
    share = min(max(share, 0.0), 1.0)  # rounding may have left it outside
    return math.sqrt(min(share, 1 - share) / max(share, 1 - share))


def _one(spectrum: Spectrum) -> tuple[Float[Tensor, " K"], Float[Tensor, " K"]]:
    """Cosine and sine norms of one layer in float64; summed over several, a measure would look like a number of one."""
    spectrum.check_single()
    return spectrum.cosine.double(), spectrum.sine.double()


def gini(values: Float[Tensor, " n"] | Float[np.ndarray, " n"]) -> float:
    """Gini coefficient of a nonnegative vector: 0 when its n entries are equal, 1 - 1/n when one is alone.

    A common measure of the sparsity of spectra; it needs no threshold. Sorted increasingly,
    G = Σ_i (2i - n - 1) x_i / (n Σ_i x_i) for i = 1..n. A vector of zeros is even: 0. NaN gives NaN.

    Raises:
        ValueError: the vector is empty or has a negative entry.
    """
    x = torch.as_tensor(values).detach().double().cpu().sort().values
    n = len(x)
    if n == 0 or bool((x < 0).any()):
        raise ValueError("the Gini coefficient needs at least one value and none below zero")
    if not x.isfinite().all():
        return math.nan
    total = x.sum()
    if total == 0:
        return 0.0
    ranks = torch.arange(1 - n, n, 2, dtype=torch.float64)
    return float((ranks * x).sum() / (n * total))


def map_correlation(one: Real[Tensor, "p p"], other: Real[Tensor, "p p"]) -> float:
    """Correlation between the squared norms of two maps of 2-D logits, components with a constant aside.

    Not in the paper: it tells in a number whether two operations "exhibit the same patterns" (§5.3). NaN where a map
    has the same norm everywhere.
    """
    squares = torch.stack([norms.double().square()[1:, 1:].flatten() for norms in (one, other)])
    return float(torch.corrcoef(squares)[0, 1])
