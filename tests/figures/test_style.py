"""What holds of every figure, whichever it is."""

import re
from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from figure_runs import planted

from grokbook import Run, figures


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


def every_figure(run: Run) -> dict[str, go.Figure]:
    groups = figures.by_operation([run])
    return {
        "accuracy_curves": figures.accuracy_curves(groups),
        "layer_spectra": figures.layer_spectra(run),
        "accuracy_panels": figures.accuracy_panels({"a panel": groups}, name="panels", title=", ".join(groups)),
        "logit_map": figures.logit_map(run, operation=len(run.config.operations) - 1),
        "spectrogram": figures.spectrogram(run),
        "spectrogram of W_L": figures.spectrogram(run, "neuron_logit"),
        "overview": figures.overview(run),
        "opening": figures.opening(run),
        "snapshot": figures.snapshot(run),
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
        assert set(meta) == {"name", "title", "caption", "alt"}, function
        assert re.fullmatch(r"[a-z0-9_-]+", meta["name"]), function
        assert figures.pretty(any_run.config.operations[-1]) in meta["title"], function
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


def test_step_axes_are_logarithmic_and_titled_once(drawn):
    """Stacked plots share one: the axes above the last follow it, and carry no title. Frequencies have no steps."""
    for function in drawn.keys() - {"layer_spectra", "logit_map", "opening", "snapshot"}:
        layout = drawn[function].to_plotly_json()["layout"]
        axes = [layout[key] for key in sorted(layout) if key.startswith("xaxis")]
        assert {(axis["type"], axis["dtick"]) for axis in axes} == {("log", 1)}, function
        assert [axis.get("title", {}).get("text") for axis in axes] == [None] * (len(axes) - 1) + ["step"], function


def test_drawing_changes_no_run(tiny):
    run = planted(tiny)
    every_figure(run)
    untouched = planted(tiny)
    assert run.history.equals(untouched.history)
    assert all(torch.equal(*pair) for pair in zip(run.spectra, untouched.spectra, strict=True))


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
