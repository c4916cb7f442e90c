"""Where a step of the engine goes: operations seen by torch's profiler, each counted once, to the part it serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.table import render
from benchmarks.task import Engine, config
from grokbook.model import backward
from grokbook.model.compiled import steps_by

REGIONS = {
    "fold": "fold: tables of tokens and contexts",
    "term_weights": "attention of each row",
    "_by_weights": "gradient of the fold",
    "optimiser": "AdamW",
}
PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "aten::baddbmm", "aten::baddbmm_", "aten::matmul")
SUMS = ("embedding_bag", "sampled_addmm", "sparse_csr")
SOFTMAX = ("softmax", "scatter", "double", "_to_copy", "::to")


@contextmanager
def marked() -> Iterator[None]:
    """Let the parts of a step leave their names in the profile."""

    def mark(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with record_function(f"part:{name}"):
                return function(*args, **kwargs)

        return wrapped

    with ExitStack() as patches:
        for name in ("fold", "term_weights", "_by_weights"):
            patches.enter_context(patch.object(backward, name, mark(name, getattr(backward, name))))
        yield


def part_of(event: Any) -> str:
    """The part of a step that a profiled event serves."""
    names = []
    while event is not None:
        names.append(event.name)
        event = event.cpu_parent
    for name in names:
        if name.startswith("part:"):
            return REGIONS[name.removeprefix("part:")]
        if name.startswith("Optimizer."):
            return REGIONS["optimiser"]
    for name in names:  # what is left works on rows
        if any(part in name for part in SUMS):
            return "weighted sums of table rows and their gradients"
        if name in PRODUCTS:
            return "matrix products of rows"
        if any(part in name for part in SOFTMAX):
            return "float64 softmax"
    return "the rest: ReLU and its mask, copies of rows and of gradients"


def measure(steps: int) -> dict[str, float]:
    """Milliseconds per step of each part, one run, one thread."""
    engine = Engine(config())
    engine.advance(5)
    with steps_by("torch"), marked(), profile(activities=[ProfilerActivity.CPU]) as profiled:
        engine.advance(steps)
    found: dict[str, float] = {}
    for event in profiled.events():
        part = part_of(event)
        found[part] = found.get(part, 0.0) + event.self_cpu_time_total / 1000 / steps
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def lines(found: dict[str, float]) -> Iterable[str]:
    """The table."""
    total = sum(found.values())
    rows = [[part, f"{ms:.2f}", f"{ms / total:.0%}"] for part, ms in found.items()]
    yield render(["part of a step", "ms", "share"], [*rows, ["together, under the profiler", f"{total:.2f}", "100%"]])
