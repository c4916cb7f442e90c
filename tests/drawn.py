"""What a figure shows, as plain values, and what every figure has to say of itself."""

import re

import plotly.graph_objects as go


def assert_self_contained(figure):
    """It says what it is in words, and leaves colours to the page."""
    meta = figure.layout.meta
    assert set(meta) == {"name", "title", "caption", "alt"}
    assert re.fullmatch(r"[a-z0-9_-]+", meta["name"])
    assert len(meta["caption"]) > 40 < len(meta["alt"])
    assert not re.search(r"\b(nan|inf|None)\b", meta["caption"] + meta["alt"])
    assert figure.layout.paper_bgcolor is figure.layout.plot_bgcolor is figure.layout.font.color is None
    go.Figure(figure.to_plotly_json())


def lines_and_marks(figure, row):
    axis = "x" if row == 1 else f"x{row}"
    of_row = [trace for trace in figure.data if (trace.xaxis or "x") == axis and trace.x != (None,)]
    lines = {trace.name: (list(trace.x), list(trace.y)) for trace in of_row if trace.mode == "lines"}
    marks = [
        (trace.legendgroup, trace.marker.symbol, *place)
        for trace in of_row
        if trace.mode == "markers"
        for place in zip(trace.x, trace.y, strict=True)
    ]
    return lines, marks
