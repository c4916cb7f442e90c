"""Predictions: their files, that they came before their runs, and what makes them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import datetime

import pytest
from checkout import ROOT

from grokbook.analysis import unseen
from grokbook.analysis.prediction import published_law
from grokbook.paper import predicted, predictions
from grokbook.paper.predictions import SETS
from grokbook.runs.outcomes import Outcome
from grokbook.runs.store import default_folders

NAMES = sorted(SETS)
KNOWN = {"law", "D-control"}
"""Sets of which some runs are known."""
NOTHING = {"final": {}, "facts": {}}


@pytest.fixture(scope="module")
def started():
    """When each predicted run was begun that is known."""
    return {
        each.config.name: datetime.fromisoformat(each.facts["started"]) for each in predicted.ends(default_folders())
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_the_runs_of_its_set_and_the_law(name):
    kept = predictions.published(name)
    of_set = {config.name: config for config in SETS[name].configs()}
    rows = {row["run"]: row for row in kept["runs"]}
    assert len(rows) == len(kept["runs"])
    assert rows.keys() <= of_set.keys()
    assert kept["law"] == published_law()._asdict()
    for run, row in rows.items():
        config = of_set[run]
        assert row["budget"] == config.max_steps
        assert (row["operation"], row["p"], row["fraction"], row["seed"]) == (
            *(config.learned, config.p, config.fraction),
            config.seed,
        )
        assert row.get("converged", True)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_file_leaves_out_was_known_to_the_law(name):
    rows = {row["run"] for row in predictions.published(name)["runs"]}
    law = {case["run"] for case in predictions.published("law")["cases"]}
    assert {config.name for config in SETS[name].configs()} - rows <= law
    assert not rows & law


@pytest.mark.parametrize("name", ["law", *NAMES])
def test_a_prediction_was_committed_before_any_of_its_runs_was_trained(name, started):
    """As it is now: the git history is the witness. A shallow clone has none."""
    git = ["git", "-C", str(ROOT), "log", "-1", "--format=%cI", "--", str(predictions.path(name))]
    committed = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    if not committed or (ROOT / ".git" / "shallow").exists():
        pytest.skip("no history at hand")
    names = SETS if name == "law" else [name]
    runs = {row["run"] for each in names for row in predictions.published(each)["runs"]}
    begun = {run: when for run, when in started.items() if run in runs}
    assert begun or name not in KNOWN, "there is something to tell"
    assert {run: when for run, when in begun.items() if when <= datetime.fromisoformat(committed)} == {}


def test_a_file_is_written_once(monkeypatch, tmp_path):
    monkeypatch.setattr(predictions, "path", lambda name: tmp_path / f"{name}.json")
    monkeypatch.setattr(predictions, "known", lambda folders: [])
    predictions.write(["D-control"])
    kept = json.loads((tmp_path / "D-control.json").read_text())
    assert [row["run"] for row in kept["runs"]] == [config.name for config in SETS["D-control"].configs()]
    with pytest.raises(FileExistsError, match="a prediction is made once"):
        predictions.write(["D-control"])


def test_the_listed_polynomials_are_those_that_the_seed_draws():
    drawn = list(unseen.polynomials(2))
    listed = unseen.listed()
    assert {len(each) for each in listed.values()} == {unseen.EACH}
    first = [operation for family, operation in drawn if family == "sums"]
    assert first == list(listed["sums"][:2])


def test_separate_embeddings_and_perceptrons_are_predicted_by_the_free_wave():
    for name in ("D-control", "E"):
        for row in predictions.published(name)["runs"]:
            at = row["rho"], row["fraction"] * row["p"], row["fraction"]
            assert row["steps"] == pytest.approx(published_law().steps(*at), rel=0.02)


def test_a_pre_grokked_run_is_said_to_do_what_it_does_at_the_fractions_around(monkeypatch):
    rows = [row for row in predictions.published("B")["runs"] if row["module"] is not None]
    assert len(rows) == 12
    (config,) = (c for c in SETS["B"].configs() if c.name == rows[0]["run"])
    around = [
        Outcome(
            config=replace(config, fraction=r),
            steps=s,
            fit_step=s,
            grok_step=s,
            best_test_accuracy=1.0,
            final={},
            facts={},
        )
        for r, s in ((0.2, 800), (0.3, 900), (0.5, 400), (0.6, 1))
    ]
    monkeypatch.setattr(predictions.PredictionSet, "configs", lambda self: [config])
    (found,) = predictions.made("B", around)["runs"]
    assert 400 < found["steps"] < 900
    assert found["probability"] == predictions.SURE
    failed = [replace(each, grok_step=None) for each in around]
    for unhelpful in (failed, around[:2], []):
        with pytest.raises(ValueError, match="nothing is said"):
            predictions.made("B", unhelpful)


def test_cases_are_the_papers_runs_on_one_polynomial(tiny_run, tiny_mixture, tiny_transfer):
    outcome = Outcome.of(tiny_run)
    config = predictions.RunConfig(operations=("a+b",), p=11, fraction=0.5)
    usual = replace(outcome, config=config, grok_step=None, steps=7)
    grokked = replace(usual, grok_step=3)
    others = [outcome, Outcome.of(tiny_mixture), Outcome.of(tiny_transfer)]
    separate = replace(usual, config=replace(config, model="separate"))
    found = predictions.cases([usual, *others, separate, grokked])
    assert [case for _, case in found] == [(1.0, 11.0, 0.5, 7, False), (1.0, 11.0, 0.5, 3, True)]
    assert [each for each, _ in found] == [config, config]
