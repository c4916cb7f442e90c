"""The numbers that claims are judged by, each from one run or a few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from grokbook import data
from grokbook.data.operations import Operation
from grokbook.fourier import layers, measures
from grokbook.runs.config import RunConfig
from grokbook.runs.initial import initial_weights
from grokbook.runs.run import Run

Maps = Float[Tensor, "operation p p"]


def relative(run: Run, column: str) -> float:
    """A column of the history at the end, over its value before training: 1 means unchanged."""
    values = run.history[column]
    return float(values.iloc[-1] / values.iloc[0])


def cosine_share(run: Run, layer: str, time: int = -1) -> float:
    """Share of a layer's squared norms that cosines have, at one of the recorded times."""
    return measures.cosine_share(run.spectrum(layer, time))


def cosine_map_share(norms: Float[Tensor, "p p"]) -> float:
    """Share of cos × cos in the squared norms of the 2-D logits, constants aside; 1/4 is balanced."""
    squares = norms.double().square()[1:, 1:]
    return float(squares[::2, ::2].sum() / squares.sum())


@cache
def untrained_maps(config: RunConfig) -> Maps:
    """The 2-D logits' norms with which a run from scratch starts: published runs keep those of the end alone."""
    weights = initial_weights(config, {})
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    return torch.stack([layers.logit_map(weights, tokens, config.p) for tokens in table.tokens])


def speed_up(
    scratch: Run, pre_grokked: Run, source: Run, *, at_least: float | None = None, at_most: float | None = None
) -> float:
    """How many times as fast a run groks with a module as without, as far as it decides on a limit.

    If the run from scratch fails, the number is known to be at least what its whole record gives; if the pre-grokked
    one fails, at most so much. NaN where such a bound leaves the limit open, where neither groks, and where the source
    has not grokked: that is no pre-grokked module.
    """
    if source.grok_step is None or (scratch.grok_step is None and pre_grokked.grok_step is None):
        return math.nan
    slow, fast = (run.steps if run.grok_step is None else run.grok_step for run in (scratch, pre_grokked))
    number = slow / max(fast, 1)
    if scratch.grok_step is None:  # a lower bound
        decides = number >= at_least if at_least is not None else at_most is not None and number > at_most
    elif pre_grokked.grok_step is None:  # an upper bound
        decides = number <= at_most if at_most is not None else at_least is not None and number < at_least
    else:
        decides = True
    return number if decides else math.nan


def helped(scratch: Run, pre_grokked: Run, source: Run, *, at_least: float) -> float:
    """1 where a run groks at least so many times as fast with a module as without, 0 where it does not.

    NaN where more steps would tell: one that comes close without having grokked, say (see :attr:`Run.groks`).
    """
    number = speed_up(scratch, pre_grokked, source, at_least=at_least)
    if not math.isnan(number):
        return float(number >= at_least)
    neither = scratch.grok_step is None and pre_grokked.groks is False
    return 0.0 if neither and source.grok_step is not None else math.nan


def apart(run: Run, column: str) -> float:
    """How far a column and test accuracy are from going half of their ways at the same time, as a factor of steps.

    1: at the same evaluation. NaN if one of the two goes nowhere.
    """
    measure, accuracy = run.halfway(column), run.halfway("test_accuracy")
    return math.nan if measure is None or accuracy is None else max(measure / accuracy, accuracy / measure)


def test_accuracy_of(operation: str) -> str:
    """The column with the test accuracy of one operation of a mixture."""
    return f"test_accuracy[{Operation.parse(operation)}]"


def best(run: Run, operation: str) -> float:
    """The highest test accuracy of one operation of a mixture."""
    return float(run.history[test_accuracy_of(operation)].max())


def plateau(run: Run, operation: str, risen: float) -> float:
    """The same where it shows that there is a rise to stall after: NaN if it never exceeds ``risen``."""
    highest = best(run, operation)
    return highest if highest > risen else math.nan


def reached(run: Run, operation: str, accuracy: float) -> float:
    """The first step at which test accuracy of one operation of a mixture is that high; NaN if it never is."""
    step = run.first_step(test_accuracy_of(operation), accuracy)
    return math.nan if step is None else float(step)


def later(run: Run, operation: str, others: Sequence[str], accuracy: float) -> float:
    """Steps by which one operation of a mixture reaches a test accuracy after the last of others; negative if before.

    For what never does, the end of the run counts: it would be later still. NaN if nothing does.
    """
    steps = [reached(run, name, accuracy) for name in (operation, *others)]
    if all(map(math.isnan, steps)):
        return math.nan
    own, *theirs = (run.steps if math.isnan(step) else step for step in steps)
    return own - max(theirs)


def largest_change(run: Run, column: str) -> float:
    """How far a column of the history ever is from its value before training, as a share of that."""
    values = run.history[column]
    return float((values / values.iloc[0] - 1).abs().max())


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)
