"""Figures and tables on operations of one problem, from outcomes and layers that nobody trained."""

import math

import pytest
import torch
from drawn import assert_self_contained
from outcome_rows import ended, single

from grokbook import figures
from grokbook.analysis.renamings import Reading
from grokbook.data import Operation
from grokbook.fourier.transform import Spectrum
from grokbook.paper import EXPERIMENTS, predicted
from grokbook.paper.explained import Explained
from grokbook.paper.results import Reported
from grokbook.paper.same_task import Cell, Pool
from grokbook.paper.separate import Comparison

parse = Operation.parse
POOLS = [
    Pool(0.3, {"a+b": single("a+b", 3000, 4000), "a^5+b^5": single("a^5+b^5", 5000, 0.5)}),
    Pool(0.3, {"a^2+b": single("a^2+b", 0.1), "a^2-b": single("a^2-b", 0.2)}),
]


def spectrum(*large):
    norms = torch.full((6,), 0.1, dtype=torch.float64)
    norms[list(large)] = 1.0
    return Spectrum(torch.zeros((), dtype=torch.float64), norms, norms.clone())


def reading(what, layer, *large, own=None, relabelled=False, seed=0):
    return Reading(what, parse("a+b"), seed, layer, spectrum(*large), own, relabelled)


READINGS = [
    reading("a+b", "embedding", 0, own=spectrum(0)),
    reading("a+b", "neuron_logit", 0, own=spectrum(0)),
    reading("a+b, x → x⁵", "embedding", 0, 1, 2, own=spectrum(0), relabelled=True),
    reading("a⁵+b⁵", "embedding", 0, 1, 2, 3, seed=1),
]


def control(*steps):
    configs = EXPERIMENTS["separate-control"].configs()
    return predicted.rows("D-control", [ended(config, step) for config, step in zip(configs, steps, strict=False)])


DRAWN = {
    "pooled": figures.pooled_steps(POOLS),
    "relabelled": figures.relabelled_chart(READINGS),
    "none known": figures.control_chart(control(), single("a+b", 4000)),
    "known": figures.control_chart(control(20_000, 0.5), single("a+b", 4000)),
}


@pytest.mark.parametrize("figure", DRAWN.values(), ids=list(DRAWN))
def test_figures_describe_themselves_and_leave_colours_to_the_page(figure):
    assert_self_contained(figure)
    listed = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert len(listed) == len(set(listed))


def test_every_run_is_drawn_once_in_the_row_of_its_operation():
    figure = DRAWN["pooled"]
    shown = sorted((y, x) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True))
    assert shown == sorted(
        [("a+b", 3000), ("a+b", 4000), ("a⁵+b⁵", 5000), ("a⁵+b⁵", 40_000), ("a²+b", 100_000), ("a²−b", 100_000)]
    )
    assert [note.text for note in figure.layout.annotations] == ["as a+b: 3 of 4 grokked", "as a²+b: 0 of 2 grokked"]
    assert {trace.marker.symbol for trace in figure.data} == {"circle", "diamond-open"}
    assert "a+b and the same: 3 of 4 grokked, at steps 3,000–5,000" in figure.layout.meta["caption"]
    assert "0 of 2 grokked, best test accuracy 20.0%" in figure.layout.meta["caption"]
    assert "10k" in figure.layout.xaxis.ticktext


def test_ffs_over_the_residues_and_over_the_own_coordinate_have_marks_of_their_own():
    of = {(trace.name, trace.xaxis): (trace.x, trace.y) for trace in DRAWN["relabelled"].data}
    assert of["a run", "x"] == ((pytest.approx(1 / 6), pytest.approx(4 / 6)), ("a+b", "a⁵+b⁵"))
    assert of["relabelled", "x"] == ((0.5,), ("a+b, x → x⁵",))
    assert of["own coordinate", "x"] == ((pytest.approx(1 / 6),) * 2, ("a+b", "a+b, x → x⁵"))
    assert set(of) == {*(((name, "x")) for name in ("a run", "relabelled", "own coordinate")), ("a run", "x2")} | {
        ("own coordinate", "x2")
    }


def test_a_control_shows_what_was_predicted_with_or_without_ends():
    bars = [trace for trace in DRAWN["none known"].data if trace.legendgroup == "predicted"]
    assert [tuple(trace.x) for trace in bars] == [(7228, 74490), (1847, 19030), (776.2, 7999)]
    assert "With two no run is known yet" in DRAWN["none known"].layout.meta["caption"]
    assert {trace.name for trace in DRAWN["known"].data} >= {"two embeddings", "two embeddings, not grokked"}
    assert (
        "1 of 1 grokked at r = 0.3, at steps 20,000; 0 of 1 grokked at r = 0.4"
        in (DRAWN["known"].layout.meta["caption"])
    )


@pytest.mark.parametrize(
    "draw", [figures.pooled_steps, figures.relabelled_chart, lambda rows: figures.control_chart(rows, [])]
)
def test_nothing_is_drawn_of_nothing(draw):
    with pytest.raises(ValueError, match=r"there is no|nothing is predicted"):
        draw([])


# --- tables ---------------------------------------------------------------------------------------


def rows(table):
    return table.to_dict("records")


def test_classes_with_one_embedding_are_joined_inside_those_with_two():
    names = ["a+b", "a^5+b^5", "a-b", "ab"]
    plus, power, minus, times = map(parse, names)
    first, last = rows(figures.class_table([[plus, power], [minus], [times]], [[plus, power, minus], [times]]))
    assert list(first.values()) == ["a+b and 2 more", "a+b = a⁵+b⁵; a−b", 2]
    assert list(last.values()) == ["each alone: 1", "a·b", 1]


def test_renamings_are_written_as_formulas():
    (row,) = rows(figures.renaming_table([[parse("ab"), parse("ab+a+b")], [parse("a-b")]], 11))
    assert list(row.values()) == ["ab+a+b", "a·b", "x + 1", "c − 1"]


def test_pools_that_chance_can_be_tested_on_have_a_row():
    (row,) = rows(figures.pool_table(POOLS))
    assert row["one problem"] == "a+b = a⁵+b⁵"
    assert (row["grokked"], row["grok steps"], row["p"]) == ("3 of 4", "3,000–5,000", "0.33")


def test_cells_that_differ_stand_beside_what_happened_here():
    says = {"a^2+b": Reported(True), "a^2-b": Reported(False, 9.5)}
    first, second = rows(figures.differing_table([Cell(0.3, says)], POOLS[1:]))
    assert (first["paper"], first["here"]) == ("groks", "best 10.0%")
    assert (second["paper"], second["here"]) == ("does not grok, best 9.5 %", "best 20.0%")
    assert rows(figures.differing_table([Cell(0.4, says)], POOLS))[0]["here"] == "not yet run"


def test_own_coordinates_are_told_where_they_are_known():
    found = rows(figures.own_table(READINGS))
    assert [(row["model of"], row["layer"], row["runs"]) for row in found] == [
        ("a+b", "W_E", 1),
        ("a+b", "W_L", 1),
        ("a+b, x → x⁵", "W_E", 1),
    ]
    assert (found[2]["FFS over x"], found[2]["FFS, own"]) == ("0.50", "0.17")


def test_predictions_have_a_row_for_all_seeds_of_a_fraction():
    first, *others = rows(figures.control_table(control(20_000, 0.5)))
    assert list(first.values())[:5] == ["a+b", "0.3", "72.5%", "23,200", "7,228–74,490"]
    assert first["found"] == "grok step 20,000, not yet run, not yet run"
    assert [row["found"] for row in others] == ["best 50.0%, not yet run, not yet run", "not yet run"]


def test_comparisons_and_explanations_say_what_is_not_known():
    never, late = (
        Comparison(name, "a+b", 0.3, steps, (4000.0, 5000.0))
        for name, steps in (("2a+b", (math.inf,)), ("a-b", (9000.0,)))
    )
    first, second = rows(figures.comparison_table([late, never], []))
    assert (first["one embedding"], first["two embeddings"]) == ("2 (r = 0.3, 1 against 2 runs)", "not yet run")
    assert second["one embedding"] == "0 of 1 grokked (r = 0.3, 1 against 2 runs)"
    shown = [
        Explained("C2", "share", [0.64, 0.7621], [], "½", None),
        Explained("C14", "steps", [math.inf, math.inf], [1.24, math.inf], "1", False),
    ]
    open_, failed = rows(figures.explained_table(shown))
    assert (open_["one embedding"], open_["two, found"], open_["so"]) == ("0.64 to 0.76", "not yet run", "open")
    assert failed["one embedding"] == "2 of 2 do not grok"
    assert (failed["two, found"], failed["so"]) == ("1.2, 1 of 2 do not grok", "stays")
