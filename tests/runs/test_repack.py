import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import processes
import pytest
import torch
from processes import Child
from same import assert_same_run, fingerprint
from seals import as_of_old

from grokbook import RunStore, data, model, runs
from grokbook.errors import DamagedRun
from grokbook.runs import repack, tables, verify
from grokbook.runs.run import CONFIG, HISTORY, MAPS, PROVENANCE, SPECTRA, WEIGHTS


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


@pytest.fixture
def old(store, tiny_mixture):
    folder = store.put(tiny_mixture)
    as_of_old(folder, tiny_mixture)
    return folder


def test_a_folder_of_the_first_form_is_read(old, tiny_mixture):
    assert_same_run(runs.read(old), tiny_mixture)


def test_a_run_written_anew_has_the_files_of_today_and_every_bit(old, store, tiny_mixture):
    before = {name: (old / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    assert repack.repack(old)
    assert {path.name for path in old.iterdir()} == {CONFIG, HISTORY, SPECTRA, MAPS, WEIGHTS, PROVENANCE}
    assert set(json.loads((old / PROVENANCE).read_text())["sha256"]) == {path.name for path in old.iterdir()}
    assert {name: (old / name).read_bytes() for name in before} == before
    again = runs.read(old)
    assert_same_run(again, tiny_mixture)
    assert again.provenance == tiny_mixture.provenance
    assert [*store.path.iterdir()] == [old]


def test_a_second_time_there_is_nothing_to_do(old, store):
    repack.repack(old)
    before = fingerprint(store.path), old.stat().st_mtime_ns
    assert not repack.repack(old)
    assert (fingerprint(store.path), old.stat().st_mtime_ns) == before


@pytest.mark.parametrize(("maps", "left"), [("last", {SPECTRA, MAPS}), ("none", {SPECTRA})])
def test_parts_that_no_page_needs_may_be_left_out(old, tiny_mixture, maps, left):
    repack.repack(old, maps=maps, weights=False)
    found = runs.read(old)
    assert {path.name for path in old.iterdir()} == {CONFIG, HISTORY, PROVENANCE} | left
    assert not found.has_weights
    assert torch.equal(found.spectra.embedding, tiny_mixture.spectra.embedding)
    assert torch.equal(
        found.spectra.logits, tiny_mixture.spectra.logits[-1:] if maps == "last" else found.spectra.logits
    )
    assert len(found.provenance["left_out"]) == 2
    assert not repack.repack(old, maps=maps, weights=False)
    assert verify.problems(found) == []


def test_answers_stand_in_for_weights(old, tiny_mixture):
    repack.repack(old, weights=False, answers=True)
    found = runs.read(old)
    assert not found.has_weights
    assert found.has_answers
    config = tiny_mixture.config
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed)
    for answers, tokens in zip(found.answers, table.tokens, strict=True):
        assert torch.equal(answers, model.textbook_logits(tiny_mixture.weights, tokens)[0].argmax(-1).short())
    assert not repack.repack(old, weights=False, answers=True)
    assert verify.problems(found) == []
    altered = replace(found, kept_answers=(found.answers + 1) % config.p)
    (*told,) = (problem.partition(" is ")[0] for problem in verify.problems(altered))
    assert told
    assert all("accuracy" in name for name in told)


def test_what_does_not_come_back_the_same_changes_nothing(old, store, monkeypatch):
    before, write = fingerprint(store.path), tables.write

    def rounded(columns, path):
        write({name: column + np.zeros(1, column.dtype) for name, column in columns.items()}, path)  # −0.0 becomes 0.0

    run = runs.read(old)
    run.spectra.embedding[0, 0] = -0.0
    monkeypatch.setattr(tables, "write", rounded)
    shutil.rmtree(old)
    old.mkdir()
    runs.save_tensors(run.weights._asdict(), old / WEIGHTS)
    (old / CONFIG).write_text(json.dumps(run.config.to_dict()))
    as_of_old(old, run)
    before = fingerprint(store.path)
    with pytest.raises(OSError, match="would not come back the same: embedding"):
        repack.repack(old)
    assert fingerprint(store.path) == before


def test_a_damaged_run_stays_as_it_is(old, store):
    (old / HISTORY).write_bytes(b"")
    before = fingerprint(store.path)
    with pytest.raises(DamagedRun):
        repack.repack(old)
    assert fingerprint(store.path) == before


@pytest.mark.parametrize(
    ("name", "call", "when"),
    [
        ("write_table", 2, "in the middle"),
        *(("rename", call, when) for call in (1, 2) for when in ("before", "after")),
        *(("rmtree", call, when) for call in (1, 2) for when in ("before", "after")),
    ],
)
def test_a_process_that_is_killed_loses_nothing(old, store, tiny_mixture, name, call, when):
    with Child(processes.repack_and_die, old, name, call, when) as child:
        assert child.end() == -signal.SIGKILL
    repack.repack(old)
    assert [*store.path.iterdir()] == [old]
    assert_same_run(runs.read(old), tiny_mixture)
