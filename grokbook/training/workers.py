"""Workers of a sweep: what they do with a task, and the processes of this machine (a cluster's are Dask's).

A worker that sees the store's folder keeps its runs there, with locks and checkpoints as in
:meth:`grokbook.RunStore.ensure`; one that does not returns them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

from grokbook.errors import DamagedRun, TrainingDiverged
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.devices import resolve_device
from grokbook.training.ensure import RunStore
from grokbook.training.locks import RunLocks
from grokbook.training.trainer import Trainer

BUSY_SECONDS = 5.0
"""How long a worker rests that has found its runs in the hands of other processes, before they are tried again."""


class Settings(NamedTuple):
    """What every task of a sweep is given besides its runs."""

    device: str
    store: str
    """The store's folder, as the one who sweeps knows it."""
    token: str
    """Name of a file there, see :func:`token`."""


class Done(NamedTuple):
    """What a worker says of one run."""

    config: RunConfig
    steps: int = 0
    run: Run | None = None
    """The run itself, from workers that do not share the store."""
    error: str | None = None
    busy: bool = False
    """Another process is training it."""


@contextmanager
def token(store: RunStore) -> Iterator[str]:
    """A file in the store for as long as a sweep lasts: a worker that finds it shares the folder, and has a sweep."""
    store.states.mkdir(parents=True, exist_ok=True)
    file = store.states / f"sweep-{uuid.uuid4().hex}"
    file.touch()
    try:
        yield file.name
    finally:
        file.unlink(missing_ok=True)


def train_task(
    configs: Sequence[RunConfig],
    sources: Mapping[RunConfig, Run],
    settings: Settings,
    starts: Collection[RunConfig] = (),
) -> list[Done]:
    """Train runs that stack; executed by workers. Never raises for what is wrong with a run.

    They start from ``sources``, by their own configs. Others start from some of them, their ``starts``: of such a run,
    a stored one that went further does for no one.
    """
    store = RunStore(settings.store)
    file = store.states / settings.token
    shared = file.exists()
    trainer = Trainer(resolve_device(settings.device), finished=dict(sources), progress=False)

    def go_on() -> None:
        if not file.exists():
            raise RuntimeError("the sweep that asked for this run has ended")

    problem = None
    with RunLocks(store.lock, done=lambda run: run in (store.sources if run in starts else store)) as locks:
        if shared:
            trainer.on_save, trainer.on_finish = go_on, store.put
            trainer.checkpoints, trainer.locks = Checkpoints(store.states), locks
        try:
            trainer.train(configs)
        except (TrainingDiverged, DamagedRun):
            pass  # told run by run below
        except Exception as error:  # a full disk, too little memory: it belongs to these runs, not to the sweep
            problem = f"{type(error).__name__}: {error}"

    def became(config: RunConfig) -> Done:
        if config in trainer.finished:
            run = trainer.finished[config]
            return Done(config, steps=run.steps - trainer.begun_at[config], run=None if shared else run)
        if config in trainer.failed:
            return Done(config, error=str(trainer.failed[config]))
        return Done(config, error=problem, busy=problem is None)

    told = [became(config) for config in configs]
    if all(done.busy for done in told):
        time.sleep(BUSY_SECONDS)
    return told


def device_of_worker() -> str:
    """The device that "auto" is where this is executed."""
    return str(resolve_device("auto"))


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
