from dataclasses import replace

import pytest
import torch

from grokbook import train
from grokbook.model.compiled import steps_by
from grokbook.training.replay import deviation, weights_along


def along(run, **options):
    return list(weights_along(run, progress=False, **options))


@pytest.mark.parametrize("name", ["tiny_run", "tiny_mixture"])
def test_a_run_trained_once_more_ends_with_its_own_weights(name, request):
    run = request.getfixturevalue(name)
    found = along(run)
    assert [step for step, _ in found] == run.spectra.step.tolist()
    for again, kept in zip(found[-1][1], run.weights, strict=True):
        assert torch.equal(again, kept)
    assert not torch.equal(found[0][1].W_E, run.weights.W_E), "it begins where the run began"


def test_steps_are_made_as_they_were_then_or_by_torch_where_nothing_says_so(tiny):
    with steps_by("torch"):
        (run,) = train(tiny(), "cpu", progress=False)
    assert deviation(run, along(run)) == 0
    facts = dict(run.provenance)
    assert facts.pop("cpu_step") == "torch"
    assert deviation(run, along(replace(run, provenance=facts))) == 0


def test_a_pre_grokked_run_takes_its_module_from_its_source(tiny_transfer, tiny_run):
    _, last = along(tiny_transfer, sources=[tiny_run])[-1]
    assert torch.equal(last.W_U, tiny_transfer.weights.W_U)


def test_a_twin_s_deviation_is_the_largest_one_of_its_spectra(tiny_run):
    twin = along(tiny_run)
    assert deviation(tiny_run, twin) == 0
    rows = tiny_run.spectra.neuron_logit.clone()
    rows[3, rows[3].argmin()] += 0.25 * rows[3].max()
    rows[5] *= 1.001
    other = replace(tiny_run, spectra=tiny_run.spectra._replace(neuron_logit=rows))
    assert deviation(other, twin) == pytest.approx(0.25)


def test_nothing_is_trained_on_a_device_that_is_not_there(tiny_run):
    with pytest.raises(ValueError, match="unknown device"):
        along(tiny_run, device="abacus")
