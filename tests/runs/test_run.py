import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from same import assert_same_run
from seals import as_of_old, reseal

from grokbook import Run, RunConfig, runs, train
from grokbook.errors import WeightsMissing
from grokbook.fourier.layers import LAYERS
from grokbook.runs import disk, tables
from grokbook.runs.run import CONFIG, HISTORY, MAPS, OLD_SPECTRA, PROVENANCE, SPECTRA, WEIGHTS, DamagedRun

FILES = (CONFIG, HISTORY, SPECTRA, MAPS, WEIGHTS, PROVENANCE)


@pytest.fixture
def folder(tmp_path, tiny_run):
    path = tmp_path / tiny_run.config.name
    path.mkdir()
    runs.write(tiny_run, path)
    return path


def assert_damaged(folder, file, problem=""):
    with pytest.raises(DamagedRun) as error:
        runs.read(folder)
    assert str(error.value).startswith(f"{folder / file}: "), error.value
    assert problem in str(error.value)
    assert str(error.value).endswith("; restore the folder, or delete it to have the run trained anew")


def test_a_run_is_six_files(folder):
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert set(json.loads((folder / PROVENANCE).read_text())["sha256"]) == set(FILES)


def test_read_gives_back_what_was_written(tmp_path, tiny_run, tiny_mixture, tiny_transfer, tiny_table):
    for run in (tiny_run, tiny_mixture, tiny_transfer, tiny_table):
        path = tmp_path / run.config.name
        path.mkdir()
        runs.write(run, path)
        again = runs.read(path)
        assert_same_run(again, run)
        assert again.provenance == run.provenance


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_read_at_its_end_or_at_any_recorded_times(tiny_run, layer):
    rows = getattr(tiny_run.spectra, layer)
    assert len(rows) > 2
    assert torch.equal(tiny_run.spectrum(layer).to_rows(), rows[-1])
    assert torch.equal(tiny_run.spectrum(layer, 0).to_rows(), rows[0])
    for times in ([0, -1], slice(None), tiny_run.spectra.step > 0):
        assert torch.equal(tiny_run.spectrum(layer, times).to_rows(), rows[times])


def test_the_config_and_the_provenance_are_readable_json(folder, tiny_run):
    assert json.loads((folder / CONFIG).read_text()) == tiny_run.config.to_dict()
    assert json.loads((folder / PROVENANCE).read_text())["torch"] == torch.__version__


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    assert_damaged(folder, file, "missing")


@pytest.mark.parametrize("file", FILES)
def test_a_truncated_file_is_named(folder, file):
    content = (folder / file).read_bytes()
    for length in (0, len(content) // 2):
        (folder / file).write_bytes(content[:length])
        assert_damaged(folder, file)


@pytest.mark.parametrize("file", [CONFIG, HISTORY, SPECTRA, MAPS, WEIGHTS])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_one_flipped_bit_is_noticed(folder, file, place):
    content = bytearray((folder / file).read_bytes())
    content[int(place * len(content))] ^= 1
    (folder / file).write_bytes(content)
    assert_damaged(folder, file, "checksum")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "{}", '{"sha256": 3}', '{"sha256": {}}', "\xff"])
def test_a_provenance_without_checksums_is_refused(folder, text):
    (folder / PROVENANCE).write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedRun, match=folder.name.replace("+", r"\+")):
        runs.read(folder)


def test_a_renamed_folder_is_refused(folder):
    renamed = folder.rename(folder.with_name("another-run"))
    assert_damaged(renamed, CONFIG, f"should be named {folder.name}")


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "null",
        "[]",
        '"a+b"',
        "{}",
        '{"operations": ["a+b"], "colour": 1}',
        '{"operations": ["a;b"]}',
        '{"operations": ["a+b"], "p": 91}',
        '{"operations": ["a+b"], "p": Infinity}',
        '{"operations": ["a+b"], "lr": null}',
        '{"operations": ["a+b"], "source": 3, "transplant": ["W_E"]}',
        '{"operations": "a+b"}',
        "[" * 100_000,
        '{"a": ' * 100_000,
        '{"operations": ["a+b"], "fraction": 1' + "0" * 400 + "}",
        '{"operations": ["a+b"], "p": 1' + "0" * 5000 + "}",
        '{"source": ' * 900 + "null" + "}" * 900,
        '{"operations": ["a+b"], "source": ' * 900 + "null" + "}" * 900,
        " " * (disk.LARGEST_JSON + 1),
    ],
    ids=lambda text: text[:40],
)
def test_a_config_that_is_none_is_refused_even_with_its_checksum(folder, text):
    (folder / CONFIG).write_text(text)
    reseal(folder)
    assert_damaged(folder, CONFIG)


def test_the_config_of_another_run_is_refused_even_with_its_checksum(folder, tiny):
    (folder / CONFIG).write_text(json.dumps(tiny(seed=5).to_dict()))
    reseal(folder)
    assert_damaged(folder, CONFIG, tiny(seed=5).name)


def test_a_run_on_a_table_is_trained_again_from_its_folder_alone(tmp_path, tiny_table, division):
    path = tmp_path / tiny_table.config.name
    path.mkdir()
    runs.write(tiny_table, path)
    config = runs.read(path).config
    assert config.parsed_operations[1] == division
    (again,) = train([config], "cpu", progress=False)
    assert_same_run(again, tiny_table)
    assert f"ab-{division.digest[:8]}-p7" in path.name


@pytest.mark.parametrize("labels", ["AQ", "no base64"])
def test_a_table_that_was_changed_is_refused_even_with_its_checksum(tmp_path, tiny_table, labels):
    path = tmp_path / tiny_table.config.name
    path.mkdir()
    runs.write(tiny_table, path)
    values = json.loads((path / CONFIG).read_text())
    values["operations"][1]["labels"] = labels + values["operations"][1]["labels"][len(labels) :]
    (path / CONFIG).write_text(json.dumps(values))
    reseal(path)
    assert_damaged(path, CONFIG)


@pytest.mark.parametrize("file", [HISTORY, SPECTRA, MAPS, WEIGHTS])
@pytest.mark.parametrize("content", [b"", b"PAR1 but no more", b"\x08\0\0\0\0\0\0\0{}      "])
def test_garbage_is_refused_even_with_its_checksum(folder, file, content):
    (folder / file).write_bytes(content)
    reseal(folder)
    assert_damaged(folder, file)


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("test_loss", lambda good: [*map(str, good)], "test_loss is string, not a number"),
        ("test_loss", lambda good: [None, *good[1:]], "test_loss has missing values"),
        ("test_loss", lambda good: [math.nan, *good[1:]], "test_loss has values that are not finite"),
        ("step", lambda good: good[::-1], "its steps do not rise"),
        ("step", lambda good: [good[0], *good[:-1]], "its steps do not rise"),
        ("step", lambda good: [-1, *good[1:]], "its steps do not rise"),
    ],
)
def test_a_history_of_something_else_is_refused_even_with_its_checksum(folder, column, values, problem):
    columns = {name: pa.array(each.tolist()) for name, each in pd.read_parquet(folder / HISTORY).items()}
    columns[column] = pa.array(values(columns[column].to_pylist()))
    pq.write_table(pa.table(columns), folder / HISTORY)
    reseal(folder)
    assert_damaged(folder, HISTORY, problem)


@pytest.mark.parametrize("file", [HISTORY, SPECTRA, MAPS])
def test_sixty_million_rows_are_refused_before_they_are_loaded(folder, file, monkeypatch):
    names = pq.read_schema(folder / file).names
    block = pa.table({name: np.zeros(1_000_000, np.int32) for name in names})
    with pq.ParquetWriter(folder / file, block.schema, compression="zstd") as writer:
        for _ in range(60):
            writer.write_table(block)
    reseal(folder)
    read = pq.read_table
    monkeypatch.setattr(pq, "read_table", lambda path: pytest.fail("loaded") if path.name == file else read(path))
    assert_damaged(folder, file, "60,000,000 rows")


def test_a_history_without_its_columns_or_rows_is_refused(folder):
    history = pd.read_parquet(folder / HISTORY)
    for altered, problem in (
        (history.drop(columns="test_loss"), "no column test_loss"),
        (history.iloc[:0], "no rows"),
    ):
        altered.to_parquet(folder / HISTORY, index=False)
        reseal(folder)
        assert_damaged(folder, HISTORY, problem)


def test_a_folder_of_the_first_form_is_read(folder, tiny_run):
    as_of_old(folder, tiny_run)
    assert_same_run(runs.read(folder), tiny_run)


@pytest.mark.parametrize("form", ["today's", "the old one's"])
def test_tensors_that_are_missing_or_too_many_are_refused(folder, tiny_run, form):
    file = WEIGHTS if form == "today's" else as_of_old(folder, tiny_run)
    tensors = load_file(folder / file)
    first = next(iter(tensors))
    for altered in ({k: v for k, v in tensors.items() if k != first}, tensors | {"more": torch.zeros(1)}):
        save_file(altered, folder / file)
        reseal(folder)
        assert_damaged(folder, file)


@pytest.mark.parametrize(
    ("file", "name", "alter"),
    [
        (WEIGHTS, "W_E", lambda t: t[1:]),
        (WEIGHTS, "W_Q", lambda t: t.flatten()),
        (WEIGHTS, "W_U", lambda t: t.T),
        (OLD_SPECTRA, "embedding", lambda t: t[:, 1:]),
        (OLD_SPECTRA, "neuron_logit", lambda t: t[1:]),
        (OLD_SPECTRA, "step", lambda t: t[1:]),
        (OLD_SPECTRA, "logits", lambda t: t[:, 0]),
        (OLD_SPECTRA, "logits_step", lambda t: t[0]),
    ],
)
def test_tensors_of_the_wrong_shape_are_refused(folder, tiny_run, file, name, alter):
    as_of_old(folder, tiny_run)
    tensors = load_file(folder / file)
    tensors[name] = alter(tensors[name]).contiguous()
    save_file(tensors, folder / file)
    reseal(folder)
    assert_damaged(folder, file)


@pytest.mark.parametrize(
    ("file", "alter", "problem"),
    [
        (SPECTRA, lambda rows: rows.drop(columns="neuron_logit"), "no column neuron_logit"),
        (SPECTRA, lambda rows: rows.iloc[1:], "its rows are not one for each place"),
        (SPECTRA, lambda rows: rows.sort_values("step"), "its rows are not one for each place"),
        (SPECTRA, lambda rows: rows.iloc[:0], "has shape"),
        (MAPS, lambda rows: rows.drop(columns="step"), "no column step"),
        (MAPS, lambda rows: rows.iloc[:-1], "its rows are not one for each place"),
        (MAPS, lambda rows: rows.assign(over_a=rows["over_b"]), "its rows are not one for each place"),
    ],
)
def test_a_table_that_is_not_of_the_run_is_refused(folder, file, alter, problem):
    alter(pd.read_parquet(folder / file)).to_parquet(folder / file, index=False)
    reseal(folder)
    assert_damaged(folder, file, problem)


def test_further_columns_are_no_damage(folder, tiny_run):
    for file in (HISTORY, SPECTRA, MAPS):
        pd.read_parquet(folder / file).assign(more=1).to_parquet(folder / file, index=False)
    reseal(folder)
    assert torch.equal(runs.read(folder).spectra.embedding, tiny_run.spectra.embedding)


def test_the_files_are_read_without_this_library(folder, tiny_mixture):
    path = folder.parent / tiny_mixture.config.name
    path.mkdir()
    runs.write(tiny_mixture, path)
    spectra, maps = pd.read_parquet(path / SPECTRA), pd.read_parquet(path / MAPS)
    recorded = tiny_mixture.spectra
    for layer in LAYERS:
        rows = spectra.pivot(index="step", columns="component", values=layer)
        assert np.array_equal(rows.index, recorded.step)
        assert np.array_equal(rows, getattr(recorded, layer))
    for (step, operation), norms in maps.groupby(["step", "operation"])["norm"]:
        time = recorded.logits_step.tolist().index(step)
        assert np.array_equal(norms.to_numpy(), recorded.logits[time, operation].flatten())


def test_any_other_bit_of_the_provenance_is_found(folder):
    before = (folder / PROVENANCE).read_bytes()
    for place in range(0, len(before), 7):
        flipped = bytearray(before)
        flipped[place] ^= 1
        (folder / PROVENANCE).write_bytes(flipped)
        try:
            changed = json.loads(flipped) != json.loads(before)  # else it is another kind of white space
        except ValueError:
            changed = True
        if changed:
            with pytest.raises(DamagedRun):
                runs.read(folder)


def test_a_provenance_without_its_own_checksum_is_refused(folder):
    facts = json.loads((folder / PROVENANCE).read_text())
    del facts["sha256"][PROVENANCE]
    (folder / PROVENANCE).write_text(json.dumps(facts))
    assert_damaged(folder, PROVENANCE, "checksum")


def test_all_files_have_the_mode_of_others(folder):
    """A colleague may read them where any file may be read."""
    plain = folder.parent / "plain"
    plain.touch()
    assert {path.stat().st_mode for path in folder.iterdir()} == {plain.stat().st_mode}


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_must_not_be_read_is_named(folder, file, monkeypatch):
    read = Path.read_bytes

    def refused(self):
        if self.name == file:
            raise PermissionError(13, "Permission denied")
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refused)
    monkeypatch.setattr(Path, "read_text", lambda self, *_: refused(self).decode())
    assert_damaged(folder, file, "Permission denied")


def test_weights_are_missed_if_the_provenance_promises_them_and_only_then(folder):
    (folder / WEIGHTS).unlink()
    assert_damaged(folder, WEIGHTS, "missing")
    facts = json.loads((folder / PROVENANCE).read_text())
    del facts["sha256"][WEIGHTS]
    (folder / PROVENANCE).write_text(json.dumps(facts))
    assert not runs.read(folder).has_weights


def test_weights_that_the_provenance_does_not_name_are_not_trusted(folder):
    facts = json.loads((folder / PROVENANCE).read_text())
    del facts["sha256"][WEIGHTS]
    (folder / PROVENANCE).write_text(json.dumps(facts))
    assert_damaged(folder, WEIGHTS, "checksum")


# --- what a run says about itself -----------------------------------------------------------------


def with_history(run: Run, **columns: list[float]) -> Run:
    table = {name: np.zeros(len(columns["step"])) for name in run.history.columns} | columns
    return replace(run, history=pd.DataFrame(table))


def test_steps_and_best_accuracy_come_from_the_history(tiny_run):
    run = with_history(tiny_run, step=[0, 10, 20, 30], test_accuracy=[0.1, 0.7, 0.9, 0.2])
    assert (run.steps, run.best_test_accuracy, run.grok_step) == (30, 0.9, None)


def test_the_grok_step_is_the_first_sustained_one(tiny_run):
    ones = [1.0] * 6
    accuracies = [0.0, 0.995, 0.5, 0.99, 0.992, 1.0]
    run = with_history(tiny_run, step=[0, 5, 10, 20, 25, 30], test_accuracy=accuracies, train_accuracy=ones)
    assert run.config.sustain == 10
    assert run.grok_step == 20


def test_in_a_mixture_the_worst_operation_counts(tiny_mixture):
    names = tiny_mixture.config.operations
    of_each = ("", *(f"[{name}]" for name in names))
    columns = {f"{part}_accuracy{of}": [1.0] * 4 for part in ("train", "test") for of in of_each}
    run = with_history(tiny_mixture, step=[0, 10, 20, 30], **columns)
    assert run.grok_step == 0
    columns[f"test_accuracy[{names[1]}]"] = [0.5, 0.5, 1.0, 1.0]
    assert with_history(tiny_mixture, step=[0, 10, 20, 30], **columns).grok_step == 20
    columns[f"train_accuracy[{names[2]}]"] = [0.5, 0.5, 0.5, 0.5]
    assert with_history(tiny_mixture, step=[0, 10, 20, 30], **columns).grok_step is None


def test_columns_per_operation_are_those_of_mixtures(tiny):
    assert runs.per_operation(tiny("a+b"), "test_loss") == []
    assert runs.per_operation(tiny("a+b", "b*a"), "test_loss") == ["test_loss[a+b]", "test_loss[ab]"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("file", "name", "shown"), [(MAPS, "norm", "logits"), (SPECTRA, "embedding", "embedding")])
def test_values_that_are_not_finite_are_refused_even_with_their_checksum(folder, value, file, name, shown):
    rows = pd.read_parquet(folder / file)
    rows.loc[3, name] = value
    tables.write({column: rows[column].to_numpy() for column in rows}, folder / file)
    reseal(folder)
    assert_damaged(folder, file, f"{shown} has values that are not finite")


def test_a_run_ends_at_its_budget_or_a_tail_beyond_its_grok_step(tiny):
    config = tiny(max_steps=100, tail=20, sustain=10)
    assert runs.ending(config, None) == runs.ending(config, 95) == 100
    assert runs.ending(config, 40) == 60


@pytest.mark.parametrize("tail", [1, 24, 25, 50])
def test_a_run_with_a_short_tail_ends_once_it_is_seen_to_have_grokked(tiny, tail):
    """So it does in training: the first evaluation 25 steps on or later is the last, unless the tail is longer."""
    config = tiny("a^2", p=11, fraction=0.8, max_steps=400, sustain=25, tail=tail, eval_every=25)
    (run,) = train([config], "cpu", progress=False)
    assert run.grok_step is not None
    assert run.grok_step % 25, "it groks between two regular evaluations"
    later = [step for step in run.history["step"] if step >= run.grok_step + 25]
    assert run.steps == runs.ending(config, run.grok_step) == max(later[0], run.grok_step + tail)


def test_the_first_step_of_a_column(wave_run):
    assert wave_run.first_step("train_accuracy") == 1
    assert wave_run.first_step("test_accuracy") == 10
    assert wave_run.first_step("test_accuracy", 0.2) == 1
    assert wave_run.first_step("ffs_embedding") is None


def test_half_of_the_way_is_where_a_number_passes_it_for_good(wave_run):
    def at(values):
        return replace(wave_run, history=wave_run.history.assign(gini_embedding=values)).halfway("gini_embedding")

    steps = wave_run.history["step"].tolist()
    assert at([0.0, 0.2, 0.6, 0.4, 1.0]) == steps[4], "what falls back has not passed it yet"
    assert at([0.0, 0.6, 0.7, 0.8, 1.0]) == steps[1]
    assert at([1.0, 0.9, 0.5, 0.2, 0.0]) == steps[2], "downwards too"
    assert at([0.5, 1.0, 0.0, 1.0, 0.55]) is None, "it has gone nowhere"


def test_a_run_without_weights_says_how_to_get_them(tiny_run):
    bare = replace(tiny_run, kept_weights=None)
    assert tiny_run.has_weights
    assert not bare.has_weights
    with pytest.raises(WeightsMissing) as error:
        _ = bare.weights
    command = str(error.value).partition("(run,) = ")[2]
    config = eval(command, {"gb": SimpleNamespace(train=lambda configs: configs[0], RunConfig=RunConfig)})  # noqa: S307
    assert config == tiny_run.config


def test_a_run_is_shown_in_one_line(tiny_run):
    config = replace(tiny_run.config, operations=("a*b",), p=97, fraction=0.3, seed=2, eval_every=100)
    step = np.arange(0, 9501, 100)
    history = pd.DataFrame({"step": step, "train_accuracy": 1.0, "test_accuracy": np.where(step < 4500, 0.625, 1.0)})
    grokked = replace(tiny_run, config=config, history=history)
    assert repr(grokked) == "Run(ab, p=97, r=0.3, seed 2: grokked at step 4,500 of 9,500)"
    failed = replace(grokked, history=history[step < 4500])
    assert repr(failed) == ("Run(ab, p=97, r=0.3, seed 2: not grokked in 4,400 steps, best test accuracy 62.5%)")
