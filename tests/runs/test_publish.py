from dataclasses import replace

import pytest
import torch

from grokbook import RunStore, data, model, runs
from grokbook.fourier.layers import LAYERS
from grokbook.runs import publish, verify
from grokbook.runs.layout import WEIGHTS


@pytest.mark.parametrize("maps", ["all", "last", "none"])
@pytest.mark.parametrize("weights", [True, False])
def test_a_published_copy_has_what_was_asked_for_and_the_rest_unchanged(tmp_path, tiny_mixture, maps, weights):
    path = publish.publish(tiny_mixture, tmp_path, maps=maps, weights=weights)
    found, recorded = runs.read(path), tiny_mixture.spectra
    assert path == tmp_path / tiny_mixture.config.name
    assert found.config == tiny_mixture.config
    assert found.history.equals(tiny_mixture.history)
    assert torch.equal(found.spectra.step, recorded.step)
    for layer in LAYERS:
        assert torch.equal(getattr(found.spectra, layer), getattr(recorded, layer))
    kept = {"all": slice(None), "last": slice(-1, None), "none": slice(0, 0)}[maps]
    assert torch.equal(found.spectra.logits_step, recorded.logits_step[kept])
    assert torch.equal(found.spectra.logits, recorded.logits[kept])
    assert found.has_weights == weights == (path / WEIGHTS).exists()
    if weights:
        assert all(torch.equal(*pair) for pair in zip(found.weights, tiny_mixture.weights, strict=True))
    left_out = ["maps of the 2-D logits" + (" but the last" if maps == "last" else "")] if maps != "all" else []
    left_out += [] if weights else ["weights"]
    assert found.provenance.get("left_out", []) == left_out
    assert {**found.provenance, "left_out": 0} == {**tiny_mixture.provenance, "left_out": 0}
    assert verify.problems(found) == []


def test_answers_stand_in_for_weights(tmp_path, tiny_mixture):
    found = runs.read(publish.publish(tiny_mixture, tmp_path, answers=True))
    assert not found.has_weights
    assert found.has_answers
    config = tiny_mixture.config
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed)
    for answers, tokens in zip(found.answers, table.tokens, strict=True):
        assert torch.equal(answers, model.textbook_logits(tiny_mixture.weights, tokens)[0].argmax(-1).short())
    assert verify.problems(found) == []
    altered = replace(found, kept_answers=(found.answers + 1) % config.p)
    (*told,) = (problem.partition(" is ")[0] for problem in verify.problems(altered))
    assert told
    assert all("accuracy" in name for name in told)


def test_trimming_twice_is_trimming_once(tiny_run):
    once = publish.trimmed(tiny_run)
    assert publish.trimmed(once).provenance == once.provenance


def test_what_is_published_stays(tmp_path, tiny_run):
    path = publish.publish(tiny_run, tmp_path, weights=True)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(FileExistsError, match="published already"):
        publish.publish(tiny_run, tmp_path)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


@pytest.mark.parametrize("wanted", ["heir", "both"])
def test_a_source_without_weights_is_trained_again_for_an_heir(tmp_path, tiny, tiny_run, tiny_transfer, wanted):
    """A published run without weights is read like any other, but nothing can start from it."""
    publish.publish(tiny_run, tmp_path / "published")
    store = RunStore(tmp_path / "mine", [tmp_path / "published"])
    assert tiny_run.config in store
    assert tiny_run.config not in store.sources
    assert store.missing([tiny_run.config]) == []
    assert store.missing([tiny_transfer.config]) == [tiny_run.config, tiny_transfer.config]
    asked = [tiny_transfer.config] if wanted == "heir" else [tiny_run.config, tiny_transfer.config]
    heir = store.ensure(asked, "cpu", progress=False)[-1]
    assert heir.history.equals(tiny_transfer.history)
    assert {folder.name for folder in (tmp_path / "mine").glob("a*")} == {tiny_run.config.name, heir.config.name}
    assert store.missing(asked) == []
    assert not store.get(tiny_run.config).has_weights, "the published one still goes first"
    assert torch.equal(store.sources.get(tiny_run.config).weights.W_E, tiny_run.weights.W_E)


def test_a_stored_heir_does_not_need_the_weights_of_its_source(tmp_path, tiny_run, tiny_transfer):
    for run in (tiny_run, tiny_transfer):
        publish.publish(run, tmp_path)
    store = RunStore(tmp_path / "mine", [tmp_path], stored_only=True)
    source, heir = store.ensure([tiny_run.config, tiny_transfer.config])
    assert not source.has_weights
    assert not heir.has_weights
