"""Claims about spectra and progress measures (§5.1–5.3, §6, §7).

All but C18 are about what models look like that have grokked, so a run that has not has no number for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import fmean
from typing import Unpack

from grokbook import paper
from grokbook.analysis.balance import Maps, cosine_map_share, untrained_maps
from grokbook.analysis.histories import apart, largest_change, relative
from grokbook.data.operations import pretty
from grokbook.fourier.layers import LAYERS
from grokbook.fourier.measures import BIASED, cosine_share, map_correlation
from grokbook.paper.claims.criteria import Bound, Configs, Criterion, Evidence, alone, mixed
from grokbook.paper.claims.judging import claim
from grokbook.paper.experiments import POWERS, SUMS
from grokbook.runs.run import Run

SPARSE = 0.5
"""A layer is sparse if FFS has at least halved since the random start."""
DENSE = 0.8
"""It still has all frequencies if FFS has kept at least four fifths."""
BALANCED = 0.75
"""Balanced: FCR has kept at least three quarters."""
FALLS = 0.75
"""A measure falls if at most three quarters of it are left."""
IN_STEP = 2.0
"""A measure falls in step with test accuracy if they go half of their ways within a factor of two in steps."""
ALIKE = 0.5
"""Two operations share patterns if their correlation is higher by so much than with one that does not."""

NAMES = {"embedding": "W_E", "neuron_logit": "W_L"}


def left(
    evidence: Evidence, what: str, configs: Configs, measure: str, *layers: str, **limit: Unpack[Bound]
) -> Iterator[Criterion]:
    """How much of a measure of layers is left at the end."""
    for layer in layers:
        yield evidence.criterion(
            f"{what}: {measure.upper()} of {NAMES[layer]} at the end over its start",
            configs,
            lambda run, column=f"{measure}_{layer}": relative(run, column),
            start=lambda run: 1.0,
            null=1.0,
            of_grokked=True,
            **limit,
        )


def sparse(evidence: Evidence, operation: str, *layers: str) -> Iterator[Criterion]:
    """That FFS has halved."""
    return left(evidence, pretty(operation), alone(operation), "ffs", *layers, at_most=SPARSE)


def dense(evidence: Evidence, operation: str, *layers: str) -> Iterator[Criterion]:
    """That FFS is about what it was."""
    return left(evidence, pretty(operation), alone(operation), "ffs", *layers, at_least=DENSE)


def cosine_biased(evidence: Evidence, what: str, configs: Configs, *layers: str) -> Iterator[Criterion]:
    """That cosines have twice the squared norm of sines."""
    for layer in layers:
        yield evidence.criterion(
            f"{what}: cosines' share of the squared norms of {NAMES[layer]}",
            configs,
            lambda run, layer=layer: cosine_share(run.spectrum(layer)),
            start=lambda run, layer=layer: cosine_share(run.spectrum(layer, 0)),
            at_least=BIASED,
            null=0.5,
            of_grokked=True,
        )


@claim("§5.1, Fig 3", "elementary")
def c1(evidence: Evidence) -> Iterator[Criterion]:
    """After grokking a+b, the embedding and the neuron–logit map are sparse in frequency."""
    yield from sparse(evidence, "a+b", *LAYERS)


@claim("§5.1, Fig 3", "elementary")
def c2(evidence: Evidence) -> Iterator[Criterion]:
    """a−b has an embedding as sparse as that of a+b, but an asymmetric, cosine-biased neuron–logit map and logits."""
    yield evidence.criterion(
        "a−b: FFS of W_E over that of a+b",
        alone("a-b", "a+b"),
        lambda minus, plus: minus.history["ffs_embedding"].iloc[-1] / plus.history["ffs_embedding"].iloc[-1],
        start=lambda minus, plus: minus.history["ffs_embedding"].iloc[0] / plus.history["ffs_embedding"].iloc[0],
        at_most=1.5,
        null=1.0,
        of_grokked=True,
    )
    yield from sparse(evidence, "a-b", "embedding")
    yield from cosine_biased(evidence, "a−b", alone("a-b"), "neuron_logit")
    yield evidence.criterion(
        "a−b: share of cos × cos in the squared norms of the 2-D logits (balanced: 0.25)",
        alone("a-b"),
        lambda run: cosine_map_share(run.spectra.logits[-1, 0]),
        start=lambda run: cosine_map_share(untrained_maps(run.config)[0]),
        at_least=0.5,
        null=0.25,
        of_grokked=True,
    )


@claim("§5.2, Fig 3", "elementary")
def c3(evidence: Evidence) -> Iterator[Criterion]:
    """a·b uses all frequencies, with a bias to cosines, in the embedding and in the neuron–logit map."""
    yield from dense(evidence, "a*b", *LAYERS)
    yield from cosine_biased(evidence, "a·b", alone("a*b"), *LAYERS)


@claim("§5.3, Fig 4", "mixture-elementary")
def c9(evidence: Evidence) -> Iterator[Criterion]:
    """The mixture has a sparse embedding and a neuron–logit map that is sparse in its cosines; + and − share
    patterns in their 2-D logits.
    """
    what, configs = "mixture at r = 0.9", mixed(paper.ELEMENTARY, fraction=0.9)
    yield from left(evidence, what, configs, "ffs", *LAYERS, at_most=SPARSE)
    yield from cosine_biased(evidence, what, configs, "neuron_logit")
    yield evidence.criterion(
        f"{what}: correlation of the 2-D logits of a+b and a−b, less that of a+b and a·b",
        configs,
        lambda run: _nearer(run.spectra.logits[-1]),
        start=lambda run: _nearer(untrained_maps(run.config)),
        at_least=ALIKE,
        of_grokked=True,
    )


def _nearer(maps: Maps) -> float:
    """How much more the first operation of a mixture is like the second than like the third."""
    return map_correlation(maps[0], maps[1]) - map_correlation(maps[0], maps[2])


@claim("§6.1, Fig 6", "simple-polynomials")
def c10(evidence: Evidence) -> Iterator[Criterion]:
    """a²+b² has a cosine-biased embedding and a sparse neuron–logit map."""
    yield from cosine_biased(evidence, "a²+b²", alone("a^2+b^2"), "embedding")
    yield from sparse(evidence, "a^2+b^2", "neuron_logit")


@claim("§6.1, Fig 6", "simple-polynomials")
def c11(evidence: Evidence) -> Iterator[Criterion]:
    """a²−b² has a biased and sparse embedding and a sparse neuron–logit map."""
    yield from cosine_biased(evidence, "a²−b²", alone("a^2-b^2"), "embedding")
    yield from sparse(evidence, "a^2-b^2", *LAYERS)


@claim("§6.1, Fig 6", "simple-polynomials", "elementary")
def c12(evidence: Evidence) -> Iterator[Criterion]:
    """ab+a+b looks like a·b, but with sine components.

    Seeds of a·b differ in their bias to cosines, so ab+a+b is compared with the mean of those that are judged.
    """
    yield from dense(evidence, "ab+a+b", *LAYERS)
    products = [paper.single("a*b", seed=seed) for seed in evidence.seeds]
    stored = [config for config in products if evidence.get(config) is not None] or products

    def share_over(both: Run, *of_product: Run, layer: str, time: int = -1) -> float:
        shares = (cosine_share(run.spectrum(layer, time)) for run in of_product)
        return cosine_share(both.spectrum(layer, time)) / fmean(shares)

    for layer in LAYERS:
        yield evidence.criterion(
            f"ab+a+b: cosines' share of {NAMES[layer]} over that of a·b, in the mean of its seeds",
            lambda seed: [paper.single("ab+a+b", seed=seed), *stored],
            partial(share_over, layer=layer),
            start=partial(share_over, layer=layer, time=0),
            at_most=0.9,
            null=1.0,
            of_grokked=True,
        )


def _falls_in_step(evidence: Evidence, operation: str, measure: str, fraction: float = 0.3) -> Iterator[Criterion]:
    what, configs = pretty(operation), alone(operation, fraction=fraction)
    for layer, symbol in NAMES.items():
        yield from left(evidence, what, configs, measure, layer, at_most=FALLS)
        yield evidence.criterion(
            f"{what}: {measure.upper()} of {symbol} and test accuracy, half-way steps a factor apart",
            configs,
            lambda run, column=f"{measure}_{layer}": apart(run, column),
            at_most=IN_STEP,
            null=1.0,
            of_grokked=True,
        )


@claim("§7, Fig 10", "progress-measures-ab+b", "elementary")
def c15(evidence: Evidence) -> Iterator[Criterion]:
    """FFS falls for ±, FCR for ·, both for ab+b, in step with test accuracy."""
    for operation, measure in (("a+b", "ffs"), ("a-b", "ffs"), ("a*b", "fcr")):
        yield from _falls_in_step(evidence, operation, measure)
    # At r = 0.3 ab+b groks neither here nor in the paper's Table 5; Fig 10 does not say its r.
    for measure in ("ffs", "fcr"):
        yield from _falls_in_step(evidence, "ab+b", measure, fraction=0.5)


@claim("§7, Fig 10", "progress-measures")
def c16(evidence: Evidence) -> Iterator[Criterion]:
    """In aⁿ+bⁿ, odd n lowers FFS more, even n lowers FCR more; the neuron–logit map is sparse."""

    def odd_over_even(runs: tuple[Run, ...], column: str) -> float:
        left = [relative(run, column) for run in runs]  # n = 2, 3, …
        return fmean(left[1::2]) / fmean(left[::2])

    for measure, limit in (("ffs", Bound(at_most=0.8)), ("fcr", Bound(at_least=1.25))):
        yield evidence.criterion(
            f"aⁿ+bⁿ: what is left of {measure.upper()} of W_E, mean of odd n over mean of even n",
            alone(*POWERS),
            lambda *runs, column=f"{measure}_embedding": odd_over_even(runs, column),
            start=lambda *runs: 1.0,
            null=1.0,
            of_grokked=True,
            **limit,
        )
    for operation in POWERS:
        yield from sparse(evidence, operation, "neuron_logit")


@claim("§7, Appendix H, Fig 19", "progress-measures")
def c17(evidence: Evidence) -> Iterator[Criterion]:
    """(a+b)ⁿ has a sparse and balanced embedding, with an FCR that falls for even n; its neuron–logit map is like
    that of ·.
    """
    for n, operation in enumerate(SUMS, start=2):
        yield from sparse(evidence, operation, "embedding")
        limit = Bound(at_least=BALANCED) if n % 2 else Bound(at_most=FALLS)
        yield from left(evidence, pretty(operation), alone(operation), "fcr", "embedding", **limit)
        yield from dense(evidence, operation, "neuron_logit")


@claim("§7, Fig 10", "progress-measures")
def c18(evidence: Evidence) -> Iterator[Criterion]:
    """For a²+ab+b² FFS never moves, and there is no late generalisation."""
    for layer, symbol in NAMES.items():
        yield evidence.criterion(
            f"a²+ab+b²: largest change of FFS of {symbol}, as a share of its start",
            alone("a^2+ab+b^2"),
            lambda run, layer=layer: largest_change(run, f"ffs_{layer}"),
            at_most=0.2,
        )
    yield evidence.groks("a²+ab+b²", alone("a^2+ab+b^2"), expected=False)
