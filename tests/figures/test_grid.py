import numpy as np
import pytest
from outcome_rows import ended, single, transfer
from plotly.colors import sample_colorscale

from grokbook import figures, paper
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation
from grokbook.figures.grid import Shades, compact, percentage
from grokbook.paper import table_5
from grokbook.paper.experiments import EXPERIMENTS

CONFIGS = EXPERIMENTS["summary-grid"].configs(fractions=[0.3, 0.4])
OUTCOMES = [
    *single("a+b", 4900, 5100, 5300),
    *single("a-b", 21_400, 0.9, 30_000),
    *single("2a+b", 0.031),
    *transfer("PG-E a+b -> 2a+b", 900),
    *single("a^2+ab+b^2", 0.3, 0.34, fraction=0.4),
]


@pytest.fixture(scope="module")
def cells():
    return table_5.cells(CONFIGS, OUTCOMES)


@pytest.fixture(scope="module")
def figure(cells):
    return figures.outcome_grid(cells)


def texts(figure):
    """Text by row and column, from the traces that hold it."""
    traces = [trace for trace in figure.data if trace.type == "scatter"]
    return {(y, x): text for trace in traces for x, y, text in zip(trace.x, trace.y, trace.text, strict=True)}


def drawn(figure, *, coloured):
    """What the heatmaps have where, by row and column."""
    traces = [t for t in figure.data if t.type == "heatmap" and (t.coloraxis == "coloraxis") is coloured]
    return {
        (y, x): (value, hover)
        for trace in traces
        for y, row, hovers in zip(trace.y, trace.z, trace.hovertext, strict=True)
        for x, value, hover in zip(trace.x, row, hovers, strict=True)
        if value is not None
    }


def test_every_cell_is_drawn_once_with_its_text(figure, cells):
    coloured, flat = drawn(figure, coloured=True), drawn(figure, coloured=False)
    places = {(cell.label, f"{cell.fraction:g}") for cell in cells}
    assert set(coloured) | set(flat) == set(texts(figure)) == places
    assert not set(coloured) & set(flat)
    assert {place: texts(figure)[place] for place in coloured} == {
        ("a+b", "0.3"): "5.1k",
        ("a−b", "0.3"): "26k*",
        ("2a+b, PG-E", "0.3"): "900",
    }
    shown = {place: text for place, text in texts(figure).items() if place in flat and text != "·"}
    assert shown == {("2a+b", "0.3"): "3.1%", ("a²+ab+b²", "0.4"): "34%"}


def test_colours_are_the_logarithm_of_the_median_grok_step(figure):
    values = {place: value for place, (value, _) in drawn(figure, coloured=True).items()}
    assert values[("a+b", "0.3")] == pytest.approx(np.log10(5100))
    assert values[("a−b", "0.3")] == pytest.approx(np.log10((21_400 + 30_000) / 2))
    axis = figure.layout.coloraxis
    assert (axis.cmin, axis.cmax) == pytest.approx((np.log10(900), np.log10(25_700)))
    assert list(zip(axis.colorbar.ticktext, 10 ** np.array(axis.colorbar.tickvals), strict=True)) == [
        ("1k", pytest.approx(1000)),
        ("3k", pytest.approx(3000)),
        ("10k", pytest.approx(10_000)),
    ]


def test_rows_stand_in_the_panel_of_their_kind_in_the_order_of_the_cells(figure, cells):
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [
        f"<b>{name}</b>"
        for name in ("elementary", "linear", "cross", "univariate", "cross high", "power sum", "factorizable")
    ]
    linear = figure.layout.yaxis2
    assert linear.categoryarray == tuple(dict.fromkeys(c.label for c in cells if c.operation.kind == "linear"))
    assert linear.range[0] > linear.range[1], "the first on top"
    for trace in figure.data:
        if trace.type == "heatmap":  # all rows and columns of a panel: Plotly misplaces cells otherwise
            axis = figure.layout["yaxis" + trace.yaxis[1:]]
            assert (tuple(trace.y), tuple(trace.x)) == (axis.categoryarray, ("0.3", "0.4"))


def test_hovering_tells_the_paper_s_value_each_seed_and_the_budget(figure):
    hovers = {place: hover for place, (_, hover) in drawn(figure, coloured=True).items()}
    assert hovers[("a−b", "0.3")].split("<br>") == [
        "<b>a−b, r = 0.3</b>",
        "paper: groks",
        "seed 0: groks at step 21,400",
        "seed 1: does not grok, best 90.0%",
        "seed 2: groks at step 30,000",
        "to grok within 100,000 steps: 95 %, by the law, which was fitted to it",
        "budget: 100,000 steps",
    ]
    failed = {place: hover for place, (_, hover) in drawn(figure, coloured=False).items()}
    assert "paper: does not grok, best 3.1 %" in failed[("2a+b", "0.3")]
    assert "2 of 3 seeds not run" in failed[("2a+b", "0.3")]
    assert failed[("a+b", "0.4")].split("<br>")[-2:] == [
        "3 of 3 seeds not run",
        "to grok within 40,000 steps: > 99 %, by the law, which was fitted to it",
    ]
    assert failed[("2a+b", "0.4")].endswith("to grok within 40,000 steps: 7 %, said before its run")
    assert "to grok within" not in hovers[("2a+b, PG-E", "0.3")]


def test_the_caption_counts(figure):
    meta = figure.layout.meta
    assert set(meta) == {"name", "title", "caption", "alt"}
    for text in (meta["caption"], meta["alt"]):
        assert (
            "10 of 246 runs are there, in 5 of 82 cells. Of these cells 3 grok, 1 of them not with every seed." in text
        )
        assert "First is 2a+b, PG-E at r = 0.3 (900 steps), last a−b at r = 0.3 (25,700 steps)." in text
        assert "5 of 5 agree with the paper; 0 grok here alone, 0 in the paper alone." in text


def test_pages_keep_their_own_background_and_text_colour(figure):
    assert figure.layout.paper_bgcolor is figure.layout.plot_bgcolor is figure.layout.font.color is None
    for trace in figure.data:
        if trace.type == "scatter":
            over = drawn(figure, coloured=True)
            assert (trace.textfont.color is None) is ((trace.y[0], trace.x[0]) not in over)
        elif trace.coloraxis is None:
            assert all(colour.startswith("rgba(128,128,128,0.") for _, colour in trace.colorscale)


def test_text_stands_out_on_every_shade():
    shades = Shades(2.5, 5.0)
    for shade in np.linspace(2.5, 5.0, 101):
        (rgb,) = sample_colorscale("Viridis_r", [(shade - 2.5) / 2.5], colortype="tuple")
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        luminance = float(np.dot([0.2126, 0.7152, 0.0722], linear))
        ink = {"#000000": 0.0, "#ffffff": 1.0}[shades.ink(shade)]
        contrast = (max(ink, luminance) + 0.05) / (min(ink, luminance) + 0.05)
        assert contrast >= 4.5, shade


@pytest.mark.parametrize("outcomes", [[], single("a+b", 100), single("a+b", 0.5), single("a+b", 0)])
def test_few_cells_or_none_that_ran_make_a_figure(outcomes):
    cells = table_5.cells(EXPERIMENTS["summary-grid"].configs(fractions=[0.3]), outcomes)
    figure = figures.outcome_grid(cells)
    assert figure.layout.coloraxis.cmax - figure.layout.coloraxis.cmin >= 0.5
    assert "nan" not in figure.layout.meta["caption"]
    figures.outcome_grid(cells[:1])
    with pytest.raises(ValueError, match="no cell"):
        figures.outcome_grid([])


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (0, "0"),
        (400, "400"),
        (999, "999"),
        (1000, "1k"),
        (8149, "8.1k"),
        (9949, "9.9k"),
        (9951, "10k"),
        (28_400, "28k"),
    ],
)
def test_steps_are_short(steps, text):
    assert compact(steps) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0%"),
        (0.031, "3.1%"),
        (0.0994, "9.9%"),
        (0.0996, "10%"),
        (0.348, "35%"),
        (0.984, "98%"),
        (0.98695, "98.6%"),
        (0.9999, "99.9%"),
        (1.0, "100%"),
    ],
)
def test_percentages_are_short_and_never_rounded_up_to_what_groks(share, text):
    assert percentage(share) == text


# --- tables ---------------------------------------------------------------------------------------


def disagreeing():
    outcomes = [*OUTCOMES, *single("ab", 0.5, 0.61), *single("2a-b", 0.2, 12_000)]
    return table_5.cells(CONFIGS, outcomes)


def test_counts_are_a_sentence(cells):
    assert (
        figures.grid_counts(cells)
        == "10 of 246 different runs are there (252 in Table 5, which has some in two groups)."
    )
    assert figures.grid_counts(cells[:2]) == "3 of 6 different runs are there."


def test_the_fraction_table_has_a_row_per_fraction():
    table = figures.fraction_table(disagreeing()).set_index("r")
    every = figures.agreement_table(disagreeing()).set_index("group").loc["all"]
    assert table["run"].sum() == every["run"]
    assert table["agree with the paper"].sum() == every["agree"]
    assert table["seeds differ"].sum() == every["seeds differ"]
    assert table.loc["0.3"].tolist() == [41, 6, 4, 4, 2, 0, 4]
    assert table.loc["0.4"].tolist() == [41, 1, 1, 0, 0, 0, 1]


def test_the_repeat_table_has_a_row_per_training():
    first, again = single("2a+b", 0.031)[0], transfer("PG-E a+b -> 2a+b", 900)[0]
    one, other = figures.repeat_table([[first, again]]).to_dict("records")
    assert (one["run"], one["p"], one["r"], one["seed"], one["budget"]) == ("2a+b", 97, "0.3", 0, "100,000")
    assert (one["grok step"], one["best test accuracy"], one["trained on"]) == ("–", "3.1%", "–")
    assert (other["run"], other["grok step"], other["best test accuracy"]) == ("2a+b, PG-E", "900", "100.0%")


def test_the_agreement_table_has_a_row_per_group_and_one_for_all():
    table = figures.agreement_table(disagreeing()).set_index("group")
    assert table.loc["elementary"].tolist() == [6, 3, 2, 1, 0, 1, 1, 0]
    assert table.loc["linear"].tolist() == [8, 2, 1, 1, 1, 0, 1, 0]
    assert table.loc["linear, PG-E"].tolist() == [8, 1, 1, 0, 0, 0, 0, 0]
    assert table.loc["all"].tolist() == table.drop("all").sum().tolist()


def test_the_disagreement_table_has_both_values():
    first, second = figures.disagreement_table(disagreeing()).to_dict("records")
    assert first == {
        "operation": "a·b",
        "r": "0.3",
        "paper": "groks",
        "here": "best 50.0%; best 61.0%",
        "seeds": "0, 1",
        "budget": "40,000",
        "budget in the paper": "300,000",
    }
    assert (second["operation"], second["paper"], second["here"]) == (
        "2a−b",
        "does not grok, best 2.5 %",
        "best 20.0%; groks at 12,000",
    )
    assert figures.disagreement_table([]).empty


def test_the_kind_table_counts_operations_that_grok():
    outcomes = [*OUTCOMES, *single("ab", 0.5), *single("ab", 900, fraction=0.4), *single("a^3+ab", 8000)]
    table = figures.kind_outcome_table(table_5.cells(CONFIGS, outcomes)).set_index("kind")
    assert table.loc["elementary"].tolist() == ["groks", 3, "some: 2 of 3 run", "all: 3 of 3 run", "a·b"]
    assert table.loc["linear"].tolist() == ["lost", 4, "none: 0 of 1 run", "none: 0 of 1 run", "–"]
    assert table.loc["linear, PG-E"].tolist() == ["groks", 4, "all: 1 of 1 run", "all: 1 of 1 run", "none"]
    assert table.loc["cross high"].tolist() == ["does not grok", 4, "all: 1 of 1 run", "some: 1 of 2 run", "a³+ab"]
    assert table.loc["univariate"].tolist() == ["groks", 4, "not run", "not run", "–"]


def test_the_delay_table_has_the_ratio_of_two_steps():
    table = figures.delay_table(table_5.cells(CONFIGS, OUTCOMES)).set_index("r")  # all know their train set at step 100
    assert table.loc["0.3"].tolist() == [3, "51", "9", "257"], "seeds of a cell count as one"
    assert table.loc["0.4"].tolist() == [0, "–", "–", "–"]


def test_the_origin_table_has_a_row_per_place():
    config = paper.single("a+b")
    facts = {"device": "X", "torch": "2", "commit": "c"}
    outcomes = [
        ended(config, 1000, started="2026-11-23T01:00:00+00:00", **facts),
        ended(paper.single("a+b", seed=1), 2000, started="2026-11-21T01:00:00+00:00", **facts),
        ended(paper.single("a+b", seed=2), 3000),
    ]
    table = figures.origin_table(table_5.cells(CONFIGS, outcomes))
    assert table.to_numpy().tolist() == [
        ["X", "2", "c", 2, "13,000", "2026-11-21", "2026-11-23"],
        ["–", "–", "–", 1, "8,000", "–", "–"],
    ]


# --- operations by their formulas -----------------------------------------------------------------

EVERY_OPERATION = [operation for group in CATALOGUE.values() for operation in group]


EXAMPLES = [Operation.parse(text) for text in ("a^2-b^2", "(a+b)^2+a+b", "ab+7")]


def test_the_formula_table_says_what_follows_from_a_formula():
    table = figures.formula_table(EXAMPLES).set_index("operation")
    difference, through, foreign = (table.loc[name] for name in ("a²−b²", "(a+b)²+a+b", "ab+7"))
    assert (difference["function of a±b"], difference["divisible by"]) == ("–", "a+b, a−b")
    assert (difference["even in"], difference["symmetric"]) == ("a, b", "–")
    assert (through["function of a±b"], through["divisible by"], through["symmetric"]) == ("yes", "a+b", "yes")
    assert (foreign["degree"], foreign["cross term"], foreign["divisible by"]) == (2, "yes", "–")


def test_the_taxonomy_table_has_words_kind_and_verdict():
    table = figures.taxonomy_table(EXAMPLES).set_index("operation")
    assert table.loc["ab+7"].tolist() == ["quadratic, cross term", "cross", "not in the paper"]
    assert table.loc["(a+b)²+a+b"].tolist() == [
        "quadratic, factorizable",
        "factorizable",
        "agrees; group reconstructed",
    ]


def test_every_operation_of_the_paper_is_of_its_group():
    verdicts = figures.taxonomy_table(EVERY_OPERATION)["group in Table 5"]
    assert len(verdicts) == 35
    assert all(verdict.startswith("agrees") for verdict in verdicts)
    assert sum("differs" in verdict for verdict in verdicts) == 1


def test_the_kind_table_sets_table_1_beside_table_5():
    table = figures.kind_table(EVERY_OPERATION).set_index("kind")
    grok = "Table 5: at r = 0.3"
    assert table.loc["factorizable", [grok, "all from r ="]].tolist() == ["8 of 10", "0.7"]
    assert table.loc["cross high", [grok, "all from r =", "Table 1"]].tolist() == ["0 of 4", "–", "does not grok"]
    assert table.loc["linear", "Table 1"] == "lost"
    assert figures.kind_table(EVERY_OPERATION, 0.9).set_index("kind").loc["linear"].iloc[2] == "4 of 4"
