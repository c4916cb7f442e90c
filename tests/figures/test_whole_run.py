"""The opening figure: everything on it belongs to the step that its slider names."""

import numpy as np
import pytest

from grokbook import figures
from grokbook.fourier.transform import Spectrum


def test_each_frame_marks_its_step_and_shows_the_spectrum_of_that_step(any_run):
    figure, spectrum = figures.opening(any_run), Spectrum.of_rows(any_run.spectra.embedding.float())
    assert [frame.name for frame in figure.frames] == [str(step) for step in any_run.spectra.step.tolist()]
    for time, frame in enumerate(figure.frames):
        mark, cosine, sine = frame.data
        assert list(mark.x) == [max(int(frame.name), 1)] * 2
        np.testing.assert_allclose(cosine.y, spectrum.cosine[time])
        np.testing.assert_allclose(sine.y, -spectrum.sine[time])


def test_it_opens_as_its_last_frame(wave_run):
    figure = figures.opening(wave_run)
    last = figure.frames[-1]
    for trace, changed in zip(figure.data, last.data, strict=False):
        assert list(trace.y) == list(changed.y)
    assert figure.layout.sliders[0].active == len(figure.frames) - 1
    assert [trace.name for trace in figure.data[3:]] == ["train accuracy", "test accuracy"]


def test_only_the_accuracies_stand_on_steps(wave_run):
    layout = figures.opening(wave_run).layout
    assert (layout.xaxis.type, layout.xaxis.dtick, layout.xaxis.title.text) == ("log", 1, "step")
    assert layout.xaxis2.type is None
    assert "frequency" in layout.xaxis2.title.text


def test_the_slider_says_both_accuracies(wave_run):
    labels = [step.label for step in figures.opening(wave_run).layout.sliders[0].steps]
    assert labels[:2] == ["0 · train 0%, test 0%", "1 · train 100%, test 25%"]


def test_the_caption_names_the_key_frequencies(wave_run):
    caption = figures.opening(wave_run).layout.meta["caption"]
    assert caption.endswith("above half of the largest: k = 3.")  # W_E of this run is cos 3
    assert "grokked at step 10" in caption


@pytest.mark.parametrize("frame", [0, -1])
def test_no_bar_leaves_the_panel(any_run, frame):
    figure = figures.opening(any_run)
    low, high = figure.layout.yaxis2.range
    for bar in figure.frames[frame].data[1:]:
        assert low <= min(bar.y)
        assert max(bar.y) <= high
