from dataclasses import replace

import pytest
from drawn import lines_and_marks

from grokbook import figures
from grokbook.figures.modulus import training_pairs


@pytest.fixture
def runs(tiny, wave_run, tiny_run):
    """p = 11 groks at r = 0.6 with one of two seeds; p = 7 does not, at r = 0.5."""

    def at(run, p, fraction, seed=0):
        return replace(run, config=tiny("a^2+ab+b^2", p=p, fraction=fraction, seed=seed))

    low = replace(wave_run, history=wave_run.history.assign(test_accuracy=[0, 0.5, 0.2, 0.2, 0.2]))
    return [at(wave_run, 11, 0.6), at(low, 11, 0.6, seed=1), at(low, 7, 0.5)]


def test_training_pairs_are_counted_as_training_does(runs, tiny, tiny_run):
    assert [training_pairs(run) for run in runs] == [72, 72, 24]
    every_token = replace(tiny_run, config=tiny(p=7, fraction=0.5, operands="vocab"))
    assert training_pairs(every_token) == 12 * 12 // 2
    mixture = replace(every_token.config, operations=("a^2", "a^2+b"))  # one token more, which is no operand
    assert training_pairs(replace(every_token, config=mixture)) == 12 * 12 // 2


@pytest.mark.parametrize(("against", "places"), [("pairs", (24, 72)), ("fraction", (0.5, 0.6))])
def test_a_line_per_modulus_and_a_symbol_per_outcome(runs, against, places):
    figure = figures.modulus_accuracy(runs, against)
    lines, marks = lines_and_marks(figure, 1)
    assert lines == {"p = 7": ([places[0]], [0.5]), "p = 11": ([places[1]], [0.75])}
    assert sorted(marks) == [
        ("p = 11", "circle", places[1], 1),
        ("p = 11", "diamond-open", places[1], 0.5),
        ("p = 7", "diamond-open", places[0], 0.5),
    ]
    low, high = figure.layout.xaxis.range
    assert low < places[0] < places[1] < high
    sizes = [trace.marker.size for trace in figure.data if trace.mode == "markers" and trace.legendgroup]
    assert sizes == sorted(sizes, reverse=True), "marks that coincide are seen, the smaller ones on top"
    assert len(set(sizes)) == 2
    dashes = [trace.line.dash for trace in figure.data if trace.mode == "lines"]
    assert len(set(dashes)) == 2, "told apart without colour"


def test_the_caption_says_what_grokked_within_which_budget(runs):
    by_pairs, by_share = (figures.modulus_accuracy(runs, against).layout.meta for against in ("pairs", "fraction"))
    assert "p = 7: not grokked at 24; p = 11: grokked at 72 (1 of 2 seeds)." in by_pairs["caption"]
    assert "p = 11: grokked at r = 0.6 (1 of 2 seeds)." in by_share["caption"]
    assert "Budgets: 30 steps." in by_pairs["caption"]
    assert by_pairs["name"] != by_share["name"]


def test_runs_of_several_operations_are_refused(runs, tiny_run):
    with pytest.raises(ValueError, match="the same operation"):
        figures.modulus_accuracy([*runs, tiny_run])
    with pytest.raises(ValueError, match="the same operation"):
        figures.modulus_accuracy([])


def test_the_table_has_a_row_per_modulus_and_fraction(runs):
    assert figures.modulus_table(runs).to_dict("records") == [
        {
            "p": 7,
            "r": "0.5",
            "training pairs": "24",
            "seeds": "0",
            "best test accuracy": "50.0%",
            "grok step": "–",
            "budget": "30 steps",
        },
        {
            "p": 11,
            "r": "0.6",
            "training pairs": "72",
            "seeds": "0, 1",
            "best test accuracy": "100.0%, 50.0%",
            "grok step": "10, –",
            "budget": "30 steps",
        },
    ]


def test_where_three_divides_p_minus_one_zero_has_two_lines_of_pairs():
    """a²+ab+b² is (a³−b³)/(a−b): it has two linear factors where 1 has three cube roots, else (0, 0) alone gives 0."""
    table = figures.modulus_labels_table("a^2+ab+b^2", [59, 97, 113]).set_index("p")
    assert table["pairs with label 0"].to_dict() == {59: 1, 97: 193, 113: 1}
    assert table["p mod 3"].to_dict() == {59: 2, 97: 1, 113: 2}
    assert table["pairs"].to_dict() == {59: "3,481", 97: "9,409", 113: "12,769"}
    assert table["labels × how often they occur"].to_dict() == {59: "1 × 1, 58 × 60", 97: "96 × 96, 1 × 193",
                                                                 113: "1 × 1, 112 × 114"}  # fmt: skip
