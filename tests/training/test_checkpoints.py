import os
from dataclasses import replace

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from same import assert_same_run, fingerprint
from schedule import walk

from grokbook import runs, train
from grokbook.fourier import measures
from grokbook.runs import grokking, verify
from grokbook.runs.initial import initial_weights
from grokbook.runs.run import DamagedRun
from grokbook.training import checkpoints
from grokbook.training.checkpoints import Checkpoints, State
from grokbook.training.engine import Stack
from grokbook.training.record import Record, observe


@pytest.fixture
def states(tmp_path) -> Checkpoints:
    return Checkpoints(tmp_path / "states")


def trained_to(config, last: int) -> tuple[int, dict[str, torch.Tensor], Record]:
    """What is saved of a run that has come so far."""
    stack, record = Stack([config], [initial_weights(config, {})], torch.device("cpu")), Record(config)
    for step in (step for step in walk(config.eval_every, last) if step <= last):
        stack.advance(step - stack.steps[0])
        record.add(step, observe(stack, [0])[0])
    return last, stack.state(0), record


def assert_same_state(found: State | None, step: int, tensors: dict[str, torch.Tensor], record: Record) -> None:
    assert found is not None
    assert found.step == step
    assert found.tensors.keys() == tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items())
    assert found.record.history == record.history
    assert all(map(torch.equal, found.record.to_spectra(), record.to_spectra()))
    assert (found.record.seconds, found.record.started) == (record.seconds, record.started)


def test_what_is_saved_is_loaded(states, tiny):
    saved = trained_to(tiny(), 20)
    saved[2].seconds = 1 / 3
    states.save(tiny(), *saved)
    assert_same_state(states.load(tiny()), *saved)
    later = trained_to(tiny(), 30)
    states.save(tiny(), *later)
    assert_same_state(states.load(tiny()), *later)
    assert [file.name for file in states.folder.iterdir()] == [f"{tiny().former_name}.safetensors"]


@pytest.mark.parametrize("change", ["one more", "one less"])
def test_a_state_from_before_measures_changed_is_gone_on_from(states, tiny, tiny_run, request, monkeypatch, change):
    states.save(tiny(), *trained_to(tiny(), 10))
    if change == "one more":
        request.getfixturevalue("toy_measure")
    else:
        monkeypatch.setattr(measures, "MEASURES", measures.MEASURES[1:])
    (run,) = train([tiny()], "cpu", checkpoints=states.folder, progress=False)
    kept = [name for name in tiny_run.history if name in run.history]
    pd.testing.assert_frame_equal(run.history[kept], tiny_run.history[kept])
    assert verify.problems(run) == []
    if change == "one more":
        assert run.history["flatness_embedding"].notna().tolist() == (run.history["step"] > 10).tolist()
        altered = run.history.assign(flatness_embedding=run.history["flatness_embedding"] + 0.01)
        assert verify.problems(replace(run, history=altered))
    else:
        assert set(tiny_run.history) - set(kept) == {"ffs_embedding", "ffs_neuron_logit"}


def test_a_measure_younger_than_every_row_is_left_out(states, tiny, request):
    states.save(tiny(), *trained_to(tiny(), 30))
    request.getfixturevalue("toy_measure")
    (run,) = train([tiny()], "cpu", checkpoints=states.folder, progress=False)
    assert "flatness_embedding" not in run.history
    assert verify.problems(run) == []


def test_nothing_is_found_where_nothing_was_saved(states, tiny):
    assert states.load(tiny()) is None
    assert not states.folder.exists()
    states.save(tiny(), *trained_to(tiny(), 1))
    assert states.load(tiny(seed=1)) is None
    assert states.load(tiny(max_steps=99)) is None, "the state of a run in progress is its own"


def test_a_run_that_grokked_leaves_nothing(states, tiny):
    states.save(tiny(max_steps=5), *trained_to(tiny(max_steps=5), 5))
    states.close(tiny(max_steps=5), 5, keep=True)
    states.save(tiny(), *trained_to(tiny(), 10))
    states.close(tiny(), 30, keep=False)
    assert list(states.folder.iterdir()) == []
    states.close(tiny(), 30, keep=False)
    states.close(tiny(), 30, keep=True)


def test_the_state_of_a_run_that_its_budget_ended_is_for_larger_ones_only(states, tiny):
    ended = trained_to(tiny(max_steps=20), 20)
    states.save(tiny(max_steps=20), *ended)
    states.close(tiny(max_steps=20), 20, keep=True)
    for larger in (tiny(), tiny(max_steps=20), tiny(max_steps=99, tail=20), tiny(grok_accuracy=0.5)):
        assert_same_state(states.load(larger), *ended)
    for other in (tiny(max_steps=19), tiny(seed=1), tiny(lr=1e-3), tiny(eval_every=20)):
        assert states.load(other) is None


def test_a_state_that_has_come_further_than_the_config_would_is_none(states, tiny, grokked_run):
    """Else a run would depend on what was trained before it."""
    config, grok_step = grokked_run.config, grokked_run.grok_step
    patient = replace(config, max_steps=grok_step + 90, tail=500)
    states.save(patient, *trained_to(patient, patient.max_steps))
    states.close(patient, patient.max_steps, keep=True)
    assert config.tail == 50
    assert states.load(config) is None
    assert states.load(replace(config, tail=100)).step == patient.max_steps
    (alone,) = train([config], "cpu", progress=False)
    (after,) = train([config], "cpu", checkpoints=states.folder, progress=False)
    assert_same_run(after, alone)


def test_a_damaged_state_for_larger_budgets_costs_no_run(states, tiny):
    states.save(tiny(max_steps=10), *trained_to(tiny(max_steps=10), 10))
    states.close(tiny(max_steps=10), 10, keep=True)
    (file,) = states.folder.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=f"not used: the checkpoint {file} cannot be read"):
        assert states.load(tiny()) is None


def test_the_state_that_has_come_furthest_is_kept(states, tiny):
    far, near = trained_to(tiny(max_steps=20), 20), trained_to(tiny(max_steps=10), 10)
    states.save(tiny(max_steps=20), *far)
    states.close(tiny(max_steps=20), 20, keep=True)
    for keep in (True, False):
        states.save(tiny(max_steps=10), *near)
        states.close(tiny(max_steps=10), 10, keep=keep)
        assert_same_state(states.load(tiny()), *far)
        assert len(list(states.folder.iterdir())) == 1


def test_a_state_of_one_s_own_goes_first(states, tiny):
    states.save(tiny(max_steps=10), *trained_to(tiny(max_steps=10), 10))
    states.close(tiny(max_steps=10), 10, keep=True)
    own = trained_to(tiny(), 20)
    states.save(tiny(), *own)
    assert_same_state(states.load(tiny()), *own)


def test_an_evaluation_that_only_the_smaller_budget_asked_for_is_forgotten(states, tiny):
    states.save(tiny(max_steps=17), *trained_to(tiny(max_steps=17), 17))
    states.close(tiny(max_steps=17), 17, keep=True)
    assert not grokking.evaluates(17, 10)
    state = states.load(tiny())
    assert (state.step, state.record.step) == (17, max(step for step in walk(10, 30) if step < 17))


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("where", ["save_tensors", "replace"])
def test_a_save_that_fails_leaves_the_last_state(states, tiny, monkeypatch, error, where):
    good = trained_to(tiny(), 10)
    states.save(tiny(), *good)
    before = fingerprint(states.folder)
    owner = {"save_tensors": runs, "replace": os}[where]
    function = getattr(owner, where)

    def fail(*arguments):
        if where == "save_tensors":
            function(*arguments)
        raise error

    with monkeypatch.context() as context:
        context.setattr(owner, where, fail)
        with pytest.raises(type(error)):
            states.save(tiny(), *trained_to(tiny(), 20))
    assert fingerprint(states.folder) == before
    assert_same_state(states.load(tiny()), *good)


def test_what_a_killed_process_was_writing_goes_with_the_state(states, tiny):
    states.save(tiny(), *trained_to(tiny(), 10))
    unfinished = states.folder / f"{tiny().former_name}.12345.tmp"
    others = states.folder / f"{tiny(seed=1).former_name}.12345.tmp"
    for file in (unfinished, others):
        file.write_bytes(b"half a st")
    assert states.load(tiny()).step == 10
    states.close(tiny(), 30, keep=False)
    assert list(states.folder.iterdir()) == [others]


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.7, 0.9, 0.9999])
def test_one_flipped_bit_is_noticed(states, tiny, place):
    states.save(tiny(), *trained_to(tiny(), 10))
    (file,) = states.folder.iterdir()
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedRun, match="delete it to train this run from its start") as error:
        states.load(tiny())
    assert str(file) in str(error.value)


@pytest.mark.parametrize("change", ["another step", "another name", "no metadata", "no history", "no checksum"])
def test_a_state_is_what_its_checksum_says(states, tiny, change):
    states.save(tiny(), *trained_to(tiny(), 10))
    (file,) = states.folder.iterdir()
    tensors = load_file(file)
    with safe_open(file, framework="pt") as opened:
        facts = opened.metadata()
    match change:
        case "another step":
            facts["step"] = "11"
        case "another name":
            tensors["weight"] = tensors.pop("weights")
        case "no metadata":
            facts = None
        case "no history":
            del tensors["history.train_loss"]
            facts = {name: value for name, value in facts.items() if name != "sha256"}
            facts["sha256"] = checkpoints._sha256(tensors, facts)
        case "no checksum":
            del facts["sha256"]
    save_file(tensors, file, facts)
    with pytest.raises(DamagedRun, match="cannot be read"):
        states.load(tiny())
    assert checkpoints.damaged(file, "why").args[0].startswith(f"the checkpoint {file} cannot be read (why)")
