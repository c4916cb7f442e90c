"""Which runs train together, in which order, and what becomes of each: its record, its states, its end.

On a CPU runs are trained one after the other. On CUDA, runs that stack (:func:`grokbook.training.engine.stack_key`) are
trained together; one that ends makes room for the next.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import torch

from grokbook.errors import DamagedRun, TrainingDiverged
from grokbook.runs import provenance
from grokbook.runs.config import RunConfig, lacking
from grokbook.runs.initial import initial_weights
from grokbook.runs.run import Run
from grokbook.training import engine, memory, stopping
from grokbook.training.checkpoints import Checkpoints, damaged
from grokbook.training.devices import cpu_threads
from grokbook.training.engine import Stack
from grokbook.training.locks import RunLocks
from grokbook.training.progress import Reporter, reporter
from grokbook.training.record import Moment, Observation, Record
from grokbook.training.slots import Slots

CHECKPOINT_SECONDS = 60.0
"""How often states of runs in progress are saved."""


@dataclass
class Trainer:
    """Trains configs as :func:`train` does, and tells apart what became of each: finished, failed, or not ours."""

    device: torch.device
    finished: dict[RunConfig, Run] = field(default_factory=dict)
    on_finish: Callable[[Run], object] | None = None
    checkpoints: Checkpoints | None = None
    slots: int | None = None
    threads: int = 1
    progress: bool = True
    locks: RunLocks | None = None
    """Taken before a run begins; where that is refused, it is left to whoever has it."""
    stop_if: Callable[[], bool] = stopping.wanted
    """Asked between any two evaluations; where it says so, states of runs in progress are saved, and training ends."""
    on_evaluation: Callable[[Moment], object] | None = None
    """Called after each evaluation of a run that goes on; what it raises ends the training, once states are saved."""
    failed: dict[RunConfig, TrainingDiverged | DamagedRun] = field(default_factory=dict)
    begun_at: dict[RunConfig, int] = field(default_factory=dict)
    """The step from which each run was trained here: 0, or where an earlier process left it."""
    _facts: Mapping[str, Any] = field(default_factory=dict, init=False)

    def train(self, configs: Iterable[RunConfig]) -> None:
        """Train what is not finished, sources before their heirs.

        Raises:
            TrainingDiverged, DamagedRun: after all others were trained, the first failure, with the number of further
                ones.
            OSError: a run could not be kept; nothing more is trained, and states of runs in progress are saved.
            KeyboardInterrupt: somebody wants it to stop (:mod:`grokbook.training.stopping`); states are saved, too.
        """
        left = lacking(configs, self.finished)
        for config in left:
            memory.check(config, self.device)
        while ready := [config for config in left if config.source is None or config.source in self.finished]:
            begun = set(ready)
            left = [config for config in left if config not in begun]
            for group in engine.stackable(ready):
                with cpu_threads(self.threads), stopping.between_steps():
                    self._train_group(group)
        if self.failed:
            first, *others = self.failed.values()
            raise type(first)(f"{first}" + (f"; and {len(others)} more" if others else "")) from first

    def _train_group(self, group: list[RunConfig]) -> None:
        """Train configs that stack, as many at a time as there are slots."""
        waiting = (config for config in group if self.locks is None or self.locks.take(config))
        together = min(self.slots or memory.slots(group[0], self.device), len(group))
        first = list(islice(waiting, together))
        if not first:
            return
        slots = Slots(Stack(first, [initial_weights(config, self.finished) for config in first], self.device))
        self._facts = provenance.describe(self.device) | slots.stack.facts  # threads included: they are set by now
        with reporter(group, together=together > 1, enabled=self.progress) as report:
            for slot, config in enumerate(first):
                self._begin(slots, slot, config, report)
            self._refill(slots, waiting, report)  # places of runs that could not begin
            saved = time.monotonic()
            while slots.busy:
                for slot, seen in slots.look():
                    self._write_down(slots, slot, seen, report)
                self._refill(slots, waiting, report)
                stop = self.stop_if()
                if stop or time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self._save(slots, slots.busy)
                    saved = time.monotonic()
                if stop:
                    raise KeyboardInterrupt
                slots.advance()

    def _begin(self, slots: Slots, slot: int, config: RunConfig, report: Reporter) -> None:
        """Start the record of a run that has just been put into a place of the stack, or go on from its state."""
        try:
            state = None if self.checkpoints is None else self.checkpoints.load(config)
            if state is not None:
                try:
                    slots.stack.load_state(slot, state.tensors, state.step)
                except (KeyError, RuntimeError) as error:
                    raise damaged(state.file, error) from error
        except DamagedRun as error:
            self._give_up(config, error)
            return
        slots.records[slot] = record = Record(config) if state is None else state.record
        record.goes_on(slots.stack.steps[slot], self._facts)
        self.begun_at[config] = slots.stack.steps[slot]
        report.begin(config, slots.stack.steps[slot])

    def _give_up(self, config: RunConfig, error: TrainingDiverged | DamagedRun) -> None:
        """Leave a run that cannot be trained to its end; the others go on."""
        self.failed[config] = error
        if self.locks is not None:
            self.locks.give_back(config)

    def _refill(self, slots: Slots, waiting: Iterator[RunConfig], report: Reporter) -> None:
        """Let waiting runs take the places of those that ended; without any, drop places that are no longer used."""
        for slot in slots.free if slots.aligned else ():
            while slots.records[slot] is None:  # one that cannot begin leaves its place to the next
                config = next(waiting, None)
                if config is None:
                    slots.more = False
                    break
                slots.stack.replace(slot, config, initial_weights(config, self.finished))
                self._begin(slots, slot, config, report)
        if not slots.more:
            slots.shrink()

    def _write_down(self, slots: Slots, slot: int, seen: Observation, report: Reporter) -> None:
        """Record an evaluation, and end the run if it was its last."""
        record, step = slots.record(slot), slots.stack.steps[slot]
        try:
            if record.step < step:  # else it was stored after its last evaluation, and goes on from there
                record.add(step, seen)
        except TrainingDiverged as error:
            report.end(record.config, f"diverged at step {step}")
            slots.records[slot] = None
            self._give_up(record.config, error)
            return
        report.update(record.config, step, seen.outcome)
        if step >= record.last_step:
            self._end(slots, slot, seen, report)
        elif self.on_evaluation is not None:
            try:
                self.on_evaluation(Moment(record, seen, partial(slots.stack.weights_of, slot)))
            except BaseException:
                self._save(slots, slots.busy)
                raise

    def _end(self, slots: Slots, slot: int, seen: Observation, report: Reporter) -> None:
        """Turn a record into a finished run and hand it over."""
        record, step = slots.record(slot), slots.stack.steps[slot]
        if record.cut_short:
            self._save(slots, [slot])
        record.add_final(step, seen)
        together = {"stacked": len(slots.records)} if slots.together else {}
        finished = record.to_run(slots.stack.weights_of(slot), together)
        slots.records[slot] = None
        ending = "did not grok" if finished.grok_step is None else f"grokked at step {finished.grok_step:,}"
        report.end(record.config, f"{step:,} steps in {record.seconds:.0f} s", ending)
        if self.on_finish is not None:
            try:
                self.on_finish(finished)
            except OSError:
                self._save(slots, slots.busy)
                raise
        if self.checkpoints is not None:  # only now: had the run not been kept, its last state must be
            self.checkpoints.close(record.config, step, keep=record.cut_short)
        self.finished[record.config] = finished
        if self.locks is not None:
            self.locks.give_back(record.config)

    def _save(self, slots: Slots, chosen: Iterable[int]) -> None:
        """Save the states of runs in progress, if states are kept. Where that fails, training goes on without."""
        if self.checkpoints is None:
            return
        for slot in chosen:
            record, step = slots.record(slot), slots.stack.steps[slot]
            if record.step < 0:
                continue  # it has only just entered
            try:
                self.checkpoints.save(record.config, step, slots.stack.state(slot), record)
            except OSError as error:
                warnings.warn(f"the state of {record.config.label} could not be saved: {error}", stacklevel=2)
