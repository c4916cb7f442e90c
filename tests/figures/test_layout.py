import plotly.graph_objects as go

from grokbook.figures.layout import category_rows, in_rows, share_legend, stacked


def test_each_group_of_traces_has_one_entry_in_the_legend():
    figure = go.Figure([go.Scatter(legendgroup=group) for group in ("one", "two", "one", None, "two")])
    share_legend(figure)
    assert [trace.showlegend for trace in figure.data] == [True, True, False, None, False]


def test_what_is_stacked_stands_in_its_row_under_its_title():
    figure = stacked(["first", "second"], 0.2)
    for title, place in in_rows(["first", "second"]):
        figure.add_scatter(name=title, **place)
    assert [note.text for note in figure.layout.annotations] == [trace.name for trace in figure.data]
    assert [trace.yaxis for trace in figure.data] == ["y", "y2"]
    assert stacked(["", ""], 0.2).layout.annotations == (), "no title, no text"


def test_rows_of_categories_are_equally_high_in_each_plot():
    names = {"many": ["a", "b", "c"], "one": ["d"]}
    figure, height = category_rows(names, row=20, gap=40)
    assert height == 3 * 20 + 40 + 20
    axes = figure.layout.yaxis, figure.layout.yaxis2
    assert [list(axis.categoryarray) for axis in axes] == list(names.values())
    assert [axis.range for axis in axes] == [(2.5, -0.5), (0.5, -0.5)], "the first on top"
    heights = [axis.domain[1] - axis.domain[0] for axis in axes]
    assert round(heights[0] / heights[1], 6) == 3
    category_rows({"alone": ["a"]}, row=20, gap=40)
