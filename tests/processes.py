"""Processes to kill, and what they do. They are quick to start: a fork server has imported the library already.

A process says what it is about over a pipe, so that a test can wait for it to be somewhere.
"""

import ctypes
import hashlib
import itertools
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from grokbook import Run, RunConfig, RunStore, cli
from grokbook.runs import run as files
from grokbook.runs import store as folders
from grokbook.runs import tables
from grokbook.runs.store import FolderStore
from grokbook.training import ensure as ensuring
from grokbook.training import stopping, trainer
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.engine import Stack
from grokbook.training.locks import RunLocks

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["grokbook.cli", "pyarrow.parquet", "torch._dynamo"])  # the last two, when first used
HANGS = 300.0
"""Seconds without a word after which a process is taken to hang, even on a machine that does much else."""

Say = Callable[[object], None]


class Child:
    """A process that executes ``job(say, *arguments)``; a context manager that leaves none behind."""

    def __init__(self, job: Callable[..., None], *arguments: object) -> None:
        self._heard, say = SERVER.Pipe(duplex=False)
        self._tell, told = SERVER.Pipe(duplex=False)[::-1]
        self.process = SERVER.Process(target=_do, args=(say, told, job, arguments))
        self.process.start()
        say.close()
        told.close()

    def hear(self) -> Any:
        """The next thing it says; ``EOFError`` once it is gone."""
        assert self._heard.poll(HANGS), "the process hangs"
        return self._heard.recv()

    def tell(self) -> None:
        """Let it go on; see :func:`wait_to_be_told`."""
        self._tell.send(None)

    def hear_all(self) -> list[Any]:
        return list(iter(self._hear_or_none, None))

    def _hear_or_none(self) -> Any:
        try:
            return self.hear()
        except EOFError:
            return None

    def end(self) -> int:
        """Wait for its end; its exit code, minus the signal if one killed it."""
        self.process.join(HANGS)
        assert self.process.exitcode is not None, "the process hangs"
        return self.process.exitcode

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._heard.close()
        self._tell.close()


_told: Connection


def _do(say: Connection, told: Connection, job: Callable[..., None], arguments: Sequence[object]) -> None:
    global _told
    _told = told
    for number in stopping.SIGNALS:  # whatever the shell that started the tests made of them
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    torch.set_num_threads(1)
    job(say.send, *arguments)


def wait_to_be_told() -> None:
    assert _told.poll(HANGS)
    _told.recv()


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait for something that nobody tells."""
    deadline = time.monotonic() + HANGS
    while not reached():
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.02)


def digest(run: Run) -> str:
    """A hash of all that was computed."""
    parts = [run.history.to_csv(), *(t.numpy().tobytes() for t in (*run.weights, *run.spectra))]
    return hashlib.sha256(b"".join(part.encode() if isinstance(part, str) else part for part in parts)).hexdigest()


# --- what processes do ----------------------------------------------------------------------------


def save_often(say: Say) -> None:
    """Save states at every occasion, and say where training begins and which states are safe."""
    trainer.CHECKPOINT_SECONDS = 0.0
    save, advance, begun = Checkpoints.save, Stack.advance, []

    def noted_save(self: Checkpoints, config: RunConfig, step: int, *rest: Any) -> None:
        save(self, config, step, *rest)
        say(("saved", step))

    def noted_advance(self: Stack, steps: int) -> None:
        if not begun:
            begun.append(True)
            say(("begins", self.steps[0]))
        advance(self, steps)

    Checkpoints.save, Stack.advance = noted_save, noted_advance


def ensure(say: Say, path: Path, *configs: RunConfig) -> None:
    save_often(say)
    RunStore(path).ensure(configs, "cpu", progress=False)


def die_at(say: Say, path: Path, config: RunConfig, name: str, call: int, when: str) -> None:
    """Kill itself around one of the calls of a function that writes, while a run is trained and stored."""
    trainer.CHECKPOINT_SECONDS = 0.0
    _deadly(name, call, when)
    RunStore(path).ensure([config], "cpu", progress=False)


def _deadly(name: str, call: int, when: str) -> None:
    """Have one of the calls of a function kill this process: before, after or, for files, in the middle."""
    owners: Any = {"replace": os, "rename": Path, "rmtree": shutil, "save_file": files, "write_table": tables.pq}
    function, calls = getattr(owners[name], name), itertools.count(1)

    def deadly(*arguments: Any, **options: Any) -> Any:
        if next(calls) != call:
            return function(*arguments, **options)
        if when != "before":
            function(*arguments, **options)
        if when == "in the middle":
            file = Path(arguments[1])
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(owners[name], name, deadly)


def ensure_and_tell(say: Say, path: Path, slowly: bool, *configs: RunConfig) -> None:
    """Say what is trained here and what the runs are; slowly means that training waits to be told."""
    start = trainer.initial_weights

    def noted(config: RunConfig, sources: Any) -> Any:
        say(("trains", config.label))
        if slowly:
            wait_to_be_told()
        return start(config, sources)

    trainer.initial_weights = noted
    ensuring.POLL_SECONDS = 0.01
    say(("returns", [digest(run) for run in RunStore(path).ensure(configs, "cpu", progress=False)]))


def hold(say: Say, folder: Path, config: RunConfig) -> None:
    """Take the lock on a run and keep it until killed."""
    locks = RunLocks(FolderStore(folder).lock)
    say(locks.take(config))
    wait_to_be_told()


def die_of(log: Path, seed: int, times: int) -> None:
    """Have a worker kill itself so often when the run of that seed has come to step 10; log where runs begin."""
    trainer.CHECKPOINT_SECONDS = 0.0
    save, advance, seen = Checkpoints.save, Stack.advance, set()

    def deadly_save(self: Checkpoints, config: RunConfig, step: int, *rest: Any) -> None:
        save(self, config, step, *rest)
        if config.seed == seed and step >= 10 and log.read_text().count("dies\n") < times:
            _note(log, "dies")
            os.kill(os.getpid(), signal.SIGKILL)

    def noted_advance(self: Stack, steps: int) -> None:
        if self not in seen:
            seen.add(self)
            _note(log, f"seed {self.configs[0].seed} begins at {self.steps[0]}")
        advance(self, steps)

    Checkpoints.save, Stack.advance = deadly_save, noted_advance
    log.touch()


def _note(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(f"{line}\n")


def patient_command(say: Say, output: Path, path: Path, *arguments: str) -> None:
    """The command line, which saves states once a minute, on a store of its own; it says when training begins."""
    save_often(say)
    trainer.CHECKPOINT_SECONDS = 60.0
    _command(output, path, *arguments)


def command(say: Say, output: Path, path: Path, *arguments: str) -> None:
    """The command line, on a store of its own."""
    save_often(say)
    _command(output, path, *arguments)


def _command(output: Path, path: Path, *arguments: str) -> None:
    _redirect(output)
    folders.checkout = lambda: None  # no published runs
    os.environ |= {"GROKBOOK_STORE": str(path), "COLUMNS": "200"}
    sys.argv = ["grokbook", *arguments]
    cli.main()


def impatient_command(say: Say, output: Path, path: Path, *arguments: str) -> None:
    """The command line, with little patience for schedulers that do not answer."""
    from grokbook.training import cluster

    cluster.CONNECT_SECONDS = 0.1
    command(say, output, path, *arguments)


def command_without_privileges(say: Say, output: Path, path: Path, *arguments: str) -> None:
    """The command line, by someone for whom permissions count: root gives up to override them."""
    words = 3 * ctypes.c_uint32
    version_3_of_this_process, capabilities = (ctypes.c_uint32 * 2)(0x20080522, 0), (words * 2)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(version_3_of_this_process, capabilities) == 0
    capabilities[0][0] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, of those in effect
    assert libc.capset(version_3_of_this_process, capabilities) == 0
    command(say, output, path, *arguments)


def _redirect(output: Path) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)


# --- a full disk ----------------------------------------------------------------------------------


class SmallDisk:
    """A folder on a disk of one megabyte. Where a process may not mount one, its files may not grow instead."""

    NEW_NAMESPACE, NEW_USER, REMOUNT_RECURSIVELY_AS_PRIVATE = 0x20000, 0x10000000, 0x44000

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.mounted = self._mount()
        self.says = "No space left on device" if self.mounted else "File too large"

    def _mount(self) -> bool:
        libc = ctypes.CDLL(None)
        if libc.unshare(self.NEW_NAMESPACE) and libc.unshare(self.NEW_NAMESPACE | self.NEW_USER):
            return False
        if libc.mount(None, b"/", None, self.REMOUNT_RECURSIVELY_AS_PRIVATE, None):
            return False
        return libc.mount(b"none", bytes(self._folder), b"tmpfs", 0, b"size=1m") == 0

    def fill(self) -> None:
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            return
        with (self._folder / "full").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def clear(self) -> None:
        if self.mounted:
            (self._folder / "full").unlink()
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def filled_after(disk: SmallDisk, saves: int) -> Iterator[None]:
    """Fill the disk once so many states have been saved."""
    save, calls = Checkpoints.save, itertools.count(1)

    def filling(self: Checkpoints, *arguments: Any) -> None:
        save(self, *arguments)
        if next(calls) == saves:
            disk.fill()

    Checkpoints.save = filling
    try:
        yield
    finally:
        Checkpoints.save = save
        disk.clear()
