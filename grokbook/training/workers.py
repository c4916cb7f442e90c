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
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from grokbook.errors import DamagedRun, TrainingDiverged
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run
from grokbook.training import stopping
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.devices import resolve_device
from grokbook.training.ensure import RunStore
from grokbook.training.locks import RunLocks
from grokbook.training.trainer import Trainer

BUSY_SECONDS = 5.0
"""How long a worker rests that has found its runs in the hands of other processes, before they are tried again."""
ASK_SECONDS = 2.0
"""How often a worker looks whether its sweep is alive."""
SILENT_SECONDS = 25.0
"""A sweep that has given no sign of life for so long is dead: its workers stop, with states saved and no run locked."""
GRACE_SECONDS = 10.0
"""How long a local worker whose sweep has gone may take to save its states."""


class Settings(NamedTuple):
    """What every task of a sweep is given besides its runs."""

    device: str
    store: str
    """The store's folder, as the one who sweeps knows it."""
    pulse: str
    """Name of a file there, see :class:`Pulse`."""


class Done(NamedTuple):
    """What a worker says of one run."""

    config: RunConfig
    steps: int = 0
    run: Run | None = None
    """The run itself, from workers that do not share the store."""
    error: str | None = None
    busy: bool = False
    """Another process is training it."""


class Pulse:
    """A file in the store that a sweep keeps changing as long as it lives.

    A worker that finds it shares the folder, and has a sweep. Its text is what changes: clocks of machines differ, and
    network file systems tell times late.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._beats = 0
        self._text: str | None = None
        self._asked = self._changed = time.monotonic()

    def beat(self) -> None:
        """Give a sign of life. A store that cannot be written for the moment is found out elsewhere."""
        self._beats += 1
        with suppress(OSError):
            self.file.write_text(str(self._beats))

    def stopped(self) -> bool:
        """Whether the sweep has ended, or has been silent for :data:`SILENT_SECONDS`."""
        now = time.monotonic()
        if now - self._asked < ASK_SECONDS:
            return False
        self._asked = now
        text = self._text
        try:
            text = self.file.read_text()
        except FileNotFoundError:
            return True
        except OSError:  # a network file system that does not answer for the moment
            pass
        if text != self._text:
            self._text, self._changed = text, now
        return now - self._changed > SILENT_SECONDS


@contextmanager
def pulse(store: RunStore) -> Iterator[Pulse]:
    """The sign of life of a sweep, for as long as it lasts."""
    store.states.mkdir(parents=True, exist_ok=True)
    found = Pulse(store.states / f"sweep-{uuid.uuid4().hex}")
    found.beat()
    try:
        yield found
    finally:
        found.file.unlink(missing_ok=True)


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
    sweep = Pulse(store.states / settings.pulse)
    shared = sweep.file.exists()
    trainer = Trainer(resolve_device(settings.device), finished=dict(sources), progress=False)

    problem = None
    with RunLocks(store.lock, done=lambda run: run in (store.sources if run in starts else store)) as locks:
        if shared:
            trainer.stop_if, trainer.on_finish = lambda: stopping.wanted() or sweep.stopped(), store.put
            trainer.checkpoints, trainer.locks = Checkpoints(store.states), locks
        _at_work.set()
        try:
            trainer.train(configs)
        except (TrainingDiverged, DamagedRun):
            pass  # told run by run below
        except KeyboardInterrupt:
            if threading.current_thread() is threading.main_thread():
                if multiprocessing.parent_process() is not None:  # a pool tells its workers to end
                    os._exit(1)
                raise
            if not sweep.file.exists():  # else it may only be silent, and will want its runs done by somebody
                problem = "the sweep that asked for this run has ended"
        except Exception as error:  # a full disk, too little memory: it belongs to these runs, not to the sweep
            problem = f"{type(error).__name__}: {error}"
        finally:
            _at_work.clear()

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


_at_work = threading.Event()
"""Whether this process is training."""


def _end_with_the_sweep(leash: Connection) -> None:
    """Called in each local worker first: Ctrl-C is for the sweep, and once that is gone, so is the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        leash.poll(None)  # nothing is ever sent: it returns when the other end is closed
        if _at_work.is_set():
            stopping.want()
            time.sleep(GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
