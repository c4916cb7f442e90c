import processes
import pytest
from filelock import Timeout
from processes import Child

from grokbook.runs.disk import table_lock
from grokbook.training.locks import RunLocks


def test_a_table_is_changed_by_one_at_a_time(tmp_path):
    first, second = table_lock(tmp_path / "new" / "table.parquet"), table_lock(tmp_path / "new" / "table.parquet")
    with first:
        assert [path.name for path in (tmp_path / "new").iterdir()] == [".table.parquet.lock"]
        with pytest.raises(Timeout):
            second.acquire(blocking=False)
    with second.acquire(blocking=False):
        pass


def test_a_run_is_taken_once(tiny, tmp_path):
    with RunLocks(tmp_path) as mine, RunLocks(tmp_path) as others:
        assert mine.take(tiny())
        assert not others.take(tiny())
        assert not mine.take(tiny()), "it has to end first"
        assert others.take(tiny(seed=1))
        mine.give_back(tiny())
        assert others.take(tiny())


@pytest.mark.parametrize("ending", [{"max_steps": 99}, {"tail": 99}, {"sustain": 9}, {"grok_accuracy": 0.5}])
def test_runs_that_share_their_states_share_a_lock(tiny, tmp_path, ending):
    with RunLocks(tmp_path) as mine, RunLocks(tmp_path) as others:
        assert mine.take(tiny())
        assert not others.take(tiny(**ending))
        assert not mine.take(tiny(**ending))
        mine.give_back(tiny(**ending))
        assert others.take(tiny())


def test_whether_a_run_is_done_is_asked_once_nobody_else_can_end_it(tiny, tmp_path):
    others, asked = RunLocks(tmp_path), []

    def done(config):
        assert not others.take(config), "asked before the lock was held"
        asked.append(config)
        return len(asked) == 1

    mine = RunLocks(tmp_path, done)
    assert not mine.take(tiny()), "it is done"
    assert others.take(tiny()), "a run that is done is not kept"
    assert not mine.take(tiny())
    assert asked == [tiny()], "of a run that another has, nothing is known"
    others.give_all_back()
    assert mine.take(tiny())


def test_all_are_given_back_at_the_end_whatever_happens(tiny, tmp_path):
    runs = [tiny(seed=seed) for seed in range(3)]
    with pytest.raises(KeyboardInterrupt), RunLocks(tmp_path) as mine:  # noqa: PT012
        assert all(mine.take(config) for config in runs)
        raise KeyboardInterrupt
    others = RunLocks(tmp_path)
    assert all(others.take(config) for config in runs)
    others.give_all_back()
    assert all(mine.take(config) for config in runs), "locks can be taken again"
    mine.give_all_back()


def test_what_is_not_held_is_given_back_without_fuss(tiny, tmp_path):
    RunLocks(tmp_path).give_back(tiny())
    RunLocks(tmp_path).give_all_back()


def test_the_folder_is_made_with_the_first_lock(tiny, tmp_path):
    with RunLocks(tmp_path / "a" / "b") as locks:
        assert not (tmp_path / "a").exists()
        assert locks.take(tiny())
        assert (tmp_path / "a" / "b").is_dir()


def test_a_dead_process_holds_no_lock(tiny, tmp_path):
    with Child(processes.hold, tmp_path, tiny()) as child, RunLocks(tmp_path) as mine:
        assert child.hear() is True
        assert not mine.take(tiny())
        child.kill()
        assert mine.take(tiny())
