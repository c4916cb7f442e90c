"""Progress of a training run: a bar in a terminal or notebook, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, runtime_checkable

from tqdm import tqdm

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
        self, label: str, *, total: int, start: int = 0, stream: Stream | None = None, enabled: bool = True
    ) -> None:
        self._label, self._total, self._start = label, total, start
        self._stream: Stream = sys.stderr if stream is None else stream
        self._began = self._last_line = time.monotonic()
        live = self._stream.isatty() or type(self._stream).__module__.startswith("ipykernel.")
        self._enabled = enabled
        self._bar = (
            tqdm(
                total=total,
                initial=start,
                desc=label,
                unit="step",
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
        status = f"train {row['train_accuracy']:.1%}, test {row['test_accuracy']:.1%}"
        if self._bar is not None:
            self._bar.set_postfix_str(status, refresh=False)
            self._bar.update(step - self._bar.n)
        elif self._enabled and time.monotonic() - self._last_line >= LOG_SECONDS:
            self._last_line = time.monotonic()
            self._line(step, status)

    def _line(self, step: int, status: str) -> None:
        rate = (step - self._start) / (time.monotonic() - self._began)
        left = (self._total - step) / rate / 60 if rate else float("inf")
        print(
            f"{self._label}: step {step}/{self._total}, {status}, {rate:.1f} steps/s, {left:.0f} min left",
            file=self._stream,
            flush=True,
        )

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
