"""Many runs on many workers: what is missing is packed into tasks for a ``concurrent.futures`` executor.

Local processes by default; with Dask, the executor of a cluster's client. A worker that sees the store's folder keeps
its runs there, with locks and checkpoints as in :meth:`grokbook.RunStore.ensure`; one that does not returns them.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import NamedTuple

from grokbook.errors import DamagedRun, RunsMissing, TrainingDiverged
from grokbook.runs.config import RunConfig
from grokbook.runs.folders import STORED_ONLY_VARIABLE
from grokbook.runs.run import Run
from grokbook.training import engine, memory
from grokbook.training import train as training
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.locks import RunLocks
from grokbook.training.progress import duration
from grokbook.training.store import RunStore
from grokbook.training.train import Trainer

MAX_ATTEMPTS = 3
"""How often a run may lose its worker before it is given up."""
REPORT_SECONDS = 300.0
"""How often to say how far a sweep is while no run ends."""
BUSY_SECONDS = 5.0
"""How long to wait before looking again at runs that another process is training."""


class Settings(NamedTuple):
    """What every task of a sweep is given besides its runs."""

    device: str
    store: str
    """The store's folder, as the one who sweeps knows it."""
    token: str
    """Name of a file there: a worker that finds it shares the folder."""


class Done(NamedTuple):
    """What a worker says of one run."""

    config: RunConfig
    steps: int = 0
    run: Run | None = None
    """The run itself, from workers that do not share the store."""
    error: str | None = None
    busy: bool = False
    """Another process is training it."""


def train_task(configs: Sequence[RunConfig], sources: Sequence[Run], settings: Settings) -> list[Done]:
    """Train runs that stack; executed by workers. Never raises for what is wrong with a run."""
    store = RunStore(settings.store)
    shared = (store.in_progress / settings.token).exists()
    trainer = Trainer(
        training.resolve_device(settings.device),
        finished={run.config: run for run in sources},
        progress=False,
    )

    def go_on() -> None:
        if not (store.in_progress / settings.token).exists():
            raise RuntimeError("the sweep that asked for this run has ended")

    if shared:
        trainer.on_save = go_on
        trainer.checkpoints = Checkpoints(store.in_progress)
        trainer.locks = RunLocks(store.in_progress, done=store.__contains__)
        trainer.on_finish = store.put
    problem = None
    try:
        trainer.train(configs)
    except (TrainingDiverged, DamagedRun):
        pass  # told run by run below
    except Exception as error:  # a full disk, too little memory: it belongs to these runs, not to the sweep
        problem = f"{type(error).__name__}: {error}"
    finally:
        if trainer.locks is not None:
            trainer.locks.give_all_back()

    def became(config: RunConfig) -> Done:
        if config in trainer.finished:
            run = trainer.finished[config]
            return Done(config, steps=run.steps - trainer.begun_at[config], run=None if shared else run)
        if config in trainer.failed:
            return Done(config, error=str(trainer.failed[config]))
        return Done(config, error=problem, busy=problem is None)

    return [became(config) for config in configs]


@dataclass
class Sweep:
    """Trains runs on an executor, and keeps the books.

    Args:
        left: what is to be trained, see :meth:`grokbook.runs.folders.RunFolders.missing`. Runs leave the list as they
            end.
        store: where they go.
    """

    left: list[RunConfig]
    store: RunStore
    report: Callable[[str], None] = lambda line: None
    """Called with a line on how far it is, whenever a task ends."""
    done: dict[RunConfig, int] = field(default_factory=dict)
    """Steps that were made for each run that is done."""
    failed: dict[RunConfig, str] = field(default_factory=dict)
    """What went wrong with the others."""
    _running: dict[Future[list[Done]], list[RunConfig]] = field(default_factory=dict)
    _attempts: Counter[RunConfig] = field(default_factory=Counter)
    _began: float = 0.0
    _told: float = 0.0
    _news: bool = False
    _workers: int | None = None
    """How many there were when last looked."""
    _not_before: dict[RunConfig, float] = field(default_factory=dict)

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
        if not self._tidy():
            return
        if self.store.stored_only:
            raise RunsMissing(f"training is off ({STORED_ONLY_VARIABLE}), and {len(self.left)} runs are not stored")
        self.store.check_places(self.left)
        self.store.check_writable()
        self._began = self._told = time.monotonic()
        with self._token() as token:
            settings = Settings(device, str(self.store.path.resolve()), token)
            executor = make_executor()
            try:
                while self._tidy() or self._running:
                    at_a_time = workers() if callable(workers) else workers
                    if settings.device == "auto" and at_a_time:
                        settings = settings._replace(device=executor.submit(_device_of_worker).result())
                    intact = self._start(executor, settings, at_a_time)
                    self._tell(at_a_time)
                    if self._running:
                        intact = self._collect() and intact
                    elif self.left and intact:  # no workers, or all that is left is in the hands of other processes
                        time.sleep(BUSY_SECONDS)
                    if not intact:
                        self.report("a worker died; its runs go on from their last states")
                        self._stop(executor)
                        executor = make_executor()
                if self._workers is not None:
                    self._tell(self._workers)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    f"interrupted: {self.status()}. Finished runs are kept in {self.store.path}, and so are the last "
                    "checkpoints of those in progress: repeat the command to go on."
                ) from None
            finally:
                self._stop(executor)

    def _tidy(self) -> bool:
        """Drop what others have stored meanwhile, and what can no longer be trained; whether anything is left."""
        for config in self.left:
            if config.source in self.failed:
                self.failed[config] = f"its source failed: {self.failed[config.source]}"
        lacking = set(self.store.missing(self.left))
        self.left = [config for config in self.left if config not in self.failed and config in lacking]
        return bool(self.left)

    def _tell(self, workers: int) -> None:
        """Report how far it is, if there is something new to say, or nothing was for a while."""
        if self._news or time.monotonic() - self._told > REPORT_SECONDS or (not workers and self._workers != 0):
            self._news, self._told = False, time.monotonic()
            self.report(self.status() + ("" if workers else "; waiting: there are no workers"))
        self._workers = workers

    def _start(self, executor: Executor, settings: Settings, at_a_time: int) -> bool:
        """Hand out tasks as long as there are workers for them. False if the executor has lost its workers."""
        while len(self._running) < at_a_time and (task := self._next_task(settings.device, at_a_time)):
            self.store.check_writable()  # a disk that is full by now would cost hours of training
            sources: dict[RunConfig, Run] = {}
            for config in task:
                try:
                    if config.source is not None and config.source not in sources:
                        sources[config.source] = self.store.whole.get(config.source)
                except DamagedRun as error:
                    self.failed[config] = f"its source is damaged: {error}"
            task = [config for config in task if config not in self.failed]
            try:
                if task:
                    self._running[executor.submit(train_task, task, list(sources.values()), settings)] = task
            except BrokenExecutor:
                self.left[:0] = task
                return False
        return True

    def _stop(self, executor: Executor) -> None:
        for future in self._running:
            future.cancel()
        executor.shutdown(wait=False)

    def _next_task(self, device: str, workers: int) -> list[RunConfig]:
        """Runs for one worker: one on a CPU, an equal share of those that stack on CUDA; empty if none can start now.

        Workers die together, whichever run is to blame. One that has a last attempt left is tried alone, so that no
        run is given up for another's fault.
        """
        now, whole = time.monotonic(), self.store.whole
        ready = [
            config
            for config in self.left
            if (config.source is None or config.source in whole) and self._not_before.get(config, 0) <= now
        ]
        calm = [config for config in ready if not self._suspect(config)]
        if any(self._suspect(config) for task in self._running.values() for config in task):
            return []
        if calm:
            group = engine.stackable(calm)[0]
            share = min(memory.MAX_SLOTS, math.ceil(len(group) / workers)) if device.startswith("cuda") else 1
            task = group[:share]
        else:
            task = [] if self._running else ready[:1]
        self.left = [config for config in self.left if config not in task]
        return task

    def _suspect(self, config: RunConfig) -> bool:
        return self._attempts[config] == MAX_ATTEMPTS - 1

    def _collect(self) -> bool:
        """Wait for a task to end and note what became of its runs. False if the executor has lost its workers."""
        ended, _ = wait(self._running, timeout=BUSY_SECONDS, return_when=FIRST_COMPLETED)
        intact = not any(isinstance(future.exception(), BrokenExecutor) for future in ended if not future.cancelled())
        if not intact:  # it is the end of all tasks, but for those that were done just before
            ended, _ = wait(self._running)
        for future in ended:
            task = self._running.pop(future)
            try:
                found = future.result()
            except BrokenExecutor:
                self._again(task)
                continue
            except Exception as error:  # Dask's way of saying that workers died over it
                found = [Done(config, error=f"{type(error).__name__}: {error}") for config in task]
            for done in found:
                self._note(done)
        self._news |= bool(ended)
        return intact

    def _again(self, task: list[RunConfig]) -> None:
        """Put a task back whose worker died, unless it has been tried often enough."""
        for config in task:
            self._attempts[config] += 1
            if config not in self.store.missing([config]):  # a source published without weights is still missing
                self.done[config] = 0  # how many of its steps the dead worker made is not known
            elif self._attempts[config] < MAX_ATTEMPTS:
                self.left.insert(0, config)
            else:
                self.failed[config] = f"its worker died, {MAX_ATTEMPTS} times"

    def _note(self, done: Done) -> None:
        if done.busy:
            self.left.append(done.config)
            self._not_before[done.config] = time.monotonic() + BUSY_SECONDS
        elif done.error is not None:
            self.failed[done.config] = done.error
        else:
            try:
                if done.run is not None:
                    self.store.put(done.run)
                self.done[done.config] = done.steps
            except OSError as error:
                self.failed[done.config] = str(error)

    def status(self) -> str:
        """Runs done, running and failed, the rate of those that are done, and how long the rest takes at this rate."""
        running = [config for task in self._running.values() for config in task]
        rate = sum(self.done.values()) / (time.monotonic() - self._began)
        rest = sum(config.max_steps for config in (*self.left, *running))
        left = f", {rate:,.0f} run-steps/s, about {duration(rest / rate)} left if none groks" if rate and rest else ""
        total = len(self.done) + len(self.failed) + len(self.left) + len(running)
        return f"{len(self.done)} of {total} runs done, {len(running)} running, {len(self.failed)} failed{left}"

    @contextmanager
    def _token(self) -> Iterator[str]:
        """A file in the store that tells workers whether they share it."""
        self.store.in_progress.mkdir(parents=True, exist_ok=True)
        token = self.store.in_progress / f"sweep-{uuid.uuid4().hex}"
        token.touch()
        try:
            yield token.name
        finally:
            token.unlink(missing_ok=True)


class LocalExecutor(ProcessPoolExecutor):
    """Processes on this machine, which end with the sweep, whether it is done, interrupted or killed.

    They are spawned: a fork would inherit torch's threads in an unknown state.
    """

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        leash, self._held = context.Pipe(duplex=False)
        super().__init__(workers, context, initializer=_end_with_the_sweep, initargs=(leash,))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Without waiting, runs in progress are left at their last checkpoints."""
        if not wait:
            self._held.close()
        super().shutdown(wait, cancel_futures=cancel_futures)


def _end_with_the_sweep(leash: Connection) -> None:
    """Called in each local worker first: Ctrl-C is for the sweep, and once that is gone, so is the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        leash.poll(None)  # nothing is ever sent: it returns when the other end is closed
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _device_of_worker() -> str:
    return str(training.resolve_device("auto"))
