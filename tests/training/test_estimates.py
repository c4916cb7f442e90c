import pytest
import torch

from grokbook import RunStore
from grokbook.model.weights import EMBEDDING
from grokbook.training import estimates, memory
from grokbook.training.devices import cpu_threads


def test_an_estimate_has_a_row_per_size_and_adds_budgets_up(tiny):
    heir = tiny("a-b", source=tiny(), transplant=EMBEDDING)
    rows = estimates.estimate([tiny(), heir, tiny(fraction=0.4, max_steps=7), tiny("a+b", "a*b")], "cpu")
    assert [row[:5] for row in rows] == [(7, 0.6, 1, 2, 60), (7, 0.4, 1, 1, 7), (7, 0.6, 2, 1, 30)]
    assert all(0 < row.seconds_per_step < 10 for row in rows)


def test_it_is_measured_with_the_threads_of_a_worker(tiny, monkeypatch):
    seen = []
    monkeypatch.setattr(estimates.engine.Stack, "advance", lambda self, steps: seen.append(torch.get_num_threads()))
    with cpu_threads(3):
        estimates.estimate([tiny()], "cpu")
        assert torch.get_num_threads() == 3
    assert set(seen) == {1}


def test_evaluations_are_part_of_a_step(tiny, monkeypatch):
    """A clock that only evaluations wind forward, by 3 seconds."""
    now = [0.0]

    def observed(stack, chosen):
        now[0] += 3.0

    monkeypatch.setattr(estimates, "observe", observed)
    monkeypatch.setattr(estimates.time, "perf_counter", lambda: now[0])
    (row,) = estimates.estimate([tiny(eval_every=10)], "cpu")
    assert row.seconds_per_step == pytest.approx(0.3)


def test_what_does_not_fit_is_said_before_anything_is_measured(tiny, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda device: 1000)
    with pytest.raises(ValueError, match="needs about"):
        estimates.estimate([tiny()], "cpu")


def test_disk_space_is_estimated_from_what_is_stored(tmp_path, tiny_run):
    store = RunStore(tmp_path / "store")
    assert estimates.disk_estimate(store, 3) == 6_000_000
    folder = store.put(tiny_run)
    assert estimates.disk_estimate(store, 3) == 3 * sum(file.stat().st_size for file in folder.iterdir())
