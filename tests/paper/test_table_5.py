"""The rules of the summary grid, against cases small enough to count by hand, and against Table 5."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcome_rows import ended, single, transfer

from grokbook import RunConfig, paper
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation
from grokbook.data.polynomials import Kind
from grokbook.paper import results, table_5
from grokbook.paper.experiments import EXPERIMENTS
from grokbook.paper.table_5 import Group

CONFIGS = EXPERIMENTS["summary-grid"].configs()
AT_03 = EXPERIMENTS["summary-grid"].configs(fractions=[0.3])


def cell(outcomes, label):
    (found,) = (c for c in table_5.cells(AT_03, outcomes) if c.label == label)
    return found


# --- cells ----------------------------------------------------------------------------------------


def test_the_grid_has_the_cells_of_table_5_in_its_order():
    cells = table_5.cells(reversed(CONFIGS), [])
    assert len(cells) == 41 * 7
    assert all([config.seed for config in c.wanted] == [0, 1, 2] for c in cells)
    assert all(c.groks is c.agrees is c.best_test_accuracy is c.grok_step is None for c in cells)
    labels = list(dict.fromkeys(c.label for c in cells))
    assert labels[:8] == ["a+b", "a−b", "a·b", "2a+b", "2a+b, PG-E", "2a−b", "2a−b, PG-E", "2a+3b"]
    assert [c.fraction for c in cells[:8]] == [*paper.FRACTIONS, 0.3]
    scratch = [label for label in labels if "PG" not in label]
    assert scratch == [operation.pretty for kind in CATALOGUE.values() for operation in kind]


def test_a_cell_groks_if_any_seed_does():
    outcomes = [*single("a+b", 3000, 0.5, 5000), *single("a-b", 0.4, 0.6, 0.2), *single("ab", 0.9, None, 2000)]
    plus, minus, times = (cell(outcomes, label) for label in ("a+b", "a−b", "a·b"))
    assert (plus.groks, plus.divided, plus.grok_steps, plus.grok_step) == (True, True, (3000, 5000), 4000)
    assert (minus.groks, minus.divided, minus.grok_step, minus.best_test_accuracy) == (False, False, None, 0.6)
    assert (times.groks, times.divided, len(times.outcomes)) == (True, True, 2)


def test_the_delay_of_a_cell_is_the_median_over_seeds_that_grok():
    found = cell(single("a+b", 400, 0.5, 600), "a+b")  # all know their train set at step 100
    assert found.delay == 5
    assert cell(single("a+b", 0.5), "a+b").delay is None


@given(st.permutations([(40_000, 0.3), (100_000, 0.4), (300_000, 0.7), (20_000, 0.2)]))
def test_the_largest_budget_counts_for_each_seed(runs):
    outcomes = [ended(paper.single("a-b", max_steps=budget), end) for budget, end in runs]
    other = ended(paper.single("a-b", seed=1, max_steps=40_000), 0.2)
    found = cell([other, *outcomes], "a−b")
    assert [(o.config.seed, o.config.max_steps) for o in found.outcomes] == [(0, 300_000), (1, 40_000)]
    assert (found.groks, found.best_test_accuracy, found.budgets) == (False, 0.7, (40_000, 300_000))


def test_what_no_cell_asks_for_is_left_out():
    others = [
        *single("a+b", 1, p=59),
        *single("a+b", 1, frozen=("W_E",)),
        *single("a+b", 1, operands="vocab"),
        *single("a+b", 1, fraction=0.35),
        *single("a+b", *[None] * 3, 1),  # seed 3
        *transfer("PG-T a+b -> 2a+b", 1),
    ]
    assert not any(c.outcomes for c in table_5.cells(CONFIGS, others))


# --- against the paper ----------------------------------------------------------------------------


def like_the_paper(config):
    """What Table 5 says of a run, as an outcome."""
    said = results.reported(config)
    return ended(config, 5000 if said.grokked else said.best / 100)


def test_runs_that_do_what_table_5_says_agree_in_every_cell():
    cells = table_5.cells(CONFIGS, map(like_the_paper, CONFIGS))
    assert table_5.agreement(cells) == (
        287,
        287,
        287,
        0,
        0,
        0,
        sum(c.reported.best is not None and c.reported.best > 90 for c in cells),
    )
    assert all(c.agrees for c in cells)
    shares = {c.label: c.best_test_accuracy for c in cells if not c.groks and c.fraction == 0.3}
    assert shares["a²+ab+b²"] == pytest.approx(0.34)
    assert all(table_5.grokking([c for c in cells if c.group.module])[op] for op in CATALOGUE[Kind.LINEAR])


def test_each_way_to_disagree_is_counted_where_it_is():
    outcomes = [
        *single("a+b", 0.5, 0.6),  # the paper: groks
        *single("a-b", 9000),  # too
        *single("2a+b", 0.1, 9000),  # does not; one seed is enough
        *single("a^3+ab", 0.1, fraction=0.4),  # does not
        *transfer("PG-T ab -> ab+b", 0.5),  # groks
    ]
    cells = table_5.cells(CONFIGS, outcomes)
    assert table_5.agreement(cells) == (287, 5, 2, 1, 2, 1, 0)
    by_label = {c.label: c.agrees for c in cells if c.agrees is not None}
    assert by_label == {"a+b": False, "a−b": True, "2a+b": False, "a³+ab": True, "ab+b, PG-T": False}


def test_a_cell_that_fails_may_be_on_its_way():
    for ends, on_its_way in (([0.5, 0.95], True), ([0.5, 0.85], False), ([0.95, 3000], False), ([], False)):
        (found,) = (c for c in table_5.cells(AT_03, single("a+b", *ends)) if c.label == "a+b")
        assert found.on_its_way is on_its_way, ends


def test_nothing_is_compared_where_the_paper_says_nothing():
    configs = EXPERIMENTS["summary-grid"].configs(moduli=[59])
    (found,) = (c for c in table_5.cells(configs, single("a+b", 100, p=59)) if c.outcomes)
    assert (found.groks, found.reported, found.agrees) == (True, None, None)
    assert table_5.agreement([found])[:5] == (1, 1, 0, 0, 0)


# --- counting -------------------------------------------------------------------------------------


def test_the_paper_counts_what_stands_in_two_groups_twice():
    counted = table_5.count(table_5.cells(CONFIGS, single("a+b", 1, 2, 3)))
    assert (counted.run, counted.wanted, counted.in_table) == (3, 41 * 7 * 3, 42 * 7 * 3)
    assert counted.in_table == 882


def test_groups_have_modules_after_their_counterpart():
    groups = table_5.by_group(table_5.cells(AT_03, []))
    assert [group.label for group in groups] == [
        *("elementary", "linear", "linear, PG-E", "cross", "cross, PG-T"),
        *("univariate", "cross high", "power sum", "factorizable"),
    ]
    assert [len(cells) for cells in groups.values()] == [3, 4, 4, 3, 2, 4, 4, 7, 10]
    assert Group(Kind.CROSS_HIGH).marked is False
    assert Group(Kind.LINEAR).marked is None
    assert Group(Kind.LINEAR, "PG-E").marked is True


def test_an_operation_groks_at_a_fraction_or_at_any():
    outcomes = [
        *single("a+b", 0.1),
        *single("a+b", 900, fraction=0.4),
        *single("a-b", 0.1, fraction=0.4),
    ]
    cells = table_5.cells(CONFIGS, outcomes)
    plus, minus = map(Operation.parse, ("a+b", "a-b"))
    assert table_5.grokking(cells, 0.3) == {plus: False}
    assert table_5.grokking(cells, 0.4) == {plus: True, minus: False}
    assert table_5.grokking(cells) == {plus: True, minus: False}


@given(st.data())
def test_counts_of_groups_add_up(data):
    chosen = data.draw(st.lists(st.sampled_from(list(product(range(len(AT_03)), [500, 0.5]))), max_size=30))
    cells = table_5.cells(AT_03, [ended(AT_03[i], end) for i, end in dict(chosen).items()])
    total = table_5.agreement(cells)
    parts = [table_5.agreement(group) for group in table_5.by_group(cells).values()]
    assert tuple(map(sum, zip(*parts, strict=True))) == total
    assert total.agree + total.here_alone + total.paper_alone == total.run == sum(bool(c.outcomes) for c in cells)


def test_tables_of_labels_come_after_the_paper_s_kinds(division):
    configs = [RunConfig(operations=(operation,), p=7) for operation in (division, "(a+b)^2", "a+b")]
    groups = table_5.by_group(table_5.cells(configs, []))
    assert [group.label for group in groups] == ["elementary", "factorizable", "table"]
