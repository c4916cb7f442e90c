"""Small profiles: how small a prime will do for a+b and a·b to grok within a minute?

    python -m benchmarks.small_profiles  # the first seed everywhere, others where it grokked in time
    python -m benchmarks.small_profiles --primes 31 --fractions 0.6 0.7 --seeds 0 1 2 3 4

Each run is the paper's model and optimiser (Table 2) at a smaller p and a larger fraction, trained on one thread until
it is known to have grokked: ``sustain`` steps beyond its grok step. Seconds are those of such a run, from the first
step on. CPU seconds tell what it costs, whoever else uses the machine; the clock tells what a reader waits for.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.table import render
from grokbook.data.tokens import n_train
from grokbook.runs import provenance
from grokbook.runs.config import RunConfig
from grokbook.training import train as training

PRIMES = (23, 29, 31, 37, 41, 43, 47, 53, 59, 61)
FRACTIONS = (0.5, 0.6, 0.7, 0.8, 0.9)
OPERATIONS = ("a+b", "a*b")
SEEDS = (0, 1, 2)
SECONDS = 60.0
"""What a run may take to count as small."""
MAX_STEPS = 8000


class Setting(NamedTuple):
    """One run of the search."""

    p: int
    fraction: float
    operation: str
    seed: int
    max_steps: int = MAX_STEPS

    @property
    def config(self) -> RunConfig:
        """Ends where it is known to have grokked: without a tail beyond that."""
        plain = RunConfig(operations=(self.operation,), p=self.p, fraction=self.fraction, seed=self.seed)
        values = {**plain.to_dict(), "max_steps": self.max_steps, "tail": plain.sustain}
        return RunConfig.from_dict(values)


class Found(NamedTuple):
    """What became of it."""

    setting: Setting
    grok_step: int | None
    best_test_accuracy: float
    steps: int
    seconds: float
    """By the clock."""
    cpu_seconds: float

    def fits(self, seconds: float) -> bool:
        """Whether it grokked in time, by the CPU's time: by the clock it depends on who else is at work."""
        return self.grok_step is not None and self.cpu_seconds < seconds


def measure(setting: Setting) -> Found:
    """Train one run on one thread and time it."""
    torch.set_num_threads(1)
    wall, cpu = time.perf_counter(), time.process_time()
    (run,) = training.train([setting.config], "cpu", progress=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Found(setting, run.grok_step, run.best_test_accuracy, run.steps, wall, cpu)


def search(
    settings: Sequence[Setting], known: Iterable[Found], pool: Executor, *, limit: float, everywhere: bool = False
) -> Iterator[Found]:
    """Yield the runs seed by seed; later seeds only where all operations fitted with the ones before.

    Args:
        settings: what to train, in this order within a seed.
        known: runs that were measured before; they are not trained again.
        pool: where runs are measured.
        limit: seconds that a run may take.
        everywhere: train every seed, whatever became of those before.
    """
    found = {one.setting: one for one in known}
    failed: set[tuple[int, float]] = set()
    for seed in dict.fromkeys(setting.seed for setting in settings):
        due = [one for one in settings if one.seed == seed and (everywhere or (one.p, one.fraction) not in failed)]
        for future in as_completed([pool.submit(measure, setting) for setting in due if setting not in found]):
            one = future.result()
            found[one.setting] = one
            yield one
        failed |= {(one.p, one.fraction) for one in due if not found[one].fits(limit)}


def read(path: Path) -> list[Found]:
    """The runs of a file of JSON lines; none if there is no such file."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [Found(Setting(*setting), *rest) for setting, *rest in rows]


def lines(found: Sequence[Found], limit: float) -> Iterator[str]:
    """The runs as a table, ordered by prime, fraction and operation, and the settings that fit with every seed."""
    head = ["p", "r", "pairs", "operation", "seed", "grok step", "steps/s", "CPU s", "s by the clock", "in time"]
    rows = []
    for one in sorted(found):
        at = one.setting
        grokked = f"{one.grok_step:,}" if one.grok_step is not None else f"– (best test {one.best_test_accuracy:.0%})"
        rows.append(
            [
                str(at.p),
                f"{at.fraction:g}",
                str(n_train(at.p**2, at.fraction)),
                at.operation,
                str(at.seed),
                grokked,
                f"{one.steps / one.cpu_seconds:.0f}",
                f"{one.cpu_seconds:.0f}",
                f"{one.seconds:.0f}",
                "yes" if one.fits(limit) else "no",
            ]
        )
    yield render(head, rows, left=0)
    yield ""
    groups: dict[tuple[int, float], list[Found]] = {}
    for one in found:
        groups.setdefault((one.setting.p, one.setting.fraction), []).append(one)
    for (p, fraction), runs in sorted(groups.items()):
        if all(one.fits(limit) for one in runs):
            last = max(runs, key=lambda one: one.cpu_seconds)
            yield (
                f"p = {p}, r = {fraction:g}: all {len(runs)} runs in time, the slowest {last.setting.operation} "
                f"with seed {last.setting.seed} in {last.cpu_seconds:.0f} s of CPU time"
            )


def main(argv: list[str] | None = None) -> int:
    """Search, and print a line for each run and the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_profiles", description=main.__doc__)
    parser.add_argument("--primes", type=int, nargs="+", default=PRIMES)
    parser.add_argument("--fractions", type=float, nargs="+", default=FRACTIONS)
    parser.add_argument("--operations", nargs="+", default=OPERATIONS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--max-steps", type=int, default=MAX_STEPS, help="step budget of each run")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="what a run may take")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--everywhere", action="store_true", help="train every seed, even where one before failed")
    parser.add_argument(
        "--keep", type=Path, help="a file of JSON lines: runs in it are not trained again, others added"
    )
    options = parser.parse_args(argv)
    settings = [
        Setting(p, fraction, operation, seed, options.max_steps)
        for seed in options.seeds
        for p in options.primes
        for fraction in options.fractions
        for operation in options.operations
    ]
    for setting in settings:
        _ = setting.config  # what cannot be trained is refused before anything is
    found = [one for one in read(options.keep) if one.setting in settings] if options.keep else []
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        for one in search(settings, found[:], pool, limit=options.seconds, everywhere=options.everywhere):
            found.append(one)
            print(f"{one.setting.config.label}: {one.grok_step} ({one.cpu_seconds:.0f} s)", file=sys.stderr, flush=True)
            if options.keep:
                with options.keep.open("a") as file:
                    print(json.dumps(one), file=file)
    print(f"{provenance.device_name(torch.device('cpu'))}, torch {torch.__version__}, one thread per run\n")
    print("\n".join(lines(found, options.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
