import math
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch

from grokbook import Run, figures, fourier, runs
from grokbook.runs import Spectra
from grokbook.training import initial_weights

LAYERS = ("embedding", "neuron_logit")


def numbers(value: object) -> Iterator[np.ndarray]:
    """Every numeric array of a figure."""
    if isinstance(value, np.ndarray | list | tuple) and len(value):
        array = np.asarray(value) if not isinstance(value[0], dict | list | tuple) else None
        if array is not None and array.dtype.kind in "fiu":
            yield array
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)


def planted(tiny, p: int = 11) -> Run:
    """A run with known structure: W_E is cos 3, W_L is 2 sin 2, and logits are cos 2 over a times sin 4 over b."""
    config = tiny(p=p)
    x = torch.arange(p, dtype=torch.float64)
    wave = lambda function, k: function(2 * math.pi * k * x / p)  # noqa: E731
    embedding = torch.outer(wave(torch.cos, 3), torch.ones(4, dtype=torch.float64))
    neuron_logit = torch.outer(wave(torch.sin, 2), torch.full((4,), 2.0, dtype=torch.float64))
    logits = torch.outer(wave(torch.cos, 2), wave(torch.sin, 4))[..., None].expand(p, p, 3) + 1000.0
    flat = torch.rand(p, generator=torch.Generator().manual_seed(0))
    last = tuple(fourier.spectrum(layer).to_rows().float() for layer in (embedding, neuron_logit))
    step = torch.tensor([0, 1, 10, 20, 30])
    early_map = torch.rand(1, p, p, generator=torch.Generator().manual_seed(1))
    spectra = Spectra(
        step,
        torch.stack([flat, flat, flat, flat, last[0]]),
        torch.stack([flat, flat, flat, flat, last[1]]),
        torch.tensor([0, 10, 30]),
        torch.stack([early_map, early_map, fourier.spectrum_2d(logits)[None]]).half(),
    )
    columns = {name: np.linspace(0.1, 0.2, 5, dtype=np.float32) for name in runs.history_columns(config)}
    columns |= {"step": step.numpy(), "train_accuracy": np.array([0, 1, 1, 1, 1.0])}
    columns |= {"test_accuracy": np.array([0, 0.25, 1, 1, 1.0]), "ffs_embedding": np.array([0.7, 0.7, 0.6, 0.3, 0.125])}
    weights, history = initial_weights(config, {}), pd.DataFrame(columns)
    return Run(config=config, history=history, spectra=spectra, weights=weights, provenance={})


@pytest.fixture
def wave_run(tiny) -> Run:
    return planted(tiny)


@pytest.fixture(params=["tiny", "mixture", "transfer", "grokked", "planted", "p = 3"])
def any_run(request, tiny, tiny_run, tiny_mixture, tiny_transfer, grokked_run) -> Run:
    match request.param:
        case "planted":
            return planted(tiny)
        case "p = 3":
            run = planted(tiny, p=5)
            cut = run.spectra._replace(
                embedding=run.spectra.embedding[:, :3],
                neuron_logit=run.spectra.neuron_logit[:, :3],
                logits=run.spectra.logits[..., :3, :3],
            )
            return replace(run, config=tiny(p=3), spectra=cut)
    return {"tiny": tiny_run, "mixture": tiny_mixture, "transfer": tiny_transfer, "grokked": grokked_run}[request.param]


def every_figure(run: Run) -> dict[str, go.Figure]:
    groups = figures.by_operation([run])
    return {
        "accuracy_curves": figures.accuracy_curves(groups),
        "layer_spectra": figures.layer_spectra(run),
        "logit_map": figures.logit_map(run, operation=len(run.config.operations) - 1),
        "spectrogram": figures.spectrogram(run),
        "spectrogram of W_L": figures.spectrogram(run, "neuron_logit"),
        "overview": figures.overview(run),
        "progress_measures": figures.progress_measures(groups),
        "progress_measures of W_L": figures.progress_measures(groups, "neuron_logit"),
    }


@pytest.fixture(scope="session")
def drawn_before() -> dict[str, dict[str, go.Figure]]:
    return {}


@pytest.fixture
def drawn(any_run, drawn_before) -> dict[str, go.Figure]:
    """Every figure of the run. Drawing takes a second, so each run is drawn once."""
    name = any_run.config.name
    if name not in drawn_before:
        drawn_before[name] = every_figure(any_run)
    return drawn_before[name]


def test_every_figure_describes_itself(any_run, drawn):
    for function, figure in drawn.items():
        meta = figure.layout.meta
        assert set(meta) == {"name", "caption", "alt"}, function
        assert re.fullmatch(r"[a-z0-9_-]+", meta["name"]), function
        assert len(meta["caption"]) > 40 < len(meta["alt"]), function
        assert figures.pretty(any_run.config.operations[0]) in meta["caption"], function
        assert not re.search(r"\b(nan|inf|None)\b", meta["caption"] + meta["alt"]), function
    assert len({figure.layout.meta["name"] for figure in drawn.values()}) == len(drawn)


def test_every_figure_is_valid_and_holds_no_nan(drawn):
    for function, figure in drawn.items():
        content = figure.to_plotly_json()
        go.Figure(content)
        arrays = list(numbers(content))
        assert arrays, function
        assert all(np.isfinite(array).all() for array in arrays), function


def test_figures_leave_background_and_text_colour_to_the_page(drawn):
    for figure in drawn.values():
        assert figure.layout.paper_bgcolor is None
        assert figure.layout.plot_bgcolor is None
        assert figure.layout.font.color is None
        assert figure.layout.title.text is None


def test_drawing_changes_no_run(tiny):
    run = planted(tiny)
    every_figure(run)
    untouched = planted(tiny)
    assert run.history.equals(untouched.history)
    assert all(torch.equal(*pair) for pair in zip(run.spectra, untouched.spectra, strict=True))


@pytest.mark.parametrize("draw", [figures.layer_spectra, figures.logit_map])
def test_sliders_have_a_frame_per_map_and_start_at_the_last(any_run, draw):
    figure = draw(any_run)
    steps = [str(step) for step in any_run.spectra.logits_step.tolist()]
    (slider,) = figure.layout.sliders
    assert [frame.name for frame in figure.frames] == steps
    assert [step.label for step in slider.steps] == steps
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
        for trace in frame.data:
            low, high = figure.layout["yaxis2" if trace.yaxis == "y2" else "yaxis"].range
            assert low <= min(trace.y) <= max(trace.y) <= high


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


def test_the_map_s_caption_names_the_strongest_components(wave_run):
    assert "Strongest components at the end: cos 2 × sin 4, " in figures.logit_map(wave_run).layout.meta["caption"]


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


def test_accuracy_curves_draw_what_the_history_says(wave_run):
    figure = figures.accuracy_curves(figures.by_operation([wave_run]))
    train, test, grok = figure.data
    assert list(test.x) == list(train.x) == [1, 10, 20, 30]
    assert list(train.y) == [1, 1, 1, 1]
    assert list(test.y) == [0.25, 1, 1, 1]
    assert (test.name, test.showlegend, train.showlegend) == ("a+b", True, False)
    assert (list(grok.x), list(grok.y)) == ([10], [1.0])
    assert figure.layout.xaxis.type == "log"
    assert "a+b: grokked at step 10." in figure.layout.meta["caption"]


def test_captions_carry_the_runs_numbers(tiny, wave_run, tiny_run, grokked_run):
    not_grokked = figures.accuracy_curves({"tiny": [tiny_run]}).layout.meta["caption"]
    assert f"not grokked within 30 steps (best test accuracy {tiny_run.best_test_accuracy:.1%})" in not_grokked
    seeds = figures.accuracy_curves({"some": [wave_run, tiny_run, grokked_run]}).layout.meta["caption"]
    assert f"grokked in 2 of 3 seeds at steps 10–{grokked_run.grok_step}" in seeds
    spectra = figures.layer_spectra(wave_run).layout.meta["caption"]
    assert "At the end (step 30) embedding: FFS 0.12, FCR 0.20; neuron–logit map: FFS 0.20, FCR 0.20." in spectra
    measures = figures.progress_measures({"waves": [wave_run]}).layout.meta["caption"]
    assert "waves: FFS 0.70 → 0.12, FCR 0.10 → 0.20" in measures
    assert "Dashed: grok step 10." in figures.spectrogram(wave_run).layout.meta["caption"]
    assert "It did not grok." in figures.spectrogram(tiny_run).layout.meta["caption"]


def test_measures_are_drawn_on_one_time_axis_with_the_grok_step(wave_run):
    figure = figures.progress_measures({"waves": [wave_run]})
    ffs, fcr, accuracy = figure.data
    np.testing.assert_allclose(ffs.y, [0.7, 0.6, 0.3, 0.125])
    np.testing.assert_allclose(fcr.y, wave_run.history["fcr_embedding"][1:])
    np.testing.assert_allclose(accuracy.y, [0.25, 1, 1, 1])
    titles = [figure.layout[f"yaxis{row}"].title.text for row in ("", 2, 3)]
    assert titles == ["FFS", "FCR", "test accuracy"]
    assert {shape.x0 for shape in figure.layout.shapes} == {10}
    other = figures.progress_measures({"waves": [wave_run]}, "neuron_logit")
    np.testing.assert_allclose(other.data[0].y, wave_run.history["ffs_neuron_logit"][1:])


def test_seeds_share_a_legend_entry_and_groups_do_not_share_a_style(wave_run, tiny_run):
    many = {f"group {i}": [wave_run, tiny_run] for i in range(8)}
    for figure in (figures.accuracy_curves(many), figures.progress_measures(many)):
        shown = [trace.name for trace in figure.data if trace.showlegend]
        assert shown == list(many)
        drawn = [trace for trace in figure.data if trace.showlegend]
        assert len({trace.line.color for trace in drawn}) == 8
        assert len({(trace.line.color, trace.line.dash) for trace in drawn}) == 8
        assert len({trace.line.dash for trace in drawn}) >= 6, "told apart without colour"


def test_names_can_be_chosen(wave_run):
    groups = {"waves": [wave_run]}
    drawn = [
        figures.accuracy_curves(groups, name="mine"),
        figures.layer_spectra(wave_run, name="mine", label="some waves"),
        figures.logit_map(wave_run, name="mine"),
        figures.spectrogram(wave_run, name="mine"),
        figures.progress_measures(groups, name="mine"),
    ]
    assert {figure.layout.meta["name"] for figure in drawn} == {"mine"}
    assert drawn[1].layout.meta["caption"].startswith("some waves: ")


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


def test_tables_are_shown_without_their_index():
    shown = figures.table(pd.DataFrame({"run": ["a+b", "a < b"]}, index=["first", "second"])).data
    assert "<td>a+b</td>" in shown
    assert "a &lt; b" in shown
    assert "first" not in shown


def test_runs_are_grouped_by_operation_in_order(tiny, tiny_run, tiny_mixture, wave_run, grokked_run):
    groups = figures.by_operation([tiny_mixture, tiny_run, grokked_run, wave_run])
    assert {label: [run.config.p for run in group] for label, group in groups.items()} == {
        ", ".join(map(figures.pretty, ("a-b", "ab+b", "a^2+b"))): [7],
        "a+b": [7, 11],
        "a²": [11],
    }


def test_the_outcome_table_has_a_row_per_run(wave_run, tiny_run):
    table = figures.outcome_table({"waves": [wave_run], "tiny": [tiny_run]})
    assert table.iloc[0].to_dict() == {
        "run": "waves",
        "seed": 0,
        "steps": 30,
        "grok step": "10",
        "best test accuracy": "100.0%",
        "FFS W_E": "0.12",
        "FCR W_E": "0.20",
        "FFS W_L": "0.20",
        "FCR W_L": "0.20",
    }
    assert table["grok step"].tolist() == ["10", "–"]
