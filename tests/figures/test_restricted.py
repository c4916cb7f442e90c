"""Figures and tables of restricted and ablated losses."""

import math
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from grokbook import Operation, RunConfig, figures, paper
from grokbook.analysis import restricted
from grokbook.analysis.restricted import Ablations, Dissected, decompose
from grokbook.paper import results
from grokbook.training.replay import weights_along


def adder(run, p: int = 11, weak: float = 0.0) -> Dissected:
    """A run with W_L at k = 2 alone, and logits 6 cos(w_2(a+b-c)) + weak · cos(w_4(a+b-c)) with a bias to class 0."""
    a, b, c = (torch.arange(p).reshape(shape) for shape in ((-1, 1, 1), (1, -1, 1), (1, 1, -1)))
    angle = 2 * math.pi * ((a + b - c) % p).double() / p
    logits = 6 * torch.cos(2 * angle) + weak * torch.cos(4 * angle) + 3.0 * (c == 0)
    labels = ((a + b) % p)[:, :, 0]
    table = Ablations(decompose(logits, Operation.parse("a+b")), labels, (labels + b[:, :, 0]) % 3 == 0)
    return Dissected(run, table, table.loss(logits), table.ablated())


@pytest.fixture
def dissected(wave_run) -> Dissected:
    return adder(wave_run, weak=1.5)


def trace(figure: go.Figure, name: str, panel: int = 1) -> go.Scatter:
    (found,) = (t for t in figure.data if t.name == name and (t.yaxis or "y") == ("y" if panel == 1 else f"y{panel}"))
    return found


@pytest.mark.parametrize("draw", [figures.ablated_losses, figures.restricted_by_count])
def test_figures_describe_themselves_and_leave_colours_to_the_page(dissected, draw):
    figure = draw(dissected)
    assert set(figure.layout.meta) == {"name", "title", "caption", "alt"}
    assert figure.layout.meta["title"].startswith("a+b: ")
    assert "nan" not in figure.layout.meta["caption"] + figure.layout.meta["alt"]
    assert figure.layout.paper_bgcolor is figure.layout.plot_bgcolor is None
    assert figure.layout.yaxis.type == figure.layout.yaxis2.type == "log"
    assert draw(dissected, name="mine").layout.meta["name"] == "mine"
    low, high = figure.layout.yaxis.range
    assert figure.layout.yaxis2.range == (low, high)
    for drawn in figure.data:
        y = np.asarray(drawn.y, dtype=float)
        assert np.isfinite(y).all()
        assert (np.log10(y) > low).all()
        assert (np.log10(y) < high).all()


def test_points_stand_at_the_frequency_that_is_left_out(dissected):
    figure = figures.ablated_losses(dissected)
    for panel, part in ((1, "train"), (2, "test")):
        key = trace(figure, "without a key frequency", panel)
        others = trace(figure, "without another frequency", panel)
        assert (list(key.x), list(others.x)) == ([2], [1, 3, 4, 5])
        for k, loss in [*zip(key.x, key.y, strict=True), *zip(others.x, others.y, strict=True)]:
            waves = dissected.table.waves
            assert loss == pytest.approx(getattr(dissected.table.loss(waves.logits - waves.waves([k])), part))
        full, alone = (trace(figure, name, panel).y[0] for name in ("full loss", "restricted loss, constant kept"))
        assert full == getattr(dissected.full, part)
        assert alone == pytest.approx(getattr(dissected.table.restricted([2], "kept"), part))
    caption = figure.layout.meta["caption"]
    assert "the key frequencies (2)" in caption
    assert "1 of the 4 others" in caption
    assert "(k = 4)" in caption


def test_frequencies_are_kept_in_the_order_of_the_neuron_logit_map(dissected):
    figure = figures.restricted_by_count(dissected)
    alone = trace(figure, "frequencies alone")
    assert list(alone.x) == [1, 2, 3, 4, 5]
    assert alone.customdata[0] == 2
    assert alone.y[0] == pytest.approx(dissected.table.restricted([2]).train)
    assert alone.y[-1] == pytest.approx(dissected.table.restricted(range(1, 6)).train)
    assert "The same 1 are key for every η from 0.00 to 1.00." in figure.layout.meta["caption"]


def published_as(dissected: Dissected, operation: str, **changes) -> Dissected:
    config = replace(paper.single(operation), **changes)
    return dissected._replace(run=replace(dissected.run, config=config))


def test_the_table_sets_the_paper_beside_what_is_found(dissected):
    groups = {"a+b": [published_as(dissected, "a+b")]}
    table = figures.restricted_table(groups)
    assert list(table) == ["loss", "of", "a+b, paper", "a+b, seed 0"]
    rows = table.set_index("loss")
    assert rows.loc["(e)", "of"] == "non-key + residual"
    assert rows.loc["full", "a+b, paper"] == "1.008e-7"
    for row, losses in dissected.table.combinations([2]).items():
        assert float(rows.loc[row, "a+b, seed 0"]) == pytest.approx(losses.train, rel=1e-3)
    assert list(figures.restricted_table(groups, over="test")) == ["loss", "of", "a+b, seed 0"]
    kept = figures.restricted_table(groups, constant="kept").set_index("loss")
    assert list(kept) == ["of", "a+b, seed 0"]
    assert float(kept.loc["(a)", "a+b, seed 0"]) != pytest.approx(float(rows.loc["(a)", "a+b, seed 0"]))


def test_ratios_are_judged_against_the_paper_s(dissected):
    table = figures.restricted_ratio_table({"a−b": [published_as(dissected, "a-b")], "other": [dissected]})
    first = table.iloc[0].to_dict()
    ratio = dissected.table.restricted([2]).train / dissected.full.train
    assert float(first["train"]) == pytest.approx(ratio, abs=0.006)
    assert first["paper"] == "5.3 × 10⁶"
    assert first["agrees"] == ("yes" if ratio > 1.1 else "no")
    assert set(table[table["run"] == "other"]["agrees"]) == {"–"}


def test_a_row_per_outcome_of_the_threshold(dissected):
    norms = dissected.run.spectra.neuron_logit.clone()
    norms[-1, 7] = 0.45 * norms[-1, 1:].max()  # cos 4
    run = replace(dissected.run, spectra=dissected.run.spectra._replace(neuron_logit=norms))
    table = figures.key_threshold_table({"a+b": [dissected._replace(run=run)]})
    assert table["η"].tolist() == ["0.1–0.4", "0.5–0.9"]
    assert table["key frequencies"].tolist() == ["2, 4", "2"]
    assert float(table["restricted"][1]) == pytest.approx(dissected.table.restricted([2]).train, rel=1e-3)


def test_the_frequencies_that_matter_come_first_and_say_whose_multiples_they_are(dissected):
    table = figures.dependent_table({"a+b": [dissected]}, count=2)
    assert table["k"].tolist()[0] == 4
    assert table["multiple"].tolist()[0] == "2 · 2"
    assert table["multiples among all non-key"].tolist()[0] == "2 of 4"  # 4 = 2·2 and 5 = 11 - 3·2
    assert len(table) == 2


def test_shares_are_those_of_the_parts(dissected):
    (row,) = figures.shares_table({"a+b": [dissected]}).to_dict("records")
    expected = dissected.table.shares([2])
    assert row["key frequencies"] == "2"
    assert row["non-key"] == f"{expected['non_key']:.2%}"
    assert row["residual"] == "0.00%"


def test_runs_are_dissected_once_for_all(tiny_run):
    (found,) = figures.dissect({"a+b": [tiny_run]})["a+b"]
    assert found.full == found.table.loss(found.table.waves.logits)
    assert len(found.ablated) == 3
    assert found.run is tiny_run
    figures.ablated_losses(found)
    figures.restricted_by_count(found)


def test_the_paper_s_table_4_speaks_of_its_own_runs_alone():
    assert results.table_4(paper.single("b+a"))["restricted"] == 4.985e-8
    assert results.table_4(paper.single("a-b"))["(d)"] == 5.348e-6
    for config in (
        paper.single("a+b", p=59),
        paper.single("a+b", fraction=0.4),
        paper.single("ab"),
        paper.single("a+b", frozen=("W_E",)),
        RunConfig(operations=("a+b", "a-b")),
        paper.pre_grokked(paper.Transfer.parse("PG-E a+b -> a-b")),
    ):
        assert results.table_4(config) is None
    assert all(set(rows) == set(restricted.COMBINATIONS) for rows in results.TABLE_4.values())


# --- over training --------------------------------------------------------------------------------


def test_losses_over_training_are_drawn_as_they_are_kept(tiny_run, grokked_run):
    losses = restricted.over_training(tiny_run, weights_along(tiny_run, progress=False))
    figure = figures.losses_over_training(tiny_run, losses)
    rows = losses[losses["step"] > 0].set_index(["left", "constant"])
    expected = {
        "train loss": rows.loc[("full", "kept"), "train"],
        "test loss": rows.loc[("full", "kept"), "test"],
        "restricted loss, all pairs": rows.loc[("restricted", "residual"), "all"],
        "the same, constant kept": rows.loc[("restricted", "kept"), "all"],
        "excluded loss, train pairs": rows.loc[("(e)", "residual"), "train"],
    }
    assert [trace.name for trace in figure.data] == list(expected)
    for drawn in figure.data:
        assert list(drawn.x) == tiny_run.spectra.step[1:].tolist()
        np.testing.assert_allclose(drawn.y, expected[drawn.name])
    assert len({drawn.line.dash for drawn in figure.data if drawn.name != "train loss"}) == 4
    assert figure.layout.shapes == ()
    assert "has not grokked" in figure.layout.meta["caption"]
    assert set(figure.layout.meta) == {"name", "title", "caption", "alt"}
    assert "once more" not in figure.layout.meta["caption"]
    losses.attrs["deviation"] = 0.034
    of_twin = figures.losses_over_training(tiny_run, losses).layout.meta["caption"]
    assert "by up to 3.4% of" in of_twin
    assert of_twin.endswith("What is said of grokking is of the stored run.")
    (line,) = figures.losses_over_training(grokked_run, losses).layout.shapes
    assert line.x0 == grokked_run.grok_step
