import math
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from grokbook import figures, fourier

K = 15


@pytest.mark.parametrize("draw", [figures.layer_spectra, figures.logit_map])
def test_sliders_have_a_frame_per_map_and_start_at_the_last(any_run, draw):
    figure = draw(any_run)
    steps = [str(step) for step in any_run.spectra.logits_step.tolist()]
    (slider,) = figure.layout.sliders
    assert [frame.name for frame in figure.frames] == steps
    assert [step.label.replace(",", "") for step in slider.steps] == steps
    assert [list(step.args[0]) for step in slider.steps] == [[step] for step in steps]
    assert slider.active == len(steps) - 1
    for frame in figure.frames:
        assert list(frame.traces) == list(range(len(figure.data)))
    for shown, last in zip(figure.data, figure.frames[-1].data, strict=True):
        key = "z" if shown.type == "heatmap" else "y"
        np.testing.assert_array_equal(shown[key], last[key])


def bars(figure: go.Figure, layer: str, wave: str) -> dict[int, float]:
    """Heights by frequency at the end of training."""
    axis = {"embedding": "y", "neuron_logit": "y2"}[layer]
    (trace,) = (t for t in figure.data if t.name == wave and (t.yaxis or "y").replace("y1", "y") == axis)
    return dict(zip(map(int, trace.x), map(float, trace.y), strict=True))


def test_bars_stand_at_their_frequencies(wave_run):
    """Off-by-one labels are the classical bug: the embedding is cos 3, W_L is 2 sin 2, and nothing else."""
    figure, p = figures.layer_spectra(wave_run), wave_run.config.p
    height = math.sqrt(p / 2) * math.sqrt(4)
    expected = {
        ("embedding", "cosine"): {3: height},
        ("embedding", "sine"): {},
        ("neuron_logit", "cosine"): {},
        ("neuron_logit", "sine"): {2: -2 * height},  # sines point downwards
    }
    for (layer, wave), peaks in expected.items():
        found = bars(figure, layer, wave)
        assert list(found) == list(range(1, p // 2 + 1))
        assert found == pytest.approx(dict.fromkeys(found, 0.0) | peaks, abs=1e-5), (layer, wave)


def test_hover_texts_show_norms_not_signs(wave_run):
    for trace in figures.layer_spectra(wave_run).data:
        np.testing.assert_array_equal(trace.customdata, np.abs(trace.y))


def test_no_bar_leaves_its_panel_in_any_frame(any_run):
    figure = figures.layer_spectra(any_run)
    for frame in figure.frames:
        for trace, moved in zip(figure.data, frame.data, strict=True):
            low, high = figure.layout["yaxis2" if trace.yaxis == "y2" else "yaxis"].range
            assert low <= min(moved.y) <= max(moved.y) <= high


def test_frames_carry_no_colours(any_run):
    """They are the theme's: a frame with its own would undo a dark page."""
    for figure in (figures.layer_spectra(any_run), figures.logit_map(any_run)):
        for frame in figure.frames:
            assert not any({"marker", "line", "colorscale"} & set(trace.to_plotly_json()) for trace in frame.data)


def test_the_spectrogram_has_a_row_per_frequency(wave_run):
    figure = figures.spectrogram(wave_run)
    cosine, sine = figure.data
    spectra, p = wave_run.spectra, wave_run.config.p
    for trace, offset in ((cosine, 1), (sine, 2)):
        assert list(trace.y) == list(range(1, p // 2 + 1))
        assert list(trace.x) == [1, 10, 20, 30], "step 0 has no place on a logarithmic axis"
        z = np.asarray(trace.z)
        for k in range(1, p // 2 + 1):
            np.testing.assert_allclose(z[k - 1], spectra.embedding[1:, 2 * k - 2 + offset], rtol=1e-6)
    assert figure.layout.coloraxis.cmax == pytest.approx(float(spectra.embedding[1:, 1:].max()))


def test_captions_carry_the_numbers_of_the_run(wave_run, tiny_run):
    spectra = figures.layer_spectra(wave_run).layout.meta["caption"]
    assert (
        "At the end (step 30; grokked at step 10) embedding: FFS 0.12, FCR 0.20; neuron–logit map: FFS 0.20, FCR 0.20."
        in spectra
    )
    assert "Dashed: grok step 10." in figures.spectrogram(wave_run).layout.meta["caption"]
    assert "It did not grok." in figures.spectrogram(tiny_run).layout.meta["caption"]


def test_the_overview_sets_accuracy_over_the_spectrum(wave_run):
    train, test, spectrum = figures.overview(wave_run).data
    assert list(train.y) == [1, 1, 1, 1]
    assert list(test.y) == [0.25, 1, 1, 1]
    assert list(train.x) == list(test.x) == list(spectrum.x) == [1, 10, 20, 30]
    at_the_end = dict(zip(spectrum.y, np.asarray(spectrum.z)[:, -1], strict=True))
    assert at_the_end == pytest.approx({1: 0, 2: 0, 3: math.sqrt(11 / 2 * 4), 4: 0, 5: 0}, abs=1e-5)
    early = wave_run.spectra.embedding[1].numpy()
    assert spectrum.z[2][0] == pytest.approx(math.hypot(early[5], early[6]))
    assert "grokked at step 10" in figures.overview(wave_run).layout.meta["caption"]


def test_the_spectrogram_marks_the_grok_step_that_its_caption_names(wave_run, tiny_run):
    lines = [shape.x0 for shape in figures.spectrogram(wave_run).layout.shapes]
    assert set(lines) == {wave_run.grok_step}
    assert not figures.spectrogram(tiny_run).layout.shapes


def layer(*waves: tuple[int, float]) -> torch.Tensor:
    """A layer of cosines, each by its frequency and its norm, in a channel of its own."""
    return torch.stack([norm * fourier.basis(2 * K + 1)[2 * k - 1] for k, norm in waves], dim=1)


def test_cosines_stand_upwards_and_sines_downwards():
    spectrum = fourier.spectrum(torch.randn(2 * K + 1, 4, generator=torch.Generator().manual_seed(0)))
    cosine, sine = figures.bars(spectrum).data
    assert list(cosine.x) == list(sine.x) == list(range(1, K + 1))
    np.testing.assert_array_equal(cosine.y, spectrum.cosine)
    np.testing.assert_array_equal(sine.y, -spectrum.sine)
    assert sine.marker.pattern.shape, "hatched"


def test_every_spectrum_has_a_plot_of_its_own_with_its_numbers_in_the_caption():
    spectra = {"few": fourier.spectrum(layer((3, 2.0), (7, 1.5))), "one": fourier.spectrum(layer((5, 1.0)))}
    figure = figures.bars(spectra, name="two", title="Two layers")
    assert [trace.yaxis for trace in figure.data] == ["y", "y", "y2", "y2"]
    assert figure.layout.yaxis.range == pytest.approx((-2.1, 2.1))
    meta = figure.layout.meta
    assert (meta["name"], meta["title"]) == ("two", "Two layers")
    assert "few: FFS 0.07, FCR 0.87, 2 of 15 frequencies above half of the largest (k = 3, 7)" in meta["caption"]
    assert "one: FFS 0.03, FCR 0.93, 1 of 15 frequencies above half of the largest (k = 5)" in meta["alt"]


def test_nothing_and_many_times_at_once_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        figures.bars({})
    with pytest.raises(ValueError, match="one spectrum at a time"):
        figures.bars(fourier.Spectrum.of_rows(torch.ones(3, 2 * K + 1)))


def test_each_frame_marks_its_step_and_shows_the_spectrum_of_that_step(any_run):
    figure, spectrum = figures.opening(any_run), fourier.Spectrum.of_rows(any_run.spectra.embedding.float())
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
    spectra = wave_run.spectra
    cut = spectra._replace(step=spectra.step[:steps], embedding=spectra.embedding[:steps])
    begun = replace(wave_run, history=wave_run.history.iloc[:steps], spectra=cut)
    figure = figures.snapshot(begun)
    assert len(figure.data[0].x) == steps - 1
    assert "not grokked" in figure.layout.meta["caption"]
