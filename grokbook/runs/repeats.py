"""Runs that were trained more than once.

A config fixes pairs, initial weights and all that is computed from them, but not how sums are rounded: that is another
matter on another device, with another number of threads, or after a change of this code. A difference in the last bits
grows with the steps. To choose among trainings by how they ended would favour grokking. So a published run gives way to
one with more steps only where that one does not contradict it (:func:`grokbook.runs.outcomes.disagree`). Other further
trainings have a row each, as in any table of outcomes, in ``repeats.parquet`` beside the runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from grokbook.runs import outcomes
from grokbook.runs.disk import table_lock
from grokbook.runs.outcomes import REPEATS, Outcome
from grokbook.runs.run import Run
from grokbook.runs.store import FolderStore


def read(folders: FolderStore) -> list[Outcome]:
    """The rows of the tables of repeats, see :func:`grokbook.runs.outcomes.published`."""
    return outcomes.published(folders, REPEATS)


def keep(run: Run, place: Path) -> Path:
    """Add how a run ended to the table of repeats in a folder of runs.

    ``ValueError``: that training has a row already. ``DamagedRun`` or ``OSError``: the table cannot be read, or not
    be written.
    """
    path, new = outcomes.table_path(place, REPEATS), Outcome.of(run)
    with table_lock(path):
        known = outcomes.read(path)
        if any(row.same_training(new) for row in known):
            raise ValueError(f"{run.config.label}: this training is in {path} already")
        outcomes.write([*known, new], path)
    return path


def trained_again(trainings: Iterable[Outcome]) -> list[list[Outcome]]:
    """Those of one run, which differ in machine, code or end: together, the first one first.

    A run that went on with a larger budget is one training, with one beginning; it counts with the larger. What was
    trained once is left out.
    """
    found = defaultdict[str, list[Outcome]](list)
    for outcome in sorted(trainings, key=lambda each: (str(each.facts["started"]), -each.config.max_steps)):
        group = found[outcome.config.hash]
        if not any(each.same_training(outcome) for each in group):
            group.append(outcome)
    return [group for group in found.values() if len(group) > 1]
