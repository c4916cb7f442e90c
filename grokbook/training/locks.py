"""Locks on runs and tables: of two processes that want the same run, one trains it. A dead process holds none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from grokbook.runs.config import RunConfig


def table_lock(path: Path) -> FileLock:
    """The lock on a table, a hidden file beside it: hold it to read and write, and what others add meanwhile stays.

    Its folder is made if it is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"))


class RunLocks:
    """The runs this process may train; a context manager that gives all of them back.

    A run is locked by its trajectory: configs that differ in their ending alone share their states on disk.

    Args:
        folder: where the lock files are; made when the first lock is taken.
        done: whether a run needs no training any more; asked once its lock is held.
    """

    def __init__(self, folder: Path, done: Callable[[RunConfig], bool] = lambda config: False) -> None:
        self._folder, self._done = folder, done
        self._held: dict[str, FileLock] = {}

    def take(self, config: RunConfig) -> bool:
        """Whether the run is ours now. Does not wait. A run of our own that shares its trajectory has to end first."""
        if config.trajectory in self._held:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / f"{config.trajectory}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        if self._done(config):
            lock.release()
            return False
        self._held[config.trajectory] = lock
        return True

    def give_back(self, config: RunConfig) -> None:
        lock = self._held.pop(config.trajectory, None)
        if lock is not None:
            lock.release()

    def give_all_back(self) -> None:
        for lock in self._held.values():
            lock.release()
        self._held.clear()

    def __enter__(self) -> RunLocks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_all_back()
