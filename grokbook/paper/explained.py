"""What one cause, the shared embedding, would explain of the paper's claims, and the number that decides each.

With an embedding for each operand a−b is the same learning problem as a+b. What the claims C2, C5, C6 and C14 say of
a−b, 2a±b, 2a±3b and ab±b must then be gone: what they have in common with a+b and a·b cannot set them apart.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from grokbook.analysis import restricted
from grokbook.fourier.measures import BIASED, cosine_share
from grokbook.paper.configs import FRACTIONS
from grokbook.paper.same_task import CHANCE
from grokbook.paper.separate import MODEL, Comparison, one_distribution
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run
from grokbook.runs.store import FolderStore

FAR_WORSE = 10.0
"""The limit of C6: a restricted loss so many times the full one is far worse."""

ALIKE = 2.0
"""Median grok steps within this factor count as the same: seeds of a+b alone differ by as much."""

RUNS: Final = 3
"""The fewest runs from which something counts as gone; that it stays, one can show."""


class Explained(NamedTuple):
    """A claim about operations that one embedding sets apart, and the number that decides it."""

    claim: str
    number: str
    """What is computed."""
    one: Sequence[float]
    """With one embedding: a number for each run, or for each operation."""
    two: Sequence[float]
    """With two; none where no run is known."""
    predicted: str
    """What it is to be with two embeddings."""
    gone: bool | None
    """Whether, with two, what the claim says has gone; None where that is not known."""

    @property
    def verdict(self) -> str:
        """In a word: whether it goes away with the shared embedding, which would then explain it."""
        return {None: "open", True: "gone", False: "stays"}[self.gone]


def cosine_shares(runs: Iterable[Run]) -> list[float]:
    """The share of cosines in the squared norms of W_L, of runs that grokked."""
    return [cosine_share(run.spectrum("neuron_logit")) for run in runs if run.grok_step is not None]


def restricted_ratios(runs: Iterable[Run]) -> list[float]:
    """Restricted over full train loss, the constant of each class dropped, of runs that grokked and have weights."""
    found = []
    for run in runs:
        if run.grok_step is not None and run.has_weights:
            losses = restricted.ablations(run).combinations(restricted.key_frequencies(run))
            found.append(restricted.ratio(losses["restricted"].train, losses["full"].train))
    return found


def stored(folders: FolderStore, operation: str, model: str, fractions: Iterable[float], p: int) -> Iterator[Run]:
    """The stored runs of an operation, as the paper trains it, with seeds 0, 1 and 2."""
    for fraction in fractions:
        for seed in range(3):
            config = RunConfig(operations=(operation,), p=p, fraction=fraction, seed=seed, model=model, max_steps=1)
            if config in folders:
                yield folders.get(config)


def explained(
    folders: FolderStore, p: int, fraction: float, one: Sequence[Comparison], two: Sequence[Comparison]
) -> list[Explained]:
    """The four claims, with what is known of runs with one embedding at a fraction, and with two at any.

    Args:
        folders: where weights and spectra of runs on a−b are looked for.
        p: modulus.
        fraction: of the runs with one embedding.
        one: grok steps with one embedding, by :func:`grokbook.paper.separate.comparisons`.
        two: those with two.
    """
    runs_one = list(stored(folders, "a-b", RunConfig.model, [fraction], p))
    runs_two = list(stored(folders, "a-b", MODEL, FRACTIONS, p))
    shares, ratios = cosine_shares(runs_two), restricted_ratios(runs_two)
    minus, others = ("a-b",), ("2a+b", "2a-b", "2a+3b", "2a-3b", "ab+b", "ab-b")
    return [
        Explained(
            "C2",
            "share of cosines in W_L of a−b",
            cosine_shares(runs_one),
            shares,
            "about ½",
            _gone(shares, BIASED),
        ),
        Explained(
            "C6",
            "restricted ÷ full train loss of a−b, class constant dropped",
            restricted_ratios(runs_one),
            ratios,
            "as for a+b: below 1.5",
            _gone(ratios, FAR_WORSE),
        ),
        Explained(
            "C5",
            "grok step of a−b ÷ of a+b",
            _factors(one, minus),
            _factors(two, minus),
            "1",
            _alike(two, minus),
        ),
        Explained(
            "C14",
            "grok steps of 2a±b, 2a±3b ÷ of a+b, of ab±b ÷ of a·b",
            _factors(one, others),
            _factors(two, others),
            "1",
            _alike(two, others),
        ),
    ]


def _gone(values: Sequence[float], limit: float) -> bool | None:
    """Whether the median of some runs is below what a claim asks for; None where there are too few to say so."""
    below = bool(values) and statistics.median(values) < limit
    return None if not values or (below and len(values) < RUNS) else below


def _factors(rows: Iterable[Comparison], operations: Sequence[str]) -> list[float]:
    """Median steps over those of the reference; infinity for an operation that does not grok."""
    return [_factor(row) for row in rows if row.operation in operations]


def _factor(row: Comparison) -> float:
    return float("inf") if statistics.median(row.steps) == float("inf") else row.factor


def _alike(rows: Iterable[Comparison], operations: Sequence[str]) -> bool | None:
    """Whether all operations grok as late as their references: each within :data:`ALIKE`, all by no more than chance.

    None where that holds as far as it is known, and an operation or a seed is missing.
    """
    chosen = [row for row in rows if row.operation in operations]
    factors = _factors(chosen, operations)
    if not all(1 / ALIKE <= factor <= ALIKE for factor in factors) or one_distribution(chosen) < CHANCE:
        return False
    complete = {row.operation for row in chosen} == set(operations)
    return True if complete and all(min(len(row.steps), len(row.others)) >= RUNS for row in chosen) else None
