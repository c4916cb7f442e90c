from dataclasses import replace

import numpy as np
import pytest

from grokbook import figures
from grokbook.figures.style import TRAIN


def test_accuracy_curves_draw_what_the_history_says(wave_run):
    figure = figures.accuracy_curves(figures.by_operation([wave_run]))
    train, test, grok = figure.data
    assert (train.name, train.line.color, train.line.dash) == ("train (all runs)", TRAIN, None)
    assert list(test.x) == list(train.x) == [1, 10, 20, 30]
    assert list(train.y) == [1, 1, 1, 1]
    assert list(test.y) == [0.25, 1, 1, 1]
    assert (test.name, test.showlegend, train.showlegend) == ("a+b", True, True)
    assert (list(grok.x), list(grok.y)) == ([10], [1.0])
    assert figure.layout.xaxis.type == "log"
    assert "a+b: grokked at step 10." in figure.layout.meta["caption"]


def test_captions_carry_the_numbers_of_the_runs(wave_run, tiny_run, grokked_run):
    not_grokked = figures.accuracy_curves({"tiny": [tiny_run]}).layout.meta["caption"]
    assert f"not grokked within 30 steps (best test accuracy {tiny_run.best_test_accuracy:.1%})" in not_grokked
    seeds = figures.accuracy_curves({"some": [wave_run, tiny_run, grokked_run]}).layout.meta["caption"]
    assert f"grokked in 2 of 3 seeds at steps 10–{grokked_run.grok_step}" in seeds
    measures = figures.progress_measures({"waves": [wave_run]}).layout.meta["caption"]
    assert "waves: FFS 0.70 → 0.12, FCR 0.10 → 0.20" in measures


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


def test_what_others_follow_is_drawn_from_the_same_history(wave_run):
    figure = figures.other_measures({"waves": [wave_run]})
    columns = ["gini_embedding", "gini_neuron_logit", "weight_norm", "test_loss"]
    for trace, column in zip(figure.data, columns, strict=True):
        np.testing.assert_allclose(trace.y, wave_run.history[column][1:])
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range == (-0.04, 1.06)
    assert figure.layout.yaxis3.rangemode == figure.layout.yaxis4.rangemode == "tozero"
    norms = wave_run.history["weight_norm"].iloc[[0, -1]]
    assert "weight norm {:.2f} → {:.2f}".format(*norms) in figure.layout.meta["caption"]
    assert figure.layout.xaxis4.title.text == "step"


def test_seeds_share_a_legend_entry_and_groups_do_not_share_a_style(wave_run, tiny_run):
    many = {f"group {i}": [wave_run, tiny_run] for i in range(8)}
    for figure in (figures.accuracy_curves(many), figures.progress_measures(many), figures.other_measures(many)):
        shown = [trace for trace in figure.data if trace.showlegend]
        drawn = [trace for trace in shown if trace.legendgroup != "train"]
        assert [trace.name for trace in drawn] == list(many)
        assert len(shown) - len(drawn) <= 1, "one entry for all train curves"
        assert not any(trace.line.dash == "dot" for trace in figure.data), "dots are for nobody"
        assert len({trace.line.color for trace in drawn}) == 8
        assert len({(trace.line.color, trace.line.dash) for trace in drawn}) == 8
        assert len({trace.line.dash for trace in drawn}) >= 6, "told apart without colour"


def test_a_run_that_comes_twice_is_drawn_once(wave_run):
    twice = figures.by_operation([wave_run, replace(wave_run)])
    assert len(figures.accuracy_curves(twice).data) == 3, "train, test and the grok step"
    assert len(figures.progress_measures(twice).data) == 3


def test_accuracies_are_percents_and_steps_have_separators(wave_run):
    late = replace(wave_run, history=wave_run.history.assign(step=1000 * wave_run.history["step"]))
    groups = {"waves": [late]}
    curves, measures = figures.accuracy_curves(groups), figures.progress_measures(groups)
    assert curves.layout.yaxis.tickformat == measures.layout.yaxis3.tickformat == ".0%"
    assert "waves: grokked at step 10,000." in curves.layout.meta["caption"]
    assert all("%{x:,}" in trace.hovertemplate for trace in (*curves.data[:2], *measures.data))


def test_headings_name_the_runs_or_what_one_says(wave_run):
    groups = {"a+b": [wave_run], "a·b": [wave_run]}
    assert figures.accuracy_curves(groups).layout.meta["title"] == "a+b, a·b: accuracy"
    assert figures.accuracy_curves(groups, title="Target: a·b").layout.meta["title"] == "Target: a·b"
    assert figures.progress_measures(groups).layout.meta["title"] == "a+b, a·b: FFS and FCR of the embedding"


# --- one below the other --------------------------------------------------------------------------


def test_panels_share_styles_by_label_and_a_legend_entry_per_label(wave_run, tiny_run):
    panels = {"first": {"alone": [tiny_run]}, "second": {"together": [wave_run, wave_run], "alone": [wave_run]}}
    figure = figures.accuracy_panels(panels, name="panels", title="Panels")
    assert [note.text for note in figure.layout.annotations] == ["first", "second"]
    test = [trace for trace in figure.data if trace.name in ("alone", "together")]
    looks = {name: {(t.line.color, t.line.dash) for t in test if t.name == name} for name in ("alone", "together")}
    assert [len(of) for of in looks.values()] == [1, 1]
    assert not looks["alone"] & looks["together"]
    assert [trace.name for trace in figure.data if trace.showlegend] == ["train (all runs)", "alone", "together"]
    drawn = [(t.xaxis, t.name, list(t.y)) for t in test]
    assert ("x", "alone", tiny_run.history["test_accuracy"].tolist()[1:]) in drawn
    assert sorted(axis for axis, *_ in drawn) == ["x", "x2", "x2", "x2"]
    diamonds = [trace for trace in figure.data if trace.mode == "markers"]
    assert [(list(trace.x), trace.xaxis) for trace in diamonds] == [([10], "x2")] * 3


def test_panels_say_how_each_group_ended_and_may_leave_train_accuracy_out(wave_run, tiny_run):
    panels = {"r = 0.5": {"a+b": [tiny_run], "a−b": []}, "r = 0.9": {"a+b": [wave_run]}}
    meta = figures.accuracy_panels(panels, name="panels", title="Panels").layout.meta
    assert f"r = 0.5: a+b best {tiny_run.best_test_accuracy:.1%}; r = 0.9: a+b grok step 10." in meta["caption"]
    assert "thin and grey" in meta["caption"]
    bare = figures.accuracy_panels(panels, name="panels", title="Panels", train=False)
    assert not [trace for trace in bare.data if "train" in (trace.name or "")]
    assert "train accuracy" not in bare.layout.meta["caption"].replace("best test", "")
    assert bare.layout.xaxis2.type == bare.layout.xaxis.type == "log"
    assert (bare.layout.xaxis.title.text, bare.layout.xaxis2.title.text) == (None, "step")


def test_panels_without_any_run_are_refused():
    with pytest.raises(ValueError, match="at least one run"):
        figures.accuracy_panels({"r = 0.5": {"a+b": []}}, name="panels", title="Panels")
