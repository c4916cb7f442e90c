"""What keeps workers and their sweep together: a sign of life in the store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from grokbook.training import workers
from grokbook.training.workers import Pulse, Settings, pulse, train_task


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(workers, "time", found)
    return found


def after(clock, seconds, worker) -> bool:
    clock.now += seconds
    return worker.stopped()


def test_a_sweep_that_beats_is_alive_however_long_it_takes(empty, clock):
    with pulse(empty) as sweep:
        worker = Pulse(sweep.file)
        for _ in range(20):
            assert not after(clock, 20.0, worker)
            sweep.beat()
    assert after(clock, 2.0, worker), "it has ended"


def test_a_sweep_that_was_killed_is_found_out_within_half_a_minute(empty, clock):
    with pulse(empty) as sweep:
        worker = Pulse(sweep.file)
        assert not after(clock, 2.0, worker)
        silent = [after(clock, 2.0, worker) for _ in range(14)]
    assert silent == sorted(silent)
    assert silent[-1]
    assert not silent[0]


def test_a_store_that_does_not_answer_for_a_moment_is_no_death(empty, clock, monkeypatch):
    with pulse(empty) as sweep:
        worker = Pulse(sweep.file)
        assert not after(clock, 2.0, worker)
        with monkeypatch.context() as context:
            context.setattr("pathlib.Path.read_text", lambda self: (_ for _ in ()).throw(PermissionError(13, "no")))
            context.setattr("pathlib.Path.write_text", lambda self, text: (_ for _ in ()).throw(OSError(28, "full")))
            sweep.beat()
            assert not after(clock, 10.0, worker)
        sweep.beat()
        assert not after(clock, 20.0, worker)


def test_it_is_asked_for_seldom(empty, clock, monkeypatch):
    with pulse(empty) as sweep:
        worker = Pulse(sweep.file)
        monkeypatch.setattr("pathlib.Path.read_text", lambda self: pytest.fail("asked"))
        assert not after(clock, 1.0, worker)


def test_a_sweep_that_was_silent_gets_its_runs_back(empty, tiny, monkeypatch):
    """A client whose machine slept is alive: its runs are not failures, and go on from their states."""
    monkeypatch.setattr(workers, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(workers, "SILENT_SECONDS", -1.0)
    monkeypatch.setattr(workers, "BUSY_SECONDS", 0.0)
    with pulse(empty) as sweep, ThreadPoolExecutor(1) as executor:
        settings = Settings("cpu", str(empty.path), sweep.file.name)
        (told,) = executor.submit(train_task, [tiny()], {}, settings).result()
    assert told.busy
    assert told.error is None
    assert tiny() not in empty
