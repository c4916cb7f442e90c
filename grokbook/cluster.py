"""Sweeps on a cluster: the executor of a Dask scheduler (extra ``cluster``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from distributed import Client

CONNECT_SECONDS = 10.0
"""How long to wait for a scheduler to answer."""


@contextmanager
def dask_executor(scheduler: str) -> Iterator[tuple[Callable[[], Executor], Callable[[], int]]]:
    """An executor on the workers of a Dask scheduler like ``tcp://host:8786``, and how many there are at the moment.

    Raises:
        OSError: no scheduler answers there.
    """
    with Client(scheduler, timeout=CONNECT_SECONDS) as client:
        yield lambda: client.get_executor(pure=False), lambda: max(1, sum(client.nthreads().values()))
