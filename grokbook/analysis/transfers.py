"""What a pre-grokked module does for a run: how much sooner it groks than from scratch (paper §4–6.3, Appendix L)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from grokbook.analysis.coordinates import natural
from grokbook.data.operations import Operation
from grokbook.runs.run import Run

GAIN = 2.0
"""Of runs that do not grok, the one with the module gains if its best test accuracy is so many times as high."""


class SpeedUp(NamedTuple):
    """How many times as fast a run groks with a module as without, or a bound of that."""

    times: float
    """NaN where neither of the two groks."""
    at_least: bool
    """Whether it may be more, since the run from scratch does not grok within its steps."""
    at_most: bool
    """Whether it may be less, since the run with the module does not."""


def told(run: Run) -> int:
    """Up to which step a run without a grok step tells that it has none: its end, unless it may grok there by now."""
    low = np.flatnonzero(run.history["test_accuracy"].to_numpy() < np.float32(run.config.grok_accuracy))
    return int(run.history["step"].iloc[min(low[-1] + 1, len(run.history) - 1)]) if len(low) else 0


def speed_up(scratch: Run, heir: Run) -> SpeedUp:
    """The ratio of the grok steps of a run from scratch and of one with a module; where there is none, :func:`told`."""
    if scratch.grok_step is None and heir.grok_step is None:
        return SpeedUp(math.nan, False, False)
    slow, fast = (told(run) if run.grok_step is None else run.grok_step for run in (scratch, heir))
    return SpeedUp(slow / max(fast, 1), scratch.grok_step is None, heir.grok_step is None)


def decided_speed_up(
    scratch: Run, heir: Run, source: Run, *, at_least: float | None = None, at_most: float | None = None
) -> float:
    """How many times as fast a run groks with a module as without, as far as it decides on a limit.

    NaN where a bound leaves the limit open, where neither groks, and where the source has not grokked.

    Raises:
        ValueError: there is not one limit.
    """
    if (limit := at_most if at_least is None else at_least) is None or None not in (at_least, at_most):
        raise ValueError("a speed-up is decided on one limit")
    found = speed_up(scratch, heir)
    reaches, exceeds = found.times >= limit, found.times > limit
    above, below = (reaches, not reaches) if at_most is None else (exceeds, not exceeds)
    decides = above if found.at_least else below if found.at_most else True
    return found.times if decides and source.grok_step is not None else math.nan


def helped(scratch: Run, heir: Run, source: Run, *, at_least: float) -> float:
    """1 where a run groks at least so many times as fast with a module as without, 0 where it does not.

    NaN where more steps would tell: one that comes close without having grokked, say (see :attr:`Run.groks`).
    """
    number = decided_speed_up(scratch, heir, source, at_least=at_least)
    if not math.isnan(number):
        return float(number >= at_least)
    neither = scratch.grok_step is None and heir.groks is False
    return 0.0 if neither and source.grok_step is not None else math.nan


class Fate(StrEnum):
    """What becomes of a run with a module, beside the same one from scratch."""

    SOONER = "groks sooner"
    LATER = "no sooner"
    """It groks as late or later, or not by the step at which the other one does."""
    NEITHER = "neither groks"
    UNKNOWN = "nothing to compare with"
    """There is no other one, or one of the two was stopped before it could tell."""


def fate(scratch: Run | None, heir: Run) -> Fate:
    """Compare a run with a module with the same one from scratch, if there is one."""
    if scratch is None:
        return Fate.UNKNOWN
    if heir.grok_step is None:
        if scratch.grok_step is None:
            return Fate.NEITHER
        return Fate.LATER if told(heir) >= scratch.grok_step else Fate.UNKNOWN
    if scratch.grok_step is None:
        return Fate.SOONER if heir.grok_step < told(scratch) else Fate.UNKNOWN
    return Fate.SOONER if heir.grok_step < scratch.grok_step else Fate.LATER


def gains(scratch: Run | None, heir: Run) -> bool:
    """Whether neither of two runs groks, and the best test accuracy with the module is :data:`GAIN` times the other."""
    return (
        scratch is not None
        and fate(scratch, heir) is Fate.NEITHER
        and heir.best_test_accuracy >= GAIN * scratch.best_test_accuracy
    )


def from_scratch(heir: Run, candidates: Iterable[Run]) -> Run | None:
    """The same run without a module, whatever its budget; None if it is not there."""
    alone = replace(heir.config, source=None, transplant=())
    return next((run for run in candidates if run.config.hash == alone.hash), None)


def share_coordinate(source: Operation, target: Operation) -> bool:
    """Whether the embedding of one operation has waves over what the other one is a sum of."""
    one, other = natural(source), natural(target)
    return one is not None and other is not None and one.embedding == other.embedding
