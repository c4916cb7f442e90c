import math

import numpy as np
import pytest

from grokbook import figures


def test_the_spectrum_is_that_of_the_last_step(wave_run):
    """The embedding of the planted run is cos 3 at the end, and flat before."""
    figure = figures.snapshot(wave_run)
    cosine, sine = (trace for trace in figure.data if trace.type == "bar")
    assert (cosine.name, sine.name) == ("cosine", "sine")
    height = math.sqrt(wave_run.config.p / 2) * math.sqrt(4)
    expected = [height if k == 3 else 0.0 for k in range(1, wave_run.config.p // 2 + 1)]
    assert list(cosine.x) == list(sine.x) == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(cosine.y, expected, atol=1e-5)
    np.testing.assert_allclose(sine.y, 0, atol=1e-5)
    assert sine.marker.pattern.shape != cosine.marker.pattern.shape, "told apart without colour"


def test_accuracies_are_drawn_up_to_the_last_step(any_run):
    figure, history = figures.snapshot(any_run), any_run.history[any_run.history["step"] > 0]
    for trace, part in zip(figure.data[:2], ("train", "test"), strict=True):
        assert part in trace.name
        np.testing.assert_array_equal(trace.x, history["step"])
        np.testing.assert_array_equal(trace.y, history[f"{part}_accuracy"])
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis2.type is None, "frequencies are not on a logarithmic axis"


def test_no_bar_leaves_its_panel(any_run):
    figure = figures.snapshot(any_run)
    low, high = figure.layout.yaxis2.range
    for trace in figure.data[2:]:
        assert low <= min(trace.y) <= max(trace.y) <= high


def test_it_says_how_far_the_run_is(wave_run):
    meta = figures.snapshot(wave_run).layout.meta
    assert meta["title"] == "a+b (p = 11, r = 0.6, seed 0) at step 30"
    for text in (meta["caption"], meta["alt"]):
        assert "rain accuracy 100.0%, test accuracy 100.0%" in text
        assert "grokked at step 10" in text


@pytest.mark.parametrize("steps", [1, 2])
def test_a_run_that_has_just_begun_can_be_drawn(wave_run, steps):
    from dataclasses import replace

    spectra = wave_run.spectra
    cut = spectra._replace(step=spectra.step[:steps], embedding=spectra.embedding[:steps])
    begun = replace(wave_run, history=wave_run.history.iloc[:steps], spectra=cut)
    figure = figures.snapshot(begun)
    assert len(figure.data[0].x) == steps - 1
    assert "not grokked" in figure.layout.meta["caption"]
