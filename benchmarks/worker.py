"""Each row of the table lives in a process of its own, and is told from outside when to take its turn.

The engine changes how its process gives memory back (:func:`grokbook.training.memory.keep_freed`); in one process with
it, the rivals would be faster than they are by default.
"""

from __future__ import annotations

import os
import statistics
import time
import traceback
import warnings
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import BrokenBarrierError
from typing import Any, NamedTuple

import torch

from benchmarks import flops, task
from grokbook.model.compiled import steps_by
from grokbook.training import memory

BARRIER_SECONDS = 120.0
SIZES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}
"""Sides of the square matrices whose product gives the matmul rate."""
REPEATS = 3


class Job(NamedTuple):
    """What a process trains."""

    who: str
    """plain, lens or engine"""
    p: int = 97
    fraction: float = 0.3
    runs: int = 1
    device: str = "cpu"
    copy: int = 0
    keep_memory: bool = False
    """Rivals too keep freed memory, as the engine always does."""


class Unavailable(Exception):
    """Something that a row needs cannot be imported; the text says what."""


Stamp = tuple[float, int]
"""A time, and how many steps were done by then."""


def updates_of(job: Job) -> task.Updates:
    """Build what the job describes."""
    of = task.config(job.p, job.fraction)
    if job.keep_memory:
        memory.keep_freed()
    match job.who:
        case "plain":
            return task.Trained(task.Plain, of)
        case "lens":
            return task.Trained(task.Lens, of)
        case _:
            return task.Engine(of, job.runs, job.device)


def advance(updates: task.Updates, steps: int, one_by_one: bool) -> list[Stamp]:
    """Advance by that many steps; times at the start, at the end, and if asked for after each step."""
    stamps = [(time.monotonic(), 0)]
    for done in range(1, steps + 1) if one_by_one else (steps,):
        updates.advance(done - stamps[-1][1])
        stamps.append((time.monotonic(), done))
    return stamps


def matmul_rates(device: str) -> dict[int, list[float]]:
    """Operations per second of square float32 products in each size, several times, into memory already there."""
    rates: dict[int, list[float]] = {}
    for size in SIZES[device]:
        left, right = torch.randn(2, size, size, device=device)
        out = left @ right
        for _ in range(REPEATS):
            synchronize(device)
            begun = time.perf_counter()
            torch.mm(left, right, out=out)
            synchronize(device)
            rates.setdefault(size, []).append(2 * size**3 / (time.perf_counter() - begun))
    return rates


def best_rate(rounds: list[dict[int, list[float]]]) -> float:
    """The median rate of the size that is fastest by its median."""
    return max(statistics.median(rate for rates in rounds for rate in rates[size]) for size in rounds[0])


def synchronize(device: str) -> None:
    """Wait for what is queued on the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def serve(connection: Connection, job: Job, barrier: Any) -> None:
    """Do what the other end asks for, until it asks for no more."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeprecationWarning)  # HookedTransformer announces its end
    try:
        updates = updates_of(job)
        connection.send(None)
        with steps_by("torch"):  # its operations are counted; benchmarks.passes has the steps in C
            while (order := connection.recv()) is not None:
                connection.send(answer(updates, job, barrier, *order))
    except ImportError as error:
        connection.send(Unavailable(f"cannot be imported: {error}"))
    except Exception:
        connection.send(RuntimeError(traceback.format_exc()))
    except KeyboardInterrupt:
        pass


def answer(updates: task.Updates, job: Job, barrier: Any, order: str, *values: Any) -> Any:
    """One order of :class:`Process`."""
    match order:
        case "advance":
            return advance(updates, values[0], one_by_one=False)
        case "together":
            try:
                barrier.wait(BARRIER_SECONDS)
            except BrokenBarrierError:
                raise RuntimeError("the other process did not come to the barrier") from None
            return advance(updates, values[0], one_by_one=True)
        case "flops":
            return flops.count(lambda: updates.advance(1))
        case "loss":
            return updates.loss()
        case "rates":
            return matmul_rates(job.device)
        case "memory":
            return torch.cuda.max_memory_allocated()
    raise ValueError(order)


class Process:
    """A worker process, seen from the one that gives the orders."""

    def __init__(self, job: Job, barrier: Any) -> None:
        # Read by numerical libraries when they are loaded; nothing here needs a network.
        os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
        self.job = job
        self._connection, theirs = get_context("spawn").Pipe()
        self._process = get_context("spawn").Process(target=serve, args=(theirs, job, barrier), daemon=True)
        self._process.start()
        theirs.close()

    def answer(self) -> Any:
        """Wait for the answer to what was told; the first one only says that the worker is ready."""
        try:
            found = self._connection.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"the worker of {self.job} died with status {self._process.exitcode}") from None
        if isinstance(found, Exception):
            raise found
        return found

    def tell(self, order: str, *values: Any) -> None:
        """Give an order."""
        self._connection.send((order, *values))

    def ask(self, order: str, *values: Any) -> Any:
        """Give an order and wait for the answer."""
        self.tell(order, *values)
        return self.answer()

    def close(self) -> None:
        """End the worker."""
        if self._process.is_alive():
            with suppress(OSError):
                self._connection.send(None)
            self._process.join(10)
        if self._process.is_alive():
            self._process.terminate()
        self._connection.close()
