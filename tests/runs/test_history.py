"""Measures come and go; published data stay what they are."""

import math

import pandas as pd
import pytest
from checkout import ROOT

from grokbook import runs, train
from grokbook.cli.common import print_run
from grokbook.fourier import measures
from grokbook.fourier.measures import Measure
from grokbook.runs import outcomes, verify
from grokbook.runs.history import limits
from grokbook.runs.outcomes import Outcome

PUBLISHED = ROOT / "runs"
FOLDERS = sorted(path.parent for path in PUBLISHED.glob("*/provenance.json"))
TOYS = ["flatness_embedding", "flatness_neuron_logit"]


def flatness(run, layer):
    """The toy of `toy_measure` by its definition, from a run's last spectrum."""
    rows = getattr(run.spectra, layer)[-1]
    return float(rows[1:].min() / rows[1:].max())


def test_a_new_measure_is_recorded_printed_and_computed_again(toy_measure, tiny, tmp_path, capsys):
    (trained,) = train([tiny("a-b")], "cpu", progress=False)
    folder = tmp_path / trained.config.name
    folder.mkdir()
    runs.write(trained, folder)
    run = runs.read(folder)
    for layer, toy in zip(("embedding", "neuron_logit"), TOYS, strict=True):
        assert run.history[toy].iloc[-1] == pytest.approx(flatness(run, layer), rel=1e-5)
        assert verify.recompute(run)[toy] == pytest.approx(flatness(run, layer), rel=1e-3)
    assert verify.problems(run) == []
    altered = run.history.assign(flatness_embedding=run.history["flatness_embedding"] + 0.01)
    wrong = verify.problems(runs.Run(**{**vars(run), "history": altered}))
    assert wrong
    assert all("flatness_embedding" in problem for problem in wrong)

    print_run(run, folder, as_json=False)
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("Flatness", f"{run.history[TOYS[0]].iloc[-1]:.3f}"))
    outcomes.write([Outcome.of(run)], tmp_path / "table.parquet")
    (outcome,) = outcomes.read(tmp_path / "table.parquet")
    assert outcome == Outcome.of(run)
    assert set(TOYS) < set(outcome.final)


def test_every_published_run_is_read_although_it_lacks_a_new_measure(toy_measure):
    assert FOLDERS
    for folder in FOLDERS:
        run = runs.read(folder)
        pd.testing.assert_frame_equal(run.history, pd.read_parquet(folder / runs.HISTORY))
        assert not {*TOYS} & {*run.history.columns}


def test_what_the_code_knows_of_a_published_run_is_computed_again(toy_measure):
    folder = min((f for f in FOLDERS if (f / runs.WEIGHTS).exists()), key=lambda f: (f / runs.HISTORY).stat().st_size)
    run = runs.read(folder)
    assert verify.problems(run) == []
    assert {"ffs_embedding", "gini_neuron_logit"} < verify.recompute(run).keys()
    assert not {*TOYS} & verify.recompute(run).keys()
    wrong = runs.Run(**{**vars(run), "history": run.history.assign(ffs_embedding=0.999)})
    assert any("ffs_embedding" in problem for problem in verify.problems(wrong))


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.parquet")), ids=lambda path: path.stem)
def test_published_tables_are_read_and_added_to_although_they_lack_a_new_measure(toy_measure, tiny, tmp_path, path):
    if "." in path.stem:
        pytest.skip("a table about one run")
    known = outcomes.read(path)
    assert not any(set(TOYS) & set(outcome.final) for outcome in known)
    new = Outcome.of(*train([tiny("a-b")], "cpu", progress=False))
    outcomes.write([*known, new], tmp_path / path.name)
    again = outcomes.read(tmp_path / path.name)
    assert [outcome for outcome in again if outcome.config != new.config] == known
    assert new in again


def test_a_measure_that_is_no_more_is_no_damage(monkeypatch, tiny_run, tmp_path):
    outcomes.write([Outcome.of(tiny_run)], tmp_path / "table.parquet")
    monkeypatch.setattr(measures, "MEASURES", measures.MEASURES[:1])
    folder = tmp_path / tiny_run.config.name
    folder.mkdir()
    runs.write(tiny_run, folder)
    assert "gini_embedding" in runs.read(folder).history
    assert verify.problems(tiny_run) == []
    assert "gini_embedding" not in verify.recompute(tiny_run)
    (outcome,) = outcomes.read(tmp_path / "table.parquet")
    assert outcomes.problems(outcome) == []
    assert outcome.final["gini_embedding"] == tiny_run.history["gini_embedding"].iloc[-1]
    assert outcomes.differences(outcome, Outcome.of(tiny_run)) == []


def test_columns_are_known_by_their_names(tiny_mixture):
    config, columns = tiny_mixture.config, runs.history_columns(tiny_mixture.config)
    assert list(columns) == list(tiny_mixture.history.columns)
    assert set(columns) - set(runs.required_columns(config)) == set(runs.measured())
    values = {"test_accuracy[ab+b]": (0, 1), "train_loss": (0, math.inf), "weight_norm": (0, math.inf)}
    values |= {"gini_embedding": (0, 1), "of_tomorrow_embedding": (-math.inf, math.inf)}
    assert {name: limits(name) for name in values} == values
    assert isinstance(runs.measured()["ffs_embedding"][0], Measure)
