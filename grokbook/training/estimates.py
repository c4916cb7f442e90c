"""What training would cost, from a few measured steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import torch

from grokbook.runs.config import RunConfig
from grokbook.runs.initial import initial_weights
from grokbook.runs.store import FolderStore
from grokbook.training import engine, memory
from grokbook.training.devices import cpu_threads, resolve_device
from grokbook.training.record import observe

MEASURED_STEPS = 5


class Estimate(NamedTuple):
    """What a group of missing runs that stack costs at most, all of them taking their whole budgets."""

    p: int
    fraction: float
    operations: int
    """Operations in each run."""
    runs: int
    steps: int
    seconds_per_step: float
    """Of one run, measured, its share of evaluations included."""


def estimate(left: Iterable[RunConfig], device: str) -> list[Estimate]:
    """Time a few steps and an evaluation of each kind of run on this machine, on one thread, and multiply.

    Workers that slow each other down are not in it. ``ValueError``: a run does not fit into memory.
    """
    resolved = resolve_device(device)
    with cpu_threads(1):
        return [_estimate(group, resolved) for group in engine.stackable(left)]


def _estimate(group: list[RunConfig], device: torch.device) -> Estimate:
    first = group[0]
    memory.check(first, device)
    plain = replace(first, source=None, transplant=())
    slots = min(memory.slots(first, device), len(group))
    stack = engine.Stack([plain] * slots, [initial_weights(plain, {})] * slots, device)

    def seconds(work: Callable[[], object]) -> float:
        for _ in range(2):  # the first time pays for what the second one finds ready
            began = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        return time.perf_counter() - began

    stack.advance(engine.WARM_UP)
    per_step = seconds(lambda: stack.advance(MEASURED_STEPS)) / MEASURED_STEPS
    per_step += seconds(lambda: observe(stack, range(slots))) / first.eval_every
    steps = sum(config.max_steps for config in group)
    return Estimate(first.p, first.fraction, len(first.operations), len(group), steps, per_step / slots)


def disk_estimate(store: FolderStore, runs: int) -> int:
    """Bytes that so many runs take, from the mean of those that are stored; 2 MB each if none is."""
    sizes = [sum(file.stat().st_size for file in folder.iterdir()) for folder in store.folders()]
    return int(runs * (sum(sizes) / len(sizes) if sizes else 2e6))
