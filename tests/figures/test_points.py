from dataclasses import replace

import pytest
from plotly.subplots import make_subplots

from grokbook.figures.points import Line, add_best, explain_marks, grokked_at


@pytest.fixture
def runs(tiny, wave_run, tiny_run):
    """At r = 0.5 one of two seeds has grokked, at 0.6 the only one, at 0.4 none."""
    low = replace(wave_run, history=wave_run.history.assign(test_accuracy=[0, 0.25, 0.5, 0.5, 0.5]))
    settings = ((low, 0.4, 0), (wave_run, 0.5, 0), (low, 0.5, 1), (wave_run, 0.6, 0))
    return [replace(run, config=tiny(p=11, fraction=fraction, seed=seed)) for run, fraction, seed in settings]


def fraction(run):
    return run.config.fraction


def test_lines_go_through_means_and_marks_are_runs(runs):
    figure = make_subplots(rows=1, cols=1)
    add_best(figure, Line("some", "#144a94", "dash", runs[::-1]), fraction)
    line, grokked, not_grokked = figure.data
    assert (list(line.x), list(line.y)) == ([0.4, 0.5, 0.6], [0.5, 0.75, 1])
    assert (sorted(grokked.x), list(grokked.y), grokked.marker.symbol) == ([0.5, 0.6], [1, 1], "circle")
    assert (sorted(not_grokked.x), list(not_grokked.y), not_grokked.marker.symbol) == (
        [0.4, 0.5],
        [0.5, 0.5],
        "diamond-open",
    )
    assert "p = 11, r = 0.5, seed 1<br>best 50.0%, at the end 50.0%" in not_grokked.text[0]
    explain_marks(figure)
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == [
        "some", "grokked", "not within its budget",
    ]  # fmt: skip


def test_without_runs_only_the_legend_is_drawn():
    figure = make_subplots(rows=1, cols=1)
    add_best(figure, Line("none", "#144a94", "dash", []), fraction)
    (line,) = figure.data
    assert (line.name, list(line.x), line.showlegend) == ("none", [None], True)


def test_where_runs_grokked_is_told_in_words(runs):
    told = grokked_at(runs, fraction, "r = ", "{:g}".format)
    assert told == "grokked at r = 0.5 (1 of 2 seeds), 0.6, not grokked at r = 0.4"
    assert grokked_at(runs[:1], fraction, "", "{:.1f}".format) == "not grokked at 0.4"
    assert grokked_at([], fraction, "", "{:g}".format) == "not yet run"
