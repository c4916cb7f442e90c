"""Training runs from configs: which run together, in which order, and when each of them ends.

On a CPU runs are trained one after the other. On CUDA, runs that stack (:func:`grokbook.training.engine.stack_key`) are
trained together; one that ends makes room for the next. What is written down is described in
:mod:`grokbook.training.record`.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grokbook import model
from grokbook.errors import DamagedRun, TrainingDiverged
from grokbook.model.weights import Weights
from grokbook.runs import grokking, provenance
from grokbook.runs.config import RunConfig, lacking
from grokbook.runs.run import Run
from grokbook.training import engine, memory
from grokbook.training.checkpoints import Checkpoints, damaged
from grokbook.training.engine import Stack
from grokbook.training.locks import RunLocks
from grokbook.training.progress import Reporter, reporter
from grokbook.training.record import Moment, Observation, Record, observe

CHECKPOINT_SECONDS = 60.0
"""How often states of runs in progress are saved."""
ADVANCE_SECONDS = 20.0
"""How long a stack is trained in one go at most, lest states be saved late where steps are slow."""
INIT_STREAM = 1
"""Which of a seed's streams initial weights are drawn from. It is also the one that shuffles the pairs.

So the i-th weight drawn and the i-th pair come from the same random word, until rejections in drawing normals shift
the two. Over 2,000 seeds the first weights of W_E are 0.75 large (mean size in standard deviations) where the pair
is trained on, and 0.82 where it is not. Place i means a pair of operands on one side and a token and a channel on the
other, which have nothing to do with each other. Another stream would be cleaner, and would make every published run
another one.
"""


def resolve_device(device: str) -> torch.device:
    """Return CUDA for "auto" where there is one, else the CPU; what is not there raises ``ValueError``."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"unknown device {device!r}; use auto, cpu or cuda") from error
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r} is not supported; use auto, cpu or cuda")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {device!r}: there is no such CUDA device here")
    return resolved


@contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Compute on so many CPU threads, and afterwards on as many as before; ``ValueError`` for less than one."""
    if number < 1:
        raise ValueError(f"at least one CPU thread, not {number}")
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    configs: Iterable[RunConfig],
    device: str = "auto",
    *,
    sources: Iterable[Run] = (),
    on_finish: Callable[[Run], object] | None = None,
    checkpoints: Path | None = None,
    slots: int | None = None,
    threads: int = 1,
    progress: bool = True,
    on_evaluation: Callable[[Moment], object] | None = None,
) -> list[Run]:
    """Train each config and return the runs in order.

    Args:
        configs: what to train; equal configs are trained once.
        device: "auto", "cpu", "cuda" or "cuda:N".
        sources: finished runs that pre-grokked configs may start from; a source that is not among them is trained
            first.
        on_finish: called with each run as soon as it ends, sources included: keep it there, and an interrupt later
            loses nothing.
        checkpoints: folder for the states of runs in progress; a run found there continues where it was.
        slots: how many runs are trained together at most; by default one on a CPU, what fits on CUDA.
        threads: CPU threads. Last bits depend on their number, two runs do more with one each, and where other
            processes want the same cores, several threads of one run wait for each other most of the time.
        progress: whether to report to standard error.
        on_evaluation: called after each evaluation of a run that goes on; what it raises ends the training.

    Raises:
        ValueError: the device is unknown, or a run does not fit into memory.
        TrainingDiverged: a loss is not finite. The other runs are trained to their ends first.
        DamagedRun: a checkpoint cannot be read.
    """
    wanted = list(configs)
    trainer = Trainer(
        resolve_device(device),
        finished={run.config: run for run in sources},
        on_finish=on_finish,
        checkpoints=None if checkpoints is None else Checkpoints(checkpoints),
        slots=slots,
        threads=threads,
        progress=progress,
        on_evaluation=on_evaluation,
    )
    trainer.train(wanted)
    return [trainer.finished[config] for config in wanted]


def initial_weights(config: RunConfig, sources: Mapping[RunConfig, Run]) -> Weights:
    """The weights a run starts from: fresh from its seed, with what is transplanted from its source."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([config.seed, INIT_STREAM])))
    fresh = model.initialise(
        config.d_vocab, d_model=config.d_model, n_heads=config.n_heads, d_mlp=config.d_mlp, rng=rng
    )
    if config.source is None:
        return fresh
    donor = sources[config.source].weights
    return fresh._replace(**{name: getattr(donor, name) for name in config.transplant})


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
    on_save: Callable[[], object] | None = None
    """Called whenever the states of all runs in progress have been saved; what it raises ends the training."""
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
        """
        left = lacking(configs, self.finished)
        for config in left:
            memory.check(config, self.device)
        while ready := [config for config in left if config.source is None or config.source in self.finished]:
            begun = set(ready)
            left = [config for config in left if config not in begun]
            for group in engine.stackable(ready):
                with cpu_threads(self.threads):
                    self._train_group(group)
        if self.failed:
            first, *others = self.failed.values()
            raise type(first)(f"{first}" + (f"; and {len(others)} more" if others else "")) from first

    def _train_group(self, group: list[RunConfig]) -> None:
        """Train configs that stack, as many at a time as there are slots."""
        waiting = (config for config in group if self.locks is None or self.locks.take(config))
        slots = min(self.slots or memory.slots(group[0], self.device), len(group))
        first = list(islice(waiting, slots))
        if not first:
            return
        self._facts = provenance.describe(self.device)  # threads included: they are set by now
        lanes = _Lanes(Stack(first, [initial_weights(config, self.finished) for config in first], self.device))
        with reporter(len(group), together=slots > 1, enabled=self.progress) as report:
            for run, config in enumerate(first):
                self._begin(lanes, run, config, report)
            self._refill(lanes, waiting, report)  # places of runs that could not begin
            saved = time.monotonic()
            while lanes.busy:
                for run, seen in lanes.look():
                    self._write_down(lanes, run, seen, report)
                self._refill(lanes, waiting, report)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self._save(lanes, lanes.busy)
                    saved = time.monotonic()
                    if self.on_save is not None:
                        self.on_save()
                lanes.advance()

    def _begin(self, lanes: _Lanes, run: int, config: RunConfig, report: Reporter) -> None:
        """Start the record of a run that has just been put into a place of the stack, or go on from its state."""
        try:
            state = None if self.checkpoints is None else self.checkpoints.load(config)
            if state is not None:
                try:
                    lanes.stack.load_state(run, state.tensors, state.step)
                except (KeyError, RuntimeError) as error:
                    raise damaged(state.file, error) from error
        except DamagedRun as error:
            self._give_up(config, error)
            return
        lanes.records[run] = record = Record(config) if state is None else state.record
        record.goes_on(lanes.stack.steps[run], self._facts)
        self.begun_at[config] = lanes.stack.steps[run]
        report.begin(config, lanes.stack.steps[run])

    def _give_up(self, config: RunConfig, error: TrainingDiverged | DamagedRun) -> None:
        """Leave a run that cannot be trained to its end; the others go on."""
        self.failed[config] = error
        if self.locks is not None:
            self.locks.give_back(config)

    def _refill(self, lanes: _Lanes, waiting: Iterator[RunConfig], report: Reporter) -> None:
        """Let waiting runs take the places of those that ended; without any, drop places that are no longer used."""
        for run in lanes.free if lanes.aligned else ():
            while lanes.records[run] is None:  # one that cannot begin leaves its place to the next
                config = next(waiting, None)
                if config is None:
                    lanes.more = False
                    break
                lanes.stack.replace(run, config, initial_weights(config, self.finished))
                self._begin(lanes, run, config, report)
        if not lanes.more:
            lanes.shrink()

    def _write_down(self, lanes: _Lanes, run: int, seen: Observation, report: Reporter) -> None:
        """Record an evaluation, and end the run if it was its last."""
        record, step = lanes.record(run), lanes.stack.steps[run]
        try:
            if record.step < step:  # else it was stored after its last evaluation, and goes on from there
                record.add(step, seen)
        except TrainingDiverged as error:
            report.end(record.config, f"diverged at step {step}")
            lanes.records[run] = None
            self._give_up(record.config, error)
            return
        report.update(record.config, step, seen.outcome)
        if step >= record.last_step:
            self._end(lanes, run, seen, report)
        elif self.on_evaluation is not None:
            try:
                self.on_evaluation(Moment(record, seen, partial(lanes.stack.weights_of, run)))
            except BaseException:
                self._save(lanes, lanes.busy)
                raise

    def _end(self, lanes: _Lanes, run: int, seen: Observation, report: Reporter) -> None:
        """Turn a record into a finished run and hand it over."""
        record, step = lanes.record(run), lanes.stack.steps[run]
        if record.cut_short:
            self._save(lanes, [run])
        record.add_final(step, seen)
        together = {"stacked": len(lanes.records)} if lanes.together else {}
        finished = record.to_run(lanes.stack.weights_of(run), together)
        lanes.records[run] = None
        ending = "did not grok" if finished.grok_step is None else f"grokked at step {finished.grok_step:,}"
        report.end(record.config, f"{step:,} steps in {record.seconds:.0f} s", ending)
        if self.on_finish is not None:
            try:
                self.on_finish(finished)
            except OSError:
                self._save(lanes, lanes.busy)
                raise
        if self.checkpoints is not None:  # only now: had the run not been kept, its last state must be
            self.checkpoints.close(record.config, step, keep=record.cut_short)
        self.finished[record.config] = finished
        if self.locks is not None:
            self.locks.give_back(record.config)

    def _save(self, lanes: _Lanes, chosen: Iterable[int]) -> None:
        """Save the states of runs in progress, if states are kept. Where that fails, training goes on without."""
        if self.checkpoints is None:
            return
        for run in chosen:
            record, step = lanes.record(run), lanes.stack.steps[run]
            if record.step < 0:
                continue  # it has only just entered
            try:
                self.checkpoints.save(record.config, step, lanes.stack.state(run), record)
            except OSError as error:
                warnings.warn(f"the state of {record.config.label} could not be saved: {error}", stacklevel=2)


class _Lanes:
    """The places of a stack and the records of the runs in them; a place without a record is free."""

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
        return [run for run, record in enumerate(self.records) if record is not None]

    @property
    def free(self) -> list[int]:
        return [run for run, record in enumerate(self.records) if record is None]

    @property
    def aligned(self) -> bool:
        """Whether a run may enter: only where its regular evaluations fall together with those of another."""
        return not self.busy or self._to_entry == 0

    @property
    def _to_entry(self) -> int:
        """Updates until the first of the runs comes by a regular evaluation."""
        return -self.stack.steps[self.busy[0]] % self.stack.configs[0].eval_every

    def record(self, run: int) -> Record:
        record = self.records[run]
        assert record is not None
        return record

    def look(self) -> list[tuple[int, Observation]]:
        """Evaluate the runs whose schedule says so."""
        now = time.monotonic()
        for run in self.busy:
            self.record(run).seconds += now - self._since
        self._since = now
        due = [run for run in self.busy if self._to_go(run) == 0]
        return list(zip(due, observe(self.stack, due), strict=True)) if due else []

    def _to_go(self, run: int) -> int:
        """Updates until a run is evaluated next; 0 if it is now."""
        step, record = self.stack.steps[run], self.record(run)
        if record.step < step and (step >= record.last_step or grokking.evaluates(step, record.config.eval_every)):
            return 0
        return grokking.next_evaluation(step, record.config.eval_every, record.last_step) - step

    def advance(self) -> None:
        """Train up to the next evaluation of any run, to where a waiting run may enter, or until states are due."""
        if not self.busy or (self.free and self.more and self.aligned):
            return
        steps = min(self._to_go(run) for run in self.busy)
        if self.free and self.more:
            steps = min(steps, self._to_entry)
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
            self.records = [self.records[run] for run in busy]
