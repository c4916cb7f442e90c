"""Steps on a CPU in C beside those by torch, in turns in one process. ``python -m benchmarks.passes``.

With ``--grok`` whole runs are trained by both, and their grok steps compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence

import torch

from benchmarks.table import render
from grokbook import RunConfig, train
from grokbook.model.compiled import CHOICES, steps_by
from grokbook.runs import provenance
from grokbook.runs.initial import initial_weights
from grokbook.training.engine import Stack

SETTINGS = (
    RunConfig(operations=("a+b",), fraction=0.3),
    RunConfig(operations=("a+b",), fraction=0.5),
    RunConfig(operations=("a+b",), fraction=0.4, model="separate"),
    RunConfig(operations=("a+b", "a*b"), fraction=0.3),
    RunConfig(operations=("a+b", "a*b", "a-b"), fraction=0.4),
    RunConfig(operations=("a+b",), fraction=0.5, p=113),
    RunConfig(operations=("a+b",), fraction=0.8, p=31),
)
GROKKED = ("a+b", "a*b", "(a+b)^7")
"""The exponent has no factor in common with 30: mod 31 every residue is a seventh power."""


def measure(config: RunConfig, steps: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of CPU time per step by torch and in C, in each round."""
    start = initial_weights(config, {})
    stacks = {by: Stack([config], [start], torch.device("cpu")) for by in reversed(CHOICES)}
    found: dict[str, list[float]] = {by: [] for by in stacks}
    for done in range(-1, rounds):
        for by, stack in stacks.items():
            with steps_by(by):
                if stack.facts["cpu_step"] != by:
                    raise RuntimeError("the steps in C do not compile here, or fail their trial")
                begun = time.thread_time()
                stack.advance(steps)
            if done >= 0:  # the first round warms everything up
                found[by].append(1000 * (time.thread_time() - begun) / steps)
    return found


def lines(found: Iterable[tuple[RunConfig, dict[str, list[float]]]]) -> Iterator[str]:
    """The table: medians over rounds; ratios are taken round by round."""
    rows = []
    for config, ms in found:
        ratios = [slow / fast for slow, fast in zip(ms["torch"], ms["c"], strict=True)]
        rows.append(
            [
                config.label,
                f"{statistics.median(ms['torch']):.2f}",
                f"{statistics.median(ms['c']):.2f}",
                f"{statistics.median(ratios):.2f}",
                f"{min(ratios):.2f}–{max(ratios):.2f}",
            ]
        )
    yield render(["run", "torch: ms/step", "C: ms/step", "×", "(min–max)"], rows)


def grok_steps(p: int, fraction: float, seeds: Sequence[int]) -> Iterator[str]:
    """A table of grok steps by torch and in C."""
    rows = []
    for operation in GROKKED:
        for seed in seeds:
            config = RunConfig(operations=(operation,), p=p, fraction=fraction, seed=seed, tail=1000, max_steps=20_000)
            found = []
            for by in reversed(CHOICES):
                with steps_by(by):
                    (run,) = train(config, "cpu", progress=False)
                found.append("–" if run.grok_step is None else f"{run.grok_step:,}")
            rows.append([config.label, *found, str(config.eval_every)])
    yield render(["run", "grok step by torch", "in C", "evaluated every"], rows)


def main(argv: list[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=4, help="steps of each in a round")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--grok", action="store_true", help="train whole runs instead")
    parser.add_argument("-p", type=int, default=31)
    parser.add_argument("--fraction", type=float, default=0.8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(f"{provenance.device_name(torch.device('cpu'))}, torch {torch.__version__}, one thread, CPU time\n")
    if options.grok:
        print(*grok_steps(options.p, options.fraction, options.seeds))
    else:
        print(*lines((config, measure(config, options.steps, options.rounds)) for config in SETTINGS))


if __name__ == "__main__":
    main()
