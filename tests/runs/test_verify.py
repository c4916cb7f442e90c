import hashlib
import json
from dataclasses import replace

import pytest
from safetensors.torch import load_file, save_file

from grokbook import runs, train
from grokbook.runs import verify
from grokbook.runs.run import HISTORY, PROVENANCE, WEIGHTS


@pytest.fixture(scope="session")
def every_run(tiny, tiny_run, tiny_mixture, tiny_transfer, grokked_run):
    vocab = train([tiny("a*b", operands="vocab", fraction=0.3, max_steps=5)], "cpu", progress=False)[0]
    return [tiny_run, tiny_mixture, tiny_transfer, grokked_run, vocab]


def test_untouched_runs_agree(every_run):
    for run in every_run:
        assert verify.problems(run) == [], run.config.label


def test_what_is_recomputed_is_what_the_history_says(every_run):
    for run in every_run:
        recomputed = verify.recompute(run)
        assert set(recomputed) == set(run.history) - {"step"}
        for name, value in recomputed.items():
            assert value == pytest.approx(run.history[name].iloc[-1], rel=1e-4, abs=1e-6), name


def test_a_measure_has_its_own_tolerance_whatever_its_name_holds(grokked_run, monkeypatch):
    name, (measure, layer) = next(iter(verify.measured().items()))
    longer = f"norm_{name}"
    known, found = verify.measured(), verify.recompute(grokked_run)
    strict = replace(measure, tolerance=1e-9)
    monkeypatch.setattr(verify, "measured", lambda: known | {longer: (strict, layer)})
    monkeypatch.setattr(verify, "recompute", lambda run: found | {longer: found[name]})
    history = grokked_run.history.assign(**{longer: found[name] + 1e-6})
    assert f"{longer} is" in " ".join(verify.problems(replace(grokked_run, history=history)))


def write_altered(run, folder, alter) -> runs.Run:
    """Store the run, alter a file of it, redo its checksum, read it back."""
    path = folder / run.config.name
    path.mkdir()
    runs.write(run, path)
    file = alter(path)
    facts = json.loads((path / PROVENANCE).read_text())
    facts["sha256"][file] = hashlib.sha256((path / file).read_bytes()).hexdigest()
    (path / PROVENANCE).write_text(json.dumps(facts))
    return runs.read(path)


@pytest.mark.parametrize(
    ("name", "shows"),
    [("W_E", "accuracy"), ("W_Q", "accuracy"), ("W_V", "accuracy"), ("W_in", "accuracy"), ("W_U", "fcr_neuron")],
)
def test_altered_weights_are_found_although_the_checksum_fits(grokked_run, tmp_path, name, shows):
    def alter(path):
        weights = load_file(path / WEIGHTS)
        weights[name] = weights[name].flip(0).contiguous()
        save_file(weights, path / WEIGHTS)
        return WEIGHTS

    found = verify.problems(write_altered(grokked_run, tmp_path, alter))
    assert any(shows in problem for problem in found), found


@pytest.mark.parametrize(
    ("column", "shift"),
    [
        *[("train_accuracy", 0.05), ("test_accuracy", 0.05), ("ffs_embedding", 0.05), ("fcr_neuron_logit", 0.01)],
        *[("gini_embedding", 0.01), ("train_loss", 0.1), ("test_loss", 1.0), ("weight_norm", 0.01)],
    ],
)
def test_an_altered_history_is_found_although_the_checksum_fits(tiny_run, tmp_path, column, shift):
    before = tiny_run.history[column].iloc[-1]

    def alter(path):
        history = tiny_run.history.copy()
        history.loc[history.index[-1], column] = before + shift
        history.to_parquet(path / HISTORY, index=False)
        return HISTORY

    found = verify.problems(write_altered(tiny_run, tmp_path, alter))
    assert [problem.partition(" is ")[0] for problem in found] == [column]
    assert f"{before:.4g}" in found[0]


@pytest.mark.parametrize("layer", ["embedding", "neuron_logit"])
def test_a_spectrum_of_other_weights_is_found(tiny_run, layer):
    rows = getattr(tiny_run.spectra, layer).clone()
    rows[-1] = rows[-1].flip(0)
    found = verify.problems(replace(tiny_run, spectra=tiny_run.spectra._replace(**{layer: rows})))
    assert found == [f"the last spectrum of the {layer} is not that of the weights"]


@pytest.mark.parametrize(("weights", "time"), [(True, 0), (True, -2), (False, -1), (False, 3)])
def test_measures_that_are_not_those_of_the_spectra_are_found(tiny_run, weights, time):
    """Also where there are no weights, and also before the last step."""
    run = tiny_run if weights else replace(tiny_run, kept_weights=None)
    step, history = int(run.spectra.step[time]), run.history.copy()
    history.loc[history["step"] == step, "gini_embedding"] += 1e-3
    (found,) = verify.problems(replace(run, history=history))
    assert found.startswith(f"gini_embedding at step {step} is ")
    missing = verify.problems(replace(run, history=history[history["step"] != step]))
    assert missing, "a step with spectra that the history does not have"


@pytest.mark.parametrize("operation", [0, 2])
def test_a_map_of_other_logits_is_found(tiny_mixture, operation):
    maps = tiny_mixture.spectra.logits.clone()
    maps[-1, operation] = maps[-1, operation].flip(0)
    (found,) = verify.problems(replace(tiny_mixture, spectra=tiny_mixture.spectra._replace(logits=maps)))
    assert found == f"the last map of the logits of operation {operation} is not that of the weights"


@pytest.mark.parametrize("what", ["step", "logits_step"])
def test_last_spectra_are_those_of_the_last_step(tiny_run, what):
    steps = getattr(tiny_run.spectra, what).clone()
    steps[-1] = 999
    found = verify.problems(replace(tiny_run, spectra=tiny_run.spectra._replace(**{what: steps})))
    assert any("are of step 999, not of 30" in problem for problem in found)


def test_a_run_that_ends_elsewhere_than_its_config_says_is_found(grokked_run):
    end, grok_step = grokked_run.steps, grokked_run.grok_step
    for config, expected in (
        (replace(grokked_run.config, tail=40), grok_step + 40),
        (replace(grokked_run.config, max_steps=end - 1), end - 1),
        (replace(grokked_run.config, grok_accuracy=1.0, sustain=399), 400),
        (replace(grokked_run.config, tail=10), 100),  # the first evaluation 30 steps on or later
    ):
        found = verify.problems(replace(grokked_run, config=config))
        assert f"the run ends at step {end}, not at {expected}" in found


def test_without_weights_nothing_is_recomputed(tiny_run):
    run = replace(tiny_run, kept_weights=None)
    assert verify.recompute(run) == {}
    assert verify.problems(run) == []


def test_the_worst_operation_of_a_mixture_cannot_be_hidden(tiny_mixture):
    history = tiny_mixture.history.copy()
    history.loc[history.index[-1], "test_accuracy[ab+b]"] = 1.0
    found = verify.problems(replace(tiny_mixture, history=history))
    assert [problem.partition(" ")[0] for problem in found] == ["test_accuracy[ab+b]"]


def test_nan_is_a_problem(tiny_run):
    history = tiny_run.history.copy()
    history.loc[history.index[-1], "fcr_embedding"] = float("nan")
    (found,) = verify.problems(replace(tiny_run, history=history))
    assert "nan in the history" in found


def test_a_rounding_error_is_none(tiny_run):
    history = tiny_run.history.copy()
    history.loc[history.index[-1], "fcr_embedding"] += 1e-4
    assert verify.problems(replace(tiny_run, history=history)) == []
