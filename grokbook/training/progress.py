"""Progress of training, by tqdm: a bar in a terminal or notebook, plain lines in a log file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing

from tqdm import tqdm

from grokbook.runs.config import RunConfig

LOG_SECONDS = 30.0
"""Seconds between two lines in a log file."""


class _Lines:
    """Standard error for a bar that cannot redraw itself: each of its states is a line of its own."""

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None: ...


class Progress(tqdm):  # type: ignore[type-arg] # generic for type checkers alone
    """Shows on standard error how far something is, a word on it, its rate, and the time left; a context manager.

    A terminal, or a notebook's output, gets a bar that redraws itself; anything else, a line every :data:`LOG_SECONDS`,
    so that log files stay readable. Time left is up to the step budget: a run that groks stops earlier.
    """

    monitor_interval = 0  # no thread that redraws bars: they are updated often enough

    def __init__(self, label: str, *, total: int, start: int = 0, unit: str = "step", enabled: bool = True) -> None:
        live = sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")
        bar, pause = ("{bar:12} ", 0.5) if live else ("", LOG_SECONDS)
        super().__init__(
            desc=label,
            total=total,
            initial=start,
            unit=unit,
            disable=not enabled,
            file=sys.stderr if live else _Lines(),
            leave=live,
            dynamic_ncols=live,
            mininterval=pause,
            delay=0 if live else pause,
            miniters=0,
            smoothing=0,  # the rate is that of the whole time
            bar_format=f"{{desc}}: {{n_fmt}}/{{total_fmt}} {bar}{{rate_fmt}}, {{remaining}} left{{postfix}}",
        )

    def show(self, done: int, status: str) -> None:
        """Show how far it is, and a word on it."""
        self.set_postfix_str(status, refresh=False)
        self.update(done - self.n)

    def drop(self, steps: int) -> None:
        """Let it be so many steps less that are to be made."""
        self.total = (self.total or 0) - steps

    def say(self, message: str) -> None:
        """Write a line of its own, above the bar where there is one."""
        if not self.disable:
            self.write(message, file=sys.stderr)

    def finish(self, message: str) -> None:
        """Close the bar and say how it ended."""
        enabled = not self.disable
        self.close()
        if enabled:
            print(f"{self.desc}: {message}", file=sys.stderr, flush=True)


class RunByRun:
    """Reports runs that are trained one after the other, each with a :class:`Progress` of its own.

    How a run ended is told where there are several. Of a single one, whoever asked for it will tell.
    """

    def __init__(self, configs: Sequence[RunConfig], enabled: bool) -> None:
        self._several, self._enabled = len(configs) > 1, enabled
        self._bar = Progress("", total=0, enabled=False)

    def begin(self, config: RunConfig, start: int) -> None:
        self._bar = Progress(config.label, total=config.max_steps, start=start, enabled=self._enabled)

    def update(self, config: RunConfig, step: int, row: Mapping[str, float]) -> None:
        self._bar.show(step, accuracies(row))

    def end(self, config: RunConfig, message: str, outcome: str = "") -> None:
        self._bar.finish(f"{outcome}; {message}" if outcome and self._several else message)

    def close(self) -> None:
        self._bar.close()


class Together:
    """Reports runs that are trained in one stack: their steps all together, and how many are done."""

    def __init__(self, configs: Sequence[RunConfig], enabled: bool) -> None:
        total = sum(config.max_steps for config in configs)
        self._bar = Progress(f"{len(configs)} runs", total=total, unit="run-step", enabled=enabled)
        self._done, self._made, self._left = 0, 0, dict[RunConfig, int]()

    def begin(self, config: RunConfig, start: int) -> None:
        self._left[config] = config.max_steps - start
        self._bar.drop(start)

    def update(self, config: RunConfig, step: int, row: Mapping[str, float]) -> None:
        left = config.max_steps - step
        self._made += self._left[config] - left
        self._left[config] = left
        self._bar.show(self._made, f"{self._done} done, {len(self._left)} running")

    def end(self, config: RunConfig, message: str, outcome: str = "") -> None:
        self._done += 1
        self._bar.drop(self._left.pop(config))
        self._bar.say(f"{config.label}: {outcome}; {message}" if outcome else f"{config.label}: {message}")

    def close(self) -> None:
        self._bar.close()


Reporter = RunByRun | Together
"""What training tells about its runs: which begin, how far they are, how they end."""


def reporter(configs: Sequence[RunConfig], *, together: bool, enabled: bool = True) -> closing[Reporter]:
    """Report runs that are trained in one stack, or one after the other, until its end."""
    return closing(Together(configs, enabled) if together else RunByRun(configs, enabled))


def accuracies(row: Mapping[str, float]) -> str:
    """Both accuracies of a row of the history."""
    return f"train {row['train_accuracy']:.1%}, test {row['test_accuracy']:.1%}"


def duration(seconds: float) -> str:
    """So many seconds, roughly, in words: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
