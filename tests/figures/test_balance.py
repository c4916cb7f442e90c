from dataclasses import replace

import pytest
import torch

from grokbook import figures
from grokbook.figures import balance


def with_shares(run, seed, embedding, neuron_logit):
    """A run whose layers have these shares of cosines at the end."""

    def rows(share):
        waves = torch.tensor([share**0.5, (1 - share) ** 0.5]).repeat(run.config.p // 2)
        return torch.cat([torch.zeros(1), waves])

    spectra = run.spectra._replace(
        embedding=torch.stack([*run.spectra.embedding[:-1], rows(embedding)]),
        neuron_logit=torch.stack([*run.spectra.neuron_logit[:-1], rows(neuron_logit)]),
    )
    return replace(run, config=replace(run.config, seed=seed), spectra=spectra)


def test_the_balance_table_measures_the_last_spectra(wave_run):
    (row,) = figures.balance_table({"waves": [wave_run]}).to_dict("records")
    assert (row["run"], row["seed"]) == ("waves", wave_run.config.seed)
    # One cosine in W_E, one sine in W_L.
    assert (row["cosines W_E"], row["cosines W_L"]) == ("100%", "0%")


def test_each_run_is_a_mark_where_its_shares_are(wave_run, tiny_run):
    runs = [with_shares(wave_run, 0, 0.7, 0.2), with_shares(wave_run, 1, 0.5, 0.6), with_shares(wave_run, 2, 0.9, 0.1)]
    figure = figures.balance_scatter(runs)
    (marks,) = figure.data
    assert (marks.name, marks.marker.symbol) == ("grokked", "circle")
    assert list(marks.x) == pytest.approx([0.7, 0.5, 0.9])
    assert list(marks.y) == pytest.approx([0.2, 0.6, 0.1])
    assert marks.text[2].startswith("seed 2: ")
    caption = figure.layout.meta["caption"]
    assert "of 3 runs" in caption
    assert "Embedding: 50% to 90%, 70% in the middle, two thirds or more in 2 of 3, one third or less in 0" in caption
    assert "map: 10% to 60%, 20% in the middle, two thirds or more in 0 of 3, one third or less in 2" in caption
    (marks,) = figures.balance_scatter([tiny_run]).data
    assert (marks.name, marks.marker.symbol) == ("not grokked", "diamond-open")


def test_runs_that_are_not_alike_are_refused(wave_run, tiny_run):
    for runs in ([], [wave_run, tiny_run]):
        with pytest.raises(ValueError, match="one operation, with one modulus"):
            balance.balance_scatter(runs)
