"""Progress of training: a bar in a terminal or notebook, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, runtime_checkable

from tqdm import tqdm

from grokbook.runs.config import RunConfig

LOG_SECONDS = 30.0
"""Seconds between two lines in a log file."""


@runtime_checkable
class Stream(Protocol):
    """What progress is written to."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...
    def isatty(self) -> bool: ...


class Progress:
    """Shows step, accuracies, rate and time left of one run; use as a context manager.

    A stream that is a terminal, or a notebook's output, gets a bar that redraws itself; any other stream, a line
    every :data:`LOG_SECONDS`, so that log files stay readable. Time left is up to the step budget: a run that groks
    stops earlier.
    """

    def __init__(
        self,
        label: str,
        *,
        total: int,
        start: int = 0,
        stream: Stream | None = None,
        enabled: bool = True,
        unit: str = "step",
    ) -> None:
        self._label, self._total, self._start, self._unit = label, total, start, unit
        self._stream: Stream = sys.stderr if stream is None else stream
        self._began = self._last_line = time.monotonic()
        live = self._stream.isatty() or type(self._stream).__module__.startswith("ipykernel.")
        self._enabled = enabled
        self._bar = (
            tqdm(
                total=total,
                initial=start,
                desc=label,
                unit=unit,
                file=self._stream,
                mininterval=0.5,
                dynamic_ncols=True,
                bar_format="{desc}: {n_fmt}/{total_fmt} {bar:12} {rate_fmt}, {remaining} left{postfix}",
            )
            if enabled and live
            else None
        )

    def update(self, step: int, row: Mapping[str, float]) -> None:
        """Show an evaluation: ``row`` is a row of the history."""
        self.show(step, f"train {row['train_accuracy']:.1%}, test {row['test_accuracy']:.1%}")

    def show(self, done: int, status: str) -> None:
        """Show how far it is, and a word on it."""
        if self._bar is not None:
            self._bar.set_postfix_str(status, refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._enabled and time.monotonic() - self._last_line >= LOG_SECONDS:
            self._last_line = time.monotonic()
            self._line(done, status)

    def _line(self, done: int, status: str) -> None:
        rate = (done - self._start) / (time.monotonic() - self._began)
        pace = f", {rate:.1f} steps/s" if self._unit == "step" else ""
        left = f", {(self._total - done) / rate / 60:.0f} min left" if rate else ""
        print(
            f"{self._label}: {self._unit} {done}/{self._total}, {status}{pace}{left}",
            file=self._stream,
            flush=True,
        )

    def note(self, message: str) -> None:
        """Write a line of its own, above the bar where there is one."""
        if self._bar is not None:
            self._bar.write(message, file=self._stream)
        elif self._enabled:
            print(message, file=self._stream, flush=True)

    def finish(self, message: str) -> None:
        """Close the bar and say how the run ended."""
        self.close()
        if self._enabled:
            print(f"{self._label}: {message}", file=self._stream, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@runtime_checkable
class Reporter(Protocol):
    """What training tells about its runs."""

    def begin(self, config: RunConfig, start: int) -> None: ...
    def update(self, config: RunConfig, step: int, row: Mapping[str, float]) -> None: ...
    def end(self, config: RunConfig, message: str, outcome: str = "") -> None: ...


class RunByRun:
    """Reports runs that are trained one after the other, each with a :class:`Progress` of its own.

    How a run ended is told where there are several. Of a single one, whoever asked for it will tell.
    """

    def __init__(self, total: int, stream: Stream | None, enabled: bool) -> None:
        self._total, self._stream, self._enabled = total, stream, enabled
        self._current: Progress | None = None

    def begin(self, config: RunConfig, start: int) -> None:
        self._current = Progress(
            config.label, total=config.max_steps, start=start, stream=self._stream, enabled=self._enabled
        )

    def update(self, config: RunConfig, step: int, row: Mapping[str, float]) -> None:
        assert self._current is not None
        self._current.update(step, row)

    def end(self, config: RunConfig, message: str, outcome: str = "") -> None:
        assert self._current is not None
        self._current.finish(_sentence(outcome if self._total > 1 else "", message))

    def close(self) -> None:
        if self._current is not None:
            self._current.close()


class Together:
    """Reports runs that are trained in one stack: how many are done, and the rate of them all."""

    def __init__(self, total: int, stream: Stream | None, enabled: bool) -> None:
        self._bar = Progress(f"{total} runs", total=total, stream=stream, enabled=enabled, unit="run")
        self._done, self._made = 0, 0
        self._steps: dict[RunConfig, int] = {}
        self._began = time.monotonic()

    def begin(self, config: RunConfig, start: int) -> None:
        self._steps[config] = start

    def update(self, config: RunConfig, step: int, row: Mapping[str, float]) -> None:
        self._made += step - self._steps[config]
        self._steps[config] = step
        rate = self._made / max(time.monotonic() - self._began, 1e-9)
        self._bar.show(self._done, f"{len(self._steps)} running, {rate:,.0f} run-steps/s")

    def end(self, config: RunConfig, message: str, outcome: str = "") -> None:
        self._done += 1
        del self._steps[config]
        self._bar.note(f"{config.label}: {_sentence(outcome, message)}")

    def close(self) -> None:
        self._bar.close()


def duration(seconds: float) -> str:
    """So many seconds, roughly, in words: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _sentence(*parts: str) -> str:
    """What there is to say, in one line."""
    return "; ".join(filter(None, parts))


@contextmanager
def reporter(
    total: int, *, together: bool, stream: Stream | None = None, enabled: bool = True
) -> Iterator[RunByRun | Together]:
    """Report ``total`` runs, trained in one stack or one after the other."""
    report = Together(total, stream, enabled) if together else RunByRun(total, stream, enabled)
    try:
        yield report
    finally:
        report.close()
