"""Runs as they are seen while they train; what histories and spectra hold is tested with training."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from same import assert_same_run

from grokbook import TrainingDiverged, train
from grokbook.runs.initial import initial_weights
from grokbook.training.engine import Stack
from grokbook.training.record import Moment, Record, observe


@pytest.fixture
def moments(tiny):
    """Everything that is seen of a tiny run, and of one on three operations."""
    seen: dict[str, list] = {}

    def note(moment: Moment) -> None:
        config = moment.record.config
        run = moment.run() if moment.record.step else None
        seen.setdefault(config.task, []).append((moment.record.step, moment.glance(), run))

    configs = tiny(), tiny("a-b", "ab+b", "a^2+b", seed=1)
    return seen, train(configs, "cpu", progress=False, on_evaluation=note)


def test_every_evaluation_but_the_last_is_a_moment(moments):
    seen, finished = moments
    for run in finished:
        steps = [step for step, *_ in seen[run.config.task]]
        assert steps == run.history["step"].tolist()[:-1]


def test_watching_changes_nothing(moments, tiny_run, tiny_mixture):
    _, finished = moments
    for run, unwatched in zip(finished, (tiny_run, tiny_mixture), strict=True):
        assert_same_run(run, unwatched)


@pytest.mark.parametrize("index", [1, 8, -1])
def test_the_run_of_a_moment_is_the_one_whose_budget_ends_there(moments, index):
    seen, finished = moments
    for run in finished:
        step, _, so_far = seen[run.config.task][index]
        (alone,) = train([replace(run.config, max_steps=step)], "cpu", progress=False)
        assert_same_run(so_far, alone)
        assert so_far.provenance["stopped"] == alone.provenance["stopped"] == "step budget"
        assert so_far.provenance["device"] == alone.provenance["device"]


def test_a_glance_has_the_history_and_the_spectra_up_to_now(moments):
    seen, finished = moments
    for run in finished:
        for step, glance, so_far in seen[run.config.task][1:]:
            pd.testing.assert_frame_equal(glance.history, so_far.history)
            assert glance.spectra.step[-1] == glance.steps == step
            for name in ("step", "embedding", "neuron_logit"):
                assert torch.equal(getattr(glance.spectra, name), getattr(so_far.spectra, name))
            assert glance.config == run.config


@pytest.mark.parametrize("loss", ["train_loss", "test_loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_of_either_part_that_is_not_finite_ends_the_record(tiny, loss, value):
    config = tiny()
    (seen,) = observe(Stack([config], [initial_weights(config, {})], torch.device("cpu")), [0])
    record = Record(config)
    with pytest.raises(TrainingDiverged, match=f"{loss.replace('_', ' ')} {value}"):
        record.add(0, seen._replace(outcome={**seen.outcome, loss: value}))
    assert record.step == -1, "nothing is written down"
    record.add(0, seen)
    assert record.step == 0


def test_a_record_of_unknown_origin_comes_from_elsewhere(tiny):
    here, there = {"device": "here"}, {"device": "there"}
    begun, resumed = Record(tiny()), Record(tiny())
    begun.goes_on(0, here)
    begun.goes_on(10, here)
    assert begun.earlier == []
    resumed.goes_on(10, here)
    resumed.goes_on(20, there)
    assert resumed.earlier == [{"until_step": 10}, {"device": "here", "until_step": 20}]
    assert resumed.facts == there
