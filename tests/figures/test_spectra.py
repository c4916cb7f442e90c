import math

import numpy as np
import plotly.graph_objects as go
import pytest

from grokbook import figures


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
