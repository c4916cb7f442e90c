"""The runs that come with the book. `make book` trains nothing only if each of them is there and sound."""

import ast
from itertools import chain

import pytest
import torch
from checkout import ROOT

from grokbook import RunStore, paper, runs
from grokbook.analysis import restricted_history
from grokbook.book.parameters import notebook_parameters, read_notebook
from grokbook.paper import table_5
from grokbook.paper.experiments import EXPERIMENTS
from grokbook.runs import layout, outcomes, repeats, verify
from grokbook.runs.outcomes import Outcome

PUBLISHED = ROOT / "runs"


def configs_of(notebook):
    """The runs that a notebook asks for with its own parameters."""
    parameters = notebook_parameters(read_notebook(notebook))
    values = {name: ast.literal_eval(parameter.default) for name, parameter in parameters.items()}
    if "device" not in values or "train" in values:  # with these parameters it trains nothing, whatever is stored
        return
    common = {name: values[name] for name in ("p", "fraction", "max_steps")}
    for seed in values["seeds"]:
        yield from (paper.single(operation, seed=seed, **common) for operation in values["operations"])


CHAPTERS = [path for path in sorted((ROOT / "notebooks").glob("*.md")) if not path.stem.startswith("workshop_")]
"""What workshops ask for, tests/test_workshop.py makes sure of."""
SHOWN = chain.from_iterable(map(configs_of, CHAPTERS))
FROM_SCRATCH = (
    *("a+b", "a-b", "a*b", "2a+b", "ab-b", "ab+b", "ab+a+b"),
    *("a^2+b^2", "a^2-b^2", "(a+b)^2", "(a+b)^3", "a^2+ab+b^2"),
)
TRANSFERS = ("PG-E a+b -> 2a+b", "PG-T a*b -> ab-b", "PG-E a+b -> a-b", "PG-T a*b -> a+b", "PG-T a-b -> a-b")
PROMISED = [
    *map(paper.single, FROM_SCRATCH),
    *(paper.pre_grokked(paper.Transfer.parse(text)) for text in TRANSFERS),
]
REQUIRED = list(dict.fromkeys([*SHOWN, *PROMISED]))
GRID = outcomes.table_path(PUBLISHED, "summary-grid")
FOLDERS = sorted(path for path in PUBLISHED.glob("*") if path.is_dir())


@pytest.mark.parametrize("config", REQUIRED, ids=lambda config: config.label)
def test_every_run_that_is_promised_or_that_a_chapter_shows_is_published(config):
    assert config in RunStore(PUBLISHED), f"runs/{config.name} is missing"


def test_the_runs_are_small_enough_to_clone():
    size = sum(path.stat().st_size for path in PUBLISHED.rglob("*"))
    assert 0 < size <= 45e6


def test_nothing_but_runs_and_their_tables_is_published():
    losses = {f"{folder.name}{restricted_history.SUFFIX}" for folder in FOLDERS}
    of_endings = {outcomes.table_path(PUBLISHED, name) for name, each in EXPERIMENTS.items() if each.endings}
    tables = {path.name for path in (*of_endings, outcomes.table_path(PUBLISHED, outcomes.REPEATS)) if path.exists()}
    names = {folder.name for folder in FOLDERS} | {"README.md"} | tables
    locks = {f".{name}.lock" for name in tables}  # what changes a table leaves one, and git ignores it
    assert {path.name for path in PUBLISHED.glob("*")} - losses - locks == names
    always, further = (
        {layout.CONFIG, layout.HISTORY, layout.SPECTRA, layout.PROVENANCE},
        {layout.MAPS, layout.WEIGHTS, layout.ANSWERS},
    )
    files = {folder.name: {path.name for path in folder.iterdir()} for folder in FOLDERS}
    assert [name for name, found in files.items() if not always <= found <= always | further] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_published_run_is_sound(folder):
    run = runs.read(folder)
    assert verify.problems(run) == []
    if (losses := restricted_history.read(RunStore(PUBLISHED), run)) is not None:
        assert list(restricted_history.problems(run, losses)) == []

    facts = run.provenance
    assert facts["commit"]
    for fact in ("device", "torch", "numpy", "python", "grokbook", "started"):
        assert isinstance(facts[fact], str), fact
    assert facts["wall_seconds"] > 0
    cut_short = run.grok_step is None or run.steps < run.grok_step + run.config.tail
    assert facts["stopped"] == ("step budget" if cut_short else "tail after grokking")

    assert all(s.isfinite().all() for s in run.spectra)
    without_maps = "maps of the 2-D logits" in facts.get("left_out", [])
    assert torch.equal(run.spectra.logits_step[-1:], run.spectra.step[:0] if without_maps else run.spectra.step[-1:])
    assert int(run.spectra.step[-1]) == run.steps <= run.config.max_steps
    if run.grok_step is None:
        assert run.steps == run.config.max_steps
    else:
        assert run.steps == runs.ending(run.config, run.grok_step)


def test_the_published_table_holds_and_has_every_published_run_of_the_grid():
    rows = {row.config.hash: row for row in outcomes.read(GRID)}
    assert {row.config.name: outcomes.problems(row) for row in rows.values() if outcomes.problems(row)} == {}
    table_5 = EXPERIMENTS["summary-grid"].configs()
    asked = {config.with_seed(0).hash for config in table_5}
    assert {row.config.with_seed(0).hash for row in rows.values()} <= asked
    assert all(row.facts[fact] for row in rows.values() for fact in ("device", "torch", "commit", "started", "stopped"))
    folders = list(outcomes.stored(RunStore(PUBLISHED), table_5))
    assert folders
    for outcome in folders:
        row = rows[outcome.config.hash]
        if row.same_training(outcome):
            assert outcomes.differences(row, outcome) == [], outcome.config.label
        else:
            assert not outcomes.disagree([row, outcome]), outcome.config.label


def test_every_published_run_with_a_pre_grokked_embedding_has_its_source_s():
    """From the first step to the last; on the machine of the one or the other the norms may have been rounded."""
    store = RunStore(PUBLISHED)
    heirs = [run for run in map(runs.read, store.folders()) if "W_E" in run.config.transplant]
    assert len(heirs) > 50
    for run in heirs:
        source = store.get(run.config.source).spectra.embedding[-1]
        assert (run.spectra.embedding - source).abs().max() <= 1e-6 * source.max(), run.config.label


INCOMPLETE = {
    *("summary-grid", "unseen-operations", "unseen-fractions", "unseen-primes", "unseen-primes-quadratic"),
    *("unseen-mlp", "separate-control", "separate-embeddings"),
}
"""Experiments of which not every run is published with seed 0. One that is complete has to leave this list."""


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_has_all_its_runs_with_one_seed_or_is_named_above(name):
    store = RunStore(PUBLISHED)
    configs = EXPERIMENTS[name].configs(seeds=[0])
    if EXPERIMENTS[name].endings:
        missing = outcomes.unknown(configs, outcomes.gather(store, name, configs))
    else:
        missing = [config for config in configs if config not in store]
    assert bool(missing) == (name in INCOMPLETE), [config.label for config in missing]


def test_what_does_not_grok_at_the_smallest_fraction_has_had_100_000_steps():
    configs = EXPERIMENTS["summary-grid"].configs(fractions=[0.3], seeds=[0])
    known = outcomes.gather(RunStore(PUBLISHED), "summary-grid", configs)
    failed = [cell for cell in table_5.cells(configs, known) if cell.groks is False]
    assert {cell.label: cell.budgets for cell in failed if min(cell.budgets) < 100_000} == {}
    assert len(failed) > 10


def test_every_training_that_was_repeated_is_of_a_published_run():
    store = RunStore(PUBLISHED)
    configs = EXPERIMENTS["summary-grid"].configs()
    known = {outcome.config.hash for outcome in outcomes.gather(store, "summary-grid", configs)}
    rows = repeats.read(store)
    assert rows
    assert {row.config.hash for row in rows} <= known
    assert not any(outcomes.problems(row) for row in rows)


def test_no_training_takes_the_place_of_a_first_one_that_it_contradicts():
    store, configs = RunStore(PUBLISHED), EXPERIMENTS["summary-grid"].configs()
    known = outcomes.gather(store, "summary-grid", configs)
    counted = {each.config.hash: each for cell in table_5.cells(configs, known) for each in cell.outcomes}
    groups = repeats.trained_again([*known, *repeats.read(store)])
    assert any(map(outcomes.disagree, groups)), "else this shows nothing"
    for first, *_ in groups:
        assert not outcomes.disagree([first, counted[first.config.hash]]), first.config.label


def test_the_first_training_of_the_square_was_gone_through_again_to_the_last_bit():
    """The row of its first training, with 40,000 steps, has the numbers of the published run at that step."""
    run = RunStore(PUBLISHED).get(paper.single("(a+b)^2"))
    mine = [row for row in repeats.read(RunStore(PUBLISHED)) if row.config.hash == run.config.hash]
    (first,) = (row for row in mine if row.steps == 40_000)
    at_its_end = run.history.set_index("step").loc[first.steps]
    assert {name: float(at_its_end[name]) for name in first.final} == first.final
    assert run.best_by(first.steps) == first.best_test_accuracy
    assert not Outcome.of(run).same_training(first)
