from dataclasses import replace

import numpy as np
import pytest
import torch
from figure_runs import mixture, planted

from grokbook import figures, fourier
from grokbook.analysis.mixtures import part
from grokbook.figures.maps import mapped
from grokbook.runs import publish


def test_the_map_s_peak_stands_at_its_components(wave_run):
    (heatmap,) = figures.logit_map(wave_run).data
    z = np.asarray(heatmap.z)
    rows, columns = np.nonzero(z == 100)
    peaks = {(heatmap.x[i], heatmap.y[j]) for j, i in zip(rows, columns, strict=True)}
    # The mean of the logits is a thousand times as large, and is cut off at the top of the scale.
    assert peaks == {("cos 2", "sin 4"), ("const", "const")}
    assert z.sum() == 200
    assert list(heatmap.x) == list(heatmap.y) == fourier.frequency_labels(wave_run.config.p)


def test_maps_are_percents_of_the_largest_component(tiny_run, tiny_mixture):
    for run, operation in ((tiny_run, 0), (tiny_mixture, 2)):
        figure = figures.logit_map(run, operation=operation)
        for frame, norms in zip(figure.frames, run.spectra.logits[:, operation].float().numpy(), strict=True):
            z = np.asarray(frame.data[0].z)
            assert z.dtype == np.uint8
            top = max(norms[i, j] for i in range(len(norms)) for j in range(len(norms)) if (i, j) != (0, 0))
            for i, j in np.ndindex(norms.shape):  # component i over a is drawn along x, j over b along y
                assert abs(int(z[j, i]) - min(100.0, 100 * norms[i, j] / top)) <= 0.51
        assert (figure.data[0].zmin, figure.data[0].zmax) == (0, 100)


def test_logits_without_structure_draw_an_empty_map(wave_run):
    blank = wave_run.spectra._replace(logits=torch.zeros_like(wave_run.spectra.logits))
    z = np.asarray(figures.logit_map(replace(wave_run, spectra=blank)).data[0].z)
    assert (z == 0).all()


def test_a_run_without_maps_has_no_map_to_draw_but_all_its_spectra(tiny_run):
    bare = publish.trimmed(tiny_run, maps="none")
    with pytest.raises(ValueError, match=r"a\+b .* was published without maps"):
        figures.logit_map(bare)
    steps = [[frame.name for frame in figures.layer_spectra(run).frames] for run in (bare, tiny_run)]
    assert steps[0] == steps[1] == [str(step) for step in tiny_run.spectra.logits_step.tolist()]


def test_the_map_s_caption_names_the_strongest_components(wave_run):
    assert (
        "the strongest components are (over a × over b): cos 2 × sin 4, "
        in figures.logit_map(wave_run).layout.meta["caption"]
    )


def test_a_mixture_s_map_is_that_of_the_operation_asked_for(tiny):
    run = mixture(tiny)
    for index, (label, peak) in enumerate({"a+b": ("cos 1", "cos 1"), "a−b": ("sin 2", "sin 2")}.items()):
        figure = figures.logit_map(run, operation=index)
        z, names = np.asarray(figure.data[0].z), fourier.frequency_labels(run.config.p)
        assert z[names.index(peak[1]), names.index(peak[0])] == 100
        assert figure.layout.meta["title"] == f"{label} (of a+b, a−b): logits in two dimensions"
        assert figure.layout.meta["caption"].startswith(f"{label} (of a+b, a−b): ")
        assert " × ".join(peak) in figure.layout.meta["caption"]


def test_a_single_map_has_no_slider_and_claims_none(tiny_run):
    last = figures.logit_map(publish.trimmed(tiny_run, maps="last"))
    assert not last.layout.sliders
    assert not last.frames
    meta = last.layout.meta
    assert "slider" not in meta["alt"]
    assert "at step 30, the last" in meta["caption"]
    assert "at the start" not in meta["caption"]
    assert "at the start" in figures.logit_map(tiny_run).layout.meta["caption"]


# --- side by side ---------------------------------------------------------------------------------


@pytest.fixture
def rows(tiny, wave_run):
    run = mixture(tiny)
    parts = {"a+b": part(run, "a+b"), "a−b": part(run, "a-b")}
    return {"in one run": parts, "alone": {"a−b": wave_run}}


def places(figure):
    """The heatmaps by the axes they are drawn on."""
    return {trace.xaxis or "x": trace for trace in figure.data}


def test_maps_stand_in_the_row_and_column_of_their_run(rows):
    figure = figures.logit_maps(rows, name="maps", title="Maps")
    drawn = places(figure)
    assert set(drawn) == {"x", "x2", "x4"}, "the place without a run is empty"
    names = fourier.frequency_labels(11)
    for axis, peak in {"x": ("cos 1", "cos 1"), "x2": ("sin 2", "sin 2"), "x4": ("cos 2", "sin 4")}.items():
        assert np.asarray(drawn[axis].z)[names.index(peak[1]), names.index(peak[0])] == 100, axis
    assert [note.text for note in figure.layout.annotations] == ["a+b", "a−b"]
    assert (figure.layout.yaxis.title.text, figure.layout.yaxis3.title.text) == ("in one run", "alone")
    anchors = [(axis.anchor, axis.scaleanchor) for axis in figure.select_yaxes()]
    assert anchors == [(own, own) for own in ("x", "x2", "x3", "x4")], "each map is square"
    assert figure.layout.meta["name"] == "maps"
    assert "in one run: a+b cos 1 × cos 1 (" in figure.layout.meta["caption"]


def test_one_button_draws_all_maps_on_the_scale_of_the_largest(rows):
    """Colour is z / zmax, and z is in percent of the map's own largest: on a common scale all zmax · top agree."""
    figure = figures.logit_maps(rows, name="maps", title="Maps")
    (menu,) = figure.layout.updatemenus
    own, common = (button.args[0]["zmax"] for button in menu.buttons)
    runs = [run for row in rows.values() for run in row.values()]
    maps = [run.spectra.logits[-1, 0].float().clone() for run in runs]
    for each in maps:
        each[0, 0] = 0
    tops = [float(each.max()) for each in maps]
    assert set(own) == {100} == {trace.zmax for trace in figure.data}
    assert [zmax * top for zmax, top in zip(common, tops, strict=True)] == pytest.approx([100 * max(tops)] * 3)
    assert [trace.showscale for trace in figure.data] == [top == max(tops) for top in tops], "the bar is right on both"


def test_maps_that_cannot_stand_side_by_side_are_refused(tiny, rows, tiny_run):
    with pytest.raises(ValueError, match="one modulus"):
        figures.logit_maps({}, name="maps", title="Maps")
    with pytest.raises(ValueError, match="one modulus"):
        figures.logit_maps(rows | {"another p": {"a+b": tiny_run}}, name="maps", title="Maps")
    bare = {"bare": {"a+b": publish.trimmed(tiny_run, maps="none")}}
    with pytest.raises(ValueError, match="without maps"):
        figures.logit_maps(bare, name="maps", title="Maps")
    assert mapped(rows | bare) == rows


def test_alike_maps_have_correlation_one_and_missing_runs_are_said_to_be(tiny, rows):
    same = {"a+b": planted(tiny), "a−b": planted(tiny)}
    table = figures.map_correlation_table({"the same": same, **rows}).set_index("")["a+b and a−b"]
    assert table["the same"] == "1.00"
    assert float(table["in one run"]) < 0.1, "different components"
    assert table["alone"] == "not yet run"
