"""The benchmark: one command, one table. ``python -m benchmarks.bench --help``; what it means is in RESULTS.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

if not __package__:  # run by path: the folder to import from is the one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import checks, parts, scaling, task
from benchmarks.table import render
from benchmarks.worker import Job, Process, Stamp, Unavailable, best_rate

FIRST_STEPS = 5
"""Updates after which the rows must agree in their losses; they also warm everything up."""
CUDA_STEPS = 10
"""A row on CUDA makes that many times the steps of a row on the CPU."""
NO_CUDA = "no CUDA device"


@dataclass
class Row:
    """A row of the table, and what was measured of it."""

    name: str
    what: str
    jobs: tuple[Job, ...]
    unavailable: str = ""
    flops: int = 0
    """Operations per step, of all its runs together."""
    rounds: list[float] = field(default_factory=list)
    """Run-steps per second in each round."""
    peak_bytes: dict[str, int] = field(default_factory=dict)

    @property
    def device(self) -> str:
        return self.jobs[0].device

    @property
    def runs(self) -> int:
        return sum(job.runs for job in self.jobs)

    @property
    def rate(self) -> float:
        return statistics.median(self.rounds)

    def against(self, other: Row) -> float:
        """The median over rounds of how many times faster this row was than the other in the same round."""
        return statistics.median(mine / its for mine, its in zip(self.rounds, other.rounds, strict=True))


def all_rows(keep_memory: bool = False) -> list[Row]:
    """Every row of the table, in order."""
    engine = Job("engine")
    return [
        Row("a", "plain nn.Module, Appendix C, all positions", (Job("plain", keep_memory=keep_memory),)),
        Row("b", "TransformerLens HookedTransformer", (Job("lens", keep_memory=keep_memory),)),
        Row("c", "grokbook, one run, one thread", (engine,)),
        Row("d", "grokbook, two processes, one thread each", (engine, engine._replace(copy=1))),
        *(
            Row(f"e{runs}", f"grokbook, stack of {runs} on CUDA", (Job("engine", runs=runs, device="cuda"),))
            for runs in (4, 16, 64)
        ),
    ]


def chosen_rows(names: Sequence[str], keep_memory: bool = False) -> list[Row]:
    """The rows of these names; ``e`` means all that begin with it."""
    rows = all_rows(keep_memory)
    for name in names:
        if not any(row.name.startswith(name) for row in rows):
            raise ValueError(f"there is no row {name!r}: choose from a, b, c, d, e, {', '.join(r.name for r in rows)}")
    return [row for row in rows if not names or any(row.name.startswith(name) for name in names)]


def overlap_rate(workers: Sequence[list[Stamp]]) -> float:
    """Steps per second of all workers together, in the time in which all of them were at work."""
    begin, end = max(stamps[0][0] for stamps in workers), min(stamps[-1][0] for stamps in workers)
    if end <= begin:
        raise RuntimeError("the processes did not run at the same time")
    done = 0.0
    for stamps in workers:
        times, steps = zip(*stamps, strict=True)
        done += np.interp(end, times, steps) - np.interp(begin, times, steps)
    return done / (end - begin)


def check_gradients(rows: Iterable[Row], say: Callable[[str], None]) -> None:
    """Compare the losses and gradients of the modules with those of the engine, in float64, at the start."""
    of = task.config()
    tokens, labels = task.train_rows(of)
    weights = task.start_of(of).map(torch.Tensor.double)
    expected = checks.engine_answer(weights, tokens, labels)
    makers: dict[str, Callable[[], task.Rival]] = {"plain nn.Module": lambda: task.Plain(of.d_vocab)}
    if any(row.name == "b" and not row.unavailable for row in rows):
        makers["HookedTransformer"] = lambda: task.Lens(of.d_vocab)
    for who, make in makers.items():
        answer = checks.module_answer(make, weights, tokens, labels)
        worst = checks.compare(answer, expected, make().to_own, who)
        say(f"loss and gradients in float64: {who} and engine differ by at most {worst:.0e} of the largest entry")


class Bench:
    """The rows, their worker processes, and the measured rate of matrix products."""

    def __init__(self, rows: list[Row], steps: int, rounds: int, say: Callable[[str], None]) -> None:
        self.rows, self.steps, self.n_rounds, self.say = rows, steps, rounds, say
        self.processes: dict[Job, Process] = {}
        self.matmul: dict[str, list[dict[int, list[float]]]] = {}

    @property
    def live(self) -> list[Row]:
        return [row for row in self.rows if not row.unavailable]

    def start(self) -> None:
        """Start the processes of all rows; check that they are equal after a few updates."""
        for row in self.rows:
            if row.device == "cuda" and not torch.cuda.is_available():
                row.unavailable = NO_CUDA
            if row.name == "b" and find_spec("transformer_lens") is None:
                row.unavailable = "transformer_lens is not installed"
        barrier = get_context("spawn").Barrier(2)
        for job in dict.fromkeys(job for row in self.live for job in row.jobs):
            self.processes[job] = Process(job, barrier)
        for job, process in list(self.processes.items()):
            try:
                process.answer()  # ready
            except Unavailable as error:
                self.processes.pop(job).close()
                for row in self.rows:
                    row.unavailable = str(error) if job in row.jobs else row.unavailable
        check_gradients(self.live, self.say)
        losses = {}
        for job, process in self.processes.items():
            operations = process.ask("flops")  # the first step: on CUDA, later ones are replays, seen by no counter
            process.ask("advance", FIRST_STEPS - 1)
            peak = {"training": process.ask("memory")} if job.device == "cuda" else {}
            losses[f"{job.who}, {job.runs} on {job.device}, {job.copy}"] = process.ask("loss")
            if job.device == "cuda":
                peak["with an evaluation"] = process.ask("memory")
            for row in self.live:
                if job in row.jobs:
                    row.flops += operations
                    row.peak_bytes = peak
        if losses:
            spread = checks.check_trained(losses)
            self.say(f"losses in float32 after {FIRST_STEPS} updates: all rows agree to {spread:.0e}")

    def measure(self) -> None:
        """Row by row, and that several times over, so that a change of the machine's pace meets all rows."""
        for done in range(self.n_rounds):
            for device in dict.fromkeys(row.device for row in self.live):
                measuring = next(p for job, p in self._engines_first() if job.device == device)
                self.matmul.setdefault(device, []).append(measuring.ask("rates"))
            for row in self.live:
                row.rounds.append(self._rate(row))
            self.say(f"round {done + 1} of {self.n_rounds}")

    def _engines_first(self) -> list[tuple[Job, Process]]:
        return sorted(self.processes.items(), key=lambda item: item[0].who != "engine")

    def _rate(self, row: Row) -> float:
        workers = [self.processes[job] for job in row.jobs]
        steps = self.steps * (CUDA_STEPS if row.device == "cuda" else 1)
        for worker in workers:
            worker.tell("together" if len(workers) > 1 else "advance", steps)
        return overlap_rate([worker.answer() for worker in workers]) * row.jobs[0].runs

    def close(self) -> None:
        """End all workers."""
        for process in self.processes.values():
            process.close()

    def peak(self, device: str) -> float:
        """The measured rate of float32 matrix products, operations per second, one thread."""
        return best_rate(self.matmul[device])

    def share(self, row: Row) -> float:
        """Which part of the matmul rate of its device, or of its cores, a row makes use of."""
        return row.rate / row.runs * row.flops / (self.peak(row.device) * len(row.jobs))

    def results(self) -> dict[str, Any]:
        """Everything measured, for a machine to read."""
        by_name = {row.name: row for row in self.live}
        return {
            "machine": machine(),
            "steps": self.steps,
            "rounds": self.n_rounds,
            "matmul_flop_per_s": {device: self.peak(device) for device in self.matmul},
            "rows": {
                row.name: {"what": row.what, "unavailable": row.unavailable}
                if row.unavailable
                else {
                    "what": row.what,
                    "run_steps_per_s": row.rounds,
                    "flop_per_step": row.flops,
                    "share_of_matmul_rate": self.share(row),
                    "peak_bytes": row.peak_bytes,
                    **{f"times_{n}": row.against(by_name[n]) for n in ("a", "b") if n in by_name},
                }
                for row in self.rows
            },
        }

    def lines(self) -> Iterable[str]:
        """The table, and what belongs below it."""
        by_name = {row.name: row for row in self.live}

        def ratio(row: Row, name: str) -> str:
            return f"{row.against(by_name[name]):.2f}" if name in by_name else "–"

        yield render(
            ["row", "what", "run-steps/s", "(min–max)", "ms/step", "× (a)", "× (b)", "GFLOP/step", "of matmul rate"],
            [
                [row.name, row.what, row.unavailable, *[""] * 6]
                if row.unavailable
                else [
                    row.name,
                    row.what,
                    f"{row.rate:,.1f}",
                    f"{min(row.rounds):,.1f}–{max(row.rounds):,.1f}",
                    f"{1000 * row.runs / row.rate:.2f}",
                    ratio(row, "a"),
                    ratio(row, "b"),
                    f"{row.flops / 1e9:.2f}",
                    f"{self.share(row):.0%}",
                ]
                for row in self.rows
            ],
            left=3,
        )
        for device in self.matmul:
            threads = ", one thread" if device == "cpu" else ""
            yield f"float32 matmul rate measured on {device}{threads}: {self.peak(device) / 1e9:,.1f} GFLOP/s"
        for row in self.live:
            for when, peak in row.peak_bytes.items():
                yield f"{row.name}: peak device memory {when}: {peak / 1e9:.2f} GB"
        for found, least, what in self._targets(by_name):
            met = "met" if found >= least else f"missed by {1 - found / least:.0%}"
            yield f"target: {what} ≥ {least:,g}: {found:,.2f}, {met}"

    def _targets(self, by_name: dict[str, Row]) -> Iterable[tuple[float, float, str]]:
        for row, other, least in (("c", "a", 6.0), ("c", "b", 6.0), ("d", "c", 1.8)):
            if row in by_name and other in by_name:
                yield by_name[row].against(by_name[other]), least, f"({row}) / ({other})"
        if "c" in by_name:
            yield self.share(by_name["c"]), 0.55, "(c)'s share of the matmul rate"
        if "e64" in by_name:
            yield by_name["e64"].rate, 15_000, "run-steps/s of (e64)"


def machine() -> dict[str, Any]:
    """Hardware and versions."""
    model = platform.processor() or platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        for line in cpuinfo.read_text("utf8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    versions = {"python": platform.python_version()}
    for package in ("torch", "numpy", "transformer-lens"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": versions,
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def machine_line() -> str:
    """Hardware and versions in one line."""
    facts = machine()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    device = f"; {facts['cuda']}" if facts["cuda"] else ""
    hardware = f"{facts['cpu']} ({facts['capability']}), {facts['cores']} cores{device}"
    return f"{hardware}; {versions}; load {facts['load'][0]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="steps of a row in each round (CUDA: ten times that)")
    parser.add_argument("--rounds", type=int, default=5, help="how many times each row takes its turn")
    parser.add_argument("--rows", nargs="+", default=[], metavar="ROW", help="a, b, c, d, e (or e4, e16, e64)")
    parser.add_argument("--keep-memory", action="store_true", help="let (a) and (b) keep freed memory, as (c) does")
    parser.add_argument("--strict", action="store_true", help="fail if something a row needs is not installed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured to a file")
    parser.add_argument("--scaling", action="store_true", help="instead of the table: a step against r, p and R")
    parser.add_argument("--profile", action="store_true", help="instead of the table: where a step of (c) goes")
    options = parser.parse_args(arguments)
    if options.steps < 1 or options.rounds < 1:
        parser.error("--steps and --rounds must be at least 1")
    try:
        rows = chosen_rows(options.rows, options.keep_memory)
    except ValueError as error:
        parser.error(str(error))

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    torch.set_num_threads(1)
    print(machine_line(), flush=True)
    results: dict[str, Any] = {"machine": machine()}
    if options.scaling:
        results["scaling"] = found = scaling.measure(options.steps, options.rounds, say)
        print(*scaling.lines(found), sep="\n")
    if options.profile:
        results["profile"] = parts.measure(options.steps * options.rounds)
        print(*parts.lines(results["profile"]), sep="\n")
    missing = []
    if not (options.scaling or options.profile):
        bench = Bench(rows, options.steps, options.rounds, say)
        try:
            bench.start()
            bench.measure()
        finally:
            bench.close()
        print(*bench.lines(), sep="\n")
        results = bench.results()
        missing = [row for row in rows if row.unavailable not in ("", NO_CUDA)]
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf8")
    for row in missing:
        say(f"row {row.name}: {row.unavailable}")
    return 1 if missing and options.strict else 0


if __name__ == "__main__":
    raise SystemExit(main())
