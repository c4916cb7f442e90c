"""What is handed out as CSV is what is drawn."""

import io
import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from hypothesis import given
from hypothesis import strategies as st
from plotly.subplots import make_subplots

from grokbook.book.csv import to_csv


def table(figure: go.Figure) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(to_csv(json.loads(figure.to_json()))), keep_default_na=False)


def test_curves_are_rows_under_the_names_of_their_axes():
    figure = go.Figure(
        [go.Scatter(x=[1, 2], y=[0.5, 0.25], name="W<sub>E</sub>"), go.Scatter(x=[3], y=[1.0], name="b")]
    )
    figure.update_layout(xaxis_title="step", yaxis_title="norm of <i>u</i>")
    found = table(figure)
    assert list(found.columns) == ["series", "step", "norm of  u"]
    assert found["series"].tolist() == ["W E", "W E", "b"]
    assert found["step"].tolist() == [1, 2, 3]
    assert found.iloc[:, 2].tolist() == [0.5, 0.25, 1.0]


def test_one_nameless_curve_has_its_coordinates_alone():
    assert list(table(go.Figure(go.Scatter(x=[1], y=[2]))).columns) == ["x", "y"]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=9))
def test_values_survive_to_six_digits(values: list[float]):
    column = table(go.Figure(go.Bar(x=list(range(len(values))), y=np.array(values, dtype=np.float32))))["y"]
    np.testing.assert_allclose(column.to_numpy(dtype=float), values, rtol=1e-5, atol=1e-30)


def test_a_map_has_a_row_per_cell():
    z = np.arange(6, dtype=np.uint8).reshape(2, 3)
    found = table(go.Figure(go.Heatmap(z=z, x=["p", "q", "r"], y=[10, 20])))
    assert found.to_dict("list") == {"x": list("pqrpqr"), "y": [10] * 3 + [20] * 3, "z": [0, 1, 2, 3, 4, 5]}


def test_words_on_cells_come_along():
    found = table(go.Figure(go.Heatmap(z=[[1, 2]], text=[["one<br>by one", ""]])))
    assert found["text"].tolist() == ["one by one", ""]


def test_a_moving_map_has_a_row_per_row_and_step():
    frames = [go.Frame(name=str(step), data=[go.Heatmap(z=[[step, 1], [2, 3]])], traces=[0]) for step in (0, 8)]
    found = table(go.Figure(go.Heatmap(z=[[8, 1], [2, 3]], x=["p", "q"], y=["s", "t"]), frames=frames))
    assert found.to_dict("list") == {"frame": [0, 0, 8, 8], "y": list("stst"), "p": [0, 2, 8, 2], "q": [1, 3, 1, 3]}


def test_frames_change_what_they_name_and_keep_the_rest():
    figure = go.Figure([go.Bar(x=[5, 6], y=[1, 2], name="moves"), go.Bar(x=[7], y=[3], name="stays")])
    figure.frames = [go.Frame(name="9", data=[go.Bar(y=[4, 8])], traces=[0])]
    rows = table(figure)
    assert rows["y"].tolist() == [4, 8, 3]
    assert rows["x"].tolist() == [5, 6, 7]


def test_panels_are_told_apart():
    figure = make_subplots(rows=2, cols=1)
    figure.add_scatter(x=[1], y=[2], row=1, col=1)
    figure.add_scatter(x=[3], y=[4], row=2, col=1)
    figure.update_yaxes(title="accuracy", row=1, col=1)
    figure.update_yaxes(title="norm", row=2, col=1)
    assert table(figure).to_dict("list") == {"panel": [1, 2], "x": [1, 3], "y": [2, 4]}


def test_panels_are_called_by_their_headings():
    figure = make_subplots(rows=1, cols=2, subplot_titles=["W<sub>E</sub>", "W<sub>L</sub>"])
    figure.add_bar(x=[1], y=[2], row=1, col=2)
    figure.add_bar(x=[3], y=[4], row=1, col=1)
    assert dict(zip(table(figure)["panel"], table(figure)["y"], strict=True)) == {"W L": 2, "W E": 4}


def test_gaps_are_empty_and_numbers_are_written_out():
    text = to_csv(json.loads(go.Figure(go.Scatter(x=[1e-7, 100000], y=[np.nan, 1 / 3])).to_json()))
    assert text == "x,y\n0.0000001,\n100000,0.333333\n"
    broken = go.Figure(go.Scatter(x=[1, None, 3], y=[2, None, 4]))
    assert to_csv(json.loads(broken.to_json())) == "x,y\n1,2\n,\n3,4\n", "whole numbers stay whole"
