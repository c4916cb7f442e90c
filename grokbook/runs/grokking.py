"""When a run is evaluated: often at the start, evenly on a logarithmic axis, and every ``eval_every`` steps."""

from __future__ import annotations

from functools import lru_cache

EVALUATIONS_PER_DECADE = 16
"""Log-spaced evaluations; one-dimensional spectra are recorded at each of them."""
MAPS_PER_DECADE = 8
"""Log-spaced recordings of the 2-D logits, p times as large."""


@lru_cache
def log_steps(per_decade: int, last: int) -> frozenset[int]:
    """0 and the rounded powers 10^(i / per_decade) up to ``last``."""
    steps, i = {0}, 0
    while (step := round(10 ** (i / per_decade))) <= last:
        steps.add(step)
        i += 1
    return frozenset(steps)


def next_evaluation(step: int, eval_every: int, last: int) -> int:
    """The first evaluated step after ``step``; the ``last`` step is always evaluated."""
    regular = (step // eval_every + 1) * eval_every
    logarithmic = (s for s in log_steps(EVALUATIONS_PER_DECADE, last) if s > step)
    return min(regular, min(logarithmic, default=last), last)


def evaluates(step: int, eval_every: int) -> bool:
    """Whether ``step`` is evaluated in a run of any length that reaches it (the last step is, besides)."""
    return step % eval_every == 0 or step in log_steps(EVALUATIONS_PER_DECADE, step)


def records_spectra(step: int, last: int) -> bool:
    """Whether the one-dimensional spectra are recorded at ``step`` (the final step is, besides)."""
    return step in log_steps(EVALUATIONS_PER_DECADE, last)


def records_map(step: int, last: int) -> bool:
    """Whether the 2-D logits are recorded at ``step`` (the final step is, besides)."""
    return step in log_steps(MAPS_PER_DECADE, last)
