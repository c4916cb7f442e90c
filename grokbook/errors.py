"""Errors of the library that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Collection


class DamagedRun(RuntimeError):
    """A run folder, a state or a table of runs that cannot be trusted.

    The message names the file, what is wrong, and what to do.
    """


class TrainingDiverged(RuntimeError):
    """The loss is no longer a finite number; the message says at which step and for which config."""


class WeightsMissing(RuntimeError):
    """A run that was published without its weights was asked for them; the message says how to get them."""


class RunsMissing(KeyError):
    """Runs that are not stored, where training is not allowed; the message names them."""

    def __str__(self) -> str:
        return str(self.args[0])


class RunDiffers(RuntimeError):
    """A run that was trained once more came out as another one; the message says in what it differs."""


def nearest(name: object, known: Collection[str]) -> str:
    """The known name that is most like one that is not known, for messages."""
    return difflib.get_close_matches(str(name), known, n=1, cutoff=0)[0]
