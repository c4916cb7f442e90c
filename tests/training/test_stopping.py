"""The wish to stop: the first signal takes note, the second is obeyed, and what is ignored stays so."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager

import pytest

from grokbook.training import stopping
from grokbook.training.train import train

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent otherwise elsewhere")


@contextmanager
def handlers(handler):
    before = {number: signal.signal(number, handler) for number in stopping.SIGNALS}
    try:
        yield
    finally:
        for number, each in before.items():
            signal.signal(number, each)


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_the_first_signal_takes_note_and_the_second_is_obeyed(number):
    with handlers(stopping.raise_interrupt):
        with stopping.between_steps():
            assert not stopping.wanted()
            signal.raise_signal(number)
            assert stopping.wanted()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert not stopping.wanted()
        assert signal.getsignal(number) is stopping.raise_interrupt
        assert stopping.exit_code() == 128 + number
        assert stopping.exit_code() == 130, "it is told once"


def test_signals_that_are_ignored_or_somebody_elses_are_left_alone():
    for theirs in (signal.SIG_IGN, lambda *_: None):
        with handlers(theirs), stopping.between_steps():
            stopping.as_interrupts()
            assert {signal.getsignal(number) for number in stopping.SIGNALS} == {theirs}


def test_other_threads_get_no_signals():
    found = []

    def inside():
        before = signal.getsignal(signal.SIGINT)
        with stopping.between_steps():
            found.append(signal.getsignal(signal.SIGINT) is before)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [True]


def test_training_stops_between_two_evaluations_with_its_state_saved(tiny, tiny_run, tmp_path):
    """And what goes on from there is the same run."""
    seen = []

    def want(moment):
        seen.append(moment.record.step)
        if moment.record.step >= 10:
            stopping.want()

    with pytest.raises(KeyboardInterrupt):
        train(tiny(), "cpu", checkpoints=tmp_path, progress=False, on_evaluation=want)
    assert not stopping.wanted()
    assert max(seen) < tiny_run.steps
    assert list(tmp_path.glob("*.safetensors"))
    begun = []
    (run,) = train(
        tiny(),
        "cpu",
        checkpoints=tmp_path,
        progress=False,
        on_evaluation=lambda moment: begun.append(moment.record.step),
    )
    assert min(begun) > max(seen)
    assert run.history.equals(tiny_run.history)
