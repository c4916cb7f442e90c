from dataclasses import replace

import pytest
import torch
from plotly.subplots import make_subplots

from grokbook import figures
from grokbook.figures.points import add_best, explain_marks, grokked_at


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
    add_best(figure, "some", runs[::-1], fraction, line={"color": "#144a94", "dash": "dash"}, size=9)
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
    add_best(figure, "none", [], fraction, line={"color": "#144a94", "dash": "dash"}, size=9)
    explain_marks(figure)
    line, *_ = figure.data
    assert (line.name, list(line.x), line.showlegend) == ("none", [None], True)


def test_where_runs_grokked_is_told_in_words(runs):
    told = grokked_at(runs, fraction, "r = ", "{:g}".format)
    assert told == "grokked at r = 0.5 (1 of 2 seeds), 0.6, not grokked at r = 0.4"
    assert grokked_at(runs[:1], fraction, "", "{:.1f}".format) == "not grokked at 0.4"
    assert grokked_at([], fraction, "", "{:g}".format) == "not yet run"


def with_shares(run, seed, embedding, neuron_logit):
    """A run whose layers have these shares of cosines at the end."""

    def rows(share):
        waves = torch.tensor([share**0.5, (1 - share) ** 0.5]).repeat(run.config.p // 2)
        return torch.cat([torch.zeros(1), waves])

    spectra = run.spectra._replace(
        embedding=torch.stack([*run.spectra.embedding[:-1], rows(embedding)]),
        neuron_logit=torch.stack([*run.spectra.neuron_logit[:-1], rows(neuron_logit)]),
    )
    return replace(run, config=replace(run.config, seed=seed), spectra=spectra)


def test_the_balance_table_measures_the_last_spectra(wave_run):
    (row,) = figures.balance_table({"waves": [wave_run]}).to_dict("records")
    assert (row["run"], row["seed"]) == ("waves", wave_run.config.seed)
    # One cosine in W_E, one sine in W_L.
    assert (row["cosines W_E"], row["cosines W_L"]) == ("100%", "0%")


def test_each_run_is_a_mark_where_its_shares_are(wave_run, tiny_run):
    runs = [with_shares(wave_run, 0, 0.7, 0.2), with_shares(wave_run, 1, 0.5, 0.6), with_shares(wave_run, 2, 0.9, 0.1)]
    figure = figures.balance_scatter(runs)
    (marks,) = figure.data
    assert (marks.name, marks.marker.symbol) == ("grokked", "circle")
    assert list(marks.x) == pytest.approx([0.7, 0.5, 0.9])
    assert list(marks.y) == pytest.approx([0.2, 0.6, 0.1])
    assert marks.text[2].startswith("seed 2: ")
    caption = figure.layout.meta["caption"]
    assert "of 3 runs" in caption
    assert "Embedding: 50% to 90%, 70% in the middle, two thirds or more in 2 of 3, one third or less in 0" in caption
    assert "map: 10% to 60%, 20% in the middle, two thirds or more in 0 of 3, one third or less in 2" in caption
    (marks,) = figures.balance_scatter([tiny_run]).data
    assert (marks.name, marks.marker.symbol) == ("not grokked", "diamond-open")


def test_runs_that_are_not_alike_are_refused(wave_run, tiny_run):
    for runs in ([], [wave_run, tiny_run]):
        with pytest.raises(ValueError, match="one operation, with one modulus"):
            figures.balance_scatter(runs)
