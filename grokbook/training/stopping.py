"""The wish to stop, which training looks at between two steps: then states are saved, and nothing is half done.

It comes with a signal (Ctrl-C, and what a scheduler or a closing terminal sends) or from another thread.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a process to end; not all systems have them all."""

_wanted = threading.Event()
_signal: list[int] = []


def want() -> None:
    """Ask whatever trains in this process to stop at its next step."""
    _wanted.set()


def wanted() -> bool:
    """Whether somebody has asked for it."""
    return _wanted.is_set()


def exit_code() -> int:
    """What a process that was asked to end returns: 128 and the number of the signal, which is then forgotten."""
    code = 128 + (_signal[-1] if _signal else signal.SIGINT)
    _signal.clear()
    return code


def raise_interrupt(number: int, frame: FrameType | None) -> None:
    """A handler that treats any of these signals as Ctrl-C."""
    _signal.append(number)
    raise KeyboardInterrupt


def as_interrupts() -> None:
    """From now on every signal of :data:`SIGNALS` ends this process as Ctrl-C does, unless it is ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, raise_interrupt)


@contextmanager
def first_signal(then: Callable[[int], None], numbers: Iterable[int] = SIGNALS) -> Iterator[None]:
    """While inside, the first of some signals only calls a function with its number; further ones are obeyed at once.

    A signal that is ignored, or has a handler of somebody else's, is left alone. Threads but the main one get none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = (signal.SIG_DFL, signal.default_int_handler, raise_interrupt)
    before = {number: handler for number in numbers if (handler := signal.getsignal(number)) in ours}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        restore()
        then(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        restore()


@contextmanager
def between_steps() -> Iterator[None]:
    """While inside, the first signal only makes a stop :func:`wanted`, see :func:`first_signal`."""

    def note(number: int) -> None:
        _signal.append(number)
        want()

    try:
        with first_signal(note):
            yield
    finally:
        _wanted.clear()
