from dataclasses import replace

import pytest

from grokbook import MemoryStore, RunStore, paper
from grokbook.errors import RunsMissing
from grokbook.paper import experiments, gathered
from grokbook.paper.gathered import gather


@pytest.fixture
def store(tmp_path, tiny_run) -> RunStore:
    store = RunStore(tmp_path)
    store.put(tiny_run)
    return store


@pytest.fixture
def trained(monkeypatch) -> list:
    """What a store is asked to train, which it then does not."""
    asked: list = []
    monkeypatch.setattr(gathered, "ensure", lambda configs, device, *, store: asked.extend(configs))
    return asked


OWN = paper.single("a+b", p=59, max_steps=60)
FULL = paper.mixture(paper.ELEMENTARY, fraction=0.9)


def test_what_is_stored_is_read_and_the_rest_is_missing(store, tiny, tiny_run, trained):
    found = gather(store, [tiny_run.config, FULL, tiny_run.config], train=False)
    assert not trained
    assert found.wanted == (tiny_run.config, FULL)
    assert found.missing == [FULL]
    (read,) = found.of([FULL, tiny_run.config, tiny_run.config])
    assert read.config == tiny_run.config
    assert read.history.equals(tiny_run.history)


@pytest.mark.parametrize(("train", "expected"), [(None, [OWN]), (True, [OWN, FULL]), (False, [])])
def test_only_what_is_wanted_is_trained(store, trained, train, expected):
    assert experiments.in_an_experiment(FULL)
    assert not experiments.in_an_experiment(OWN)
    found = gather(store, [OWN, FULL], "cpu", train=train)
    assert trained == expected
    assert found.missing == [OWN, FULL], "nothing was trained after all"


def test_runs_of_a_reader_s_parameters_are_trained_and_stored(store, tiny):
    own = tiny(seed=5)
    assert gather(store, [own], "cpu").missing == []
    assert own in store
    with pytest.raises(RunsMissing):
        gather(RunStore(store.path, stored_only=True), [tiny(seed=6)], "cpu")
    assert gather(RunStore(store.path, stored_only=True), [FULL], "cpu").missing == [FULL], "no training, no error"


def test_gathered_runs_are_shown_by_their_number(store, tiny_run):
    assert repr(gather(store, [tiny_run.config, FULL], train=False)) == "Gathered(1 of 2 runs)"


def test_a_run_that_went_further_is_there(store, tiny_run):
    shorter = replace(tiny_run.config, max_steps=10)
    found = gather(store, [shorter], train=False)
    assert (found.missing, [run.steps for run in found.of([shorter])]) == ([], [tiny_run.steps])


def test_any_store_will_do(tiny, tiny_run):
    memory = MemoryStore()
    memory.put(tiny_run)
    assert gather(memory, [tiny_run.config], "cpu").of([tiny_run.config]) == [tiny_run]
