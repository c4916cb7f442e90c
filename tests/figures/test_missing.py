import pytest

from grokbook import figures, paper
from grokbook.figures.missing import in_words
from grokbook.model.names import EMBEDDING
from grokbook.paper.gathered import Gathered


@pytest.fixture
def gathered(tiny_run):
    """Six mixtures, of which one is stored; a+b alone; and something of no experiment."""
    mixtures = [paper.mixture(paper.ELEMENTARY, fraction=r, seed=seed) for r in (0.3, 0.4, 0.9) for seed in (0, 1)]
    others = [paper.single("a+b", seed=1), paper.single("5a+b")]
    return Gathered((*mixtures, *others), {mixtures[-1]: tiny_run})


def test_runs_are_counted_for_the_first_experiment_that_has_them(gathered):
    table = figures.stored_table(gathered, ["random-embedding", "mixture-elementary", "elementary", "summary-grid"])
    assert table.to_dict("records") == [
        {
            "experiment": "mixture-elementary",
            "stored": "1 of 6",
            "not yet run": "{a+b, a−b, a·b}: p = 97, r = 0.3, 0.4, seeds 0, 1; p = 97, r = 0.9, seed 0",
        },
        {"experiment": "elementary", "stored": "0 of 1", "not yet run": "a+b: p = 97, r = 0.3, seed 1"},
        {"experiment": "others", "stored": "0 of 1", "not yet run": "5a+b: p = 97, r = 0.3, seed 0"},
    ]


def test_commands_train_what_is_missing_and_nothing_is_missing_where_all_is_stored(gathered, tiny_run):
    told = figures.sweep_commands(gathered, ["mixture-elementary", "elementary"])
    assert told.splitlines() == [
        "Not yet run; trained by:",
        "grokbook sweep mixture-elementary --fraction 0.3 --fraction 0.4 --fraction 0.9 --seed 0 --seed 1",
        "grokbook sweep elementary --seed 1",
        "this notebook with train = True: 5a+b: p = 97, r = 0.3, seed 0",
    ]
    full = Gathered(gathered.wanted, dict.fromkeys(gathered.wanted, tiny_run))
    assert figures.sweep_commands(full, ["elementary"]) == "All of these runs are stored."
    assert set(figures.stored_table(full, ["elementary"])["not yet run"]) == {"–"}


def test_equal_settings_are_told_once():
    moduli = [paper.single("a+b", p=p, fraction=r) for p in (59, 97) for r in (0.3, 0.5)]
    both = [*moduli, *(paper.single("a-b", p=p, fraction=r) for p in (59, 97) for r in (0.3, 0.5))]
    assert in_words(both) == "a+b; a−b: p = 59, 97, r = 0.3, 0.5, seed 0"
    assert in_words([paper.single("a+b"), paper.single("ab", seed=2)]) == (
        "a+b: p = 97, r = 0.3, seed 0. a·b: p = 97, r = 0.3, seed 2"
    )
    assert in_words([]) == ""


def test_a_frozen_embedding_is_not_the_trained_one(tiny_run):
    frozen = paper.single("a+b", frozen=EMBEDDING)
    table = figures.stored_table(Gathered((frozen,), {}), ["elementary", "random-embedding"])
    assert list(table["experiment"]) == ["random-embedding"]


def test_a_module_is_part_of_the_task():
    transfer = paper.pre_grokked(paper.Transfer.parse("PG-T a*b -> 2a+b"))
    assert in_words([paper.single("2a+b"), transfer]) == "2a+b; PG-T a·b → 2a+b: p = 97, r = 0.3, seed 0"


def test_what_is_unusual_of_a_run_is_part_of_its_task():
    alike = [paper.single("a+b"), paper.single("a+b", model="mlp"), paper.single("a+b", frozen=EMBEDDING)]
    assert in_words(alike) == ("a+b; a+b [two-layer MLP]; a+b [frozen random embedding]: p = 97, r = 0.3, seed 0")


def test_of_many_tasks_the_first_are_named():
    told = in_words(paper.single(f"{k}a+b") for k in range(1, 31))
    assert told.startswith("a+b; 2a+b; ")
    assert told.endswith("; 18a+b and 12 more: p = 97, r = 0.3, seed 0")
    assert in_words(paper.single(f"{k}a+b") for k in range(1, 21)).endswith("; 20a+b: p = 97, r = 0.3, seed 0")
