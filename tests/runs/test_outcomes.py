"""Tables of outcomes against the runs they come from, and against files that were tampered with."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcome_rows import FINALS

from grokbook import DamagedRun, RunConfig, RunStore, runs
from grokbook.runs import outcomes, publish
from grokbook.runs.outcomes import FACTS, FINAL, Outcome


def made(seed: int = 0, *, started: str | None = "2026-11-22T22:00:00+00:00", **changes) -> Outcome:
    """An outcome of a run that groks at step 3,000, without having trained it."""
    config = changes.pop("config", None) or RunConfig(operations=("a+b",), seed=seed)
    values = {"steps": 8000, "fit_step": 200, "grok_step": 3000, "best_test_accuracy": 1.0, "final": FINALS}
    facts = {**dict.fromkeys(FACTS), "started": started}
    return Outcome(config=config, facts=facts, **{**values, **changes})


@pytest.fixture
def every_run(tiny_run, tiny_mixture, tiny_transfer, grokked_run):
    return [tiny_run, tiny_mixture, tiny_transfer, grokked_run]


# --- rows -----------------------------------------------------------------------------------------


def test_an_outcome_says_what_the_run_says(any_run):
    found, last = Outcome.of(any_run), any_run.history.iloc[-1]
    assert (found.config, found.steps, found.grok_step) == (any_run.config, any_run.steps, any_run.grok_step)
    assert found.best_test_accuracy == max(any_run.history["test_accuracy"].tolist())
    assert found.final == {name: last[name] for name in (*FINAL, *runs.measured())}
    assert all(found.facts[name] == any_run.provenance.get(name) for name in FACTS)
    fits = [
        step
        for step, accuracy in zip(any_run.history["step"], any_run.history["train_accuracy"], strict=True)
        if accuracy >= np.float32(any_run.config.grok_accuracy)
    ]
    assert found.fit_step == (fits[0] if fits else None)


def test_rows_have_the_names_of_their_config_in_columns_of_their_own(tiny_transfer, tiny_run):
    row = Outcome.of(tiny_transfer).to_row()
    config = tiny_transfer.config
    assert set(row) == set(outcomes.schema(runs.measured()).names)
    assert (row["hash"], row["name"], row["operation"]) == (config.hash, config.name, "a-b")
    assert (row["module"], row["source"], row["p"], row["seed"]) == ("PG-E", "a+b", 7, 0)
    assert RunConfig.from_dict(json.loads(row["config"])) == config
    scratch = Outcome.of(tiny_run).to_row()
    assert (scratch["module"], scratch["source"]) == (None, None)


def test_a_published_copy_has_the_same_row(tmp_path, grokked_run):
    """What is left out for size makes no difference."""
    trimmed = publish.trimmed(grokked_run, maps="none")
    assert outcomes.differences(Outcome.of(trimmed), Outcome.of(grokked_run)) == []


def test_tables_come_back_as_they_were_written(tmp_path, every_run):
    written = [Outcome.of(run) for run in every_run]
    path = tmp_path / "some" / "table.parquet"
    outcomes.write(written, path)
    found = outcomes.read(path)
    assert found == sorted(written, key=lambda outcome: outcome.config.name)
    assert [path.name for path in path.parent.iterdir()] == ["table.parquet"]
    frame = pd.read_parquet(path)  # as a reader without this library would
    assert frame["grok_step"].notna().tolist() == [outcome.grok_step is not None for outcome in found]
    assert outcomes.read(tmp_path / "nothing.parquet") == []


@given(
    st.permutations(range(4)),
    st.lists(st.one_of(st.none(), st.integers(0, 10**6)), min_size=4, max_size=4),
    st.floats(0, 1),
)
def test_the_same_rows_are_the_same_bytes_in_any_order(tmp_path_factory, order, steps, best):
    folder = tmp_path_factory.mktemp("tables")
    rows = [made(seed, grok_step=step, best_test_accuracy=best) for seed, step in enumerate(steps)]
    outcomes.write(rows, folder / "a.parquet")
    outcomes.write([rows[i] for i in order], folder / "b.parquet")
    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()
    assert outcomes.read(folder / "a.parquet") == rows


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    outcomes.write([made()], path)
    before = path.read_bytes()

    def half(table, to, **options):
        Path(to).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(OSError, match="no space"):
        outcomes.write([made(), made(1)], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- what is wrong with a table -------------------------------------------------------------------


def tampered(path: Path, **columns) -> None:
    """Write other values into a table, with its types and checksums in order."""
    table = pq.read_table(path)
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"hash": ["0" * 16]}, "its config has hash"),
        ({"seed": [1]}, "its config has seed 0"),
        ({"fraction": [0.4]}, "its config has fraction 0.3"),
        ({"module": ["PG-E"]}, "its config has module None"),
        ({"config": ["{}"]}, "operations"),
        ({"config": ["[1"]}, "row a"),
        ({"config": ["[]"]}, "row a"),
    ],
)
def test_a_row_that_is_not_that_of_its_config_is_named(tmp_path, columns, message):
    path = tmp_path / "table.parquet"
    outcomes.write([made()], path)
    tampered(path, **columns)
    with pytest.raises(DamagedRun, match=message) as error:
        outcomes.read(path)
    assert str(path) in str(error.value)
    assert made().config.name in str(error.value)


def test_a_row_that_is_there_twice_is_named(tmp_path):
    path = tmp_path / "table.parquet"
    outcomes.write([made(), made()], path)
    with pytest.raises(DamagedRun, match="twice"):
        outcomes.read(path)


def test_a_file_that_is_no_table_or_was_altered_is_refused(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(DamagedRun, match="unreadable"):
        outcomes.read(path)
    pq.write_table(pa.table({"hash": ["x"]}), path)
    with pytest.raises(DamagedRun, match="columns"):
        outcomes.read(path)
    outcomes.write([made(seed) for seed in range(20)], path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x10  # one bit on the disk
    path.write_bytes(content)
    with pytest.raises(DamagedRun):
        outcomes.read(path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"best_test_accuracy": 1.2}, "best_test_accuracy is 1.2"),
        ({"final": {**FINALS, "test_loss": float("nan")}}, "test_loss is nan"),
        ({"final": {**FINALS, "ffs_embedding": -0.1}}, "ffs_embedding is -0.1"),
        ({"final": {**FINALS, "test_accuracy": 1.0}, "best_test_accuracy": 0.99}, "below the last one"),
        ({"steps": 9000}, "ends at step 9000, not at 8000"),
        ({"grok_step": None, "best_test_accuracy": 0.5}, "ends at step 8000, not at 300000"),
        ({"fit_step": None}, "before it knows its train set"),
        ({"fit_step": 4000}, "before it knows its train set"),
        ({"best_test_accuracy": 0.98}, "never gets there"),
    ],
)
def test_a_row_that_contradicts_itself_has_a_problem(changes, problem):
    (found,) = outcomes.problems(made(**changes))
    assert problem in found


def test_sound_rows_have_no_problems(any_run):
    assert outcomes.problems(made()) == []
    if any_run.provenance:  # not planted by a test
        assert outcomes.problems(Outcome.of(any_run)) == []


# --- merging --------------------------------------------------------------------------------------


def test_merging_adds_and_never_changes():
    known = [made(2), made(0)]
    assert outcomes.merge(known, [made(1), made(0)]) == sorted([made(0), made(1), made(2)], key=lambda o: o.config.name)
    assert outcomes.merge(known, []) == outcomes.merge([], known)


def test_a_second_training_of_a_config_leaves_the_first():
    again = made(0, started="2027-01-01T00:00:00+00:00", grok_step=3100)
    assert outcomes.merge([made(0)], [again]) == [made(0)]


@pytest.mark.parametrize("started", ["2026-11-22T22:00:00+00:00", None])
def test_one_training_with_two_outcomes_is_an_error_that_names_the_run(started):
    other = made(1, started=started, grok_step=3100)
    with pytest.raises(ValueError, match="known with another grok_step") as error:
        outcomes.merge([made(0), made(1, started=started)], [made(0), other])
    assert other.config.name in str(error.value)


def test_what_is_not_a_number_is_no_difference():
    nothing = {**FINALS, "fcr_embedding": float("nan")}
    assert outcomes.differences(made(final=nothing), made(final={**nothing})) == []
    assert outcomes.differences(made(final=nothing), made()) == ["final_fcr_embedding"]


# --- from a store ---------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path, every_run):
    store = RunStore(tmp_path / "mine", [tmp_path / "published"])
    for run in every_run:
        store.put(run)
    return store


def test_stored_runs_count_whatever_their_seed_and_budget(store, tiny, tiny_run, tiny_transfer):
    alike = [tiny(seed=5, max_steps=99), replace(tiny_transfer.config, max_steps=7)]
    found = list(outcomes.stored(store, alike))
    assert {outcome.config for outcome in found} == {tiny_run.config, tiny_transfer.config}
    assert list(outcomes.stored(store, [tiny("a^3")])) == []


def test_a_folder_whose_config_does_not_read_is_not_passed_over(store, tiny, tiny_run):
    (store.folder(tiny_run.config) / "config.json").write_text("{")
    with pytest.raises(DamagedRun, match=r"config\.json"):
        list(outcomes.stored(store, [tiny("a^3")]))


def test_everything_known_is_gathered_from_tables_and_folders(store, tiny, tiny_run):
    elsewhere = replace(Outcome.of(tiny_run), config=tiny(seed=9))
    outcomes.write([elsewhere], outcomes.table_path(store.published[0], "elementary"))
    outcomes.write([elsewhere], store.published[0] / "about one run.ablations.parquet")
    found = outcomes.gather(store, "elementary", [tiny()])
    assert {outcome.config for outcome in found} == {tiny_run.config, elsewhere.config}
    assert outcomes.tables(store) == [store.published[0] / "elementary.parquet"]
    assert len(store.tables()) == 2
    assert [outcome.config for outcome in outcomes.gather(store, "others", [tiny()])] == [tiny_run.config]


def test_an_outcome_tells_of_runs_that_would_end_alike():
    config = RunConfig(operations=("a+b",), max_steps=900)
    fails = made(config=config, grok_step=None, steps=900)
    groks = made(config=replace(config, seed=1), grok_step=700)
    told = [
        replace(config, max_steps=300),
        replace(config, tail=7),
        *(replace(config, seed=1, max_steps=m) for m in (800, 9000)),
    ]
    untold = [replace(config, max_steps=901), replace(config, seed=2), replace(config, fraction=0.5)]
    assert outcomes.unknown([*told, *untold, *untold], [fails, groks]) == untold
    assert outcomes.unknown([*told, *untold], []) == [*told, *untold]
    of = lambda steps: replace(config, source=replace(config, max_steps=steps), transplant=("W_E",))  # noqa: E731
    assert outcomes.unknown([of(900), of(9)], [made(config=of(9))]) == [of(900)], "a source cut short is another one"
    longer = made(config=replace(config, max_steps=1000), grok_step=None)
    assert outcomes.unknown(untold, [longer, fails]) == untold[1:], "the largest budget counts, wherever it stands"


def test_a_row_says_enough_to_train_its_run_again(tmp_path, tiny_run):
    from grokbook import train

    outcomes.write([Outcome.of(tiny_run)], tmp_path / "t.parquet")
    (row,) = outcomes.read(tmp_path / "t.parquet")
    (again,) = train([row.config], "cpu", progress=False)
    second = Outcome.of(again)
    assert set(outcomes.differences(row, second)) <= {"started", "wall_seconds", "commit"}


def test_who_reads_while_a_table_is_written_sees_the_old_one_whole(tmp_path):
    path = tmp_path / "table.parquet"
    outcomes.write([made()], path)
    before = path.read_bytes()
    with path.open("rb") as reader:
        outcomes.write([made(), made(1)], path)
        assert reader.read() == before
    assert len(outcomes.read(path)) == 2


def test_the_training_with_more_steps_counts_unless_it_contradicts_the_known_one():
    short = made(steps=900, grok_step=None, config=RunConfig(operations=("a+b",), max_steps=900))
    longer = made(steps=8000, started="2027-01-01", config=replace(short.config, max_steps=500_000))
    assert outcomes.merge([short], [longer]) == [longer]
    assert outcomes.merge([longer], [replace(short, config=longer.config)]) == [longer], "steps, not budgets"
    fails = made(steps=9000, grok_step=None, started="2027-01-02", config=longer.config)
    assert outcomes.disagree([longer, fails])
    assert outcomes.merge([longer], [fails]) == [longer]
    assert outcomes.merge([fails], [longer]) == [fails]


def test_a_stored_run_counts_under_the_rule_that_is_asked_for(tmp_path, grokked_run):
    store, strict = RunStore(tmp_path), replace(grokked_run.config, sustain=grokked_run.steps)
    store.put(grokked_run)
    assert [outcome.grok_step for outcome in outcomes.stored(store, [grokked_run.config])] == [grokked_run.grok_step]
    (found,) = outcomes.stored(store, [strict])
    assert (found.grok_step, found.config.rule) == (None, strict.rule)
    loose = Outcome.of(grokked_run)
    assert outcomes.unknown([replace(strict, max_steps=10_000)], [loose]) != []
