from collections.abc import Callable
from pathlib import Path

import processes
import pytest
from processes import Child

from grokbook import RunConfig
from grokbook.runs.memory_store import MemoryStore
from grokbook.runs.store import FolderStore
from grokbook.training.locks import RunLocks


def locks(folder: Path, done: Callable[[RunConfig], bool] = lambda config: False) -> RunLocks:
    return RunLocks(FolderStore(folder).lock, done)


def test_a_run_is_taken_once(tiny, tmp_path):
    with locks(tmp_path) as mine, locks(tmp_path) as others:
        assert mine.take(tiny())
        assert not others.take(tiny())
        assert not mine.take(tiny()), "it has to end first"
        assert others.take(tiny(seed=1))
        mine.give_back(tiny())
        assert others.take(tiny())


@pytest.mark.parametrize("ending", [{"max_steps": 99}, {"tail": 99}, {"sustain": 9}, {"grok_accuracy": 0.5}])
def test_runs_that_share_their_states_share_a_lock(tiny, tmp_path, ending):
    with locks(tmp_path) as mine, locks(tmp_path) as others:
        assert mine.take(tiny())
        assert not others.take(tiny(**ending))
        assert not mine.take(tiny(**ending))
        mine.give_back(tiny(**ending))
        assert others.take(tiny())


def test_whether_a_run_is_done_is_asked_once_nobody_else_can_end_it(tiny, tmp_path):
    others, asked = locks(tmp_path), []

    def done(config):
        assert not others.take(config), "asked before the lock was held"
        asked.append(config)
        return len(asked) == 1

    mine = locks(tmp_path, done)
    assert not mine.take(tiny()), "it is done"
    assert others.take(tiny()), "a run that is done is not kept"
    assert not mine.take(tiny())
    assert asked == [tiny()], "of a run that another has, nothing is known"
    others.give_all_back()
    assert mine.take(tiny())


def test_all_are_given_back_at_the_end_whatever_happens(tiny, tmp_path):
    runs = [tiny(seed=seed) for seed in range(3)]
    with pytest.raises(KeyboardInterrupt), locks(tmp_path) as mine:  # noqa: PT012
        assert all(mine.take(config) for config in runs)
        raise KeyboardInterrupt
    others = locks(tmp_path)
    assert all(others.take(config) for config in runs)
    others.give_all_back()
    assert all(mine.take(config) for config in runs), "locks can be taken again"
    mine.give_all_back()


def test_what_is_not_held_is_given_back_without_fuss(tiny, tmp_path):
    locks(tmp_path).give_back(tiny())
    locks(tmp_path).give_all_back()


def test_the_folder_is_made_with_the_first_lock(tiny, tmp_path):
    with locks(tmp_path / "a" / "b") as mine:
        assert not (tmp_path / "a").exists()
        assert mine.take(tiny())
        assert (tmp_path / "a" / "b").is_dir()


def test_a_dead_process_holds_no_lock(tiny, tmp_path):
    with Child(processes.hold, tmp_path, tiny()) as child, locks(tmp_path) as mine:
        assert child.hear() is True
        assert not mine.take(tiny())
        child.kill()
        assert mine.take(tiny())


def test_memory_has_locks_as_folders_have(tiny):
    store = MemoryStore()
    with RunLocks(store.lock) as mine, RunLocks(store.lock) as others:
        assert mine.take(tiny())
        assert not others.take(tiny(max_steps=99))
        mine.give_back(tiny())
        assert others.take(tiny())
