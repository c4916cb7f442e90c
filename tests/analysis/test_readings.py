from dataclasses import replace

import pytest
import torch

from grokbook.analysis import coordinates, frequencies, readings
from grokbook.analysis.coordinates import RESIDUES, Logarithms
from grokbook.analysis.readings import Reading
from grokbook.runs.initial import initial_weights

RANDOM = "random start"


def test_layers_are_read_over_the_coordinates_of_the_operation(product_run):
    reading = Reading.of(product_run)
    assert reading.coordinate("embedding") == Logarithms(1)
    assert reading.leading("embedding").frequencies == (2,)
    assert torch.equal(reading.layers["embedding"], product_run.weights.W_E[: product_run.config.p])


def test_what_cannot_be_read_has_no_reading(product_run, tiny_mixture):
    unknown = replace(product_run, config=replace(product_run.config, operations=("ab+b",)))
    for run in (unknown, tiny_mixture, replace(product_run, kept_weights=None)):
        assert Reading.of(run) is None


def test_controls_leave_out_others_and_keep_as_many_over_the_residues(product_run):
    reading, own = Reading.of(product_run), Logarithms(1)
    drawn = list(frequencies.drawn([2], product_run.config.p // 2))
    removed = [coordinates.restriction(product_run, own, others).removed for others in drawn]
    assert reading.without_others([2]) == pytest.approx(sum(removed) / len(removed))
    assert reading.without_others([1, 2, 3]) is None, "there are not as many others"
    over_x = coordinates.leading(reading.layers["embedding"], RESIDUES, 1.0).frequencies
    assert reading.over_residues(2) == coordinates.restriction(product_run, RESIDUES, over_x[:2]).kept


def test_needed_frequencies_stand_for_each_run_each_coordinate_and_a_random_start(product_run):
    total = replace(product_run, config=replace(product_run.config, operations=("a^2+b^2",)))
    named = [("product", Reading.of(product_run)), ("sum", Reading.of(total)), ("product", Reading.of(product_run))]
    frame = readings.needed(named, "embedding", 0.8, RANDOM)
    assert frame["label"].tolist() == [label for label in ("product", "sum", "product", RANDOM) for _ in range(3)]
    assert frame["waves"].tolist() == 4 * ["x", "log(x + 1)", "x²"]
    assert frame[frame["own"]][["label", "waves", "needed"]].to_numpy().tolist()[0] == ["product", "log(x + 1)", 1]
    assert frame["own"].sum() == 3
    start = readings.random_start(product_run.config)["embedding"]
    assert torch.equal(start, initial_weights(product_run.config, {}).W_E[: product_run.config.p])
    expected = coordinates.leading(start, RESIDUES, 0.8).needed(0.8)
    assert frame[frame["label"] == RANDOM]["needed"].tolist()[0] == expected
