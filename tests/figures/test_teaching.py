import math

import numpy as np
import pytest
import torch

from grokbook import data, figures, fourier

P, K = 13, 5
X = torch.arange(P, dtype=torch.float64)


def wave(k: int) -> torch.Tensor:
    angle = 2 * math.pi * k * X / P
    return torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)


def test_residues_stand_on_a_circle():
    layer = torch.cat([3 * wave(K), torch.ones(P, 2), wave(2)], dim=1)  # elsewhere in the layer: not in this plane
    figure = figures.circle(layer, K, marked=[0, 1, P + 8])
    points = {
        int(text): (x, y) for trace in figure.data for text, x, y in zip(trace.text, trace.x, trace.y, strict=True)
    }
    assert sorted(points) == list(range(P))
    for residue, point in points.items():
        turned = 2 * math.pi * K * residue / P
        assert np.allclose(point, (3 * math.cos(turned), 3 * math.sin(turned)))
    assert figure.data[1].text == ("0", "1", "8")
    assert "3.00 to 3.00 from the middle" in figure.layout.meta["caption"]
    assert f"{K / P:.3f} of a turn on average" in figure.layout.meta["caption"]


def test_numbers_of_neighbours_stand_on_different_sides_of_the_circle():
    marks = figures.circle(wave(1), 1, marked=[0, 1, 2]).data[1]
    outside = [
        (position == "middle right") == (x >= 0) for x, position in zip(marks.x, marks.textposition, strict=True)
    ]
    assert outside[0] == outside[2] != outside[1]


def test_a_circle_run_through_backwards_has_the_same_turn():
    layer = torch.stack([wave(K)[:, 0], -wave(K)[:, 1]], dim=1)
    assert f"{K / P:.3f} of a turn on average" in figures.circle(layer, K).layout.meta["caption"]


def test_bars_begin_with_frequency_one():
    norms = fourier.spectrum(2 * wave(K)).combined
    figure = figures.by_frequency({"one": norms, "two": [1.0, 3.0]}, name="n", title="Title", unit="norm")
    assert figure.data[0].x.tolist() == [1, 2, 3, 4, 5, 6]
    assert np.allclose(figure.data[0].y, norms)
    assert figure.data[1].x.tolist() == [1, 2]
    caption = figure.layout.meta["caption"]
    assert "one: 1 of 6 are above half of the largest" in caption
    assert "(k = 5)" in caption
    assert "two: 1 of 2 are above half of the largest, 3 (k = 2)" in caption
    assert len({trace.marker.pattern.shape for trace in figure.data}) == 2  # not by colour alone
    renamed = figures.by_frequency({"two": [1.0, 3.0]}, name="n", title="Title", unit="norm", letter="m")
    assert "3 (m = 2)" in renamed.layout.meta["caption"]
    assert renamed.data[0].hovertemplate.startswith("m = ")


def test_the_lowest_shares_are_named():
    figure = figures.by_frequency({"a": [1.0, 0.5, 0.97, 0.75, 0.99]}, name="n", title="T", unit="share", percent=True)
    assert (
        "lowest 50.0% (k = 2), 75.0% (k = 4), 97.0% (k = 3); all others at least 99.0%" in figure.layout.meta["caption"]
    )
    same = figures.by_frequency({"a": [1.0, 0.5, 0.9, 0.7, 1.0]}, name="n", title="T", unit="share", percent=True)
    assert "; all others 100.0%" in same.layout.meta["caption"]
    few = figures.by_frequency({"a": [0.5, 0.25]}, name="n", title="T", unit="share", percent=True)
    assert "lowest 25.0% (k = 2), 50.0% (k = 1)." in few.layout.meta["caption"]


@pytest.mark.parametrize("operation", ["a-b", "a^2+b"])
def test_the_table_shows_train_pairs_alone(tiny, operation):
    config = tiny(operation)
    figure = figures.task_table(config)
    shown = np.asarray(figure.data[0].z, dtype=float)
    train = data.make(config.parsed_operations, config.p, config.fraction, config.seed).train.reshape(
        config.p, config.p
    )
    for a in range(config.p):
        for b in range(config.p):
            answer = config.parsed_operations[0](a, b, config.p)
            assert shown[b, a] == answer if train[a, b] else np.isnan(shown[b, a])
    assert f"{int(train.sum())} of {config.p**2} pairs" in figure.layout.meta["caption"]


def test_every_figure_is_described(tiny):
    made = [
        figures.circle(wave(K), K),
        figures.by_frequency({"a": [1.0]}, name="bars", title="T", unit="norm"),
        figures.task_table(tiny()),
    ]
    for figure in made:
        assert all(figure.layout.meta[part] for part in ("name", "title", "caption", "alt"))
    assert len({figure.layout.meta["name"] for figure in made}) == 3
