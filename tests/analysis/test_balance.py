import pytest
import torch

from grokbook.analysis import balance


def test_shares_of_cosines_in_two_dimensions():
    maps = torch.zeros(2, 7, 7)
    maps[:, 0, :] = maps[:, :, 0] = 9.0  # constants do not count
    maps[0, 1:, 1:] = 1.0
    maps[1, 1, 3], maps[1, 2, 4] = 2.0, 1.0  # cos 1 × cos 2, sin 1 × sin 2
    assert [balance.cosine_map_share(norms) for norms in maps] == pytest.approx([0.25, 0.8])


def test_untrained_maps_are_those_that_a_run_records_first(tiny_run, tiny_mixture):
    for run in (tiny_run, tiny_mixture):
        assert run.spectra.logits_step[0] == 0
        assert torch.allclose(
            balance.untrained_maps(run.config).float(), run.spectra.logits[0].float(), rtol=2e-3, atol=1e-4
        )


def test_what_has_two_thirds_of_either_kind_is_biased():
    assert balance.biased(iter([0.0, 1 / 3, 0.34, 0.5, 0.66, 0.7, 1.0])) == (2, 2)
    assert balance.biased([]) == (0, 0)
