"""How the time of a step grows with the fraction r, the modulus p and the number of runs R."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch

from benchmarks.table import render
from benchmarks.task import Engine, config, train_rows
from benchmarks.worker import Job
from grokbook.model.compiled import steps_by

FRACTIONS = (0.3, 0.5, 0.7, 0.9)
MODULI = (31, 59, 97, 113, 197)
RUNS = {"cpu": (1, 2, 4, 8), "cuda": (1, 2, 4, 8, 16, 32, 64)}


def series(device: str) -> dict[str, list[Job]]:
    """The three sweeps: one of r, p and R changes, the others are those of the benchmark."""
    one = Job("engine", device=device)
    return {
        "r": [one._replace(fraction=fraction) for fraction in FRACTIONS],
        "p": [one._replace(p=p) for p in MODULI],
        "R": [one._replace(runs=runs) for runs in RUNS[device]],
    }


@steps_by("torch")
def measure(steps: int, rounds: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Milliseconds per step on the CPU, by torch on one thread, and on CUDA where there is one.

    Rounds go through all settings.
    """
    found: list[dict[str, Any]] = []
    for device in ["cpu", *["cuda"] * torch.cuda.is_available()]:
        sweeps = series(device)
        jobs = list(dict.fromkeys(job for sweep in sweeps.values() for job in sweep))
        engines = {job: Engine(config(job.p, job.fraction), job.runs, device) for job in jobs}
        times: dict[Job, list[float]] = {job: [] for job in jobs}
        for engine in engines.values():
            engine.advance(5)
        for done in range(rounds):
            for job, engine in engines.items():
                # Large settings take fewer steps, so that each has about the same time.
                size = job.runs * job.fraction / 0.3 * (job.p / 97) ** 2 if device == "cpu" else 1
                count = max(1, round(steps / max(size, 0.2)))
                begun = time.perf_counter()
                engine.advance(count)
                times[job].append((time.perf_counter() - begun) / count)
            say(f"{device}: round {done + 1} of {rounds}")
        found += [
            {
                "device": device,
                "changes": name,
                "value": {"r": job.fraction, "p": job.p, "R": job.runs}[name],
                "rows": len(train_rows(config(job.p, job.fraction))[1]),
                "runs": job.runs,
                "ms": [1000 * seconds for seconds in times[job]],
            }
            for name, sweep in sweeps.items()
            for job in sweep
        ]
    return found


def lines(found: list[dict[str, Any]]) -> Iterable[str]:
    """The tables."""
    head = ["device", "", "rows", "ms/step", "(min–max)", "run-steps/s", "µs per row and run"]
    rows = []
    for one in found:
        ms = statistics.median(one["ms"])
        rows.append(
            [
                one["device"],
                f"{one['changes']} = {one['value']}",
                str(one["rows"]),
                f"{ms:.2f}",
                f"{min(one['ms']):.2f}–{max(one['ms']):.2f}",
                f"{1000 * one['runs'] / ms:,.1f}",
                f"{1000 * ms / one['rows'] / one['runs']:.2f}",
            ]
        )
    yield render(head, rows, left=2)
