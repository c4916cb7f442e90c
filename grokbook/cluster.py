"""Sweeps on a cluster: the executor of a Dask scheduler (extra ``cluster``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from distributed import Client


@contextmanager
def dask_executor(scheduler: str) -> Iterator[tuple[Callable[[], Executor], int]]:
    """An executor on the workers of a Dask scheduler like ``tcp://host:8786``, and their number.

    Raises:
        OSError: no scheduler answers there.
    """
    with Client(scheduler, timeout=10) as client:
        workers = max(1, sum(client.nthreads().values()))
        yield lambda: client.get_executor(pure=False), workers
