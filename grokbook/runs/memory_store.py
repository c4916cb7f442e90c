"""A store that is gone with its process: for tests, and for runs that nobody wants to keep."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable

from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run
from grokbook.runs.store import Lock


class MemoryStore:
    """Runs kept in memory for as long as the process lives, without files and states; see :class:`Store`."""

    states = None
    stored_only = False

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._as_sources = False

    @property
    def sources(self) -> MemoryStore:
        view = MemoryStore()
        view._runs, view._locks, view._as_sources = self._runs, self._locks, True
        return view

    def __contains__(self, config: object) -> bool:
        if not isinstance(config, RunConfig) or (run := self._runs.get(config.name)) is None:
            return False
        return run.has_weights and run.ends_like(config) if self._as_sources else run.covers(config)

    def get(self, config: RunConfig) -> Run:
        if config not in self:
            raise KeyError(f"no stored run of {config.label} ({config.name})")
        return self._runs[config.name].judged_by(config)

    def put(self, run: Run) -> None:
        known = self._runs.get(run.config.name)
        if known is None or known.steps < run.steps:
            self._runs[run.config.name] = run

    def lock(self, config: RunConfig) -> Lock | None:
        lock = self._locks[config.hash]
        return lock if lock.acquire(blocking=False) else None

    def check(self, starts: Iterable[RunConfig] = ()) -> None:
        """See :meth:`Store.check`: memory takes what it is given."""
