"""The slots of a stack: which run is in each of them, when each is looked at, and how far the stack may move on."""

from __future__ import annotations

import math
import time

from grokbook.runs import grokking
from grokbook.training.engine import Stack
from grokbook.training.record import Observation, Record, observe

ADVANCE_SECONDS = 20.0
"""How long a stack is trained in one go at most, lest states be saved late where steps are slow."""


class Slots:
    """The places of a stack and the records of the runs in them; a slot without a record is free."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.records: list[Record | None] = [None] * len(stack.configs)
        self.together = len(stack.configs) > 1
        self.more = True
        """Whether other runs may be waiting for a place."""
        self._since = time.monotonic()
        self._seconds_per_step = math.inf

    @property
    def busy(self) -> list[int]:
        return [slot for slot, record in enumerate(self.records) if record is not None]

    @property
    def free(self) -> list[int]:
        return [slot for slot, record in enumerate(self.records) if record is None]

    @property
    def aligned(self) -> bool:
        """Whether a run may enter: only where its regular evaluations fall together with those of another."""
        return not self.busy or self.stack.steps[self.busy[0]] % self.stack.configs[0].eval_every == 0

    def record(self, slot: int) -> Record:
        record = self.records[slot]
        assert record is not None
        return record

    def look(self) -> list[tuple[int, Observation]]:
        """Evaluate the runs whose schedule says so."""
        now = time.monotonic()
        for slot in self.busy:
            self.record(slot).seconds += now - self._since
        self._since = now
        due = [slot for slot in self.busy if self._to_go(slot) == 0]
        return list(zip(due, observe(self.stack, due), strict=True)) if due else []

    def _to_go(self, slot: int) -> int:
        """Updates until a run is evaluated next; 0 if it is now."""
        step, record = self.stack.steps[slot], self.record(slot)
        if record.step < step and (step >= record.last_step or grokking.evaluates(step, record.config.eval_every)):
            return 0
        return grokking.next_evaluation(step, record.config.eval_every, record.last_step) - step

    def advance(self) -> None:
        """Train up to the next evaluation of any run, where a waiting run may enter, or until states are due."""
        if not self.busy or (self.free and self.more and self.aligned):
            return
        steps = min(self._to_go(slot) for slot in self.busy)
        steps = min(steps, max(1, int(ADVANCE_SECONDS / self._seconds_per_step)))
        began = time.monotonic()
        self.stack.advance(steps)
        if steps:  # none, if a run has entered that is to be evaluated first
            self._seconds_per_step = max((time.monotonic() - began) / steps, 1e-9)

    def shrink(self) -> None:
        """Drop the free places once they are a quarter of all: they cost as much as the others."""
        busy = self.busy
        if busy and 4 * len(busy) <= 3 * len(self.records):
            self.stack.keep(busy)
            self.records = [self.records[slot] for slot in busy]
