"""Criteria of the claims about spectra and progress measures (§5.1–5.3, §6, §7).

All but C18 are about what models look like that have grokked, so a run that has not has no number for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from grokbook import paper
from grokbook.data.operations import pretty
from grokbook.fourier.layers import LAYERS
from grokbook.fourier.measures import BIASED, map_correlation
from grokbook.paper.claims.criteria import Criterion, Evidence, alone, mixed
from grokbook.paper.claims.numbers import (
    Maps,
    apart,
    cosine_map_share,
    cosine_share,
    largest_change,
    mean,
    relative,
    untrained_maps,
)
from grokbook.paper.experiments import POWERS, SUMS
from grokbook.runs.config import RunConfig
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


def _ffs_left(
    evidence: Evidence,
    operation: str,
    layers: Iterable[str],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Iterator[Criterion]:
    for layer in layers:
        column = f"ffs_{layer}"
        yield evidence.criterion(
            f"{pretty(operation)}: FFS of {NAMES[layer]} at the end over its start",
            alone(operation),
            lambda run, column=column: relative(run, column),
            start=lambda run: 1.0,
            at_most=at_most,
            at_least=at_least,
            null=1.0,
            of_grokked=True,
        )


def sparse(evidence: Evidence, operation: str, *layers: str) -> Iterator[Criterion]:
    """That FFS has halved."""
    return _ffs_left(evidence, operation, layers, at_most=SPARSE)


def dense(evidence: Evidence, operation: str, *layers: str) -> Iterator[Criterion]:
    """That FFS is about what it was."""
    return _ffs_left(evidence, operation, layers, at_least=DENSE)


def cosine_biased(evidence: Evidence, operation: str, *layers: str) -> Iterator[Criterion]:
    """That cosines have twice the squared norm of sines."""
    for layer in layers:
        yield evidence.criterion(
            f"{pretty(operation)}: cosines' share of the squared norms of {NAMES[layer]}",
            alone(operation),
            lambda run, layer=layer: cosine_share(run, layer),
            start=lambda run, layer=layer: cosine_share(run, layer, time=0),
            at_least=BIASED,
            null=0.5,
            of_grokked=True,
        )


def c1(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C1."""
    yield from sparse(evidence, "a+b", *LAYERS)


def c2(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C2."""
    yield evidence.criterion(
        "a−b: FFS of W_E over that of a+b",
        lambda seed: [paper.single("a-b", seed=seed), paper.single("a+b", seed=seed)],
        lambda minus, plus: minus.history["ffs_embedding"].iloc[-1] / plus.history["ffs_embedding"].iloc[-1],
        start=lambda minus, plus: minus.history["ffs_embedding"].iloc[0] / plus.history["ffs_embedding"].iloc[0],
        at_most=1.5,
        null=1.0,
        of_grokked=True,
    )
    yield from sparse(evidence, "a-b", "embedding")
    yield from cosine_biased(evidence, "a-b", "neuron_logit")
    yield evidence.criterion(
        "a−b: share of cos × cos in the squared norms of the 2-D logits (balanced: 0.25)",
        alone("a-b"),
        lambda run: cosine_map_share(run.spectra.logits[-1, 0]),
        start=lambda run: cosine_map_share(untrained_maps(run.config)[0]),
        at_least=0.5,
        null=0.25,
        of_grokked=True,
    )


def c3(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C3."""
    yield from dense(evidence, "a*b", *LAYERS)
    yield from cosine_biased(evidence, "a*b", *LAYERS)


def c9(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C9."""
    configs = mixed(paper.ELEMENTARY, fraction=0.9)
    for layer, symbol in NAMES.items():
        yield evidence.criterion(
            f"mixture at r = 0.9: FFS of {symbol} at the end over its start",
            configs,
            lambda run, layer=layer: relative(run, f"ffs_{layer}"),
            start=lambda run: 1.0,
            at_most=SPARSE,
            null=1.0,
            of_grokked=True,
        )
    yield evidence.criterion(
        "mixture at r = 0.9: cosines' share of the squared norms of W_L",
        configs,
        lambda run: cosine_share(run, "neuron_logit"),
        start=lambda run: cosine_share(run, "neuron_logit", time=0),
        at_least=BIASED,
        null=0.5,
        of_grokked=True,
    )
    yield evidence.criterion(
        "mixture at r = 0.9: correlation of the 2-D logits of a+b and a−b, less that of a+b and a·b",
        configs,
        lambda run: _nearer(run.spectra.logits[-1]),
        start=lambda run: _nearer(untrained_maps(run.config)),
        at_least=ALIKE,
        of_grokked=True,
    )


def _nearer(maps: Maps) -> float:
    """How much more the first operation of a mixture is like the second than like the third."""
    return map_correlation(maps[0], maps[1]) - map_correlation(maps[0], maps[2])


def c10(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C10."""
    yield from cosine_biased(evidence, "a^2+b^2", "embedding")
    yield from sparse(evidence, "a^2+b^2", "neuron_logit")


def c11(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C11."""
    yield from cosine_biased(evidence, "a^2-b^2", "embedding")
    yield from sparse(evidence, "a^2-b^2", *LAYERS)


def c12(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C12. Seeds of a·b differ in their bias to cosines, so ab+a+b is compared with all that are stored."""
    yield from dense(evidence, "ab+a+b", *LAYERS)
    products = [paper.single("a*b", seed=seed) for seed in evidence.seeds]
    stored = [config for config in products if evidence.get(config) is not None] or products

    def share_over(layer: str, time: int) -> Callable[..., float]:
        return lambda both, *of_product: (
            cosine_share(both, layer, time) / mean([cosine_share(run, layer) for run in of_product])
        )

    for layer in LAYERS:
        yield evidence.criterion(
            f"ab+a+b: cosines' share of {NAMES[layer]} over that of a·b, in the mean of its seeds",
            lambda seed: [paper.single("ab+a+b", seed=seed), *stored],
            share_over(layer, -1),
            start=share_over(layer, 0),
            at_most=0.9,
            null=1.0,
            of_grokked=True,
        )


def _falls_in_step(evidence: Evidence, operation: str, measure: str, fraction: float = 0.3) -> Iterator[Criterion]:
    configs = alone(operation, fraction=fraction)
    for layer, symbol in NAMES.items():
        column = f"{measure}_{layer}"
        yield evidence.criterion(
            f"{pretty(operation)}: {measure.upper()} of {symbol} at the end over its start",
            configs,
            lambda run, column=column: relative(run, column),
            start=lambda run: 1.0,
            at_most=FALLS,
            null=1.0,
            of_grokked=True,
        )
        yield evidence.criterion(
            f"{pretty(operation)}: {measure.upper()} of {symbol} and test accuracy, half-way steps a factor apart",
            configs,
            lambda run, column=column: apart(run, column),
            at_most=IN_STEP,
            null=1.0,
            of_grokked=True,
        )


def c15(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C15."""
    for operation, measure in (("a+b", "ffs"), ("a-b", "ffs"), ("a*b", "fcr")):
        yield from _falls_in_step(evidence, operation, measure)
    # At r = 0.3 ab+b groks neither here nor in the paper's Table 5; Fig 10 does not say its r.
    for measure in ("ffs", "fcr"):
        yield from _falls_in_step(evidence, "ab+b", measure, fraction=0.5)


def c16(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C16."""

    def configs(seed: int) -> list[RunConfig]:
        return [paper.single(operation, seed=seed) for operation in POWERS]

    def odd_over_even(runs: tuple[Run, ...], column: str) -> float:
        left = [relative(run, column) for run in runs]  # n = 2, 3, …
        return mean(left[1::2]) / mean(left[::2])

    yield evidence.criterion(
        "aⁿ+bⁿ: what is left of FFS of W_E, mean of odd n over mean of even n",
        configs,
        lambda *runs: odd_over_even(runs, "ffs_embedding"),
        start=lambda *runs: 1.0,
        at_most=0.8,
        null=1.0,
        of_grokked=True,
    )
    yield evidence.criterion(
        "aⁿ+bⁿ: what is left of FCR of W_E, mean of odd n over mean of even n",
        configs,
        lambda *runs: odd_over_even(runs, "fcr_embedding"),
        start=lambda *runs: 1.0,
        at_least=1.25,
        null=1.0,
        of_grokked=True,
    )
    for operation in POWERS:
        yield from sparse(evidence, operation, "neuron_logit")


def c17(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C17."""
    for n, operation in enumerate(SUMS, start=2):
        yield from sparse(evidence, operation, "embedding")
        falls = n % 2 == 0
        yield evidence.criterion(
            f"{pretty(operation)}: FCR of W_E at the end over its start",
            alone(operation),
            lambda run: relative(run, "fcr_embedding"),
            start=lambda run: 1.0,
            at_most=FALLS if falls else None,
            at_least=None if falls else BALANCED,
            null=1.0,
            of_grokked=True,
        )
        yield from dense(evidence, operation, "neuron_logit")


def c18(evidence: Evidence) -> Iterator[Criterion]:
    """Criteria of C18."""
    for layer, symbol in NAMES.items():
        yield evidence.criterion(
            f"a²+ab+b²: largest change of FFS of {symbol}, as a share of its start",
            alone("a^2+ab+b^2"),
            lambda run, layer=layer: largest_change(run, f"ffs_{layer}"),
            at_most=0.2,
        )
    yield evidence.groks("a²+ab+b²", alone("a^2+ab+b^2"), expected=False)
