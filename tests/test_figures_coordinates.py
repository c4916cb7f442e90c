from dataclasses import replace

import numpy as np
import pytest
import torch

from grokbook import coordinates, figures, fourier
from grokbook.coordinates import Logarithms
from grokbook.training import initial_weights


@pytest.fixture
def product_run(wave_run):
    """A run on ab+a+b whose embedding is a wave of frequency 2 over log(x + 1); its other layer is a random start."""
    config = replace(wave_run.config, operations=("ab+a+b",))
    weights = initial_weights(config, {})
    wave = 3 * fourier.multiplicative_basis(config.p)[3].roll(-1).float()
    layer = torch.cat([torch.outer(wave, torch.eye(weights.W_E.shape[1])[0]), weights.W_E[config.p :]])
    return replace(wave_run, config=config, weights=weights._replace(W_E=layer))


@pytest.fixture
def sum_run(product_run):
    return replace(product_run, config=replace(product_run.config, operations=("a+b",)))


def strong(norms: torch.Tensor) -> int:
    return int((norms > norms.max() / 2).sum())


def test_bars_are_over_the_own_coordinate_and_lines_over_others(product_run):
    figure, p = figures.coordinate_spectra(product_run, others=[Logarithms(0)]), product_run.config.p
    assert [(trace.type, trace.name) for trace in figure.data] == 2 * [
        ("bar", "over log(x + 1)"),
        ("scatter", "over x"),
        ("scatter", "over log x"),
    ]
    assert all(list(trace.x) == list(range(1, p // 2 + 1)) for trace in figure.data)
    assert all(sum(trace.y) == pytest.approx(1) for trace in figure.data)
    bars, over_x, over_log = figure.data[:3]
    np.testing.assert_allclose(bars.y, [0, 1, 0, 0, 0], atol=1e-6)
    embedding = product_run.weights.W_E[:p]
    for line, spectrum in (
        (over_x, fourier.spectrum(embedding)),
        (over_log, fourier.multiplicative_spectrum(embedding)),
    ):
        squares = spectrum.combined.square()
        np.testing.assert_allclose(line.y, squares / squares.sum(), rtol=1e-5)
    assert [trace.showlegend for trace in figure.data] == [False, True, True, False, False, False]
    assert figure.layout.xaxis.title.text == "frequency (bars: over log(x + 1))"


def test_a_layer_whose_coordinate_is_the_residues_has_no_line(product_run):
    powers = replace(product_run, config=replace(product_run.config, operations=("a^2+b^2",)))
    assert [trace.name for trace in figures.coordinate_spectra(powers).data] == ["over x²", "over x", "over x"]
    sums = replace(product_run, config=replace(product_run.config, operations=("(a+b)^2",)))
    figure = figures.coordinate_spectra(sums)
    assert [trace.name for trace in figure.data] == ["over x", "over s, s² = x", "over x"]
    assert [trace.showlegend for trace in figure.data] == [False, False, True]


def test_captions_count_and_name_the_key_frequencies(product_run):
    caption = figures.coordinate_spectra(product_run).layout.meta["caption"]
    assert "of 5: embedding: 1 over log(x + 1) (2), " in caption
    assert "grokked at step 10" in caption
    dense = strong(fourier.spectrum(product_run.weights.W_E[: product_run.config.p]).combined)
    assert f", {dense} over x (" in caption


def test_many_frequencies_are_counted_and_not_listed(product_run, monkeypatch):
    monkeypatch.setattr("grokbook.figures.coordinates.NAMED", 0)
    assert "embedding: 1 over log(x + 1), " in figures.coordinate_spectra(product_run).layout.meta["caption"]
    assert figures.frequency_table({"x": [product_run]})["key in W_E"].tolist() == ["1 of 5"]


def test_the_chart_has_a_mark_for_each_run_and_coordinate_and_for_a_random_start(product_run, sum_run):
    figure = figures.coordinate_chart({"product": [product_run], "sum": [sum_run, replace(sum_run, weights=None)]})
    own, others = figure.data[:2]
    p, embedding = product_run.config.p, product_run.weights.W_E[: product_run.config.p]
    marked = {
        (x, y): int(text) for trace in (own, others) for x, y, text in zip(trace.x, trace.y, trace.text, strict=True)
    }
    assert set(zip(own.x, own.y, strict=True)) == {("log(x + 1)", "product"), ("x", "sum")}
    assert set(marked) == {(x, y) for x in ("x", "log(x + 1)") for y in ("product", "sum", "random start")}
    assert marked["log(x + 1)", "product"] == marked["log(x + 1)", "sum"] == 1
    assert marked["x", "sum"] == strong(fourier.spectrum(embedding).combined)
    start = initial_weights(product_run.config, {}).W_E[:p]
    assert marked["log(x + 1)", "random start"] == strong(fourier.multiplicative_spectrum(start, 1).combined)
    assert list(figure.layout.yaxis.categoryarray) == ["random start", "sum", "product"]
    low, high = sorted((marked["x", "sum"], 1))
    assert f"Embedding: {low} to {high} over the operation's own coordinate" in figure.layout.meta["caption"]


def test_seeds_have_rows_of_their_own(sum_run):
    other = replace(sum_run, config=replace(sum_run.config, seed=3))
    figure = figures.coordinate_chart({"a+b": [sum_run, other]})
    assert set(figure.data[0].y) == {"a+b, seed 0", "a+b, seed 3"}


def test_frequencies_of_both_layers_stand_side_by_side(product_run):
    (row,) = figures.frequency_table({"it": [product_run]}).to_dict("records")
    p, weights = product_run.config.p, product_run.weights
    neuron_logit = (weights.W_U.T @ weights.W_out.T)[:p]
    expected = fourier.key_frequencies(fourier.multiplicative_spectrum(neuron_logit, 1))
    assert row == {
        "run": "it",
        "seed": 0,
        "W_E over": "log(x + 1)",
        "key in W_E": "2",
        "W_L over": "log(x + 1)",
        "key in W_L": ", ".join(map(str, expected)),
        "grok step": "10",
    }


def test_restrictions_are_those_of_the_key_frequencies_and_of_one_more_over_the_residues(product_run, sum_run):
    first, second = figures.restriction_table({"product": [product_run], "sum": [sum_run]}).to_dict("records")
    own = coordinates.restriction(product_run, Logarithms(1), [2])
    assert first["key frequencies"] == 1
    assert first["share of W_E"] == "100%"
    assert [first[name] for name in ("accuracy", "these alone", "all but these")] == [
        f"{accuracy:.1%}" for accuracy in (own.whole, own.kept, own.removed)
    ]
    norms = fourier.spectrum(product_run.weights.W_E[: product_run.config.p]).combined
    two = coordinates.restriction(product_run, coordinates.RESIDUES, (norms.argsort(descending=True)[:2] + 1).tolist())
    assert (first["over x: share"], first["over x alone"]) == (f"{two.share:.0%}", f"{two.kept:.1%}")
    assert (second["over x: share"], second["over x alone"]) == ("same waves", "–")


def test_what_cannot_be_read_is_left_out_or_refused(product_run, tiny_mixture):
    bare = replace(product_run, weights=None)
    unknown = replace(product_run, config=replace(product_run.config, operations=("ab+b",)))
    groups = {"bare": [bare], "unknown": [unknown], "mixture": [tiny_mixture]}
    assert figures.readable(groups | {"good": [bare, product_run]}) == {"good": [product_run]}
    assert figures.frequency_table(groups).empty
    assert figures.restriction_table(groups).empty
    with pytest.raises(ValueError, match="none of the runs"):
        figures.coordinate_chart(groups)
    with pytest.raises(ValueError, match="published without its weights"):
        figures.coordinate_spectra(bare)
    for run in (unknown, tiny_mixture):
        with pytest.raises(ValueError, match="no coordinates are known"):
            figures.coordinate_spectra(run)
