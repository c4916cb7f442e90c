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

    ``ValueError``: that is no address. ``OSError``: no scheduler answers there.
    """
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except ValueError as error:
        raise ValueError(f"{scheduler!r} is not the address of a scheduler, like tcp://host:8786 ({error})") from error
    with client:
        yield lambda: client.get_executor(pure=False), lambda: sum(client.nthreads().values())
