from dataclasses import replace

import pytest

from grokbook import RunConfig, paper
from grokbook.model.weights import EMBEDDING
from grokbook.paper import experiments
from grokbook.paper.experiments import EXPERIMENTS
from grokbook.runs.config import merged

TRAINED = [name for name in EXPERIMENTS if name not in ("label-distribution", "taxonomy")]


def operations(name: str) -> set[tuple[str, ...]]:
    return {config.operations for config in EXPERIMENTS[name].configs() if config.source is None}


@pytest.mark.parametrize("name", TRAINED)
def test_an_experiment_has_each_of_its_runs_once_at_the_paper_s_settings(name):
    configs = EXPERIMENTS[name].configs()
    assert configs
    assert len({config.hash for config in configs}) == len(configs)
    if name in IN_THE_PAPER:
        assert {config.seed for config in configs} == {0, 1, 2}
    for config in configs:
        assert (config.d_model, config.n_heads, config.d_mlp, config.lr, config.weight_decay) == (
            128,
            4,
            512,
            1e-3,
            1.0,
        )
        assert config.source is None or config.source.seed == config.seed


def test_one_seed_of_everything_comes_first():
    for experiment in EXPERIMENTS.values():
        seeds = [config.seed for config in experiment.configs()]
        assert seeds == sorted(seeds)


def test_what_is_given_replaces_the_experiment_s_own():
    found = EXPERIMENTS["elementary"].configs(moduli=[31, 59], fractions=[0.4], seeds=[7], max_steps=50)
    expected = [paper.single(op, p=p, fraction=0.4, seed=7, max_steps=50) for p in (31, 59) for op in paper.ELEMENTARY]
    assert found == expected


def test_further_fields_are_those_of_runs_and_of_what_they_start_from():
    found = EXPERIMENTS["pregrokked-elementary"].configs(seeds=[0], model="separate", weight_decay=0.5)
    assert len(found) == len(EXPERIMENTS["pregrokked-elementary"].configs(seeds=[0]))
    for config in (*found, *(config.source for config in found if config.source is not None)):
        assert (config.model, config.weight_decay) == ("separate", 0.5)


def test_the_grid_has_the_columns_of_table_5():
    grid = EXPERIMENTS["summary-grid"].configs(seeds=[0], fractions=[0.3])
    scratch = [config for config in grid if config.source is None]
    assert len(scratch) == 35, "36 columns, of which a²−b² stands among the powers and among the factorizable ones"
    assert sorted(config.task for config in grid if config.source is not None) == [
        *("PG-E a+b → 2a+3b", "PG-E a+b → 2a+b", "PG-E a+b → 2a-3b", "PG-E a+b → 2a-b"),
        *("PG-T ab → ab+b", "PG-T ab → ab-b"),
    ]
    assert len(EXPERIMENTS["summary-grid"].configs()) == 41 * 7 * 3


def test_figure_2_has_every_source_with_every_target_and_module():
    runs = [config for config in EXPERIMENTS["pregrokked-elementary"].configs(seeds=[0]) if config.source is not None]
    assert len(runs) == 18
    assert len({(c.source.operations, c.operations, c.transplant) for c in runs}) == 18


def test_random_embeddings_are_frozen_and_mixtures_are_single_runs():
    assert {config.frozen for config in EXPERIMENTS["random-embedding"].configs()} == {EMBEDDING}
    assert operations("mixture-elementary") == {("a+b", "a-b", "ab")}
    assert {config.p for config in EXPERIMENTS["modulus"].configs()} >= {97, 113}


def test_experiments_share_their_runs():
    assert set(EXPERIMENTS["elementary"].configs()) < set(EXPERIMENTS["summary-grid"].configs())


def test_runs_of_which_nothing_but_their_ends_is_shown_are_short_where_steps_cost_much():
    tails = {(config.fraction, config.tail) for config in EXPERIMENTS["summary-grid"].configs(seeds=[0])}
    short = RunConfig(operations=("a+b",)).sustain
    assert tails == {*((r, 5000) for r in (0.3, 0.4, 0.5)), *((r, short) for r in (0.6, 0.7, 0.8, 0.9))}
    assert {config.tail for config in EXPERIMENTS["mixture-elementary"].configs(fractions=[0.9])} == {5000}
    long = paper.single("a+b", fraction=0.9)
    assert long.tail > short
    assert experiments.in_an_experiment(long), "a chapter must not train it unasked"
    assert not experiments.in_an_experiment(replace(long, max_steps=300)), "a reader's small budget is trained"
    assert not EXPERIMENTS["mixture-elementary"].includes(long)
    sources = [c.source for c in EXPERIMENTS["summary-grid"].configs(fractions=[0.9], seeds=[0]) if c.source]
    assert {source.tail for source in sources} == {5000}, "they are those of the pre-grokked experiments"


def test_an_unknown_name_is_met_with_near_ones():
    with pytest.raises(ValueError, match=r"no experiment 'elementry'; did you mean .*elementary"):
        experiments.experiment("elementry")
    with pytest.raises(ValueError, match="did you mean"):
        experiments.experiment("???")


# --- the specification's list ---------------------------------------------------------------------

IN_THE_PAPER = {
    "elementary": "Fig 3",
    "pregrokked-elementary": "Fig 2",
    "restricted-loss": "Fig 13, Table 4",
    "random-embedding": "Fig 14",
    "mixture-elementary": "Fig 4",
    "simple-polynomials": "Fig 5 and 6",
    "high-degree": "Fig 7 and 8",
    "pregrokked-linear": "Fig 9",
    "progress-measures": "Fig 10 and 19",
    "mixture-polynomials": "Fig 11 and 12",
    "summary-grid": "Table 5",
    "modulus": "Fig 20",
    "label-distribution": "Fig 21",
    "pregrokked-polynomials": "Table 6",
    "taxonomy": "Tables 1 and 3",
}
OF_OUR_OWN = {
    *("progress-measures-ab+b", "operand-range"),
    *("unseen-operations", "unseen-fractions", "unseen-primes", "unseen-primes-quadratic", "unseen-mlp"),
    *("separate-control", "separate-embeddings"),
}


def test_the_list_is_that_of_the_specification():
    named = IN_THE_PAPER.keys() | OF_OUR_OWN
    assert EXPERIMENTS.keys() == named, "one that is not in the paper is entered in OF_OUR_OWN"
    for name, where in IN_THE_PAPER.items():
        assert EXPERIMENTS[name].where.startswith(where), name


# --- which runs are the paper's, and what trains them ---------------------------------------------


KINDS = ("elementary", "mixture-elementary", "pregrokked-linear", "random-embedding", "operand-range", "modulus")
"""An experiment with each kind of task, and one with several moduli."""


def test_a_run_is_the_paper_s_only_at_its_own_settings_and_budget():
    for name in KINDS:
        experiment = EXPERIMENTS[name]
        config = experiment.configs()[-1]
        assert experiment.includes(config), name
        assert experiments.in_an_experiment(config), name
        for change in ({"seeds": [7]}, {"fractions": [0.35]}, {"max_steps": 60}):
            other = experiment.configs(**change)[-1]
            assert not experiments.in_an_experiment(other), (name, change)
            assert experiment.covers(other), (name, change)
    assert not EXPERIMENTS["elementary"].covers(paper.single("2a+b"))
    assert not EXPERIMENTS["elementary"].covers(paper.mixture(paper.ELEMENTARY))


def swept(command: str) -> list[RunConfig]:
    """The runs that a command is about."""
    words = command.split()
    assert words[:2] == ["grokbook", "sweep"]
    options = list(zip(words[3::2], words[4::2], strict=True))
    value = {"--p": int, "--fraction": float, "--seed": int, "--max-steps": int}
    found = {option: [value[option](text) for name, text in options if name == option] for option in value}
    (max_steps,) = found["--max-steps"] or [None]
    return EXPERIMENTS[words[2]].configs(
        moduli=found["--p"], fractions=found["--fraction"], seeds=found["--seed"], max_steps=max_steps
    )


@pytest.mark.parametrize("name", KINDS)
def test_the_command_trains_the_runs_and_names_no_more_settings_than_it_must(name):
    everything = EXPERIMENTS[name].configs()
    assert experiments.sweep_command(name, everything) == f"grokbook sweep {name}"
    last = experiments.sweep_command(name, everything[-1:])
    assert everything[-1] in swept(last)
    assert len(swept(last)) < len(everything)
    own = EXPERIMENTS[name].configs(seeds=[7], fractions=[0.35], max_steps=60)
    assert set(own) <= set(swept(experiments.sweep_command(name, own)))


def test_a_command_needs_tasks_of_its_experiment_and_one_budget():
    with pytest.raises(ValueError, match=r"elementary has no 2a\+b"):
        experiments.sweep_command("elementary", [paper.single("2a+b")])
    two = [paper.single("a+b", max_steps=steps) for steps in (50, 60)]
    with pytest.raises(ValueError, match="50, 60 steps take a command each"):
        experiments.sweep_command("elementary", two)
    usual = paper.single("a+b", max_steps=paper.DEFAULT_BUDGET), paper.single("a-b", max_steps=paper.DEFAULT_BUDGET)
    assert "--max-steps 40000" in experiments.sweep_command("elementary", usual), "the usual budget of one of them"


def test_a_sweep_of_everything_trains_nothing_twice():
    everything = [config for each in EXPERIMENTS.values() for config in each.configs()]
    left = merged(everything)
    assert len(left) < len(set(everything)), "the grid has runs of the moduli with a short tail"
    assert len({config.name for config in left}) == len(left) == len({config.name for config in everything})
