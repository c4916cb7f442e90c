"""Real processes that are killed, robbed of space, or in each other's way."""

import json
import random
import shutil
import signal
import time
import warnings
from dataclasses import replace
from pathlib import Path

import processes
import pytest
from processes import Child, SmallDisk
from same import assert_same_run, fingerprint
from seals import reseal

from grokbook import DamagedRun, Run, RunStore, train
from grokbook.runs import store
from grokbook.runs.run import CONFIG, HISTORY, SPECTRA, WEIGHTS
from grokbook.training import stopping
from grokbook.training.checkpoints import Checkpoints


def in_progress(store: RunStore) -> set[str]:
    """Names of the states and unfinished files of a store."""
    return {file.name for file in store.states.iterdir() if file.suffix != ".lock"}


# --- killed ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_run(tiny) -> Run:
    return train([tiny(max_steps=300, sustain=300, tail=300)], "cpu", progress=False)[0]


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_was(mine, long_run):
    config, states, step = long_run.config, Checkpoints(mine.states), 0
    for _ in range(3):
        with Child(processes.ensure, mine.path, config) as child:
            said = [child.hear() for _ in range(random.randrange(3, 20))]
            child.kill()
            said += child.hear_all()  # what it did meanwhile
        assert ("begins", step) in said
        state = states.load(config)
        assert state is not None
        step = state.step
        assert step >= max(step for kind, step in said if kind == "saved")
    with Child(processes.ensure, mine.path, config) as child:
        assert ("begins", step) in child.hear_all()
        assert child.end() == 0
    assert_same_run(mine.get(config), long_run)
    assert in_progress(mine) == {f"ended-{config.hash}.safetensors"}


@pytest.mark.parametrize(
    ("name", "call", "when"),
    [
        ("save_file", 3, "before"),
        ("save_file", 3, "in the middle"),
        ("replace", 3, "before"),
        ("replace", 3, "after"),
        ("write_table", 1, "in the middle"),
        ("rename", 1, "before"),
        ("rename", 1, "after"),
    ],
)
def test_a_run_that_is_killed_while_it_is_written_is_whole_or_absent(mine, tiny_run, name, call, when):
    config = tiny_run.config
    with Child(processes.die_at, mine.path, config, name, call, when) as child:
        assert child.end() == -signal.SIGKILL
    assert [folder.name for folder in mine.folders()] == ([config.name] if (name, when) == ("rename", "after") else [])
    assert in_progress(mine), "something was lost"
    assert_same_run(mine.ensure([config], "cpu", progress=False)[0], tiny_run)
    assert_same_run(mine.get(config), tiny_run)
    assert not [name for name in in_progress(mine) if name.endswith(".tmp")]


@pytest.mark.parametrize(
    ("name", "call", "when"),
    [
        *(("rename", call, when) for call in (1, 2) for when in ("before", "after")),
        *(("rmtree", 1, when) for when in ("before", "after")),
    ],
)
def test_a_run_that_is_killed_while_it_takes_the_place_of_a_shorter_one_loses_nothing(mine, tiny_run, name, call, when):
    config = tiny_run.config
    mine.ensure([replace(config, max_steps=5)], "cpu", progress=False)
    with Child(processes.die_at, mine.path, config, name, call, when) as child:
        assert child.end() == -signal.SIGKILL
    mine.check()
    assert [folder.name for folder in mine.folders()] == [config.name]
    assert_same_run(mine.ensure([config], "cpu", progress=False)[0], tiny_run)


# --- two at once ----------------------------------------------------------------------------------


def test_of_two_processes_one_trains_and_both_have_the_run(mine, tiny_run):
    config = tiny_run.config
    with Child(processes.ensure_and_tell, mine.path, True, config) as first:
        assert first.hear() == ("trains", config.label)
        with Child(processes.ensure_and_tell, mine.path, False, config) as second:
            first.tell()
            expected = ("returns", [processes.digest(tiny_run)])
            assert second.hear() == first.hear() == expected


def test_two_processes_share_the_work(mine, tiny):
    configs = [tiny(seed=seed) for seed in range(4)]
    with (
        Child(processes.ensure_and_tell, mine.path, True, *configs) as first,
        Child(processes.ensure_and_tell, mine.path, False, *configs) as second,
    ):
        assert first.hear()[0] == "trains"  # and stops there until it is told
        trained = [second.hear() for _ in configs[1:]]
        assert {kind for kind, _ in trained} == {"trains"}
        for _ in configs:
            first.tell()
        (returned,), (also_returned,) = first.hear_all(), second.hear_all()
    assert returned == also_returned
    assert len(returned[1]) == len(set(returned[1])) == 4


def test_a_process_that_waits_goes_on_where_a_killed_one_was(mine, tiny_run):
    config = tiny_run.config
    with Child(processes.ensure_and_tell, mine.path, True, config) as first:
        assert first.hear() == ("trains", config.label)
        with Child(processes.ensure_and_tell, mine.path, False, config) as second:
            first.kill()
            assert second.hear() == ("trains", config.label)
            assert second.hear() == ("returns", [processes.digest(tiny_run)])


# --- damaged files --------------------------------------------------------------------------------


def command(store: RunStore, *arguments: str, job=processes.command) -> tuple[int, str]:
    """The exit code of a command and its output."""
    output = store.path.parent / "output.txt"
    output.unlink(missing_ok=True)
    with Child(job, output, store.path, *arguments) as child:
        code = child.end()
    return code, output.read_text()


def test_every_kind_of_damage_is_named_and_the_rest_of_the_store_goes_on(
    mine, tiny, tiny_run, tiny_mixture, tiny_transfer, grokked_run
):
    renamed = tiny_run.config.name.replace("s0", "s9")
    damaged = {}
    for run, file, problem in (
        (tiny_mixture, SPECTRA, "checksum"),
        (tiny_transfer, WEIGHTS, "checksum"),
        (grokked_run, HISTORY, "missing"),
    ):
        damaged[mine.put(run) / file] = problem
    truncated, flipped, missing = damaged
    truncated.write_bytes(truncated.read_bytes()[:-1])
    content = bytearray(flipped.read_bytes())
    content[-1] ^= 0b100
    flipped.write_bytes(content)
    missing.unlink()
    mine.put(tiny_run).rename(mine.path / renamed)  # under another's name
    damaged[mine.path / renamed / CONFIG] = f"the folder should be named {tiny_run.config.name}"
    other_schema = mine.put(train([tiny("a*b", max_steps=1)], "cpu", progress=False)[0])
    (other_schema / CONFIG).write_text(json.dumps({"operations": ["ab"], "modulus": 7}))
    reseal(other_schema)
    damaged[other_schema / CONFIG] = "unknown fields in a config: modulus"
    mine.put(tiny_run)

    for arguments in (("runs", "verify"), ("runs", "list")):
        code, said = command(mine, *arguments)
        assert code == 1
        for file, problem in damaged.items():
            (line,) = [line for line in said.splitlines() if str(file) in line]
            assert problem in line
        assert tiny_run.config.hash[:8] in said
        assert "Traceback" not in said
    code, said = command(mine, "runs", "verify")
    assert said.splitlines()[-1] == "1 runs agree with their history, 5 do not"

    wanted = [tiny_run.config, tiny(seed=2, max_steps=2)]
    assert [run.config for run in mine.ensure(wanted, "cpu", progress=False)] == wanted
    with pytest.raises(DamagedRun, match="delete it to have"):
        mine.ensure([tiny_mixture.config], "cpu")
    shutil.rmtree(truncated.parent)
    assert_same_run(mine.ensure([tiny_mixture.config], "cpu", progress=False)[0], tiny_mixture)


# --- a store that cannot be written to ------------------------------------------------------------

QUICK = ("--p", "5", "--fraction", "0.5", "--max-steps", "100", "--device", "cpu")


@pytest.mark.parametrize("arguments", [("train", "a+b"), ("sweep", "elementary", "--workers", "1")])
def test_a_read_only_folder_is_refused_before_any_training(mine, tiny_run, arguments):
    mine.put(tiny_run)
    mine.states.mkdir()
    before = fingerprint(mine.path)
    mine.path.chmod(0o555)
    try:
        code, said = command(mine, *arguments, *QUICK, job=processes.command_without_privileges)
    finally:
        mine.path.chmod(0o755)
    assert code == 2
    assert said.splitlines()[-1] == f"grokbook: cannot write to the store {mine.path}: Permission denied"
    assert len(said.splitlines()) <= 2
    assert fingerprint(mine.path) == before


def fill_the_disk(say, folder: Path, stored: Run, config) -> None:
    """Run out of space in the middle of a run, and go on when there is some again."""
    disk, mine = SmallDisk(folder), RunStore(folder)
    if disk.mounted:
        try:
            mine.ensure([config], "cpu", progress=False)
        except OSError as error:
            say(("refused", str(error)))
    store.RUN_BYTES = 10_000  # so that it begins nevertheless
    processes.save_often(say)
    mine.put(stored)
    before = {name: digest for name, digest in fingerprint(mine.path).items() if not name.startswith(".in-progress")}
    with processes.filled_after(disk, saves=5), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            mine.ensure([config], "cpu", progress=False)
        except OSError as error:
            say(("error", str(error)))
        after = fingerprint(mine.path)
        say(("intact", before.items() <= after.items()))
        say(("new", sorted(name for name in after.keys() - before.keys() if not name.startswith(".in-progress"))))
    say(("warned", [str(warning.message) for warning in warned]))
    say(("says", disk.says))
    processes.save_often(say)
    say(("returns", processes.digest(mine.ensure([config], "cpu", progress=False)[0])))
    say(("stored", processes.digest(mine.get(config))))


def test_a_full_disk_leaves_the_store_as_it_was_and_the_run_at_its_last_state(tmp_path, tiny_run, tiny_mixture):
    with Child(fill_the_disk, tmp_path, tiny_mixture, tiny_run.config) as child:
        said = child.hear_all()
        assert child.end() == 0
    facts = dict(said)
    if "refused" in facts:
        assert facts["refused"] == f"cannot write to the store {tmp_path}: No space left on device"
        assert said[0][0] == "refused", "before any training"
    label, steps = tiny_run.config.label, [step for kind, step in said if kind == "saved"]
    assert facts["error"].startswith(f"cannot store {label}: ")
    assert facts["says"] in facts["error"]
    assert facts["intact"] is True
    assert set(facts["new"]) <= {"full"}
    assert facts["warned"], "states could not be saved, and nobody was told"
    assert all(f"the state of {label} could not be saved: " in warning for warning in facts["warned"])
    assert [step for kind, step in said if kind == "begins"] == [0, steps[4]], "not from the last state"
    assert facts["returns"] == facts["stored"] == processes.digest(tiny_run)


# --- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", stopping.SIGNALS, ids=lambda number: number.name)
def test_a_signal_saves_the_state_at_once_and_the_next_call_goes_on(mine, tmp_path, number):
    """A minute of work, which states are saved after, is all that a small run takes."""
    arguments = (tmp_path / "output.txt", mine.path, "train", "a+b", *QUICK[:-2], "--max-steps", "100000")
    with Child(processes.patient_command, *arguments) as child:
        assert child.hear() == ("begins", 0)
        time.sleep(1)
        child.signal(number)
        assert child.end() == 128 + number
        assert "saved" in {what for what, _ in child.hear_all()}
    said = (tmp_path / "output.txt").read_text()
    assert "interrupted with 1 of 1 runs still to train" in said
    assert "Traceback" not in said
    (state,) = mine.states.glob("*.safetensors")
    with Child(processes.patient_command, *arguments) as child:
        what, step = child.hear()
        assert (what, step > 100) == ("begins", True)
        assert state.exists()


def test_ctrl_c_ends_with_130_and_the_next_call_goes_on(mine, tmp_path):
    arguments = (tmp_path / "output.txt", mine.path, "train", "a+b", *QUICK)
    with Child(processes.command, *arguments) as child:
        assert [child.hear() for _ in range(3)] == [("saved", 0), ("begins", 0), ("saved", 1)]
        child.signal(signal.SIGINT)
        assert child.end() == 130
        step = max([1, *(step for _, step in child.hear_all())])
    said = (tmp_path / "output.txt").read_text()
    assert "interrupted with 1 of 1 runs still to train" in said
    assert said.strip().endswith("repeat the command to go on.")
    assert "Traceback" not in said
    assert list(mine.folders()) == []
    with Child(processes.command, *arguments) as child:
        assert ("begins", step) in child.hear_all()
        assert child.end() == 0
    (folder,) = mine.folders()
    assert f"stored in {folder}" in (tmp_path / "output.txt").read_text()
