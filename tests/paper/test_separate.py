"""Predictions beside outcomes, and their sentences: with all kept, with some missed, with none known."""

import math
import re
from dataclasses import replace

import pytest
from outcome_rows import ended, single

from grokbook import RunStore
from grokbook.paper import EXPERIMENTS, predicted, separate
from grokbook.paper.separate import Comparison, comparisons
from grokbook.runs import outcomes

CONFIGS = EXPERIMENTS["separate-control"].configs()


def known(ends):
    """Outcomes of the control by fraction and seed; None for a run that is not known."""
    by_place = {(config.fraction, config.seed): config for config in CONFIGS}
    return [
        ended(by_place[fraction, seed], end)
        for fraction, of_seeds in ends.items()
        for seed, end in enumerate(of_seeds)
        if end is not None
    ]


KEPT = {0.3: [20_000, 30_000, 0.5], 0.4: [6000, 5000, 7000], 0.5: [2500, 2000, 3000]}
MISSED = KEPT | {0.4: [0.5, 0.5, 5000], 0.5: [10, 20, 2500]}


def test_every_prediction_of_the_control_finds_its_run():
    rows = predicted.rows("D-control", known(KEPT))
    assert [row.run for row in rows] == [config.name for config in CONFIGS]
    assert [row.end.grokked for row in rows].count(False) == 1
    assert all(row.inside for row in rows)  # not to grok by 40,000 is inside an interval that ends beyond
    assert set(separate.missed(rows).values()) == {False}


def test_an_end_before_the_budget_tells_nothing():
    config = next(config for config in CONFIGS if config.fraction == 0.5)
    early = ended(replace(config, max_steps=500), 0.4)
    assert all(row.end is None for row in predicted.rows("D-control", [early]))


def test_the_sentence_with_none_known():
    rows = predicted.rows("D-control", [])
    assert separate.control_sentence(rows) == "Of the control, a+b with two embeddings, none of 9 runs is known yet."
    assert predicted.commands("D-control", rows) == ["grokbook sweep separate-control"]
    assert set(separate.missed(rows).values()) == {None}


def test_the_sentence_with_some_known():
    rows = predicted.rows("D-control", known({0.5: [2500, 10, None]}))
    says = separate.control_sentence(rows)
    assert "2 of 9 runs are known: 2 grokked within the budget, 1 ended as the interval of 80 % has it." in says
    assert "prediction" not in says
    assert separate.missed(rows) == {0.3: None, 0.4: None, 0.5: None}
    (command,) = predicted.commands("D-control", [row for row in rows if row.fraction == 0.3])
    assert "--fraction" in command
    one = separate.control_sentence(predicted.rows("D-control", known({0.5: [2500, None, None]})))
    assert "1 of 9 runs is known" in one


def test_the_sentence_with_all_kept():
    rows = predicted.rows("D-control", known(KEPT))
    assert separate.control_sentence(rows).endswith(
        "The median lies inside it at every fraction: the prediction holds."
    )
    assert predicted.commands("D-control", rows) == []


def test_the_sentence_with_some_missed():
    rows = predicted.rows("D-control", known(MISSED))
    assert separate.missed(rows) == {0.3: False, 0.4: True, 0.5: True}
    assert separate.control_sentence(rows).endswith("at r = 0.4, 0.5: the prediction fails by its own rule.")
    one = predicted.rows("D-control", known(KEPT | {0.5: [10, 20, 2500]}))
    assert separate.control_sentence(one).endswith("at r = 0.5: the prediction holds by its own rule.")


def test_outcomes_are_those_of_tables_and_of_folders(tmp_path):
    store = RunStore(tmp_path)
    assert predicted.ends(store, separate.SETS) == []
    outcomes.write(known({0.5: [2500, None, None]}), outcomes.table_path(tmp_path, "separate-control"))
    assert [each.grok_step for each in predicted.ends(store, separate.SETS)] == [2500]


# --- one distribution? ----------------------------------------------------------------------------


def two(operation, *ends):
    return single(operation, *ends, model="separate", fraction=0.5)


def test_each_operation_is_compared_with_what_it_is_the_same_as():
    found = [*two("a+b", 1000, 1200, 1400), *two("a-b", 2400, 2000, 0.5), *two("ab", 900), *two("ab+b", 0.3)]
    found += single("a-b", 1)  # of one embedding
    first, second = comparisons(found, 97, "separate")
    assert (first.operation, first.reference, first.steps, first.others) == (
        *("a-b", "a+b", (2400, 2000, math.inf)),
        (1000, 1200, 1400),
    )
    assert first.factor == 2
    assert (second.operation, second.reference, second.steps) == ("ab+b", "ab", (math.inf,))
    assert math.isnan(second.factor)
    assert comparisons(found, 97, "separate", fraction=0.3) == []


def compared(steps, others, operation="a-b", reference="a+b"):
    return Comparison(operation, reference, 0.5, steps, others)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "None of the 7 comparisons can be made yet."),
        ([compared((2000,), (1000,))], "1 of 7 .* chance cannot be told from a difference"),
        ([compared((1100, 1500), (1000, 1400))], "1 of 7 .* chance alone explains how they differ"),
        ([compared((9, 9, 9, 9), (1, 2, 3, 4))], "1 of 7 .* by more than chance"),
    ],
)
def test_whether_steps_are_of_one_distribution_in_words(rows, words):
    assert re.search(words, separate.distribution_sentence(rows))


def test_operations_with_one_reference_are_tested_together():
    others = (1.0, 2.0, 3.0)
    rows = [compared((4.0, 5.0, 6.0), others), compared((4.5, 5.5, 6.5), others, "2a+b")]
    assert separate.one_distribution(rows) < separate.one_distribution(rows[:1]) == pytest.approx(0.1)
    assert math.isnan(separate.one_distribution([]))


def test_where_nothing_is_known_nothing_is_inside():
    rows = predicted.rows("D-control", known({0.3: [50, None, None]}))
    assert {(row.fraction, row.seed): row.inside for row in rows if row.inside is not None} == {(0.3, 0): False}
