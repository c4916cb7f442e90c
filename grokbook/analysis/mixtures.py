"""Several operations in one run: each of them by itself, and beside the same operation alone (paper §5.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from grokbook.data.operations import Operation
from grokbook.runs.history import OUTCOMES, per_operation
from grokbook.runs.run import Run


def part(run: Run, operation: str | Operation) -> Run:
    """A mixture as one of its operations saw it: losses, accuracies and maps of its logits are those of the operation.

    Its grok step is that of the operation, and so is its config: this is not for storing. Layers and their measures are
    shared by all operations; weights are left out. A run on one operation is its own part.

    Raises:
        ValueError: the run is not on that operation.
    """
    operations, wanted = run.config.parsed_operations, Operation.of(operation)
    if operations == (wanted,):
        return run
    if wanted not in operations:
        raise ValueError(f"{run.config.label} has no {operation}")
    index = operations.index(wanted)
    own = {column: run.history[per_operation(run.config, column)[index]] for column in OUTCOMES}
    dropped = [column for total in OUTCOMES for column in per_operation(run.config, total)]
    return replace(
        run,
        config=replace(run.config, operations=(operations[index],)),
        history=run.history.assign(**own).drop(columns=dropped),
        spectra=run.spectra._replace(logits=run.spectra.logits[:, index : index + 1]),
        kept_weights=None,
        kept_answers=None if run.kept_answers is None else run.kept_answers[index : index + 1],
    )


def over_alone(together: Run, alone: Run) -> float:
    """Best test accuracy of a part of a mixture, over that of the same operation alone in as many steps."""
    return together.best_test_accuracy / alone.best_by(together.steps)


def later(run: Run, operation: str, others: Sequence[str], accuracy: float) -> float:
    """Steps by which one operation of a mixture reaches a test accuracy after the last of others; negative if before.

    For what never does, the end of the run counts: it would be later still. NaN if nothing does.
    """
    reached = [part(run, name).first_step("test_accuracy", accuracy) for name in (operation, *others)]
    if all(step is None for step in reached):
        return math.nan
    own, *theirs = (run.steps if step is None else step for step in reached)
    return float(own - max(theirs))


def order(steps: Mapping[str, int | None]) -> tuple[str, ...]:
    """Operations in the order of their steps, without those that have none; empty if fewer than two have one."""
    known = {operation: step for operation, step in steps.items() if step is not None}
    return tuple(sorted(known, key=known.__getitem__)) if len(known) > 1 else ()
