import inspect
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
import pytest

from grokbook import Operation, figures
from grokbook.figures.groups import (
    Row,
    as_table,
    brief_outcome,
    budgets,
    by_operation,
    cell,
    change,
    each_run,
    grok_or_best,
    outcome,
)


def test_runs_are_grouped_by_operation_in_order(tiny, tiny_run, tiny_mixture, wave_run, grokked_run):
    groups = figures.by_operation([tiny_mixture, tiny_run, grokked_run, wave_run])
    assert {label: [run.config.p for run in group] for label, group in groups.items()} == {
        ", ".join(map(figures.pretty, ("a-b", "ab+b", "a^2+b"))): [7],
        "a+b": [7, 11],
        "a²": [11],
    }


def test_a_run_that_comes_twice_is_in_its_group_once(tiny, tiny_run):
    """However it was asked for: b+a is the same config as a+b."""
    again = replace(tiny_run, config=tiny("b+a"))
    (group,) = figures.by_operation([tiny_run, again, tiny_run]).values()
    assert len(group) == 1
    assert group[0] is tiny_run


def test_seeds_and_pre_grokked_runs_are_runs_of_their_own(tiny, tiny_run, tiny_transfer):
    other_seed = replace(tiny_run, config=tiny(seed=1))
    from_scratch = replace(tiny_run, config=tiny("a-b"))
    groups = figures.by_operation([tiny_run, from_scratch, other_seed, tiny_transfer])
    assert {label: len(group) for label, group in groups.items()} == {"a+b": 2, figures.pretty("a-b"): 2}


def test_seeds_are_summed_up_in_words(tiny, wave_run):
    def seed(number, accuracy, ffs):
        history = wave_run.history.assign(test_accuracy=accuracy, ffs_embedding=ffs)
        return replace(wave_run, config=tiny(p=11, seed=number), history=history)

    low, high = seed(0, 0.25, [0.8, 0, 0, 0, 0.2]), seed(1, 0.5, [0.6, 0, 0, 0, 0.4])
    assert "best test accuracy 50.0%" in outcome([low, high])
    assert change([low, high], "ffs_embedding") == "0.60–0.80 → 0.20–0.40"
    later = replace(wave_run, config=tiny(p=11, seed=2), history=wave_run.history.assign(test_accuracy=[0, 0, 0, 1, 1]))
    assert outcome([wave_run, later, low]) == "grokked in 2 of 3 seeds at steps 10–20"


def test_a_mixture_has_grokked_when_all_of_its_operations_have(tiny_mixture):
    assert outcome([tiny_mixture]).startswith("not all operations grokked within")
    columns = {name: 1.0 for name in tiny_mixture.history if "accuracy" in name}
    assert outcome([replace(tiny_mixture, history=tiny_mixture.history.assign(**columns))]) == (
        "all operations grokked at step 0"
    )


def test_outcomes_and_budgets_in_few_words(tiny, wave_run, tiny_run, grokked_run):
    assert brief_outcome([wave_run]) == "grok step 10"
    assert brief_outcome([wave_run, tiny_run]) == "grok step 10 in 1 of 2 seeds"
    assert brief_outcome([grokked_run, wave_run]) == f"grok step 10–{grokked_run.grok_step}"
    assert brief_outcome([tiny_run]) == f"best {tiny_run.best_test_accuracy:.1%}"
    assert budgets([wave_run, tiny_run]) == "30 steps"
    assert budgets([wave_run, replace(wave_run, config=tiny(max_steps=40_000))]) == "30 to 40,000 steps"


def test_endings_are_listed_run_by_run(wave_run, tiny_run):
    best = f"{tiny_run.best_test_accuracy:.1%}"
    assert figures.grok_steps([wave_run, tiny_run]) == "10, –"
    assert figures.best_accuracies([wave_run, tiny_run]) == f"100.0%, {best}"
    assert grok_or_best([wave_run, tiny_run]) == f"10, {best}"
    assert grok_or_best([]) == "not yet run"
    assert figures.grok_steps([]) == figures.best_accuracies([]) == ""


def test_two_tables_of_one_name_are_no_group(tiny_table, division):
    other = Operation.from_table("a/b", division.labels(7).T)
    namesake = replace(tiny_table, config=replace(tiny_table.config, operations=("ab+b", other)))
    assert list(by_operation([tiny_table, tiny_table])) == ["ab+b, a/b"]
    with pytest.raises(ValueError, match="two different tables are called ab\\+b, a/b"):
        by_operation([tiny_table, namesake])


def test_what_yields_rows_becomes_a_table():
    @as_table
    def squares(n: int) -> Iterator[Row]:
        """The first squares."""
        for i in range(n):
            yield {"i": i, "square": i * i}

    assert squares(3).to_dict("records") == [{"i": i, "square": i * i} for i in range(3)]
    assert squares(n=0).empty
    assert (squares.__name__, squares.__doc__) == ("squares", "The first squares.")
    assert inspect.signature(squares).return_annotation is pd.DataFrame


def test_rows_name_their_run_and_have_dashes_where_there_is_no_number(wave_run, tiny_run):
    named = [cells for cells, _ in each_run({"waves": [wave_run], "two": [tiny_run, tiny_run]})]
    assert named == [{"run": label, "seed": 0} for label in ("waves", "two", "two")]
    assert (cell(None, ","), cell(12_345, ","), cell(0.125, ".1%"), cell(3)) == ("–", "12,345", "12.5%", "3")
