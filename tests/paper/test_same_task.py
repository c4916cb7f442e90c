"""Pools of runs and the paper's cells, against cases small enough to count by hand."""

import math

import pytest
from outcome_rows import ended, single

from grokbook import paper
from grokbook.analysis import isomorphisms
from grokbook.data import Operation
from grokbook.data.catalogue import CATALOGUE
from grokbook.paper import same_task
from grokbook.paper.same_task import Pool, differing, from_scratch, pools

CLASS = [Operation.parse(name) for name in ("a+b", "a^5+b^5")]


@pytest.mark.parametrize("separate", [False, True])
def test_the_classes_that_are_kept_are_those_that_a_search_finds(separate):
    listed = [operation for kind in CATALOGUE.values() for operation in kind]
    assert same_task.classes(97, separate) == isomorphisms.classes(listed, 97, separate)


def test_classes_modulo_another_number_are_searched_for():
    found = same_task.classes(11)
    assert [str(each) for each in found[0]][:2] == ["a+b", "a^3+b^3"]  # 3 shares no factor with 10


def test_runs_pool_by_class_and_fraction():
    known = [*single("a^5+b^5", 5000, 3000), *single("a+b", 4000, 0.5), *single("a+b", 300, fraction=0.9)]
    known += single("a-b", 9000)  # of no class that is asked for
    first, second = pools([CLASS], known)
    assert (first.fraction, first.grok_steps, len(first.outcomes)) == (0.3, [3000, 4000, 5000], 4)
    assert first.times == [[4000, math.inf], [5000, 3000]]
    assert (second.fraction, second.grok_steps, second.members["a^5+b^5"]) == (0.9, [300], [])
    assert math.isnan(second.p_value)


def test_a_run_that_ended_before_others_grokked_tells_nothing():
    known = [*single("a+b", 4000), *single("a^5+b^5", 0.5, max_steps=2000)]
    (pool,) = pools([CLASS], known)
    assert pool.times == [[4000], []]
    assert len(pool.outcomes) == 2


def test_members_that_differ_by_more_than_chance_show():
    known = [*single("a+b", 1, 2, 3, 4, 5, 6), *single("a^5+b^5", 11, 12, 13, 14, 15, 16)]
    (apart,) = pools([CLASS], known)
    assert apart.p_value == pytest.approx(2 / 924, abs=0.002)


def test_only_runs_as_the_paper_trains_them_count():
    plain = single("a+b", 4000)
    others = [
        *single("a+b", 1, p=59),
        *single("a+b", 1, frozen=("W_E",)),
        *single("a+b", 1, operands="vocab"),
        *single("a+b", 1, model="separate"),
        ended(paper.mixture(["a+b", "a-b"]), 1),
    ]
    assert from_scratch([*plain, *others], 97) == plain
    assert [each.config.model for each in from_scratch(others, 97, "separate")] == ["separate"]


def test_the_papers_table_5_differs_within_one_class_at_one_fraction():
    (cell,) = differing(same_task.classes(97), 97, paper.FRACTIONS)
    assert cell.fraction == 0.3
    assert {name: says.grokked for name, says in cell.says.items()} == {"a^2+b": True, "a^2-b": False}
    assert cell.says["a^2-b"].best == 9.5


def test_findings_say_what_is_known():
    one, two = [[each] for each in CLASS], [CLASS]
    (only,) = same_task.findings(one, two, [], math.nan, [])
    assert only == "2 operations are 2 problems with one embedding for both operands, and 1 with an embedding for each."
    pool = Pool(0.3, {"a+b": single("a+b", 4000, 0.5), "a^5+b^5": single("a^5+b^5", 2000)})
    _, steps = same_task.findings(one, two, [pool], 0.4, [])
    assert "in 2 of 3 runs, at steps 2,000 to 4,000" in steps
    assert "no more than chance (p = 0.4)" in steps
    _, steps = same_task.findings(one, two, [pool], 0.01, [])
    assert "by more than chance" in steps


@pytest.mark.parametrize(("p_value", "text"), [(1.0, "p > 0.99"), (0.5, "p = 0.5"), (0.00081, "p = 0.00081")])
def test_p_values_in_words(p_value, text):
    assert same_task.chance_text(p_value) == text
