"""Progress measures: how sparse and how balanced a layer's spectrum is.

Shapes: `p` residues, `K = p // 2` frequencies, `n` anything. With u_k, v_k the cosine and sine coefficients
of a layer at frequency k (`grokbook.fourier.transform`), the paper's two measures (section 7) are::

    FFS(η) = 1/(2K) Σ_k ( 1[‖u_k‖ > η max_i ‖u_i‖] + 1[‖v_k‖ > η max_i ‖v_i‖] )
    FCR    = 1/K Σ_k min( ‖u_k‖ / ‖v_k‖ , ‖v_k‖ / ‖u_k‖ )

A low FFS means few key frequencies, a low FCR a bias to cosines or to sines. Both are free of scale and blind to the
constant. FCR counts all frequencies alike, also those that carry next to nothing; beside it stands a variant of this
book, `weighted_fcr`, in which a frequency counts as much as it carries. Norms that are pure rounding noise count as
zero (see `fourier.spectrum`). NaN or infinity anywhere in a layer gives NaN, never a number that looks like a result.

Every measure takes the spectrum of one layer at one time, as in ``ffs(gb.fourier.spectrum(matrix))``. A matrix raises
``TypeError``, the spectra of several layers or times ``ValueError``.

To record one more in every history from now on: write the function, and enter it in `MEASURES`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

import torch
from jaxtyping import Real
from torch import Tensor

from grokbook.fourier.transform import Spectrum

_Options = ParamSpec("_Options")


def _of_one_layer(
    formula: Callable[Concatenate[Spectrum, _Options], float],
) -> Callable[Concatenate[Spectrum, _Options], float]:
    """A formula for finite norms in float64 as a measure of any one spectrum; what is none of one is refused."""

    @wraps(formula)
    def measure(spectrum: object, /, *args: _Options.args, **options: _Options.kwargs) -> float:
        if not isinstance(spectrum, Spectrum):
            name, given = formula.__name__, type(spectrum).__name__
            raise TypeError(f"{name} takes a spectrum, not a {given}: {name}(gb.fourier.spectrum(matrix))")
        spectrum.check_single()
        norms = Spectrum(*(part.detach().double().cpu() for part in spectrum))
        value = formula(norms, *args, **options)
        return value if norms.cosine.isfinite().all() and norms.sine.isfinite().all() else math.nan

    return measure


@_of_one_layer
def ffs(spectrum: Spectrum, eta: float = 0.5) -> float:
    """Fourier Frequency Sparsity: the share of cosines and sines whose norm exceeds η times the largest of their kind.

    Cosines and sines have separate maxima, and the inequality is strict, so a kind that is absent counts nothing:
    the FFS of a constant layer is 0. ``ValueError``: eta lies outside [0, 1).
    """
    if not 0 <= eta < 1:
        raise ValueError(f"eta must be in [0, 1), not {eta}")
    above = sum(int((norms > eta * norms.max()).sum()) for norms in (spectrum.cosine, spectrum.sine))
    return above / (2 * len(spectrum.cosine))


@_of_one_layer
def fcr(spectrum: Spectrum) -> float:
    """Fourier Coefficient Ratio: the mean over frequencies of the smaller norm over the larger one.

    A frequency with neither cosine nor sine is biased to neither: its ratio is 1. One with only a cosine, or
    only a sine, has ratio 0.
    """
    smaller, larger = torch.minimum(spectrum.cosine, spectrum.sine), torch.maximum(spectrum.cosine, spectrum.sine)
    return float(torch.where(larger > 0, smaller / larger, torch.ones_like(larger)).mean())


@_of_one_layer
def weighted_fcr(spectrum: Spectrum) -> float:
    """FCR with each frequency weighted by its larger norm: Σ_k min(‖u_k‖, ‖v_k‖) / Σ_k max(‖u_k‖, ‖v_k‖).

    Not in the paper. In a sparse layer most frequencies are noise with some ratio of their own, and the plain mean of
    `fcr` is mostly about them; here they weigh little. A layer without any frequency is biased to neither: 1.
    """
    larger = torch.maximum(spectrum.cosine, spectrum.sine).sum()
    return float(torch.minimum(spectrum.cosine, spectrum.sine).sum() / larger) if larger > 0 else 1.0


@_of_one_layer
def gini(spectrum: Spectrum) -> float:
    """Gini coefficient of the n = 2K norms of cosines and sines: 0 if all are equal, 1 - 1/n if one is alone.

    Not in the paper; a common measure of the sparsity of spectra that needs no threshold. Sorted increasingly,
    G = Σ_i (2i - n - 1) x_i / (n Σ_i x_i) for i = 1..n. A layer without any frequency is even: 0.
    """
    x = torch.cat([spectrum.cosine, spectrum.sine]).sort().values
    n, total = len(x), x.sum()
    ranks = torch.arange(1 - n, n, 2, dtype=torch.float64)
    return float((ranks * x).sum() / (n * total)) if total > 0 else 0.0


@_of_one_layer
def cosine_share(spectrum: Spectrum) -> float:
    """The share of the squared norms that cosines have, against sines; 1/2 is balanced. Not in the paper."""
    cosine, sine = (float(norms.square().sum()) for norms in (spectrum.cosine, spectrum.sine))
    return 0.5 if cosine + sine == 0 else cosine / (cosine + sine)


BIASED = 2 / 3
"""A layer counts as biased to cosines if these have twice the squared norm of sines. Not in the paper."""


def fcr_at(share: float) -> float:
    """FCR of a layer in which cosines have this share of the squared norm at each frequency."""
    share = min(max(share, 0.0), 1.0)  # rounding may have left it outside
    return math.sqrt(min(share, 1 - share) / max(share, 1 - share))


@dataclass(frozen=True)
class Measure:
    """A number that every history has of each layer, at each evaluation, in the column ``name_layer``."""

    name: str
    of: Callable[[Spectrum], float]
    title: str
    section: str
    """Where the paper defines it, or "not in the paper"."""
    tolerance: float
    """How far it may be off when it is computed again on another machine."""
    low: float = 0.0
    high: float = 1.0
    """Where it ends; ``math.inf`` if that depends on p."""


MEASURES: tuple[Measure, ...] = (
    # A rounding error can move a norm over the threshold, and FFS counts in units of 1/(2K), about 0.01 at p = 97.
    Measure("ffs", ffs, "FFS", "§7", tolerance=0.03),
    Measure("fcr", fcr, "FCR", "§7", tolerance=1e-3),
    Measure("gini", gini, "Gini", "not in the paper", tolerance=1e-3),
)
"""What is recorded while a run trains. A run from before a measure was entered lacks it, and is as good as others."""


def recorded(spectrum: Spectrum) -> dict[str, float]:
    """All of `MEASURES` of one spectrum, by name."""
    return {measure.name: measure.of(spectrum) for measure in MEASURES}


def map_correlation(one: Real[Tensor, "p p"], other: Real[Tensor, "p p"]) -> float:
    """Correlation between the squared norms of two maps of 2-D logits, components with a constant aside.

    Not in the paper: it tells in a number whether two operations "exhibit the same patterns" (§5.3). NaN where a map
    has the same norm everywhere.
    """
    squares = torch.stack([norms.double().square()[1:, 1:].flatten() for norms in (one, other)])
    return float(torch.corrcoef(squares)[0, 1])
