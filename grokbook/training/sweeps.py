"""Many runs on many workers: what is missing goes, in stacks, through a ``concurrent.futures`` executor.

The executor is one of local processes (:class:`grokbook.training.workers.LocalExecutor`) or, with Dask, that of a
cluster's client. What a worker does with a task is in :mod:`grokbook.training.workers`.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field

from grokbook.errors import DamagedRun, RunsMissing
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run
from grokbook.runs.store import STORED_ONLY_VARIABLE
from grokbook.training import engine, memory
from grokbook.training.ensure import RunStore
from grokbook.training.progress import duration
from grokbook.training.workers import Done, Settings, device_of_worker, pulse, train_task

MAX_ATTEMPTS = 3
"""How often a run may lose its worker before it is given up."""
REPORT_SECONDS = 300.0
"""How often to say how far a sweep is while no run ends."""
WAIT_SECONDS = 5.0
"""How long to wait for a task to end, or for workers to come, before looking at everything again."""


@dataclass
class Sweep:
    """Trains runs on an executor, and keeps the books."""

    left: list[RunConfig]
    """What is to be trained, see :meth:`grokbook.runs.store.FolderStore.missing`; runs leave it as they begin."""
    store: RunStore
    report: Callable[[str], None] = lambda line: None
    """Called with a line on how far it is, whenever a task ends."""
    done: dict[RunConfig, int] = field(default_factory=dict)
    """Steps that were made for each run that is done."""
    failed: dict[RunConfig, str] = field(default_factory=dict)
    """What went wrong with the others."""
    _running: dict[Future[list[Done]], list[RunConfig]] = field(default_factory=dict)
    _deaths: Counter[RunConfig] = field(default_factory=Counter)
    """How often each run has lost its worker."""
    _began: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)
    _idle: bool = False
    """Whether there were no workers when last looked."""

    def run(
        self,
        make_executor: Callable[[], Executor],
        *,
        workers: int | Callable[[], int],
        device: str = "cpu",
    ) -> None:
        """Train what is left; a run that fails stops no other.

        Args:
            make_executor: makes the executor, and makes it anew should its workers die.
            workers: tasks at a time; a function is asked again and again, for clusters that grow.
            device: the workers' device; "auto" asks one of them.

        Raises:
            RunsMissing: the store is ``stored_only``.
            OSError: the store cannot be written to, or has a run without the weights that others start from; found out
                before any training.
            KeyboardInterrupt: on Ctrl-C; the message says how to go on.
        """
        self.store.check_places(self._starts().intersection(self.store.missing(self.left)))
        if not self._lacking():
            return
        if self.store.stored_only:
            raise RunsMissing(f"training is off ({STORED_ONLY_VARIABLE}), and {len(self.left)} runs are not stored")
        self.store.check()
        with pulse(self.store) as sign:
            settings = Settings(device, str(self.store.path.resolve()), sign.file.name)
            executor = make_executor()
            try:
                while self._lacking() or self._running:
                    sign.beat()
                    at_a_time = workers() if callable(workers) else workers
                    if settings.device == "auto" and at_a_time:
                        settings = settings._replace(device=executor.submit(device_of_worker).result())
                    self._hand_out(executor, settings, at_a_time)
                    if not self._running:  # for want of workers
                        time.sleep(WAIT_SECONDS)
                    ended = wait(self._running, WAIT_SECONDS, FIRST_COMPLETED).done
                    intact = self._take_in(ended)
                    self._tell(bool(ended), at_a_time)
                    if not intact:
                        self.report("a worker died; its runs go on from their last states")
                        executor.shutdown(wait=False)
                        executor = make_executor()
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    f"interrupted: {self.status()}. Finished runs are kept in {self.store.path}, and so are the states "
                    "of those in progress: repeat the command to go on."
                ) from None
            finally:
                for future in self._running:
                    future.cancel()
                executor.shutdown(wait=False)

    def _lacking(self) -> bool:
        """Drop what others have stored meanwhile, and what can no longer be trained; whether anything is left."""
        for config in self.left:  # sources come first
            if config.source in self.failed:
                self.failed[config] = f"its source failed: {self.failed[config.source]}"
        lacking = set(self.store.missing(self.left))
        for config in self._starts() & lacking:
            try:
                self.store.check_places([config])
            except FileExistsError as error:
                if config not in self.store.sources:  # it has gone further meanwhile
                    self.failed[config] = str(error)
        self.left = [config for config in self.left if config not in self.failed and config in lacking]
        return bool(self.left)

    def _starts(self) -> set[RunConfig]:
        """What runs that are left start from."""
        return {config.source for config in self.left if config.source is not None}

    def _hand_out(self, executor: Executor, settings: Settings, at_a_time: int) -> None:
        """Submit tasks as long as there are workers for them."""
        while len(self._running) < at_a_time and (task := self._next_task(settings.device, at_a_time)):
            self.store.check()  # a disk that is full by now would cost hours of training
            sources = self._sources(task)
            if task := [config for config in task if config not in self.failed]:
                try:
                    future = executor.submit(train_task, task, sources, settings, self._starts().intersection(task))
                except BrokenExecutor as error:
                    future = Future()
                    future.set_exception(error)
                self._running[future] = task

    def _next_task(self, device: str, at_a_time: int) -> list[RunConfig]:
        """Runs for one worker: one on a CPU, an equal share of those that stack on CUDA; empty if none can start now.

        The workers of a pool die together, whichever run is to blame. So the last attempt at a run is made while
        nothing else runs: without this count of deaths, a run could be given up for another's fault.
        """
        stored = self.store.sources
        ready = [config for config in self.left if config.source is None or config.source in stored]
        first_ones = [config for config in ready if not self._at_last(config)]
        if any(self._at_last(config) for task in self._running.values() for config in task):
            return []
        task = [] if self._running else ready[:1]
        if first_ones:
            group = engine.stackable(first_ones)[0]
            share = min(memory.MAX_SLOTS, math.ceil(len(group) / at_a_time)) if device.startswith("cuda") else 1
            task = group[:share]
        self.left = [config for config in self.left if config not in task]
        return task

    def _at_last(self, config: RunConfig) -> bool:
        return self._deaths[config] == MAX_ATTEMPTS - 1

    def _sources(self, task: list[RunConfig]) -> dict[RunConfig, Run]:
        """What the runs of a task start from; those whose source is damaged are failures."""
        sources: dict[RunConfig, Run] = {}
        for config in task:
            try:
                if config.source is not None and config.source not in sources:
                    sources[config.source] = self.store.sources.get(config.source)
            except DamagedRun as error:
                self.failed[config] = f"its source is damaged: {error}"
        return sources

    def _take_in(self, ended: Collection[Future[list[Done]]]) -> bool:
        """Note what became of tasks that have ended. False if workers died, and then it is the end of all tasks."""
        lost = []
        for future in [each for each in self._running if each in ended]:
            task = self._running.pop(future)
            try:
                told = future.result()
            except BrokenExecutor:
                lost.append(task)
                continue
            except Exception as error:  # Dask's way of saying that workers died over it
                told = [Done(config, error=f"{type(error).__name__}: {error}") for config in task]
            for done in told:
                self._note(done)
        for task in reversed(lost):  # each goes to the front: they come back in their order
            self._retry(task)
        if lost:  # the others end in a moment, or were done just before
            self._take_in(wait(self._running).done)
        return not lost

    def _retry(self, task: list[RunConfig]) -> None:
        """Put a task back whose worker died, unless it has been tried often enough."""
        self.left[:0] = task
        lacking = set(self.store.missing(self.left))  # all of them, lest a source without weights passes for stored
        for config in task:
            self._deaths[config] += 1
            if config not in lacking:
                self.done[config] = 0  # how many of its steps the dead worker made is not known
            elif self._deaths[config] == MAX_ATTEMPTS:
                self.failed[config] = f"its worker died, {MAX_ATTEMPTS} times"
        self._lacking()

    def _note(self, done: Done) -> None:
        """Write down what a worker says of a run; one that another process is training is asked for again."""
        if done.busy:
            self.left.append(done.config)
        elif done.error is not None:
            self.failed[done.config] = done.error
        else:
            try:
                if done.run is not None:
                    self.store.put(done.run)
                self.done[done.config] = done.steps
            except OSError as error:
                self.failed[done.config] = str(error)

    def _tell(self, news: bool, workers: int) -> None:
        """Report how far it is: if a task has ended, if the last worker has gone, or if nothing was said for long."""
        idle = not workers
        if news or (idle and not self._idle) or time.monotonic() - self._told > REPORT_SECONDS:
            self._told = time.monotonic()
            self.report(self.status() + ("; waiting: there are no workers" if idle else ""))
        self._idle = idle

    def status(self) -> str:
        """Runs done, running and failed, the rate of those that are done, and how long the rest takes at this rate."""
        running = [config for task in self._running.values() for config in task]
        rate = sum(self.done.values()) / (time.monotonic() - self._began)
        rest = sum(config.max_steps for config in (*self.left, *running))
        left = f", {rate:,.0f} run-steps/s, about {duration(rest / rate)} left if none groks" if rate and rest else ""
        total = len(self.done) + len(self.failed) + len(self.left) + len(running)
        return f"{len(self.done)} of {total} runs done, {len(running)} running, {len(self.failed)} failed{left}"
