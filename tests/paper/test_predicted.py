"""Predictions beside outcomes."""

from dataclasses import replace

import pytest
from outcome_rows import ended
from prediction_rows import kept, missed, outcomes, rows

from grokbook.analysis import grok_law
from grokbook.analysis.prediction import published_law
from grokbook.paper import predicted, predictions
from grokbook.paper.experiments import EXPERIMENTS
from grokbook.paper.predictions import SETS
from grokbook.runs import outcomes as tables
from grokbook.runs.store import FolderStore


@pytest.mark.parametrize("name", ["A", "B", "C", "E"])
def test_a_row_has_what_the_file_says(name):
    found = predicted.rows(name)
    for row, said in zip(found, predictions.published(name)["runs"], strict=True):
        assert (row.run, row.probability, row.steps) == (said["run"], said["probability"], said["steps"])
        assert row.end is None
        assert row.right is None
        if row.module is None:
            at = row.rho, row.pairs, row.fraction
            assert published_law().probability(*at, row.budget) == pytest.approx(row.probability, abs=2e-3)
    with pytest.raises(ValueError, match="nothing is known"):
        _ = found[0].case


def test_ends_are_those_of_the_outcomes():
    right, wrong = rows("C", kept), rows("C", missed)
    assert all(row.right for row in right)
    assert not any(row.right for row in wrong)
    some = rows("C", lambda row: kept(row) if row.p == 59 else None)
    assert {row.p for row in some if row.end is not None} == {59}


def test_a_run_counts_by_the_budget_of_its_prediction():
    (row, *_), (config, *_) = predicted.rows("A"), SETS["A"].configs()
    assert row.run == config.name
    longer = replace(config, max_steps=config.max_steps * 2)
    shorter = replace(config, max_steps=config.max_steps // 2)

    def end(outcome):
        return predicted.rows("A", [outcome])[0].end

    assert end(ended(longer, row.budget + 1)) == (False, row.budget, 1.0)
    assert end(ended(longer, 0.5)) == (False, row.budget, 0.5)
    assert end(ended(shorter, 0.5)) is None, "it might grok yet"
    assert end(ended(shorter, 700)) == (True, 700, 1.0)


def test_outcomes_come_from_tables_and_from_stored_runs(tmp_path):
    some = outcomes("C", lambda row: kept(row) if row.operation == "(a+b)^2" else None)
    tables.write(some, tables.table_path(tmp_path, "unseen-primes"))
    of_b = outcomes("B", lambda row: kept(row) if row.operation == "a+b" else None)
    tables.write(of_b, tables.table_path(tmp_path, "summary-grid"))
    found = predicted.ends(FolderStore(tmp_path))
    assert {each.config.hash for each in found} == {each.config.hash for each in (*some, *of_b)}


def test_classes_of_operations_are_one_problem_each():
    assert len({row.group for row in predicted.rows("A")}) == 110
    of_c = {(row.p, row.operation): row.group for row in predicted.rows("C")}
    assert of_c[59, "(a+b)^2"] == of_c[59, "(a+b)^4"] == of_c[59, "(a+b)^6"]
    assert of_c[59, "(a+b)^3"] == of_c[59, "(a+b)^5"] != of_c[67, "(a+b)^5"]
    of_b = {row.operation: row.group for row in predicted.rows("B")}
    assert of_b["ab+b"] == of_b["ab-b"] != of_b["2a+b"]


def test_what_is_not_known_has_a_command():
    assert predicted.commands("C", predicted.rows("C")) == [
        "grokbook sweep unseen-primes",
        "grokbook sweep unseen-primes-quadratic",
    ]
    assert predicted.commands("C", rows("C", kept)) == []
    left = rows("C", lambda row: None if row.p == 59 else kept(row))
    assert predicted.commands("C", left) == ["grokbook sweep unseen-primes --p 59"]


def test_known_runs_are_predicted_without_those_of_their_class():
    known, kept_cases = predicted.known_rows(), predictions.published("law")["cases"]
    assert [row.run for row in known] == [row["run"] for row in kept_cases]
    row = known[100]
    law = grok_law.fit([each.case for each in known if each.group != row.group])
    assert row.steps == pytest.approx(law.steps(row.rho, row.pairs, row.fraction))
    assert row.steps != pytest.approx(published_law().steps(row.rho, row.pairs, row.fraction), rel=1e-6)
    assert all(row.end is not None and row.budget >= row.end.steps for row in known)


def test_what_is_said_of_a_cell_says_when():
    configs = {(c.learned, c.fraction, c.module): c for c in EXPERIMENTS["summary-grid"].configs(seeds=[0])}
    unseen = predicted.said_of(configs["2a+b", 0.4, None])
    assert unseen == predicted.Said(0.0666, 40_000, beforehand=True)
    fitted = predicted.said_of(configs["a+b", 0.3, None])
    assert fitted is not None
    assert not fitted.beforehand
    assert fitted.probability > 0.99
    assert predicted.said_of(configs["2a+b", 0.3, "PG-E"]) is None
