import math

import numpy as np
import pytest
from drawn import assert_self_contained

from grokbook import figures
from grokbook.analysis import labels
from grokbook.data.operations import Operation

parse = Operation.parse
NAMES = ("a+b", "2a+b", "ab", "ab+b", "(a+b)^2", "a^2+ab+b^2")
OUTCOMES = {parse(name): groks for name, groks in zip(NAMES, (True, False, True, True, False), strict=False)}


@pytest.fixture(scope="module")
def surveyed():
    return labels.survey([parse(name) for name in NAMES], 11, 0.3, range(4))


@pytest.fixture(scope="module", params=[figures.label_kl, figures.label_entropies])
def drawn(request, surveyed):
    return request.param(surveyed, OUTCOMES)


def marks(figure, word):
    """Traces whose name holds the word."""
    return [trace for trace in figure.data if word in trace.name]


def test_figures_describe_themselves_and_leave_colours_to_the_page(drawn):
    assert_self_contained(drawn)


def test_every_operation_is_drawn_once_in_the_panel_of_its_kind(drawn, surveyed):
    titles = [annotation.text for annotation in drawn.layout.annotations]
    assert titles == ["elementary", "linear", "cross", "factorizable", "cross high"]
    for series in ("", ", train", ", test"):
        shown = {f"{outcome}{series}" for outcome in ("groks", "does not grok", "not known")}
        names = [name for trace in drawn.data if trace.name in shown for name in trace.y]
        assert sorted(names) in ([], sorted(found.operation.pretty for found in surveyed))


def test_outcomes_differ_in_shape_and_colour_and_stand_in_the_legend_once(drawn):
    groks, fails, unknown = marks(drawn, "groks"), marks(drawn, "does not"), marks(drawn, "not known")
    for look in (lambda marker: marker.symbol.removesuffix("-open"), lambda marker: marker.color):
        seen = [{look(trace.marker) for trace in of} for of in (groks, fails, unknown)]
        assert [len(of) for of in seen] == [1, 1, 1]
        assert len(set.union(*seen)) == 3
    assert {name for trace in unknown for name in trace.y} == {"a²+ab+b²"}
    listed = [trace.name for trace in drawn.data if trace.showlegend]
    assert len(listed) == len(set(listed)) == len({trace.name for trace in drawn.data})


def test_kl_has_mean_spread_and_expectation(surveyed):
    figure = figures.label_kl(surveyed, OUTCOMES)
    drawn_at = {
        name: (x, error)
        for trace in figure.data
        if trace.error_x.array is not None
        for name, x, error in zip(trace.y, trace.x, trace.error_x.array, strict=True)
    }
    ticks = {name: x for trace in marks(figure, "expected") for name, x in zip(trace.y, trace.x, strict=True)}
    for found in surveyed:
        name = found.operation.pretty
        assert drawn_at[name] == pytest.approx((np.mean(found.kl), np.std(found.kl)))
        assert ticks[name] == pytest.approx(found.expected_kl)
    worst = max(abs(np.mean(found.kl) / found.expected_kl - 1) for found in surveyed)
    assert f"to within {worst:.0%}" in figure.layout.meta["caption"]
    assert "4 seeds" in figure.layout.meta["caption"]


def test_entropies_are_filled_for_train_and_open_for_test(surveyed):
    figure = figures.label_entropies(surveyed, OUTCOMES)
    train, test = (
        {name: x for trace in marks(figure, word) for name, x in zip(trace.y, trace.x, strict=True)}
        for word in (", train", ", test")
    )
    for found in surveyed:
        assert train[found.operation.pretty] == pytest.approx(np.mean(found.train_entropy))
        assert test[found.operation.pretty] == pytest.approx(np.mean(found.test_entropy))
    assert all(trace.marker.symbol.endswith("-open") for trace in marks(figure, ", test"))
    assert not any(trace.marker.symbol.endswith("-open") for trace in marks(figure, ", train"))
    caption = figure.layout.meta["caption"]
    assert f"of 2 of 6 operations, whose entropy is ln 11 = {math.log(11):.2f}" in caption
    assert "lowest for (a+b)²" in caption


def test_captions_say_what_an_outcome_is_held_against(surveyed):
    caption = figures.label_kl(surveyed, OUTCOMES).layout.meta["caption"]
    assert "Of the 2 operations that do not grok" in caption
    assert "of the 3 that do" in caption
    for unknown in ({}, {parse("a+b"): True}):
        assert "not both kinds of outcome" in figures.label_kl(surveyed, unknown).layout.meta["caption"]


def test_one_operation_is_enough_for_a_figure(surveyed):
    for draw in (figures.label_kl, figures.label_entropies):
        assert "of 1 operation in 1 group" in draw(surveyed[:1], {}).layout.meta["alt"]


# --- tables ---------------------------------------------------------------------------------------


def test_the_separation_table_has_a_block_for_each_judge(surveyed):
    table = figures.separation_table(surveyed, {"paper": OUTCOMES, "nobody": {}})
    assert table["outcome by"].tolist() == ["paper (3, 2)"] * 5 + ["nobody (0, 0)"] * 5
    by_number = table[table["statistic"] == "labels that occur"].set_index("outcome by")
    # 11, 11, 11 labels against 11, 6: three ties and three wins.
    assert by_number.loc["paper (3, 2)", "AUC"] == "0.75"
    assert by_number.loc["paper (3, 2)", ["grok", "do not"]].tolist() == ["11", "6 … 11"]
    assert set(table[table["outcome by"] == "nobody (0, 0)"]["AUC"]) == {"–"}


def test_the_histogram_table_has_twins_in_one_row(surveyed):
    table = figures.histogram_table(surveyed, OUTCOMES)
    first, second = table.iloc[0], table.iloc[1]
    assert (first["groks"], first["does not"], first["how often they occur"]) == ("a+b", "2a+b", "11 × 11")
    assert (second["groks"], second["how often they occur"]) == ("a·b, ab+b", "10 × 10, 1 × 21")
    assert table["not known"].tolist()[-1] == "a²+ab+b²"
    assert "not known" not in figures.histogram_table(surveyed[:5], OUTCOMES)


def test_many_different_counts_are_shown_in_short():
    table = figures.histogram_table(labels.survey([parse("a^3+ab^2+b")], 97, 0.3, [0]), {})
    assert table["how often they occur"].tolist() == ["21 different counts, 77 to 113"]


def test_findings_are_in_the_numbers_of_the_tables(surveyed):
    table = figures.label_findings(surveyed, {"paper": OUTCOMES, "nobody": {}})
    text = " ".join(table["finding"])
    assert "labels that occur 0.75" in text
    assert "1 of 2, all but (a+b)²." in text
    assert table[table["outcome by"] == "nobody"]["finding"].tolist() == ["It does not know of both outcomes."]
    means = [found.kl.mean() for found in surveyed]
    assert f"factor of {max(means) / min(means):.1f}" in text
