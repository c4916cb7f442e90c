"""The runs that come with the book. `make book` trains nothing only if each of them is there and sound."""

from pathlib import Path

import pytest
import torch

from grokbook import RunStore, paper, runs, verification

PUBLISHED = Path(__file__).resolve().parents[1] / "runs"
REQUIRED = [
    *(paper.single(operation) for operation in (*paper.ELEMENTARY, *paper.POLYNOMIALS, *paper.LINEAR)),
    *map(paper.pre_grokked, paper.TRANSFERS),
]
FOLDERS = sorted(path for path in PUBLISHED.glob("*") if path.is_dir())


@pytest.mark.parametrize("config", REQUIRED, ids=lambda config: config.label)
def test_every_required_run_is_published(config):
    assert config in RunStore(PUBLISHED), f"runs/{config.name} is missing"


def test_the_runs_are_small_enough_to_clone():
    size = sum(path.stat().st_size for path in PUBLISHED.rglob("*"))
    assert 0 < size <= 30e6


def test_nothing_but_runs_is_published():
    assert {path.name for path in PUBLISHED.glob("*")} - {"README.md"} == {folder.name for folder in FOLDERS}
    files = {runs.CONFIG, runs.HISTORY, runs.SPECTRA, runs.WEIGHTS, runs.PROVENANCE}
    assert all({path.name for path in folder.iterdir()} == files for folder in FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_published_run_is_sound(folder):
    run = runs.read(folder)
    assert verification.problems(run) == []

    facts = run.provenance
    assert facts["commit"]
    for fact in ("device", "torch", "numpy", "python", "grokbook", "started"):
        assert isinstance(facts[fact], str), fact
    assert facts["wall_seconds"] > 0
    assert facts["stopped"] == ("step budget" if run.grok_step is None else "tail after grokking")

    assert all(w.isfinite().all() for w in run.weights)
    assert all(s.isfinite().all() for s in run.spectra)
    assert torch.equal(run.spectra.step[-1:], run.spectra.logits_step[-1:])
    assert int(run.spectra.step[-1]) == run.steps <= run.config.max_steps
    if run.grok_step is None:
        assert run.steps == run.config.max_steps
    else:
        assert run.steps == min(run.config.max_steps, run.grok_step + run.config.tail)


@pytest.mark.parametrize("config", [c for c in REQUIRED if c.source is not None], ids=lambda config: config.label)
def test_a_published_pre_grokked_run_holds_its_source_s_module(config):
    store = RunStore(PUBLISHED)
    run, source = store.get(config), store.get(config.source)
    for name in config.transplant:
        assert torch.equal(getattr(run.weights, name), getattr(source.weights, name)), name
