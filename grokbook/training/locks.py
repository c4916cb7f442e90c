"""Locks on runs: of two processes that want the same run, one trains it. A dead process holds none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from grokbook.runs.config import RunConfig
from grokbook.runs.store import Lock


class RunLocks(AbstractContextManager["RunLocks"]):
    """The runs this process may train; a context manager that gives all of them back.

    ``lock`` is :meth:`grokbook.runs.store.Store.lock`. Whether a run is ``done`` is asked once its lock is held.
    """

    def __init__(
        self, lock: Callable[[RunConfig], Lock | None], done: Callable[[RunConfig], bool] = lambda config: False
    ) -> None:
        self._lock, self._done = lock, done
        self._held: dict[str, Lock] = {}

    def take(self, config: RunConfig) -> bool:
        """Whether the run is ours now. Does not wait. The same run with another end has to be done with first."""
        lock = None if config.hash in self._held else self._lock(config)
        if lock is None:
            return False
        if self._done(config):
            lock.release()
            return False
        self._held[config.hash] = lock
        return True

    def give_back(self, config: RunConfig) -> None:
        if lock := self._held.pop(config.hash, None):
            lock.release()

    def give_all_back(self) -> None:
        while self._held:
            self._held.popitem()[1].release()

    def __exit__(self, *error: object) -> None:
        self.give_all_back()
