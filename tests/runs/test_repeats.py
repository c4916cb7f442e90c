from dataclasses import replace

import pytest
from outcome_rows import ended

from grokbook import RunStore, paper
from grokbook.runs import outcomes, repeats
from grokbook.runs.outcomes import Outcome, disagree


def on(device, end, started="2026-01-01", **changes):
    return ended(paper.single("(a+b)^2", **changes), end, device=device, started=started)


def test_trainings_of_one_run_stand_together_in_the_order_of_their_beginnings():
    later, first = on("GPU", 900, "2026-01-02"), on("CPU", 0.5, max_steps=400)
    other_seed, elsewhere = on("CPU", 800, seed=1), on("GPU", 700, fraction=0.5)
    assert repeats.trained_again([other_seed, later, elsewhere, first, later]) == [[first, later]]


def test_a_run_that_went_on_with_a_larger_budget_is_one_training():
    short, long, other = on("CPU", 0.5, max_steps=400), on("CPU", 0.6, max_steps=900), on("GPU", 0.5, "2026-01-02")
    assert repeats.trained_again([short, long]) == []
    assert repeats.trained_again([short, other, long]) == [[long, other]]


def test_trainings_disagree_where_one_groks_by_a_step_that_another_reaches_without():
    ends = ((0.5, 4000), (0.5, 9990), (2900, 9990), (3100, 9990))
    short, long, quick, slow = (on("CPU", end, max_steps=steps) for end, steps in ends)
    assert disagree([short, quick])
    assert disagree([slow, long])
    assert not disagree([short, slow]), "the short one ends within 1,000 steps after that: it cannot tell"
    assert not disagree([quick, slow])
    assert not disagree([short, long])


def test_repeats_are_kept_in_a_table_beside_the_runs_and_leave_the_first_training_alone(tmp_path, tiny_run):
    place, store = tmp_path / "runs", RunStore(tmp_path / "mine", [tmp_path / "runs"])
    assert repeats.read(store) == []
    RunStore(place).put(tiny_run)
    second, third = (replace(tiny_run, provenance={**tiny_run.provenance, "started": day}) for day in ("9998", "9999"))
    for run in (third, second):
        assert repeats.keep(run, place) == place / "repeats.parquet"
    kept = repeats.read(store)
    pairs = zip(kept, (second, third), strict=True)
    assert not any(outcomes.differences(row, Outcome.of(run)) for row, run in pairs)
    assert outcomes.tables(store) == [place / "repeats.parquet"], "so that it is verified"
    first = Outcome.of(store.get(tiny_run.config))
    assert outcomes.gather(store, "elementary", [tiny_run.config]) == [first]
    assert repeats.trained_again([*kept, first]) == [[first, *kept]]
    with pytest.raises(ValueError, match="already"):
        repeats.keep(second, place)
