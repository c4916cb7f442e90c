from dataclasses import replace

import numpy as np
import pytest
import torch

from grokbook import figures, fourier, model
from grokbook.analysis import coordinates
from grokbook.analysis.coordinates import RESIDUES, Logarithms, Values
from grokbook.data.operations import Operation
from grokbook.fourier.layers import matrices
from grokbook.runs.initial import initial_weights


@pytest.fixture
def on(product_run):
    """The same weights as those of a run on another operation."""
    return lambda operation: replace(product_run, config=replace(product_run.config, operations=(operation,)))


def needed(layer, coordinate, share=0.8):
    return str(coordinates.leading(layer, coordinate, share).needed(share) or "–")


def layers(run):
    return matrices(model.of(run.config), run.weights, run.config.p)


def test_bars_are_over_the_own_coordinate_and_lines_over_others(product_run):
    others = [Logarithms(0), Logarithms(2), Logarithms(3)]
    figure, p = figures.coordinate_spectra(product_run, others=others), product_run.config.p
    assert [(trace.type, trace.name) for trace in figure.data] == 2 * [
        ("bar", "over log(x + 1) (bars)"),
        *(("scatter", f"over {each} (line)") for each in ("x", "log x", "log(x + 2)", "log(x + 3)")),
    ]
    assert all(list(trace.x) == list(range(1, p // 2 + 1)) for trace in figure.data)
    np.testing.assert_allclose(figure.data[0].y, [0, 1, 0, 0, 0], atol=1e-6)
    for panel, layer in enumerate(layers(product_run).values()):
        for trace, waves in zip(figure.data[5 * panel :], [Logarithms(1), RESIDUES, *others], strict=False):
            found = coordinates.leading(layer, waves, 1.0)
            ordered = [trace.y[frequency - 1] for frequency in found.frequencies]
            np.testing.assert_allclose(np.cumsum(ordered), found.shares)
    assert [trace.showlegend for trace in figure.data] == [True] * 5 + [False] * 5
    assert figure.layout.xaxis.title.text == "frequency (bars: over log(x + 1))"


def test_a_layer_whose_coordinate_is_the_residues_has_no_line(on):
    figure = figures.coordinate_spectra(on("a^2+b^2"))
    assert [trace.name for trace in figure.data] == ["over x² (bars)", "over x (line)", "over x (bars)"]
    figure = figures.coordinate_spectra(on("(a+b)^2"))
    assert [trace.name for trace in figure.data] == ["over x (bars)", "over s (x = s²) (bars)", "over x (line)"]
    assert [trace.showlegend for trace in figure.data] == [True] * 3


def test_over_squares_bars_add_up_to_what_they_explain_together(on):
    """These waves are not orthogonal: what each explains by itself would add up to more."""
    bars = figures.coordinate_spectra(on("a^2+b^2")).data[0]
    found = coordinates.leading(layers(on("a^2+b^2"))["embedding"], Values(Operation.parse("a^2")), 1.0)
    assert sum(bars.y) == pytest.approx(found.shares[-1])
    assert found.shares[-1] < 1


def test_captions_count_and_name_what_leads(product_run, monkeypatch):
    caption = figures.coordinate_spectra(product_run).layout.meta["caption"]
    over_x = coordinates.leading(layers(product_run)["embedding"], RESIDUES).frequencies
    named = ", ".join(map(str, over_x))
    assert f"of 5: embedding: 1 over log(x + 1) (2), {len(over_x)} over x ({named}); neuron" in caption
    assert "grokked at step 10" in caption
    monkeypatch.setattr("grokbook.figures.coordinates.NAMED", 0)
    assert "embedding: 1 over log(x + 1), " in figures.coordinate_spectra(product_run).layout.meta["caption"]


def test_the_chart_has_a_mark_for_each_run_and_coordinate_and_for_a_random_start(product_run, on):
    total = on("a^2+b^2")
    figure = figures.coordinate_chart({"product": [product_run], "sum": [total, replace(total, kept_weights=None)]})
    own, others = figure.data[:2]
    marked = {
        (x, y): text.strip() for trace in (own, others) for x, y, text in zip(trace.x, trace.y, trace.text, strict=True)
    }
    assert set(zip(own.x, own.y, strict=True)) == {("log(x + 1)", "product"), ("x²", "sum")}
    waves = {"x": RESIDUES, "log(x + 1)": Logarithms(1), "x²": Values(Operation.parse("a^2"))}
    p, embedding = product_run.config.p, layers(product_run)["embedding"]
    start = initial_weights(product_run.config, {}).W_E[:p]
    for name, each in waves.items():
        assert marked[name, "product"] == marked[name, "sum"] == needed(embedding, each)
        assert marked[name, "random start"] == needed(coordinates.averaged(start, each), each)
    assert len(marked) == 9
    assert (marked["log(x + 1)", "product"], marked["x²", "product"]) == ("1", "–")
    assert "–" not in {marked[name, "random start"] for name in waves}, "over x² of what is alike for x and −x"
    assert list(figure.layout.yaxis.categoryarray) == ["random start", "sum", "product"]


def test_the_chart_counts_for_the_share_that_it_is_given(product_run, on):
    groups = {"a": [on("a+b")], "ab": [product_run]}
    texts = {share: figures.coordinate_chart(groups, share=share).data[0].text[0].strip() for share in (0.5, 0.95)}
    embedding = layers(product_run)["embedding"]
    assert texts == {share: needed(embedding, RESIDUES, share) for share in (0.5, 0.95)}
    assert texts[0.5] != texts[0.95]
    meta = figures.coordinate_chart(groups, share=0.5).layout.meta
    assert meta["title"] == "How many frequencies make up 50% of a layer"
    low, high = sorted((1, int(texts[0.5])))
    assert f"Embedding: {low} to {high} over the operation's own coordinate, " in meta["caption"]


def test_seeds_have_rows_of_their_own_and_moduli_do_not_mix(on, wave_run):
    run = on("a+b")
    other = replace(run, config=replace(run.config, seed=3))
    assert set(figures.coordinate_chart({"a+b": [run, other]}).data[0].y) == {"a+b, seed 0", "a+b, seed 3"}
    small = replace(run.config, p=5)
    mixed = replace(run, config=small, kept_weights=initial_weights(small, {}))
    with pytest.raises(ValueError, match="one modulus"):
        figures.coordinate_chart({"a+b": [run, mixed]})


def test_counts_stand_for_each_share_over_both_coordinates_and_at_the_start(on):
    run = on("a^2+b^2")
    embedding_row, neuron_logit_row = figures.leading_table({"it": [run]}, shares=[0.3, 0.6]).to_dict("records")
    squares = Values(Operation.parse("a^2"))
    start = initial_weights(run.config, {}).W_E[: run.config.p]
    expected = {
        "run": "it",
        "layer": "W_E",
        "over": "x²",
        **{f"own, {share:.0%}": needed(layers(run)["embedding"], squares, share) for share in (0.3, 0.6)},
        **{f"x, {share:.0%}": needed(layers(run)["embedding"], RESIDUES, share) for share in (0.3, 0.6)},
        **{f"start, {share:.0%}": needed(coordinates.averaged(start, squares), squares, share) for share in (0.3, 0.6)},
    }
    assert embedding_row == expected
    assert (neuron_logit_row["layer"], neuron_logit_row["over"]) == ("W_L", "x")


def test_frequencies_of_both_layers_stand_side_by_side(product_run):
    (row,) = figures.frequency_table({"it": [product_run]}).to_dict("records")
    found = coordinates.leading(layers(product_run)["neuron_logit"], Logarithms(1)).frequencies
    assert row == {
        "run": "it",
        "W_E over": "log(x + 1)",
        "leading in W_E": "2",
        "W_L over": "log(x + 1)",
        "leading in W_L": ", ".join(map(str, found)),
        "in both": int(2 in found),
        "by chance": f"{len(found) / 5:.1f}",
    }


def test_restrictions_are_those_of_the_leading_frequencies_beside_two_controls(product_run, on, monkeypatch):
    monkeypatch.setattr("grokbook.analysis.frequencies.DRAWS", 1)
    rows = figures.restriction_table({"product": [product_run], "sum": [on("a+b")]}, shares=[0.5]).to_dict("records")
    own = coordinates.restriction(product_run, Logarithms(1), [2])
    embedding = layers(product_run)["embedding"]
    over_x = coordinates.leading(embedding, RESIDUES, 1.0).frequencies
    twice = coordinates.restriction(product_run, RESIDUES, over_x[:2]).kept
    others = [coordinates.restriction(product_run, Logarithms(1), [k]).removed for k in (1, 3, 4, 5)]
    assert [rows[0][name] for name in ("whole", "these", "all but these", "2× over x")] == [
        f"{value:.1%}" for value in (own.whole, own.kept, own.removed, twice)
    ]
    assert rows[0]["taken"] == "1 over log(x + 1) (50%)"
    assert rows[0]["dims"] == "2 of 9"
    assert rows[0]["all but others"] in {f"{removed:.1%}" for removed in others}
    assert rows[1]["taken"].endswith(" over x (50%)")
    assert rows[1]["2× over x"] == "–"
    every = figures.restriction_table({"sum": [on("a+b")]}, shares=[1.0]).to_dict("records")
    assert every[0]["all but others"] == "–", "there are no others left"


def test_the_summary_answers_all_three_questions(product_run):
    (row,) = figures.coordinate_summary({"it": [product_run]}).to_dict("records")
    found = layers(product_run)
    over_x = {layer: needed(matrix, RESIDUES) for layer, matrix in found.items()}
    neuron_logit = coordinates.leading(found["neuron_logit"], Logarithms(1)).frequencies
    parts = coordinates.restriction(product_run, Logarithms(1), [2])
    assert row == {
        "run": "it",
        "W_E: over x → own": f"{over_x['embedding']} → 1",
        "W_L: over x → own": f"{over_x['neuron_logit']} → {len(neuron_logit)}",
        "shared": f"{int(2 in neuron_logit)} of {len(neuron_logit)}",
        "accuracy: whole, these, all but these": ", ".join(f"{part:.0%}" for part in parts),
    }


def test_parities_are_those_of_the_leading_frequencies_over_log_x(on):
    run = on("a*b")
    p, angles = run.config.p, 2 * np.pi * fourier.discrete_logs(run.config.p).double() / (run.config.p - 1)
    embedding = torch.zeros(p, run.weights.W_E.shape[1])
    for channel, (frequency, size) in enumerate([(2, 3.0), (3, 1.0)]):  # two circles, of 90 % and 10 %
        embedding[1:, 2 * channel] = size * (frequency * angles).cos().float()
        embedding[1:, 2 * channel + 1] = size * (frequency * angles).sin().float()
    run = replace(run, kept_weights=run.weights._replace(W_E=torch.cat([embedding, run.weights.W_E[p:]])))
    first, second = figures.parity_table({"ab": [run], "sum": [on("a+b")]}).to_dict("records")
    assert [row["layer"] for row in (first, second)] == ["W_E", "W_L"]
    assert (first["leading, even"], first["leading, odd"]) == ("2", "–")
    assert (first["even"], first["cosines over x"]) == ("90%", "90%")
    assert first["FCR from even"] == first["FCR"] == "0.33"
    found = coordinates.leading(layers(run)["neuron_logit"], Logarithms(0)).frequencies
    assert second["leading, odd"] == ", ".join(str(k) for k in found if k % 2)


def test_what_cannot_be_read_is_left_out_or_refused(product_run, on, tiny_mixture):
    bare = replace(product_run, kept_weights=None)
    unknown = on("ab+b")
    groups = {"bare": [bare], "unknown": [unknown], "mixture": [tiny_mixture]}
    assert figures.readable(groups | {"good": [bare, product_run]}) == {"good": [product_run]}
    for table in (
        figures.frequency_table,
        figures.restriction_table,
        figures.leading_table,
        figures.parity_table,
        figures.coordinate_summary,
    ):
        assert table(groups).empty
    with pytest.raises(ValueError, match="with their weights"):
        figures.coordinate_chart(groups)
    for run in (bare, unknown, tiny_mixture):
        with pytest.raises(ValueError, match="no weights here, or no coordinates"):
            figures.coordinate_spectra(run)
