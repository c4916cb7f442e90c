import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from same import assert_same_run, fingerprint
from stacks import fail_at_call, interrupt_at

from grokbook import DamagedRun, RunStore
from grokbook.errors import RunsMissing
from grokbook.model.weights import EMBEDDING
from grokbook.runs import disk, publish
from grokbook.runs import run as runs
from grokbook.runs.layout import WEIGHTS
from grokbook.runs.memory_store import MemoryStore
from grokbook.runs.store import Store
from grokbook.training import trainer
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.ensure import ensure
from grokbook.training.train import train


@pytest.fixture
def trainings(monkeypatch) -> list[str]:
    """Labels of the runs whose training began."""
    began, start = [], trainer.initial_weights

    def noted(config, sources):
        began.append(config.label)
        return start(config, sources)

    monkeypatch.setattr(trainer, "initial_weights", noted)
    return began


def test_a_stored_run_is_found_and_read_back(empty, tiny_run, tiny_mixture):
    assert tiny_run.config not in empty
    folder = empty.put(tiny_run)
    assert folder == empty.path / tiny_run.config.name == empty.folder(tiny_run.config)
    assert tiny_run.config in empty
    assert tiny_mixture.config not in empty
    assert_same_run(empty.get(tiny_run.config), tiny_run)


def test_what_is_not_stored_is_named(empty, tiny):
    with pytest.raises(KeyError, match=r"no stored run of a\+b \(p=7, r=0\.6, seed 3\)"):
        empty.get(tiny(seed=3))
    assert empty.folder(tiny()) is None
    assert not empty.path.exists(), "looking makes no folder"


def test_those_that_are_stored_are_read_without_training(empty, tiny, tiny_run, tiny_mixture, no_training):
    for run in (tiny_run, tiny_mixture):
        empty.put(run)
    wanted = [tiny_mixture.config, tiny(seed=3), tiny_run.config]
    assert [run.config for run in empty.stored(wanted)] == [tiny_mixture.config, tiny_run.config]


def test_a_second_put_changes_nothing(empty, tiny_run):
    first = empty.put(tiny_run)
    before = fingerprint(empty.path), first.stat().st_mtime_ns
    assert empty.put(tiny_run) == first
    assert (fingerprint(empty.path), first.stat().st_mtime_ns) == before


def test_stored_runs_can_be_read_by_others(empty, tiny_run):
    assert empty.put(tiny_run).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("writer", ["grokbook.runs.tables.pq.write_table", "grokbook.runs.run.save_file"])
def test_a_write_that_fails_leaves_nothing(empty, tiny_run, monkeypatch, error, writer):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(writer, fail)
    with pytest.raises(type(error)):
        empty.put(tiny_run)
    assert tiny_run.config not in empty
    assert list(empty.path.iterdir()) == []


def test_a_crash_in_the_middle_of_a_write_is_no_run(empty, tiny_run, monkeypatch):
    """Power loss: not even the clean-up happens."""

    def crash(*_, **__):
        raise SystemExit

    with monkeypatch.context() as context:
        context.setattr(runs, "save_file", crash)
        context.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(SystemExit):
            empty.put(tiny_run)
    (left,) = empty.path.iterdir()
    assert any(left.iterdir()), "the crash came before anything was written"
    assert tiny_run.config not in empty
    assert list(empty.folders()) == []
    assert_same_run(runs.read(empty.put(tiny_run)), tiny_run)


def test_of_two_processes_that_store_the_same_run_one_wins(empty, tiny_run, monkeypatch):
    write = runs.write

    def slowly(run, folder):
        write(run, folder)
        if not folder.parent.joinpath(run.config.name).exists():
            shutil.copytree(folder, folder.parent / run.config.name)  # the other process is quicker

    monkeypatch.setattr(runs, "write", slowly)
    folder = empty.put(tiny_run)
    assert list(empty.path.iterdir()) == [folder]
    assert_same_run(runs.read(folder), tiny_run)


def test_folders_come_once_sorted_and_only_visible_ones(tmp_path, tiny_run, tiny_mixture, tiny_transfer):
    published = RunStore(tmp_path / "published")
    mine = RunStore(tmp_path / "mine", [published.path, tmp_path / "nowhere"])
    for place, run in ((published, tiny_run), (published, tiny_mixture), (mine, tiny_mixture), (mine, tiny_transfer)):
        place.put(run)
    (mine.path / ".in-progress").mkdir()
    (mine.path / "notes.txt").write_text("not a run")
    folders = list(mine.folders())
    names = sorted(run.config.name for run in (tiny_run, tiny_mixture, tiny_transfer))
    assert [folder.name for folder in folders] == names
    assert mine.folder(tiny_mixture.config) == published.path / tiny_mixture.config.name, "published ones go first"
    assert mine.folder(tiny_transfer.config) == mine.path / tiny_transfer.config.name
    assert mine.folder(tiny_run.config) == published.path / tiny_run.config.name


# --- ensure ---------------------------------------------------------------------------------------


def test_ensure_trains_what_is_missing_and_keeps_it(empty, tiny, tiny_run, trainings):
    empty.put(tiny_run)
    other = tiny("a*b", max_steps=3)
    found = empty.ensure([other, tiny(), other], "cpu", progress=False)
    assert [run.config for run in found] == [other, tiny(), other]
    assert trainings == [other.label]
    assert empty.get(other).config == other
    assert {path.name for path in empty.folders()} == {other.name, tiny().name}


def test_ensure_trains_nothing_that_is_there(empty, tiny_run, no_training):
    empty.put(tiny_run)
    assert_same_run(empty.ensure([tiny_run.config], "cpu")[0], tiny_run)


def test_published_runs_are_read_and_never_written(tmp_path, tiny, tiny_run, trainings):
    published = RunStore(tmp_path / "published")
    published.put(tiny_run)
    before = fingerprint(published.path)
    mine = RunStore(tmp_path / "mine", [published.path])
    heir = tiny("a-b", max_steps=3, source=tiny_run.config, transplant=EMBEDDING)
    runs_ = mine.ensure([tiny_run.config, heir], "cpu", progress=False)
    assert trainings == [heir.label]
    assert torch.equal(runs_[1].weights.W_E, tiny_run.weights.W_E)
    assert fingerprint(published.path) == before
    assert [folder.name for folder in RunStore(mine.path).folders()] == [heir.name]


def test_a_source_is_trained_once_and_kept(empty, tiny, trainings):
    source = tiny(max_steps=3)
    heirs = [tiny(op, max_steps=3, source=source, transplant=EMBEDDING) for op in ("a-b", "a*b")]
    empty.ensure(heirs, "cpu", progress=False)
    assert trainings == [source.label, *(heir.label for heir in heirs)]
    assert source in empty
    later = tiny("ab+b", max_steps=3, source=source, transplant=EMBEDDING)
    empty.ensure([later], "cpu", progress=False)
    assert trainings[3:] == [later.label]


def test_a_source_without_weights_in_its_own_place_is_found_out_before_any_training(empty, tiny_run, no_training):
    publish.publish(tiny_run, empty.path)
    heir = replace(tiny_run.config, operations=("a-b",), source=tiny_run.config, transplant=EMBEDDING)
    assert empty.missing([heir]) == [tiny_run.config, heir]
    problem = f"{re.escape(tiny_run.config.name)} lacks the weights that other runs start from"
    with pytest.raises(FileExistsError, match=problem):
        empty.ensure([heir], "cpu")


def test_a_source_is_read_only_where_it_is_needed(empty, tiny_run, tiny_transfer, no_training):
    (empty.put(tiny_run) / WEIGHTS).write_bytes(b"")
    empty.put(tiny_transfer)
    assert tiny_transfer.config.source == tiny_run.config
    assert_same_run(empty.ensure([tiny_transfer.config], "cpu")[0], tiny_transfer)


def test_a_store_that_may_not_train_names_all_that_is_missing(empty, tiny, tiny_run, no_training):
    empty.put(tiny_run)
    reader = RunStore(empty.path, stored_only=True)
    assert_same_run(reader.ensure([tiny_run.config], "cpu")[0], tiny_run)
    heir = tiny("a-b", source=tiny(seed=8), transplant=EMBEDDING)
    with pytest.raises(RunsMissing) as error:
        reader.ensure([tiny(seed=9), tiny_run.config, heir], "cpu")
    assert str(error.value).startswith("training is off (GROKBOOK_STORED_ONLY) and not stored in")
    assert all(label in str(error.value) for label in (str(empty.path), tiny(seed=9).label, heir.label))
    assert tiny_run.config.label not in str(error.value).replace(heir.label, "")


def test_the_source_of_a_stored_source_is_not_needed(empty, tiny, tiny_run, tiny_transfer, trainings):
    empty.put(tiny_transfer)  # its own source, tiny_run, is not stored
    heir = tiny("a*b", max_steps=3, source=tiny_transfer.config, transplant=EMBEDDING)
    empty.ensure([heir], "cpu", progress=False)
    assert trainings == [heir.label]


def test_a_chain_of_sources_is_trained_from_its_beginning(empty, tiny, trainings):
    first = tiny(max_steps=3)
    second = tiny("a-b", max_steps=3, source=first, transplant=EMBEDDING)
    third = tiny("a*b", max_steps=3, source=second, transplant=EMBEDDING)
    empty.ensure([third], "cpu", progress=False)
    assert trainings == [first.label, second.label, third.label]


def test_a_process_that_died_after_storing_leaves_nothing_to_do(empty, tiny, monkeypatch):
    """Its last state becomes one for larger budgets all the same, once somebody asks for the run."""
    with monkeypatch.context() as context:
        context.setattr(Checkpoints, "close", lambda *_, **__: pytest.exit("killed"))
        with pytest.raises(pytest.exit.Exception):
            empty.ensure([tiny()], "cpu", progress=False)
    assert tiny() in empty
    own = empty.states / f"{tiny().former_name}.safetensors"
    assert own.exists()
    empty.ensure([tiny()], "cpu", progress=False)
    assert not own.exists()
    assert Checkpoints(empty.states).load(tiny(max_steps=50)).step == 30


def test_what_a_dead_process_was_storing_is_removed(empty, tiny):
    left = empty.path / ".writing-dead"
    left.mkdir(parents=True)
    (left / "config.json").touch()
    empty.check()
    assert not left.exists()


def test_what_is_being_stored_is_not_removed_whatever_the_clock_says(empty, tiny_run, monkeypatch):
    write = runs.write

    def checked(run, folder):
        write(run, folder)
        os.utime(folder.parent, (0, 0))
        empty.check()
        assert folder.exists()

    monkeypatch.setattr(runs, "write", checked)
    empty.put(tiny_run)
    assert tiny_run.config in empty
    assert list(empty.path.glob(".writing-*")) == []


def test_a_run_is_written_out_before_it_appears(empty, tiny_run, monkeypatch):
    """So that a power loss leaves it complete or absent."""
    flushed, flush = [], disk.flush

    def watched(path):
        flushed.append((path.name, tiny_run.config in empty))
        flush(path)

    monkeypatch.setattr(disk, "flush", watched)
    empty.put(tiny_run)
    before = {name for name, there in flushed if not there}
    assert before >= {path.name for path in (empty.path / tiny_run.config.name).iterdir()}
    assert flushed[-1] == (empty.path.name, True)


def test_a_wrong_device_is_refused_although_all_is_stored(empty, tiny_run):
    empty.put(tiny_run)
    with pytest.raises(ValueError, match="banana"):
        empty.ensure([tiny_run.config], "banana")


def test_a_place_that_cannot_be_written_is_found_out_before_any_training(tmp_path, tiny, no_training):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot write to the store .*file: it is not a folder"):
        RunStore(tmp_path / "file").ensure([tiny()], "cpu")


def test_the_device_is_checked_before_any_work(empty, tiny, monkeypatch):
    monkeypatch.setattr(runs, "read", lambda *_: pytest.fail("read a run"))
    with pytest.raises(ValueError, match="banana"):
        empty.ensure([tiny()], "banana")


def test_a_damaged_run_is_refused_not_replaced(empty, tiny_run, no_training):
    (empty.put(tiny_run) / WEIGHTS).write_bytes(b"")
    before = fingerprint(empty.path)
    for access in (lambda: empty.get(tiny_run.config), lambda: empty.ensure([tiny_run.config], "cpu")):
        with pytest.raises(DamagedRun, match=WEIGHTS):
            access()
    assert fingerprint(empty.path) == before


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(empty, tiny, tiny_run, monkeypatch, saves_often):
    short = tiny("a*b", max_steps=3)
    wanted = [short, tiny(), tiny("a-b", max_steps=3)]
    with monkeypatch.context() as context:
        interrupt_at(context, 10)
        with pytest.raises(KeyboardInterrupt) as interrupt:
            empty.ensure(wanted, "cpu", progress=False)
    message = str(interrupt.value)
    assert "interrupted with 2 of 3 runs still to train" in message
    assert str(empty.path) in message
    assert "repeat the command to go on" in message
    assert list(empty.folders()) == [empty.path / short.name]
    assert (empty.path / ".in-progress" / f"{tiny().former_name}.safetensors").exists()

    found = empty.ensure(wanted, "cpu", progress=False)
    assert_same_run(found[1], tiny_run)
    assert len(list(empty.folders())) == 3


def test_a_store_takes_any_path(tmp_path, tiny_run):
    assert RunStore(str(tmp_path)).put(tiny_run).parent == tmp_path


def test_a_store_is_shown_by_what_is_in_it(empty, tiny_run):
    empty.put(tiny_run)
    assert repr(RunStore("mine", [empty.path])) == f"RunStore(1 runs in {empty.path} and mine)"
    assert repr(empty.sources) == f"RunStore(1 runs with their weights in {empty.path})"


# --- the same run with other ends -----------------------------------------------------------------


def test_less_is_answered_by_more_and_more_goes_on(empty, tiny, tiny_run, trainings):
    empty.put(tiny_run)
    assert tiny(max_steps=20) in empty
    assert_same_run(empty.ensure(tiny(max_steps=20), "cpu", progress=False)[0], tiny_run)
    assert trainings == []
    assert tiny(max_steps=60) not in empty
    (further,) = empty.ensure(tiny(max_steps=60), "cpu", progress=False)
    assert (further.steps, trainings) == (60, [tiny().label])
    assert [folder.name for folder in empty.folders()] == [tiny().name], "it took the place of the shorter one"
    assert empty.get(tiny()).steps == 60
    rows = further.history[further.history["step"] <= 30]
    assert rows.reset_index(drop=True).equals(tiny_run.history), "the same run, step by step"


def test_a_run_that_grokked_answers_any_budget_and_the_default_one(empty, grokked_run):
    empty.put(grokked_run)
    for budget in (grokked_run.grok_step, grokked_run.config.max_steps, 300_000):
        assert replace(grokked_run.config, max_steps=budget) in empty
    assert replace(grokked_run.config, tail=1) in empty
    assert replace(grokked_run.config, tail=90) not in empty
    assert replace(grokked_run.config, grok_accuracy=0.5) in empty, "its history tells"
    assert replace(grokked_run.config, tail=90, max_steps=grokked_run.steps) in empty


def test_a_published_run_goes_on_beside_its_place(tmp_path, tiny, tiny_run, trainings):
    published = RunStore(tmp_path / "published")
    published.put(tiny_run)
    before = fingerprint(published.path)
    mine = RunStore(tmp_path / "mine", [published.path])
    (further,) = mine.ensure(tiny(max_steps=40), "cpu", progress=False)
    assert (further.steps, mine.get(tiny()).steps, mine.get(tiny(max_steps=40)).steps) == (40, 30, 40)
    assert fingerprint(published.path) == before
    assert mine.ensure([tiny(max_steps=40), tiny()], "cpu", progress=False)[0].steps == 40
    assert trainings == [tiny().label]


def test_configs_of_one_run_are_trained_once_for_all_of_them(empty, tiny, trainings):
    found = empty.ensure([tiny(max_steps=10), tiny(max_steps=40), tiny(max_steps=20)], "cpu", progress=False)
    assert [run.steps for run in found] == [40, 40, 40]
    assert len(trainings) == 1


def test_a_source_that_went_on_is_none_for_those_who_start_earlier(empty, tiny, tiny_run, no_training):
    empty.put(tiny_run)
    heir = tiny("a-b", source=tiny(max_steps=20), transplant=EMBEDDING)
    assert heir.source in empty
    assert heir.source not in empty.sources
    with pytest.raises(FileExistsError, match="or has those of a later step"):
        empty.ensure(heir, "cpu", progress=False)


def test_a_process_that_dies_while_a_run_gives_way_to_itself_loses_nothing(empty, tiny, tiny_run, monkeypatch):
    empty.put(tiny_run)
    further = train([tiny(max_steps=40)], "cpu", progress=False)[0]
    with monkeypatch.context() as context:
        fail_at_call(context, Path, "rename", 2, SystemExit)
        with pytest.raises(SystemExit):
            empty.put(further)
    assert tiny() not in empty
    empty.check()
    assert_same_run(empty.get(tiny()), tiny_run)
    empty.put(further)
    assert empty.get(tiny()).steps == 40


def test_memory_keeps_runs_as_folders_do(tiny, tiny_run):
    store = MemoryStore()
    assert isinstance(store, Store)
    assert isinstance(RunStore("nowhere"), Store)
    heir = tiny("a-b", source=tiny(), transplant=EMBEDDING)
    first, second = ensure([tiny(), heir], "cpu", store=store, progress=False)
    assert_same_run(first, tiny_run)
    assert (heir in store, tiny() in store.sources, tiny(max_steps=20) in store) == (True, True, True)
    assert tiny(max_steps=20) not in store.sources
    assert ensure(heir, "cpu", store=store, progress=False)[0] is second
    with pytest.raises(KeyError, match="no stored run"):
        store.get(tiny(seed=9))


def test_a_run_is_judged_by_the_rule_that_is_asked_for(empty, grokked_run):
    empty.put(grokked_run)
    strict = replace(grokked_run.config, grok_accuracy=1.0, sustain=grokked_run.steps, max_steps=10)
    for found in (empty.get(strict), *empty.ensure(strict, "cpu", progress=False)):
        assert found.config.rule == strict.rule
        assert (found.grok_step, found.steps, found.config.name) == (None, grokked_run.steps, grokked_run.config.name)
    assert empty.get(grokked_run.config).grok_step == grokked_run.grok_step


def test_a_longer_run_that_cannot_be_written_is_no_stored_run(empty, tiny, tiny_run, monkeypatch):
    empty.put(tiny_run)
    (further,) = train([tiny(max_steps=40)], "cpu", progress=False)

    def full(*_, **__):
        raise OSError("no space left on device")

    with monkeypatch.context() as context:
        context.setattr("grokbook.runs.tables.pq.write_table", full)
        with pytest.raises(OSError, match="cannot store"):
            empty.put(further)
    assert_same_run(empty.get(tiny()), tiny_run)


def test_of_configs_that_are_each_stored_nothing_is_trained(empty, grokked_run, trainings):
    empty.put(grokked_run)
    short = replace(grokked_run.config, max_steps=grokked_run.grok_step, tail=400)
    found = empty.ensure([grokked_run.config, short], "cpu", progress=False)
    assert [run.steps for run in found] == [grokked_run.steps] * 2
    assert trainings == []


def test_to_read_a_published_run_leaves_the_state_of_its_retraining(tmp_path, tiny, tiny_run):
    published, mine = tmp_path / "published", RunStore(tmp_path / "mine", [tmp_path / "published"])
    publish.publish(tiny_run, published)
    mine.states.mkdir(parents=True)
    state = mine.states / f"{tiny().former_name}.safetensors"
    state.touch()
    mine.ensure(tiny(), "cpu", progress=False)
    assert state.exists()


def test_of_two_places_the_run_that_went_further_is_listed(tmp_path, tiny, tiny_run):
    (shorter,) = train([tiny(max_steps=10)], "cpu", progress=False)
    for first, second, place in ((tiny_run, shorter, "published"), (shorter, tiny_run, "mine")):
        root = tmp_path / place
        RunStore(root / "published").put(first)
        RunStore(root / "mine").put(second)
        listed = list(RunStore(root / "mine", [root / "published"]).folders())
        assert listed == [root / place / tiny().name]


def test_a_run_that_another_process_stores_meanwhile_is_no_obstacle(empty, tiny, tiny_run, monkeypatch):
    """Between looking for what is missing and asking whether it could be stored."""
    check = RunStore.check

    def late(store, starts=()):
        empty.put(tiny_run)
        check(store, starts)

    monkeypatch.setattr(RunStore, "check", late)
    assert [run.steps for run in empty.ensure([tiny(), tiny(max_steps=10)], "cpu", progress=False)] == [30, 30]
