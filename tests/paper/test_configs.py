import re
from dataclasses import replace

import pytest

from grokbook import RunConfig, paper
from grokbook.model.weights import EMBEDDING
from grokbook.paper.configs import Transfer

TABLE_2 = {
    "p": 97,
    "fraction": 0.3,
    "operands": "residues",
    "d_model": 128,
    "n_heads": 4,
    "d_mlp": 512,
    "lr": 1e-3,
    "betas": (0.9, 0.98),
    "weight_decay": 1.0,
    "grok_accuracy": 0.99,
    "frozen": (),
}


@pytest.mark.parametrize(
    "config",
    [
        *map(paper.single, paper.ELEMENTARY),
        paper.single("a^2-b^2"),
        *(paper.pre_grokked(Transfer.parse(text)) for text in ("PG-E a+b -> 2a+b", "PG-T ab -> ab-b")),
    ],
    ids=lambda config: config.label,
)
def test_runs_have_the_settings_of_table_2(config):
    assert {name: getattr(config, name) for name in TABLE_2} == TABLE_2
    assert config.seed == 0
    assert 40_000 <= config.max_steps <= 300_000, "the paper's budget is the most"


def test_the_small_size_differs_from_the_paper_s_runs_in_size_alone():
    config = paper.single("a*b", seed=1, **paper.SMALL)
    assert config == replace(paper.single("a*b", seed=1), **paper.SMALL)
    assert config.p < 59
    assert paper.mixture(("a+b", "a*b"), **paper.SMALL).p == config.p


def test_a_mixture_is_one_run_on_all_its_operations():
    config = paper.mixture(("a+b", "b*a"), p=31, fraction=0.5, seed=3, max_steps=9)
    assert (config.operations, config.p, config.fraction, config.seed) == (("a+b", "ab"), 31, 0.5, 3)
    assert (config.max_steps, paper.mixture(("a+b", "a-b")).max_steps) == (9, paper.DEFAULT_BUDGET)


def test_a_pre_grokked_run_starts_from_the_run_from_scratch():
    transfer = Transfer.parse("PG-T a-b -> a-b")
    config = paper.pre_grokked(transfer, p=59, fraction=0.4, seed=2)
    assert config.source == paper.single("a-b", p=59, fraction=0.3, seed=2), "sources are trained at r = 0.3"
    other = paper.pre_grokked(transfer, p=59, fraction=0.4, seed=2, source_fraction=0.5)
    assert other.source == paper.single("a-b", p=59, fraction=0.5, seed=2)
    assert (config.p, config.fraction, config.seed, config.operations) == (59, 0.4, 2, ("a-b",))
    assert config.transplant == ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_out")
    assert (config.source.max_steps, config.max_steps) == (100_000, 40_000), "a head start needs no larger budget"


def test_runs_of_which_the_end_is_shown_are_short_where_steps_cost_much():
    assert paper.ending_tail(0.3) == paper.ending_tail(0.5) == paper.single("a+b").tail
    assert paper.ending_tail(0.6) == paper.SHORT_TAIL < paper.TAIL


def test_budgets_belong_to_operations_however_they_are_written():
    assert paper.budget("a - b") == paper.budget("a-b") == 100_000
    assert paper.budget("(a+b)(a-b)") == 100_000
    assert paper.budget("a-b", 0.6) == paper.single("a-b", fraction=0.9).max_steps == 40_000
    assert paper.single("a-b", fraction=0.5).max_steps == 100_000
    assert paper.budget("b*a") == paper.DEFAULT_BUDGET == 40_000
    assert paper.single("a-b", max_steps=60).max_steps == 60
    transfer = Transfer.parse("PG-E a+b -> a-b")
    of = [(c.max_steps, c.source.max_steps) for c in (
        paper.pre_grokked(transfer),
        paper.pre_grokked(transfer, max_steps=60),
        paper.pre_grokked(transfer, max_steps=60, source_max_steps=70),
    )]  # fmt: skip
    assert of == [(40_000, 40_000), (60, 40_000), (60, 70)], "a short target must not cut its source short"


def test_targets_with_many_modules_have_a_budget_of_their_own():
    def steps(text, **changes):
        return paper.pre_grokked(Transfer.parse(text), **changes).max_steps

    assert steps("PG-E a+b -> (a-b)(a-b)") == steps("PG-T a*b -> a^3+a*b") == 20_000
    assert steps("PG-E a+b -> 2a+b") == paper.DEFAULT_BUDGET
    assert steps("PG-E a+b -> a^3+ab", max_steps=70) == 70


def test_a_tail_is_that_of_the_run_itself():
    transfer = Transfer.parse("PG-E a+b -> a-b")
    for config in (
        paper.single("a+b", tail=7),
        paper.mixture(("a+b", "ab"), tail=7),
        paper.pre_grokked(transfer, tail=7),
    ):
        assert config.tail == 7
    assert paper.pre_grokked(transfer, tail=7).source == paper.single("a+b")
    usual = paper.single("a+b"), paper.mixture(("a+b", "ab")), paper.pre_grokked(transfer)
    assert {config.tail for config in usual} == {RunConfig(operations=("a+b",)).tail}


@pytest.mark.parametrize(
    "text", ["PG-E a+b -> 2a+b", "PG-E b+a->2a + b", "  PG-E  a + b   ->   2*a+b  ", "PG-E a+b -> a + a + b"]
)
def test_transfers_are_read_with_any_spacing(text):
    assert Transfer.parse(text) == Transfer("a+b", "2a+b", EMBEDDING)


def test_labels_name_the_module_and_the_source():
    assert Transfer.parse("PG-E a+b -> 2a+b").label == "PG-E from a+b"
    assert Transfer.parse("PG-T a*b -> ab-b").label == "PG-T from a·b"


@pytest.mark.parametrize(
    "text",
    ["", "a+b -> 2a+b", "PG-X a+b -> 2a+b", "PG-E a+b 2a+b", "PG-E -> 2a+b", "PG-E a+b ->", "pg-e a+b -> 2a+b", "PG-E"],
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match=re.escape("written like 'PG-E a+b -> 2a+b' (modules: PG-E, PG-T)")):
        Transfer.parse(text)


@pytest.mark.parametrize("text", ["PG-E a/b -> 2a+b", "PG-E a+b -> c+1", "PG-T a+b -> a-b -> a"])
def test_operations_in_transfers_are_checked(text):
    with pytest.raises(ValueError, match="column"):
        Transfer.parse(text)
