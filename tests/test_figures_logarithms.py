from dataclasses import replace

import numpy as np
import pytest
import torch

from grokbook import figures, fourier
from grokbook.training import initial_weights


@pytest.fixture
def product_run(wave_run):
    """W_E is a wave of frequency 2 over log(x + 1); the other layer is as it was at the start."""
    p, weights = wave_run.config.p, wave_run.weights
    wave = 3 * fourier.multiplicative_basis(p)[3].roll(-1).float()
    layer = torch.outer(wave, torch.eye(weights.W_E.shape[1])[0])
    return replace(wave_run, weights=weights._replace(W_E=layer))


def test_bars_are_over_the_shifted_logarithm_and_lines_over_all_else(product_run):
    figure, p = figures.logarithm_spectra(product_run, shift=1), product_run.config.p
    assert [(trace.type, trace.name) for trace in figure.data] == 2 * [
        ("bar", "over log(x + 1)"),
        ("scatter", "over x"),
        ("scatter", "over log x"),
    ]
    bars, over_x, over_log = figure.data[:3]
    assert list(bars.x) == list(over_x.x) == list(range(1, p // 2 + 1))
    np.testing.assert_allclose(bars.y, [0, 3, 0, 0, 0], atol=1e-5)
    embedding = product_run.weights.W_E
    np.testing.assert_allclose(over_x.y, fourier.spectrum(embedding).combined, rtol=1e-6)
    np.testing.assert_allclose(over_log.y, fourier.multiplicative_spectrum(embedding).combined, rtol=1e-6)
    neuron_logit = product_run.weights.W_U.T @ product_run.weights.W_out.T
    np.testing.assert_allclose(
        figure.data[3].y, fourier.multiplicative_spectrum(neuron_logit[:p], 1).combined, rtol=1e-4
    )
    assert [trace.showlegend for trace in figure.data] == [True] * 3 + [False] * 3


def test_without_a_shift_there_is_one_line(product_run):
    figure = figures.logarithm_spectra(product_run)
    assert [trace.name for trace in figure.data] == ["over log x", "over x"] * 2


def test_the_caption_counts_and_names_what_stands_out(product_run):
    caption = figures.logarithm_spectra(product_run, shift=1).layout.meta["caption"]
    assert "of 5: embedding: 1 over log(x + 1) (2), " in caption
    assert "bars) and over x and log x (lines)" in caption
    assert "grokked at step 10" in caption
    assert "over log(x − 1) (" in figures.logarithm_spectra(product_run, shift=-1).layout.meta["caption"]


def test_many_frequencies_are_counted_and_not_listed(wave_run, monkeypatch):
    monkeypatch.setattr("grokbook.figures.logarithms.NAMED", 0)
    caption = figures.logarithm_spectra(wave_run).layout.meta["caption"]
    count = len(fourier.key_frequencies(fourier.multiplicative_spectrum(wave_run.weights.W_E[: wave_run.config.p])))
    assert f"embedding: {count} over log x, " in caption


def test_the_table_counts_in_each_order_and_ends_with_the_start(product_run):
    dense = replace(product_run, config=replace(product_run.config, seed=7))
    dense = replace(dense, weights=product_run.weights._replace(W_E=torch.ones_like(product_run.weights.W_E)))
    bare = replace(product_run, weights=None, config=replace(product_run.config, seed=8))
    table = figures.logarithm_table({"one": [product_run, dense, bare]})
    assert list(table["run"]) == ["one", "one", "random start"]
    assert list(table["seed"]) == [0, 7, 0]
    assert list(table["W_E over log(x + 1)"][:2]) == ["1 of 5", "0 of 5"]
    start = initial_weights(product_run.config, {}).W_E[: product_run.config.p]
    started = fourier.multiplicative_spectrum(start, 1).combined
    assert table["W_E over log(x + 1)"].iloc[-1] == f"{int((started > started.max() / 2).sum())} of 5"
    over_x = fourier.spectrum(product_run.weights.W_E).combined
    assert table["W_E over x"].iloc[0] == f"{int((over_x > over_x.max() / 2).sum())} of 5"
    columns = [name for name in figures.logarithm_table({"one": [product_run]}, shifts=[0]) if "log" in name]
    assert columns == ["W_E over log x", "W_L over log x"]


def test_runs_without_weights_have_no_figure_and_no_row(product_run):
    bare = replace(product_run, weights=None)
    with pytest.raises(ValueError, match="published without its weights"):
        figures.logarithm_spectra(bare)
    assert figures.logarithm_table({"one": [bare]}).empty
